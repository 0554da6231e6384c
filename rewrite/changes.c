#include "rewrite/changes.h"

#include "msa/base/require.h"
#include "msa/base/utf8.h"
#include "rewrite/date.h"
#include "rewrite/results.h"

#include <stdio.h>
#include <string.h>

void rewrite_changes_init(struct rewrite_changes *c)
{
    const struct conf_strings *drop = &c->options->drop;
    c->walked = c->drop_lengths = 0;
    c->gone_to = c->top_fields = 0;
    for (size_t i = 0; i < drop->count && !c->gateway; i++)
        c->drop_lengths |= UINT64_C(1) << strlen(drop->items[i]) % 64;
}

static void put(struct rewrite_changes *c, size_t from, size_t to, struct sv text,
                enum rewrite_why why, size_t rule)
{
    int err = rewrite_edits_put(c->edits, from, to, text, why, (uint16_t)rule);
    REQUIRE(!err); /* each text is bounded, and the list has room for them all */
}

/* ---- fields that go ---- */

/* Index in options->drop, or their count. */
static size_t find_drop(const struct rewrite_changes *c, struct sv name)
{
    const struct conf_strings *drop = &c->options->drop;
    size_t i = 0;
    if (!(c->drop_lengths >> name.len % 64 & 1))
        return drop->count;
    while (i < drop->count && !sv_ieq(name, sv_of(drop->items[i])))
        i++;
    return i;
}

static bool is_forged(const struct rewrite_changes *c, struct sv section,
                      const struct rewrite_field *f)
{
    return f->kind == REWRITE_FIELD_AUTHENTICATION_RESULTS && !c->gateway &&
           c->options->drop_forged_results &&
           rewrite_results_are_ours(sv_range(section.ptr + f->value, section.ptr + f->end),
                                    c->received->by, c->domains, c->domain_count);
}

bool rewrite_changes_note(struct rewrite_changes *c, struct sv section,
                          const struct rewrite_field *f)
{
    size_t dropped = find_drop(c, sv_first(sv_skip(section, f->start), f->name_len));
    bool drop = dropped < c->options->drop.count;
    c->walked += f->name_len;
    if (!drop && !is_forged(c, section, f))
        return false;
    put(c, f->start, f->end, SV_NONE, drop ? REWRITE_WHY_DROPPED : REWRITE_WHY_FORGED_RESULTS,
        drop ? dropped : 0);
    c->gone_to = f->end;
    return true;
}

/* ---- fields that are replaced ---- */

/* The first field of a kind. */
static bool find_field(struct rewrite_changes *c, struct sv section, enum rewrite_field_kind kind,
                       size_t *at, struct rewrite_field *out)
{
    while (rewrite_fields_next(section, at, out)) {
        c->walked += out->end - out->start;
        if (out->kind == kind)
            return true;
    }
    return false;
}

/* What stands behind the colon becomes text; the line end stays. */
static void replace_value(struct rewrite_changes *c, struct sv section,
                          enum rewrite_field_kind kind, struct sv text, enum rewrite_why why)
{
    struct rewrite_field f;
    size_t at = 0;
    bool found = find_field(c, section, kind, &at, &f);
    REQUIRE(found);
    size_t end = f.end;
    while (end > f.value && (section.ptr[end - 1] == '\n' || section.ptr[end - 1] == '\r'))
        end--;
    put(c, f.value, end, text, why, 0);
}

/* None of them can be read. */
static void rename_dates(struct rewrite_changes *c, struct sv section)
{
    struct rewrite_field f;
    for (size_t at = 0; find_field(c, section, REWRITE_FIELD_DATE, &at, &f);)
        put(c, f.start, f.start, SV("X-Original-"), REWRITE_WHY_DATE_REPLACED, 0);
}

/* ---- fields on top ---- */

/* Below those that were put there before; text is empty afterwards. */
static void put_top(struct rewrite_changes *c, struct buf *text, enum rewrite_why why)
{
    put(c, 0, 0, buf_view(text), why, 0);
    c->top_fields++;
    buf_reset(text);
}

static void write_text(struct buf *text, const char *before, struct sv value, const char *behind)
{
    int err = buf_printf(text, "%s%.*s%s", before, SV_ARG(value), behind);
    REQUIRE(!err);
}

static void put_received(struct rewrite_changes *c, const struct rewrite_facts *facts,
                         struct buf *text)
{
    struct rewrite_received received = *c->received;
    if (!received.solicit.len)
        received.solicit = sv_of(facts->solicitation);
    int err = rewrite_received_write(text, &received);
    REQUIRE(!err);
    put_top(c, text, REWRITE_WHY_RECEIVED);
}

static void put_message_id(struct rewrite_changes *c, const struct rewrite_changes_end *e,
                           struct buf *text)
{
    struct rewrite_facts *f = e->facts;
    bool replace = f->has_message_id && !f->message_id_readable && !c->gateway;
    if (!c->options->add_message_id || (f->has_message_id && !replace))
        return;
    snprintf(f->message_id, sizeof f->message_id, "<%.*s@%.*s>", SV_ARG(c->received->id),
             SV_ARG(c->received->by));
    write_text(text, replace ? " " : "Message-ID: ", sv_of(f->message_id), replace ? "" : "\r\n");
    if (replace) {
        replace_value(c, e->section, REWRITE_FIELD_MESSAGE_ID, buf_view(text),
                      REWRITE_WHY_MESSAGE_ID_REPLACED);
        buf_reset(text);
    } else {
        put_top(c, text, REWRITE_WHY_MESSAGE_ID_ADDED);
    }
}

/* True: it takes the place of others, which are renamed when all fields on top are put: the first
 * of them may stand where those go. */
static bool put_date(struct rewrite_changes *c, const struct rewrite_changes_end *e,
                     struct buf *text)
{
    const struct rewrite_facts *f = e->facts;
    bool replace = f->has_date && !f->date_readable && !c->gateway;
    char date[REWRITE_DATE_MAX];
    if (!c->options->add_date || (f->has_date && !replace))
        return false;
    rewrite_date_write(date, c->received->wall_s);
    write_text(text, "Date: ", sv_of(date), "\r\n");
    put_top(c, text, replace ? REWRITE_WHY_DATE_REPLACED : REWRITE_WHY_DATE_ADDED);
    return replace;
}

/* False: the message is to be refused. */
static bool put_authors(struct rewrite_changes *c, const struct rewrite_changes_end *e,
                        struct buf *text, struct rewrite_refusal *refusal_out)
{
    char from_text[REWRITE_RULES_TEXT], sender_text[REWRITE_RULES_TEXT];
    struct sv from = rewrite_readdress_text(c->rules, e->named.from, from_text);
    struct sv sender = rewrite_readdress_text(c->rules, e->named.sender, sender_text);
    if (from.len + 2 > SMTP_PATH_MAX)
        return rewrite_readdress_refuse(REWRITE_FIELD_FROM, e->named.from, refusal_out);
    if (sender.len + 2 > SMTP_PATH_MAX)
        return rewrite_readdress_refuse(REWRITE_FIELD_SENDER, e->named.sender, refusal_out);
    if (from.len) {
        write_text(text, "From: <", from, ">\r\n");
        put_top(c, text, REWRITE_WHY_FROM_ADDED);
    }
    if (sender.len && e->facts->has_sender) {
        write_text(text, " <", sender, ">");
        replace_value(c, e->section, REWRITE_FIELD_SENDER, buf_view(text),
                      REWRITE_WHY_SENDER_REPLACED);
        buf_reset(text);
    } else if (sender.len) {
        write_text(text, "Sender: <", sender, ">\r\n");
        put_top(c, text, REWRITE_WHY_SENDER_ADDED);
    }
    return true;
}

/* ---- addresses ---- */

static bool put_addresses(struct rewrite_changes *c, const struct rewrite_changes_end *e,
                          struct rewrite_refusal *refusal_out)
{
    struct rewrite_readdress r = {.complete = e->complete,
                                  .rules = c->rules,
                                  .cnames = e->cnames,
                                  .section = e->section,
                                  .edits = c->edits};
    struct rewrite_field f;
    bool good = true, sender_goes = e->named.sender.len > 0;
    if (c->gateway || !rewrite_readdress_wanted(&r))
        return true;
    for (size_t at = 0; good && rewrite_fields_next(e->section, &at, &f);) {
        c->walked += f.end - f.start;
        if (f.kind == REWRITE_FIELD_SENDER && sender_goes) {
            sender_goes = false; /* its value is replaced */
            continue;
        }
        if (find_drop(c, sv_first(sv_skip(e->section, f.start), f.name_len)) ==
            c->options->drop.count)
            good = rewrite_readdress_field(&r, &f, refusal_out);
    }
    c->walked += r.walked;
    return good;
}

/* ---- the whole ---- */

static void put_end(struct rewrite_changes *c, const struct rewrite_changes_end *e)
{
    size_t len = e->section.len;
    struct sv text = e->end_text;
    if (len && c->gone_to == len)
        text = SV("\r\n"); /* the line that was not ended is gone */
    if (e->end_text.len)
        put(c, len, len, text, REWRITE_WHY_END, 0);
}

static bool refuse_line(struct rewrite_changes *c, struct sv section,
                        const struct rewrite_edits_cursor *cursor, struct rewrite_refusal *out)
{
    const struct rewrite_edit *edit = &c->edits->list[cursor->edit - 1];
    struct rewrite_field f;
    size_t at = 0;
    while (rewrite_fields_next(section, &at, &f) && f.end <= edit->from) {
    }
    rewrite_refusal_make(out, REWRITE_REFUSAL_EDITED_LINE,
                         sv_first(sv_skip(section, f.start), f.name_len));
    out->setting = rewrite_why_row(edit->why)->setting;
    return false;
}

/* Edits may make a line too long. False: refused. */
static bool judge_lines(struct rewrite_changes *c, struct sv section, struct rewrite_refusal *out)
{
    struct rewrite_edits_cursor cursor = {0};
    struct sv run;
    size_t len = 0; /* of the line so far */
    if (c->edits->count == c->top_fields)
        return true;
    while (rewrite_edits_next(c->edits, section, &cursor, &run)) {
        c->walked += run.len;
        while (run.len) {
            size_t before = run.len;
            size_t n = sv_split(&run, '\n').len;
            bool ended = n < before;
            len += n;
            if (len > (ended ? REWRITE_LINE_MAX + 1u : REWRITE_LINE_MAX))
                return refuse_line(c, section, &cursor, out);
            if (ended)
                len = 0;
        }
    }
    return true;
}

/* As it leaves: what was removed or replaced asks nothing of the next hop. */
static bool is_eight_bit(struct rewrite_changes *c, struct sv section)
{
    struct rewrite_edits_cursor cursor = {0};
    struct sv run;
    bool ascii = true;
    while (ascii && rewrite_edits_next(c->edits, section, &cursor, &run))
        ascii = utf8_is_ascii(run);
    return !ascii;
}

bool rewrite_changes_finish(struct rewrite_changes *c, const struct rewrite_changes_end *e,
                            struct rewrite_refusal *refusal_out)
{
    struct buf text;
    buf_init(&text, REWRITE_RECEIVED_MAX, 0);
    put_received(c, e->facts, &text);
    put_message_id(c, e, &text);
    bool renames = put_date(c, e, &text);
    bool good = put_authors(c, e, &text, refusal_out) && put_addresses(c, e, refusal_out);
    if (renames)
        rename_dates(c, e->section);
    put_end(c, e);
    buf_deinit(&text);
    rewrite_edits_seal(c->edits);
    e->facts->eight_bit_header = is_eight_bit(c, e->section);
    return good && judge_lines(c, e->section, refusal_out);
}
