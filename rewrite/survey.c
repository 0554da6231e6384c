#include "rewrite/survey.h"

#include "msa/base/mem.h"
#include "msa/base/require.h"
#include "rewrite/downgrade.h"
#include "rewrite/mime_header.h"
#include "rewrite/stream.h"

#include <stdlib.h>
#include <string.h>

#define PGP_MARK                                                               \
    "-----BEGIN PGP SIGNED MESSAGE-----" /* RFC 4880 7, at the start of a line \
                                          */

static const struct {
    uint16_t code, detail;
    const char *words;
} unfits[] = {
#define UNFIT_ROW(name, code, detail, words) [REWRITE_UNFIT_##name] = {code, detail, words},
    REWRITE_UNFIT(UNFIT_ROW)
#undef UNFIT_ROW
};

const char *rewrite_unfit_text(enum rewrite_unfit why)
{
    return unfits[why].words;
}

struct smtp_reply rewrite_unfit_reply(enum rewrite_unfit why)
{
    return (struct smtp_reply){.code = unfits[why].code,
                               .enhanced = SMTP_STATUS(5, 6, unfits[why].detail),
                               .text = sv_of(unfits[why].words)};
}

void rewrite_plan_deinit(struct rewrite_plan *p)
{
    free(p->entities);
    p->entities = NULL;
}

void rewrite_survey_init(struct rewrite_survey *s, unsigned form, size_t header_max)
{
    if (form & REWRITE_FORM_7BIT)
        form |= REWRITE_FORM_LINES | REWRITE_FORM_ASCII_HEADER;
    *s = (struct rewrite_survey){.plan.form = form};
    rewrite_mime_init(&s->walk, header_max);
}

void rewrite_survey_deinit(struct rewrite_survey *s)
{
    rewrite_mime_deinit(&s->walk);
    rewrite_plan_deinit(&s->plan);
}

void rewrite_survey_take(struct rewrite_survey *s, struct rewrite_plan *out)
{
    *out = s->plan;
    s->plan.entities = NULL;
}

/* ---- counting ---- */

static void count_utf8(struct rewrite_count *k, unsigned char c)
{
    if (k->tail) {
        if (c < k->low || c > k->high)
            k->is_no_utf8 = true;
        k->tail--;
        k->low = 0x80;
        k->high = 0xbf;
        return;
    }
    if (c < 0x80)
        return;
    k->low = c == 0xe0 ? 0xa0 : c == 0xf0 ? 0x90 : 0x80;
    k->high = c == 0xed ? 0x9f : c == 0xf4 ? 0x8f : 0xbf;
    k->tail = c < 0xe0 ? 1 : c < 0xf0 ? 2 : 3;
    if (c < 0xc2 || c > 0xf4)
        k->is_no_utf8 = true;
}

static void end_line(struct rewrite_count *k)
{
    k->is_long = k->is_long || k->line > REWRITE_LINE_MAX;
    k->line = 0;
    k->pgp = 0;
    k->cr = false;
}

static void count_byte(struct rewrite_count *k, unsigned char c)
{
    if (c >= 0x80 || k->tail) {
        k->eight_bit = true;
        count_utf8(k, c);
    }
    if (c == '\n') {
        k->is_bare = k->is_bare || !k->cr;
        end_line(k);
        return;
    }
    if (k->cr) { /* it ended no line */
        k->is_bare = true;
        k->line++;
    }
    k->cr = c == '\r';
    if (k->cr)
        return;
    if (k->line == k->pgp && (char)c == PGP_MARK[k->pgp]) {
        k->pgp++;
        if (k->pgp == sizeof PGP_MARK - 1) {
            k->is_pgp = true;
            k->pgp = 0;
        }
    }
    k->line++;
    k->is_bare = k->is_bare || c == '\0';
    k->quoted += c > 126 || (c < 32 && c != '\t') || c == '=';
}

static void count(struct rewrite_count *k, struct sv bytes)
{
    const char *at = bytes.ptr, *end = bytes.ptr + bytes.len;
    k->bytes += bytes.len;
    while (at < end) {
        /* most bytes are letters inside of a line */
        if (k->line != k->pgp && !k->cr && !k->tail) {
            const char *run = at;
            while (at < end && *at >= 32 && *at < 127 && *at != '=')
                at++;
            k->line += (uint64_t)(at - run);
            if (at == end)
                break;
        }
        count_byte(k, (unsigned char)*at++);
    }
}

/* Nothing more comes, or a delimiter. */
static void end_count(struct rewrite_count *k)
{
    k->is_bare = k->is_bare || k->cr;
    k->is_no_utf8 = k->is_no_utf8 || k->tail;
    end_line(k);
    k->tail = 0;
}

/* ---- deciding ---- */

static void note_unfit(struct rewrite_survey *s, enum rewrite_unfit why)
{
    if (s->plan.unfit == REWRITE_UNFIT_NONE)
        s->plan.unfit = why;
}

/* Something has changed in the entities of the first levels. */
static void note_change(struct rewrite_survey *s, size_t levels)
{
    s->plan.changes = true;
    for (size_t i = 0; i < levels; i++)
        s->plan.entities[s->levels[i].entity] |= REWRITE_PLAN_VERSION;
}

static bool is_unfit(const struct rewrite_survey *s, const struct rewrite_survey_level *l)
{
    const struct rewrite_count *k = &l->count;
    /* a header may lie in what was not looked into */
    unsigned eight_bit =
        REWRITE_FORM_7BIT | (l->kind >= REWRITE_MIME_DEEP ? REWRITE_FORM_ASCII_HEADER : 0);
    return ((s->plan.form & eight_bit) && k->eight_bit) ||
           ((s->plan.form & REWRITE_FORM_LINES) && (k->is_long || k->is_bare));
}

/* How a leaf that is not encoded yet is written. */
static enum rewrite_transfer_form form_of(const struct rewrite_survey_level *l)
{
    const struct rewrite_count *k = &l->count;
    if (l->kind == REWRITE_MIME_OTHER)
        return REWRITE_TRANSFER_BASE64;
    uint64_t quoted = k->bytes + 2 * k->quoted, base64 = k->bytes / 3 * 4;
    quoted += quoted / 73 * 3; /* soft line breaks */
    base64 += base64 / 76 * 2;
    return quoted <= base64 + 16 ? REWRITE_TRANSFER_QUOTED_PRINTABLE : REWRITE_TRANSFER_BASE64;
}

static enum rewrite_unfit find_unfit(const struct rewrite_survey_level *l)
{
    switch (l->kind) {
    case REWRITE_MIME_SIGNED:
        return REWRITE_UNFIT_SIGNED;
    case REWRITE_MIME_ENCRYPTED:
        return REWRITE_UNFIT_ENCRYPTED;
    case REWRITE_MIME_FIXED:
        return REWRITE_UNFIT_FIXED;
    case REWRITE_MIME_DEEP:
        return REWRITE_UNFIT_DEEP;
    case REWRITE_MIME_REST:
        return REWRITE_UNFIT_REST;
    case REWRITE_MIME_TEXT:
    case REWRITE_MIME_OTHER:
    case REWRITE_MIME_UNREADABLE:
    case REWRITE_MIME_MULTIPART:
    case REWRITE_MIME_MESSAGE:
        break;
    }
    if (l->encoding == REWRITE_MIME_ENCODED)
        return REWRITE_UNFIT_ENCODED;
    bool is_pgp = l->count.is_pgp && l->kind != REWRITE_MIME_OTHER;
    return is_pgp && l->encoding <= REWRITE_MIME_BINARY ? REWRITE_UNFIT_PGP : REWRITE_UNFIT_NONE;
}

static void decide_leaf(struct rewrite_survey *s, const struct rewrite_survey_level *l)
{
    const struct rewrite_count *k = &l->count;
    unsigned entry;
    enum rewrite_unfit why = find_unfit(l);
    if (why != REWRITE_UNFIT_NONE) {
        note_unfit(s, why);
        return;
    }
    if (l->encoding == REWRITE_MIME_QUOTED_PRINTABLE)
        entry = REWRITE_TRANSFER_QUOTED_PRINTABLE_AGAIN;
    else if (l->encoding == REWRITE_MIME_BASE64)
        entry = REWRITE_TRANSFER_BASE64_AGAIN;
    else
        entry = form_of(l);
    bool is_text = l->kind == REWRITE_MIME_UNREADABLE || l->kind == REWRITE_MIME_MULTIPART;
    if (is_text)
        entry |= REWRITE_PLAN_RETYPE;
    bool lacks_charset = l->lacks_charset && l->encoding <= REWRITE_MIME_BINARY;
    if (k->eight_bit && (lacks_charset || is_text))
        entry |= k->is_no_utf8 ? REWRITE_PLAN_UNKNOWN : REWRITE_PLAN_UTF8;
    s->plan.entities[l->entity] |= (uint8_t)entry;
    note_change(s, s->nlevels);
}

/* ---- events ---- */

static void add_entity(struct rewrite_survey *s, uint32_t entity)
{
    if (entity < s->plan.count)
        return; /* the one that stands for all the rest */
    if (s->plan.count == s->cap) {
        s->cap = s->cap ? 2 * s->cap : 16;
        s->plan.entities = mem_resize(s->plan.entities, s->cap, sizeof *s->plan.entities);
    }
    s->plan.entities[s->plan.count++] = REWRITE_TRANSFER_KEEP;
}

/* Tries what the second pass will write. */
static void try_header(struct rewrite_survey *s, struct sv section, uint32_t entity)
{
    bool ascii = s->plan.form & REWRITE_FORM_ASCII_HEADER;
    if (rewrite_mime_header_fits(section, ascii))
        return;
    struct rewrite_mime_change change = {.ascii = ascii, .inner = entity > 0};
    struct buf out;
    buf_init(&out, REWRITE_DOWNGRADE_GROWTH(section.len) + 1024, 0);
    switch (rewrite_mime_header_write(section, &change, &out)) {
    case REWRITE_MIME_HEADER_OK:
        note_change(s, s->nlevels - 1);
        break;
    case REWRITE_MIME_HEADER_FIELD:
        note_unfit(s, REWRITE_UNFIT_FIELD);
        break;
    case REWRITE_MIME_HEADER_ADDRESS:
        note_unfit(s, REWRITE_UNFIT_ADDRESS);
        break;
    case REWRITE_MIME_HEADER_LINE:
        note_unfit(s, REWRITE_UNFIT_LINE);
        break;
    }
    buf_deinit(&out);
}

static void take(struct rewrite_survey *s, const struct rewrite_mime_event *e)
{
    struct rewrite_survey_level *l = s->nlevels ? &s->levels[s->nlevels - 1] : NULL;
    switch (e->kind) {
    case REWRITE_MIME_EVENT_HEADER:
        add_entity(s, e->entity);
        if (l)
            l->has_parts = true;
        l = &s->levels[s->nlevels++];
        *l = (struct rewrite_survey_level){.entity = e->entity,
                                           .kind = e->what->kind,
                                           .encoding = e->what->encoding,
                                           .lacks_charset = e->what->lacks_charset};
        try_header(s, e->bytes, e->entity);
        if ((s->plan.form & REWRITE_FORM_LINES) && l->encoding == REWRITE_MIME_BINARY)
            s->plan.changes = true; /* the label says what such a hop cannot take */
        break;
    case REWRITE_MIME_EVENT_CONTENT:
    case REWRITE_MIME_EVENT_BETWEEN:
    case REWRITE_MIME_EVENT_DELIMITER:
        count(&l->count, e->bytes);
        break;
    case REWRITE_MIME_EVENT_END:
        end_count(&l->count);
        if (is_unfit(s, l)) {
            if (l->kind == REWRITE_MIME_MULTIPART && l->has_parts)
                note_change(s, s->nlevels);
            else
                decide_leaf(s, l);
        }
        s->nlevels--;
        break;
    }
}

static void drain(struct rewrite_survey *s)
{
    struct rewrite_mime_event e;
    while (rewrite_mime_next(&s->walk, &e))
        take(s, &e);
}

void rewrite_survey_feed(struct rewrite_survey *s, struct sv bytes)
{
    while (bytes.len) {
        bytes = sv_skip(bytes, rewrite_mime_feed(&s->walk, bytes));
        drain(s);
    }
}

void rewrite_survey_end(struct rewrite_survey *s)
{
    rewrite_mime_end(&s->walk);
    drain(s);
}
