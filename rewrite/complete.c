#include "rewrite/complete.h"

#include "msa/base/require.h"

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

bool rewrite_complete_has(const struct rewrite_complete *c, struct sv label)
{
    return find(c, label) != NULL;
}

struct sv rewrite_complete_domain(const struct rewrite_complete *c, struct sv label)
{
    const struct rewrite_label *l = find(c, label);
    return l && l->domain < c->domain_count ? c->domains[l->domain] : SV_NONE;
}
