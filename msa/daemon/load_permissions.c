#include "msa/daemon/load_permissions.h"

#include "msa/base/mem.h"
#include "msa/daemon/load.h"
#include "msa/daemon/load_aliases.h"
#include "msa/server/aliases.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Rows of one file, and where they stand in it. */
struct part {
    const struct conf_list *rows;
    const struct conf_source *src;
};

struct loading {
    struct generation *g;
    struct conf_faults *faults;
    const char *config_path;
    struct part *parts; /* the first: of the main file */
    size_t nparts;
};

static void add_part(struct loading *l, const struct conf_list *rows, const struct conf_source *src)
{
    l->parts = mem_resize(l->parts, l->nparts + 1, sizeof *l->parts);
    l->parts[l->nparts++] = (struct part){rows, src};
}

static const struct permission_options *row_at(const struct part *p, size_t i)
{
    return CONF_ITEM(*p->rows, i, struct permission_options);
}

/* ---- folders ---- */

static void read_rows(struct loading *l, const char *path)
{
    struct arena *a = &l->g->arena;
    struct permissions_file *file = arena_alloc(a, sizeof *file);
    struct conf_source *src = arena_alloc(a, sizeof *src);
    struct buf text;
    buf_init(&text, LOAD_FILE_MAX_BYTES, 0);
    int err = load_file(path, &text);
    if (err < 0) {
        src->file = arena_str(a, sv_of(path));
        conf_fault_at(l->faults, src, false, "", "a file that the user who starts msad can read",
                      "cannot read it: %s", err_text(err));
    } else if (conf_read(permissions_file_rows, path, buf_view(&text), a, file, l->faults, src)) {
        permissions_complete(a, &file->permissions, &l->g->options.auth.realms, src);
        add_part(l, &file->permissions, src);
    }
    buf_deinit(&text);
}

static int is_rows_file(const struct dirent *e)
{
    struct sv name = sv_of(e->d_name);
    return name.len > 5 && name.ptr[0] != '.' && sv_eq(sv_skip(name, name.len - 5), SV(".conf"));
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

/* A relative path begins at the folder of the main file. */
static const char *folder_of(struct loading *l, const char *include)
{
    struct sv config = sv_of(l->config_path);
    size_t slash = sv_rfind(config, '/');
    if (include[0] == '/' || slash == config.len)
        return include;
    return arena_printf(&l->g->arena, "%.*s/%s", SV_ARG(sv_first(config, slash)), include);
}

static void read_folder(struct loading *l, size_t index, const char *include,
                        const struct conf_source *src)
{
    const char *folder = folder_of(l, include);
    struct dirent **entries;
    int count = scandir(folder, &entries, is_rows_file, by_name);
    if (count < 0) {
        const char *key = arena_printf(&l->g->arena, "permissions[%zu].include", index);
        conf_fault_at(l->faults, src, false, key, "a folder that the user who starts msad can read",
                      "cannot read %s: %s", folder, err_text(-errno));
        return;
    }
    for (int i = 0; i < count; i++) {
        read_rows(l, arena_printf(&l->g->arena, "%s/%s", folder, entries[i]->d_name));
        free(entries[i]);
    }
    free(entries);
}

/* All rows as one list, without those that include. */
static struct conf_list join(struct loading *l)
{
    size_t count = 0, n = 0;
    for (size_t p = 0; p < l->nparts; p++)
        count += l->parts[p].rows->count;
    struct permission_options *all = arena_alloc(&l->g->arena, (count + 1) * sizeof *all);
    for (size_t p = 0; p < l->nparts; p++)
        for (size_t i = 0; i < l->parts[p].rows->count; i++)
            if (!row_at(&l->parts[p], i)->include[0])
                all[n++] = *row_at(&l->parts[p], i);
    return (struct conf_list){all, n};
}

/* ---- files of addresses ---- */

static void read_aliases(struct loading *l, const struct part *p, const char *pattern,
                         const char *key)
{
    struct sv known, query, path = pattern_source_path(sv_of(pattern), &query);
    struct buf text, why;
    if (generation_file(l->g, pattern, &known))
        return;
    buf_init(&text, LOAD_FILE_MAX_BYTES, 0);
    buf_init(&why, 500, 0);
    const char *path_text = arena_str(&l->g->arena, path);
    if (load_aliases(sv_of(pattern), &text, &why)) {
        aliases_check(path_text, buf_view(&text), &l->g->options.auth.realms, l->faults);
        generation_add_file(l->g, pattern, path_text, buf_view(&text), false);
    } else {
        conf_fault_at(l->faults, p->src, false, key, "name what the user who starts msad can read",
                      "%s: %.*s", path_text, SV_ARG(buf_view(&why)));
    }
    buf_deinit(&text);
    buf_deinit(&why);
}

static void read_patterns(struct loading *l, const struct part *p, size_t row, const char *name,
                          const struct conf_strings *patterns)
{
    for (size_t i = 0; i < patterns->count; i++) {
        if (!pattern_is_source(sv_of(patterns->items[i])))
            continue;
        const char *key = arena_printf(&l->g->arena, "permissions[%zu].%s[%zu]", row, name, i);
        read_aliases(l, p, patterns->items[i], key);
    }
}

static void read_files(struct loading *l, const struct part *p)
{
    for (size_t i = 0; i < p->rows->count; i++) {
        const struct permission_options *row = row_at(p, i);
        read_patterns(l, p, i, "may_send_as", &row->may_send_as);
        read_patterns(l, p, i, "may_send_on_behalf_of", &row->may_send_on_behalf_of);
        read_patterns(l, p, i, "may_send_to", &row->may_send_to);
    }
}

void load_permissions(struct generation *g, const char *config_path, const struct conf_source *src,
                      struct conf_faults *faults)
{
    struct loading l = {.g = g, .faults = faults, .config_path = config_path};
    struct conf_list main_rows = g->options.permissions;
    struct permissions_seen *seen = NULL;
    add_part(&l, &main_rows, src);
    for (size_t i = 0; i < main_rows.count; i++)
        if (row_at(&l.parts[0], i)->include[0])
            read_folder(&l, i, row_at(&l.parts[0], i)->include, src);
    for (size_t p = 0; p < l.nparts; p++) {
        permissions_check(&seen, l.parts[p].rows, &g->options.auth.realms, p > 0, l.parts[p].src,
                          faults);
        read_files(&l, &l.parts[p]);
    }
    permissions_seen_free(seen);
    g->options.permissions = join(&l);
    free(l.parts);
}
