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

struct generation *reload_merge(const struct generation *current, struct generation *fresh,
                                void (*on_kept)(void *arg, const char *key), void *arg,
                                struct buf *error)
{
    struct telling t = {.on_kept = on_kept, .arg = arg};
    struct buf record;
    conf_diff(msa_options_rows, &current->options, &fresh->options, tell, &t);
    keep(msa_options_rows, &current->options, &fresh->options);
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
