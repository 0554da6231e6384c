#include "msa/server/dkim.h"
#include "msa/base/mem.h"

#include <stdlib.h>

static bool read_row(const struct msa_options *o, struct sv line, struct dkim_row *out)
{
    struct sv number = sv_split(&line, ' '), kind = sv_split(&line, ' ');
    struct sv bits = sv_split(&line, ' ');
    uint64_t index;
    if (!sv_u64(number, UINT32_MAX, &index) || index >= o->rewrite.dkim.count ||
        !rewrite_dkim_algorithm_of(kind, &out->algorithm) || !sv_u64(bits, UINT32_MAX, &out->bits))
        return false;
    out->options = CONF_ITEM(o->rewrite.dkim, index, struct rewrite_dkim_options);
    out->id = sv_split(&line, ' ');
    out->public_half = line;
    return out->id.len && line.len;
}

bool dkim_rows(const struct generation *g, void (*each)(void *arg, const struct dkim_row *row),
               void *arg)
{
    struct sv text = SV_NONE;
    generation_file(g, GENERATION_DKIM_KEYS, &text);
    while (text.len) {
        struct dkim_row row;
        if (!read_row(&g->options, sv_split(&text, '\n'), &row))
            return false;
        each(arg, &row);
    }
    return true;
}

struct collecting {
    struct rewrite_dkim_key *list;
    size_t count;
};

static void collect(void *arg, const struct dkim_row *row)
{
    struct collecting *c = arg;
    const struct rewrite_dkim_options *o = row->options;
    bool simple_header = o->canonicalization == REWRITE_DKIM_SIMPLE_RELAXED ||
                         o->canonicalization == REWRITE_DKIM_SIMPLE_SIMPLE;
    bool simple_body = o->canonicalization == REWRITE_DKIM_RELAXED_SIMPLE ||
                       o->canonicalization == REWRITE_DKIM_SIMPLE_SIMPLE;
    struct rewrite_dkim_key *k = &c->list[c->count++];
    *k = (struct rewrite_dkim_key){
        .domain = sv_of(o->domain),
        .selector = sv_of(o->selector),
        .id = row->id,
        .algorithm = row->algorithm,
        .header = simple_header ? REWRITE_DKIM_SIMPLE : REWRITE_DKIM_RELAXED,
        .body = simple_body ? REWRITE_DKIM_SIMPLE : REWRITE_DKIM_RELAXED,
        .require = o->require,
    };
    (void)!rewrite_dkim_options_time(sv_of(o->from), &k->from_s); /* the row was checked */
}

static void count(void *arg, const struct dkim_row *row)
{
    (void)row;
    ++*(size_t *)arg;
}

struct rewrite_dkim_keys *dkim_keys(const struct generation *g, struct buf *why)
{
    struct collecting c = {.list = NULL};
    size_t rows = 0;
    if (!dkim_rows(g, count, &rows)) {
        (void)!buf_printf(why, "rewrite.dkim: the list of keys is damaged");
        return NULL;
    }
    if (rows == 0)
        return NULL;
    c.list = mem_new(rows, sizeof *c.list);
    (void)!dkim_rows(g, collect, &c);
    struct rewrite_dkim_keys *set = rewrite_dkim_keys_new(c.list, c.count);
    free(c.list);
    return set;
}
