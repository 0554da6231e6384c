/*
 * Design: places are not kept. When all answers are there, the address fields are read a second
 * time, which costs no memory and finds the same ranges.
 */
#include "rewrite/complete.h"

#include "msa/base/require.h"
#include "rewrite/address.h"

#include <stdio.h>
#include <string.h>

void rewrite_complete_init(struct rewrite_complete *c, const struct sv *domains, size_t count,
                           bool keep)
{
    *c = (struct rewrite_complete){.domains = domains, .domain_count = count, .keep = keep};
}

static bool refuse(enum rewrite_refusal_kind kind, enum rewrite_field_kind field, struct sv label,
                   struct rewrite_refusal *out)
{
    char subject[128];
    snprintf(subject, sizeof(subject), "%s: the domain %.*s", rewrite_fields_name(field),
             SV_ARG(label));
    rewrite_refusal_make(out, kind, sv_of(subject));
    return false;
}

static const struct rewrite_label *find(const struct rewrite_complete *c, struct sv label)
{
    for (size_t i = 0; i < c->count; i++)
        if (sv_ieq(label, sv_of(c->labels[i].text)))
            return &c->labels[i];
    return NULL;
}

bool rewrite_complete_can(const struct rewrite_complete *c, struct sv label)
{
    size_t digits = 0;
    while (digits < label.len && ascii_digit(label.ptr[digits]))
        digits++;
    return c->domain_count > 0 && digits < label.len && label.len <= SMTP_LABEL_MAX &&
           smtp_domain_valid(label);
}

bool rewrite_complete_note(struct rewrite_complete *c, enum rewrite_field_kind field,
                           struct sv label, struct rewrite_refusal *refusal_out)
{
    REQUIRE(rewrite_complete_can(c, label));
    bool known = find(c, label) != NULL;
    if (c->uses == REWRITE_LABEL_USES_MAX || (!known && c->count == REWRITE_LABELS_MAX))
        return c->keep || refuse(REWRITE_REFUSAL_LABELS, field, label, refusal_out);
    c->uses++;
    if (known)
        return true;
    struct rewrite_label *l = &c->labels[c->count++];
    *l = (struct rewrite_label){.field = field, .domain = c->domain_count};
    for (size_t i = 0; i < label.len; i++)
        l->text[i] = ascii_lower(label.ptr[i]);
    return true;
}

/* The candidate at hand as a name; false if it would be none. */
static bool write_name(struct rewrite_complete *c)
{
    struct sv domain = c->domains[c->candidate];
    int len = snprintf(c->name, sizeof(c->name), "%s.%.*s", c->labels[c->at].text, SV_ARG(domain));
    return len > 0 && (size_t)len < sizeof(c->name) && smtp_domain_valid(sv_of(c->name));
}

enum rewrite_complete_step rewrite_complete_next(struct rewrite_complete *c, struct sv *name_out,
                                                 struct rewrite_refusal *refusal_out)
{
    for (; c->at < c->count; c->at++, c->candidate = 0) {
        const struct rewrite_label *l = &c->labels[c->at];
        if (l->domain < c->domain_count)
            continue;
        for (; c->candidate < c->domain_count; c->candidate++)
            if (write_name(c)) {
                *name_out = sv_of(c->name);
                return REWRITE_COMPLETE_ASK;
            }
        if (!c->keep) {
            refuse(REWRITE_REFUSAL_UNQUALIFIED, l->field, sv_of(l->text), refusal_out);
            return REWRITE_COMPLETE_REFUSED;
        }
    }
    return REWRITE_COMPLETE_DONE;
}

bool rewrite_complete_answer(struct rewrite_complete *c, enum rewrite_name_answer answer,
                             struct rewrite_refusal *refusal_out)
{
    REQUIRE(c->at < c->count && c->candidate < c->domain_count);
    struct rewrite_label *l = &c->labels[c->at];
    switch (answer) {
    case REWRITE_NAME_YES:
        l->domain = c->candidate;
        break;
    case REWRITE_NAME_NO:
        c->candidate++;
        break;
    case REWRITE_NAME_UNKNOWN: /* a later domain must not take what an earlier one may have */
        return refuse(REWRITE_REFUSAL_UNRESOLVED, l->field, sv_of(l->text), refusal_out);
    }
    return true;
}

struct sv rewrite_complete_domain(const struct rewrite_complete *c, struct sv label)
{
    const struct rewrite_label *l = find(c, label);
    return l && l->domain < c->domain_count ? c->domains[l->domain] : SV_NONE;
}

struct editing {
    const struct rewrite_complete *complete;
    struct sv section;
    size_t line_max;
    struct rewrite_edits *edits;
    size_t uses;             /* places seen; those that were not noted lie behind them and stay */
    size_t line, line_added; /* start of the line at hand, bytes that edits add to it */
    uint64_t *walked;
};

/* How long the line around at gets when n bytes more are put there. Looks at one line only, which
 * is bounded, and edits are few. */
static size_t grow_line(struct editing *e, size_t at, size_t n)
{
    size_t from = sv_rfind(sv_first(e->section, at), '\n');
    from = from < at ? from + 1 : 0;
    size_t to = at + sv_find(sv_skip(e->section, at), '\r');
    *e->walked += to - from;
    if (e->line != from)
        e->line_added = 0;
    e->line = from;
    e->line_added += n;
    return to - from + e->line_added;
}

/* The label at [from, to); false: its line would become too long. */
static bool edit_label(struct editing *e, size_t from, size_t to)
{
    const struct rewrite_complete *c = e->complete;
    const struct rewrite_label *l = find(c, sv_first(sv_skip(e->section, from), to - from));
    char text[SMTP_DOMAIN_MAX + 2];
    if (!l)
        return true;
    e->uses++;
    if (l->domain == c->domain_count)
        return true;
    snprintf(text, sizeof(text), ".%.*s", SV_ARG(c->domains[l->domain]));
    int err = rewrite_edits_put(e->edits, to, to, sv_of(text), REWRITE_WHY_COMPLETED, 0);
    REQUIRE(!err); /* uses are bounded, and so are domains */
    return grow_line(e, to, strlen(text)) <= e->line_max;
}

static bool edit_field(struct editing *e, const struct rewrite_field *f,
                       struct rewrite_refusal *refusal_out)
{
    struct rewrite_addresses w;
    struct rewrite_address a;
    bool good = true;
    rewrite_addresses_init(&w, e->section, f->value, f->end, SIZE_MAX);
    while (good && e->uses < e->complete->uses &&
           rewrite_addresses_next(&w, &a) == REWRITE_ADDRESS_MAILBOX)
        if (a.domain_kind == REWRITE_DOMAIN_LABEL && !edit_label(e, a.domain, a.domain_end))
            good = refuse(REWRITE_REFUSAL_COMPLETED_LINE, f->kind,
                          sv_first(sv_skip(e->section, a.domain), a.domain_end - a.domain),
                          refusal_out);
    *e->walked += w.walked;
    return good;
}

bool rewrite_complete_edit(const struct rewrite_complete *c, struct sv section, size_t line_max,
                           struct rewrite_edits *edits, uint64_t *walked,
                           struct rewrite_refusal *refusal_out)
{
    struct editing e = {
        .complete = c, .section = section, .line_max = line_max, .edits = edits, .walked = walked};
    struct rewrite_field f;
    size_t at = 0;
    bool good = true;
    while (good && e.uses < c->uses && rewrite_fields_next(section, &at, &f)) {
        *walked += f.end - f.start;
        if (rewrite_fields_is_address(f.kind))
            good = edit_field(&e, &f, refusal_out);
    }
    return good;
}
