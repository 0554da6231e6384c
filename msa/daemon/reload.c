#include "msa/daemon/reload.h"

#include <string.h>

static bool any_reloadable(const struct conf_option *rows)
{
    for (; rows->name; rows++)
        if ((rows->flags & CONF_RELOAD) || (rows->rows && any_reloadable(rows->rows)))
            return true;
    return false;
}

static void keep(const struct conf_option *rows, const void *from, void *to)
{
    for (; rows->name; rows++) {
        const void *a = (const char *)from + rows->offset;
        void *b = (char *)to + rows->offset;
        if (rows->type == CONF_GROUP)
            keep(rows->rows, a, b);
        else if (!(rows->flags & CONF_RELOAD) &&
                 !(rows->type == CONF_LIST && any_reloadable(rows->rows)))
            memcpy(b, a, conf_value_bytes(rows));
    }
}

struct telling {
    void (*on_kept)(void *arg, const char *key);
    void *arg;
};

static void tell(void *arg, const char *key, const struct conf_option *row)
{
    struct telling *t = arg;
    if (!(row->flags & CONF_RELOAD) &&
        !(row->type == CONF_LIST && row->rows && any_reloadable(row->rows)))
        t->on_kept(t->arg, key);
}

struct keeping {
    const struct generation *current;
    struct generation *fresh;
};

/* Fresh has the files of its own settings, not of those that are kept. */
static void keep_file(void *arg, const char *key, const struct conf_option *row, const void *value)
{
    struct keeping *k = arg;
    if (!(row->flags & CONF_FILE) || (row->flags & CONF_RELOAD))
        return;
    for (size_t i = 0; i < k->fresh->nfiles; i++) {
        const struct generation_file *f = &k->fresh->files[i];
        if (strcmp(f->key, key) == 0 && strcmp(f->path, *(const char *const *)value) == 0)
            return; /* the same file, with the contents of today */
    }
    generation_keep_file(k->fresh, k->current, key);
}

struct generation *reload_merge(const struct generation *current, struct generation *fresh,
                                void (*on_kept)(void *arg, const char *key), void *arg,
                                struct buf *error)
{
    struct telling t = {.on_kept = on_kept, .arg = arg};
    struct buf record;
    conf_diff(msa_options_rows, &current->options, &fresh->options, tell, &t);
    keep(msa_options_rows, &current->options, &fresh->options);
    conf_walk(msa_options_rows, &fresh->options, keep_file, &(struct keeping){current, fresh});
    /* through a record and back: its text then belongs to itself */
    buf_init(&record, GENERATION_RECORD_MAX, BUF_SECRET);
    struct generation *merged = NULL;
    if (generation_pack(fresh, true, &record) == 0) {
        merged = generation_unpack(buf_view(&record), error);
    } else {
        int cut = buf_printf(error, "too large with the values that count until the next start");
        (void)cut;
    }
    buf_deinit(&record);
    generation_drop(fresh);
    return merged;
}
