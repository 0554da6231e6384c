#include "rewrite/edits.h"

#include "msa/base/mem.h"
#include "msa/base/require.h"

#include <stdlib.h>

void rewrite_edits_init(struct rewrite_edits *e, size_t max_bytes)
{
    *e = (struct rewrite_edits){.in_order = true};
    buf_init(&e->text, max_bytes, 0);
}

void rewrite_edits_deinit(struct rewrite_edits *e)
{
    free(e->list);
    buf_deinit(&e->text);
    *e = (struct rewrite_edits){0};
}

/* Inserts stand before what replaces bytes at their place; of replacements the larger first. */
static int in_section(const void *a, const void *b)
{
    const struct rewrite_edit *x = a, *y = b;
    bool x_inserts = x->from == x->to, y_inserts = y->from == y->to;
    if (x->from != y->from)
        return x->from < y->from ? -1 : 1;
    if (x_inserts != y_inserts)
        return x_inserts ? -1 : 1;
    if (x->to != y->to)
        return x->to > y->to ? -1 : 1;
    return (x->order > y->order) - (x->order < y->order);
}

int rewrite_edits_put(struct rewrite_edits *e, size_t from, size_t to, struct sv text,
                      enum rewrite_why why, uint16_t rule)
{
    REQUIRE(from <= to);
    size_t at = buf_len(&e->text);
    int err = buf_put(&e->text, text);
    if (err < 0)
        return err;
    if (e->count == e->cap) {
        e->cap = e->cap ? 2 * e->cap : 8;
        e->list = mem_resize(e->list, e->cap, sizeof(*e->list));
    }
    struct rewrite_edit *edit = &e->list[e->count];
    *edit = (struct rewrite_edit){.from = from,
                                  .to = to,
                                  .text = at,
                                  .len = text.len,
                                  .why = (uint16_t)why,
                                  .rule = rule,
                                  .order = (uint32_t)e->count};
    if (e->count && (in_section(edit - 1, edit) > 0 || edit->from < edit[-1].to))
        e->in_order = false;
    e->count++;
    return 0;
}

void rewrite_edits_seal(struct rewrite_edits *e)
{
    size_t kept = 0, end = 0;
    if (e->in_order)
        return;
    qsort(e->list, e->count, sizeof(*e->list), in_section);
    for (size_t i = 0; i < e->count; i++) {
        const struct rewrite_edit *edit = &e->list[i];
        if (edit->from < end) {
            REQUIRE(edit->to <= end);
            continue;
        }
        end = edit->to;
        e->list[kept++] = *edit;
    }
    e->count = kept;
    e->in_order = true;
}

struct sv rewrite_edits_text(const struct rewrite_edits *e, const struct rewrite_edit *edit)
{
    return sv_first(sv_skip(buf_view(&e->text), edit->text), edit->len);
}

bool rewrite_edits_next(const struct rewrite_edits *e, struct sv section,
                        struct rewrite_edits_cursor *c, struct sv *run_out)
{
    REQUIRE(e->in_order);
    while (c->edit < e->count) {
        const struct rewrite_edit *edit = &e->list[c->edit];
        REQUIRE(edit->to <= section.len);
        if (c->at < edit->from) {
            *run_out = (struct sv){section.ptr + c->at, edit->from - c->at};
            c->at = edit->from;
            return true;
        }
        /* Inserts at one place often stand side by side in the text: one run for all. */
        size_t text = edit->text, len = edit->len, to = edit->to;
        for (c->edit++; c->edit < e->count; c->edit++) {
            const struct rewrite_edit *next = &e->list[c->edit];
            if (next->from != to || (len && next->text != text + len))
                break;
            text = len ? text : next->text;
            len += next->len;
            to = next->to;
        }
        REQUIRE(to <= section.len);
        c->at = to;
        if (len) {
            *run_out = sv_first(sv_skip(buf_view(&e->text), text), len);
            return true;
        }
    }
    if (c->at == section.len)
        return false;
    *run_out = sv_skip(section, c->at);
    c->at = section.len;
    return true;
}
