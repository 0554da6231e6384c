/*
 * The record: version, submitted section, then items in a row. An item begins with its tag:
 *
 *     LAYER  source, body, name
 *     EDIT   from, to, why, rule, text       of the layer above
 *
 * No counts: a layer is written as it happens. The new text of each edit is kept and the old one is
 * not: it stands in the section before.
 */
#include "rewrite/provenance.h"

#include "msa/base/pack.h"
#include "msa/base/require.h"

#define VERSION 1

enum { TAG_LAYER = 1, TAG_EDIT = 2 };

/* bytes without texts */
#define HEAD_BYTES  (1 + 4)
#define LAYER_BYTES (1 + 1 + 1 + 4)
#define EDIT_BYTES  (1 + 4 + 4 + 1 + 4 + 4)

const char *rewrite_source_words(enum rewrite_source by)
{
#define SOURCE_WORDS(name, words) words,
    static const char *const texts[] = {REWRITE_SOURCES(SOURCE_WORDS)};
#undef SOURCE_WORDS
    REQUIRE(by < REWRITE_SOURCE_COUNT);
    return texts[by];
}

/* ---- writing ---- */

void rewrite_provenance_init(struct rewrite_provenance *p)
{
    *p = (struct rewrite_provenance){0};
    buf_init(&p->record, REWRITE_PROVENANCE_MAX, 0);
}

void rewrite_provenance_deinit(struct rewrite_provenance *p)
{
    buf_deinit(&p->record);
}

void rewrite_provenance_go_on(struct rewrite_provenance *to, const struct rewrite_provenance *from)
{
    to->before = from->before + buf_len(&from->record);
    to->layers = from->layers;
    to->given_up = from->given_up;
}

/* Whether so many bytes more may be written. */
static bool has_room(struct rewrite_provenance *p, size_t fixed, struct sv text)
{
    size_t used = p->before + buf_len(&p->record);
    size_t room = used < REWRITE_PROVENANCE_MAX ? REWRITE_PROVENANCE_MAX - used : 0;
    if (!p->given_up && (fixed > room || text.len > room - fixed)) {
        p->given_up = true;
        buf_release(&p->record);
    }
    return !p->given_up;
}

void rewrite_provenance_begin(struct rewrite_provenance *p, struct sv submitted)
{
    REQUIRE(buf_len(&p->record) == 0);
    if (!has_room(p, HEAD_BYTES, submitted))
        return;
    pack_u8(&p->record, VERSION);
    pack_sv(&p->record, submitted);
}

void rewrite_provenance_layer(struct rewrite_provenance *p, enum rewrite_source by, struct sv name,
                              bool body)
{
    bool has_begun = p->before + buf_len(&p->record) > 0;
    if (!has_begun || ++p->layers > REWRITE_PROVENANCE_LAYERS) {
        p->given_up = true;
        buf_release(&p->record);
    }
    if (!has_room(p, LAYER_BYTES, name))
        return;
    pack_u8(&p->record, TAG_LAYER);
    pack_u8(&p->record, (uint8_t)by);
    pack_u8(&p->record, body);
    pack_sv(&p->record, name);
}

void rewrite_provenance_edit(struct rewrite_provenance *p, size_t from, size_t to, struct sv text,
                             unsigned why, unsigned rule)
{
    if (!has_room(p, EDIT_BYTES, text))
        return;
    REQUIRE(from <= to && to <= UINT32_MAX && why <= REWRITE_NO_WHY);
    pack_u8(&p->record, TAG_EDIT);
    pack_u32(&p->record, (uint32_t)from);
    pack_u32(&p->record, (uint32_t)to);
    pack_u8(&p->record, (uint8_t)why);
    pack_u32(&p->record, rule);
    pack_sv(&p->record, text);
}

void rewrite_provenance_edits(struct rewrite_provenance *p, const struct rewrite_edits *sealed)
{
    REQUIRE(sealed->in_order && (unsigned)REWRITE_WHY_COUNT <= REWRITE_NO_WHY);
    for (size_t i = 0; i < sealed->count; i++) {
        const struct rewrite_edit *e = &sealed->list[i];
        rewrite_provenance_edit(p, e->from, e->to, rewrite_edits_text(sealed, e), e->why, e->rule);
    }
}

struct sv rewrite_provenance_take(const struct rewrite_provenance *p)
{
    return p->given_up ? SV_NONE : buf_view(&p->record);
}

/* ---- reading ---- */

static bool read_edit(struct unpack *u, struct rewrite_layer_edit *out)
{
    if (u->rest.len == 0 || u->rest.ptr[0] != TAG_EDIT)
        return false;
    unpack_u8(u);
    out->from = unpack_u32(u);
    out->to = unpack_u32(u);
    out->why = unpack_u8(u);
    out->rule = unpack_u32(u);
    out->text = unpack_sv(u);
    return !u->bad;
}

static bool read_layer(struct unpack *u, struct rewrite_layer *out)
{
    if (u->rest.len == 0 || unpack_u8(u) != TAG_LAYER)
        return false;
    unsigned by = unpack_u8(u), body = unpack_u8(u);
    out->name = unpack_sv(u);
    out->by = (enum rewrite_source)by;
    out->body = body == 1;
    out->edits = u->rest;
    return !u->bad && by < REWRITE_SOURCE_COUNT && body <= 1;
}

/* Walks the edits of one layer over a section of *len bytes, and says how long it is then. */
static bool walk_edits(struct unpack *u, size_t *len)
{
    struct rewrite_layer_edit e;
    size_t end = 0, after = *len;
    while (read_edit(u, &e)) {
        if (e.from < end || e.to < e.from || e.to > *len)
            return false;
        end = e.to;
        after = after - (e.to - e.from) + e.text.len;
    }
    *len = after;
    return !u->bad;
}

static bool is_whole(struct sv layers, size_t len)
{
    struct unpack u = unpack_start(layers);
    struct rewrite_layer layer;
    for (unsigned n = 0; u.rest.len; n++)
        if (n == REWRITE_PROVENANCE_LAYERS || !read_layer(&u, &layer) || !walk_edits(&u, &len))
            return false;
    return !u.bad;
}

bool rewrite_provenance_open(struct rewrite_provenance_reader *r, struct sv record)
{
    struct unpack u = unpack_start(record);
    bool known = record.len <= REWRITE_PROVENANCE_MAX && unpack_u8(&u) == VERSION;
    r->submitted = unpack_sv(&u);
    r->layers = u.rest;
    return known && !u.bad && is_whole(r->layers, r->submitted.len);
}

bool rewrite_provenance_next(struct rewrite_provenance_reader *r, struct rewrite_layer *out)
{
    struct unpack u = unpack_start(r->layers);
    struct rewrite_layer_edit e;
    if (!read_layer(&u, out))
        return false;
    while (read_edit(&u, &e))
        ;
    out->edits.len -= u.rest.len;
    r->layers = u.rest;
    return true;
}

bool rewrite_layer_next(struct sv *edits, struct rewrite_layer_edit *out)
{
    struct unpack u = unpack_start(*edits);
    if (!read_edit(&u, out))
        return false;
    *edits = u.rest;
    return true;
}

/* Appends bytes [from, to) of the section, edited. */
static int apply(struct sv edits, struct sv section, size_t from, size_t to, struct buf *out)
{
    struct rewrite_layer_edit e;
    int err = 0;
    while (err == 0 && rewrite_layer_next(&edits, &e)) {
        REQUIRE(e.from >= from && e.to >= e.from && e.to <= to);
        err = buf_append(out, section.ptr + from, e.from - from);
        if (err == 0)
            err = buf_put(out, e.text);
        from = e.to;
    }
    return err < 0 ? err : buf_append(out, section.ptr + from, to - from);
}

int rewrite_layer_apply(const struct rewrite_layer *layer, struct sv before, struct buf *after)
{
    return apply(layer->edits, before, 0, before.len, after);
}

/* ---- hunks ---- */

void rewrite_hunks_init(struct rewrite_hunks *h, const struct rewrite_layer *layer,
                        struct sv before)
{
    *h = (struct rewrite_hunks){.section = before, .edits = layer->edits};
    buf_init(&h->text, 2 * (size_t)REWRITE_PROVENANCE_MAX, 0);
}

void rewrite_hunks_deinit(struct rewrite_hunks *h)
{
    buf_deinit(&h->text);
}

static bool begins_line(struct sv section, size_t at)
{
    return at == 0 || section.ptr[at - 1] == '\n';
}

static size_t line_start(struct sv section, size_t at)
{
    while (!begins_line(section, at))
        at--;
    return at;
}

/* Behind the last line that the edit touches: where it ends between two lines, there. */
static size_t touched_end(struct sv section, const struct rewrite_layer_edit *e)
{
    bool whole_lines = e->text.len == 0 || e->text.ptr[e->text.len - 1] == '\n';
    bool drops_end = e->from < e->to && e->text.len == 0 && !begins_line(section, e->from);
    if (begins_line(section, e->to) && whole_lines && !drops_end)
        return e->to;
    size_t rest = sv_find(sv_skip(section, e->to), '\n');
    return e->to + rest < section.len ? e->to + rest + 1 : section.len;
}

static void changed(struct rewrite_hunks *h, size_t from, struct rewrite_hunk *out)
{
    struct sv edits = h->edits, section = h->section;
    struct rewrite_layer_edit e;
    size_t end = from;
    bool first = true;
    while (rewrite_layer_next(&edits, &e) && (first || e.from < end)) {
        size_t its_end = touched_end(section, &e);
        end = its_end > end ? its_end : end;
        out->edits = (struct sv){h->edits.ptr, (size_t)(edits.ptr - h->edits.ptr)};
        first = false;
    }
    h->edits = sv_skip(h->edits, out->edits.len);
    out->before = (struct sv){section.ptr + from, end - from};
    buf_reset(&h->text);
    int err = apply(out->edits, section, from, end, &h->text);
    REQUIRE(err == 0); /* a section and its texts are within a record's size, twice */
    out->after = buf_view(&h->text);
    h->at = end;
}

bool rewrite_hunks_next(struct rewrite_hunks *h, struct rewrite_hunk *out)
{
    struct sv edits = h->edits;
    struct rewrite_layer_edit e;
    bool edited = rewrite_layer_next(&edits, &e);
    size_t from = edited ? line_start(h->section, e.from) : h->section.len;
    from = from < h->at ? h->at : from;
    *out = (struct rewrite_hunk){0};
    if (h->at < from) {
        out->before = out->after = (struct sv){h->section.ptr + h->at, from - h->at};
        h->at = from;
        return true;
    }
    if (edited)
        changed(h, from, out);
    return edited;
}
