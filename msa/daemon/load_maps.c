#include "msa/daemon/load_maps.h"

#include "msa/daemon/load.h"
#include "msa/server/rewriting.h"

static void read_map(struct generation *g, size_t row, const char *map,
                     const struct conf_source *src, struct conf_faults *faults)
{
    const char *key = rewriting_map_key(&g->arena, map);
    const char *path = rewriting_map_path(key);
    struct sv known;
    struct buf text;
    if (generation_file(g, key, &known))
        return;
    buf_init(&text, LOAD_MAP_MAX_BYTES, 0);
    int err = load_file(path, &text);
    if (err == 0) {
        rewriting_check_map(key, buf_view(&text), &g->options, faults);
        generation_add_file(g, key, path, buf_view(&text), false);
    } else {
        conf_fault_at(faults, src, false, arena_printf(&g->arena, "rewrite.rules[%zu].map", row),
                      "name a file that the user who starts msad can read", "cannot read %s: %s",
                      path, err_text(err));
    }
    buf_deinit(&text);
}

void load_maps(struct generation *g, const struct conf_source *src, struct conf_faults *faults)
{
    const struct conf_list *rules = &g->options.rewrite.rules;
    for (size_t i = 0; i < rules->count; i++) {
        const char *map = CONF_ITEM(*rules, i, struct rewrite_rule_options)->map;
        if (*map)
            read_map(g, i, map, src, faults);
    }
}
