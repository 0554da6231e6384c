#include "msa/policy/changes.h"
#include "msa/base/mem.h"
#include "msa/base/require.h"

#include <stdlib.h>
#include <string.h>

void changes_init(struct changes *c, size_t max_bytes)
{
    memset(c, 0, sizeof *c);
    arena_init(&c->arena);
    c->max_bytes = max_bytes;
}

void changes_reset(struct changes *c)
{
    arena_reset(&c->arena);
    c->count = 0;
}

void changes_deinit(struct changes *c)
{
    arena_deinit(&c->arena);
    free(c->items);
    c->items = NULL;
}

bool changes_add(struct changes *c, const struct milter_event *e)
{
    size_t bytes = e->name.len + e->value.len + sizeof *c->items;
    if (c->arena.used_bytes + c->count * sizeof *c->items + bytes > c->max_bytes)
        return false;
    if (c->count == c->cap) {
        c->cap = c->cap ? c->cap * 2 : 8;
        c->items = mem_resize(c->items, c->cap, sizeof *c->items);
    }
    c->items[c->count++] = (struct change){
        .kind = e->change,
        .index = e->index,
        .name = arena_sv(&c->arena, e->name),
        .value = arena_sv(&c->arena, e->value),
    };
    return true;
}

bool changes_to_header(const struct changes *c, struct header *h, bool spaced)
{
    bool good = true;
    struct header before = *h; /* texts stay in its arena, whatever happens to the fields */
    before.fields = mem_new(before.count ? before.count : 1, sizeof *before.fields);
    before.cap = before.count;
    if (before.count)
        memcpy(before.fields, h->fields, before.count * sizeof *before.fields);
    for (size_t i = 0; i < c->count && good; i++) {
        const struct change *x = &c->items[i];
        if (x->kind == MILTER_ADD_HEADER)
            good = header_add(h, x->name, x->value, spaced);
        else if (x->kind == MILTER_INSERT_HEADER)
            good = header_insert(h, x->index, x->name, x->value, spaced);
        else if (x->kind == MILTER_CHANGE_HEADER)
            good = header_change(h, x->index, x->name, x->value, spaced);
    }
    if (!good) {
        before.arena = h->arena;
        free(h->fields);
        *h = before;
    } else {
        free(before.fields);
    }
    return good;
}

/* ---- body ---- */

static void put(struct buf *out, struct sv bytes)
{
    int err = buf_put(out, bytes);
    REQUIRE(err == 0); /* the caller's buffer takes three times the piece */
}

bool body_lines_feed(struct body_lines *l, struct sv piece, struct buf *out)
{
    size_t start = 0;
    if (memchr(piece.ptr ? piece.ptr : "", '\0', piece.len))
        return false;
    for (size_t i = 0; i < piece.len; i++) {
        char c = piece.ptr[i];
        bool after_cr = l->cr;
        l->cr = false;
        if (after_cr)
            put(out, c == '\n' ? SV("\r\n") : SV(" "));
        if (c != '\n' && c != '\r')
            continue;
        if (!after_cr)
            put(out, sv_first(sv_skip(piece, start), i - start));
        if (c == '\n' && !after_cr)
            put(out, SV("\r\n"));
        l->cr = c == '\r';
        start = i + 1;
    }
    put(out, sv_skip(piece, start));
    return true;
}

void body_lines_end(struct body_lines *l, struct buf *out)
{
    if (l->cr)
        put(out, SV("\r\n"));
    l->cr = false;
}
