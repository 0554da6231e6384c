#include "rewrite/edits.h"

#include "msa/base/mem.h"
#include "msa/base/require.h"

#include <stdlib.h>

void rewrite_edits_init(struct rewrite_edits *e, size_t max_bytes)
{
    *e = (struct rewrite_edits){0};
    buf_init(&e->text, max_bytes, 0);
}

void rewrite_edits_deinit(struct rewrite_edits *e)
{
    free(e->list);
    buf_deinit(&e->text);
    *e = (struct rewrite_edits){0};
}

int rewrite_edits_put(struct rewrite_edits *e, size_t from, size_t to, struct sv text)
{
    REQUIRE(from <= to);
    REQUIRE(!e->count || e->list[e->count - 1].to <= from);
    size_t at = buf_len(&e->text);
    int err = buf_put(&e->text, text);
    if (err < 0)
        return err;
    if (e->count == e->cap) {
        e->cap = e->cap ? 2 * e->cap : 8;
        e->list = mem_resize(e->list, e->cap, sizeof(*e->list));
    }
    e->list[e->count++] = (struct rewrite_edit){from, to, at, text.len};
    return 0;
}

bool rewrite_edits_next(const struct rewrite_edits *e, struct sv section,
                        struct rewrite_edits_cursor *c, struct sv *run_out)
{
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
        for (c->edit++; c->edit < e->count && e->list[c->edit].from == to; c->edit++) {
            len += e->list[c->edit].len;
            to = e->list[c->edit].to;
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
