/*
 * Walking over values, and comparing two sets of them.
 */
#include "msa/base/conf_value.h"

#include <string.h>

size_t conf_value_bytes(const struct conf_option *row)
{
    switch (row->type) {
    case CONF_BOOL:
        return sizeof(bool);
    case CONF_INT:
    case CONF_SIZE:
    case CONF_TIME:
        return sizeof(int64_t);
    case CONF_STRING:
    case CONF_PATH:
        return sizeof(const char *);
    case CONF_ENUM:
        return sizeof(int);
    case CONF_STRINGS:
        return sizeof(struct conf_strings);
    case CONF_INTS:
    case CONF_TIMES:
        return sizeof(struct conf_ints);
    case CONF_LIST:
        return sizeof(struct conf_list);
    case CONF_GROUP:
        break;
    }
    return 0;
}

static void walk(struct arena *keys, const struct conf_option *rows, const char *prefix,
                 const char *values, conf_visit *each, void *arg)
{
    for (const struct conf_option *row = rows; row->name; row++) {
        const char *field = values + row->offset;
        const char *key = arena_printf(keys, "%s%s%s", prefix, prefix[0] ? "." : "", row->name);
        if (row->type == CONF_GROUP) {
            walk(keys, row->rows, key, field, each, arg);
        } else if (row->type == CONF_LIST) {
            const struct conf_list *list = (const void *)field;
            for (size_t i = 0; i < list->count; i++)
                walk(keys, row->rows, arena_printf(keys, "%s[%zu]", key, i),
                     (const char *)list->items + i * row->item_bytes, each, arg);
        } else {
            each(arg, key, row, field);
        }
    }
}

void conf_walk(const struct conf_option *rows, const void *values, conf_visit *each, void *arg)
{
    struct arena keys;
    arena_init(&keys);
    walk(&keys, rows, "", values, each, arg);
    arena_deinit(&keys);
}

static bool same_strings(const struct conf_strings *a, const struct conf_strings *b)
{
    if (a->count != b->count)
        return false;
    for (size_t i = 0; i < a->count; i++)
        if (strcmp(a->items[i], b->items[i]) != 0)
            return false;
    return true;
}

static bool same_ints(const struct conf_ints *a, const struct conf_ints *b)
{
    return a->count == b->count &&
           (a->count == 0 || memcmp(a->items, b->items, a->count * sizeof a->items[0]) == 0);
}

static bool same_value(const struct conf_option *row, const void *a, const void *b)
{
    switch (row->type) {
    case CONF_STRING:
    case CONF_PATH:
        return strcmp(*(const char *const *)a, *(const char *const *)b) == 0;
    case CONF_STRINGS:
        return same_strings(a, b);
    case CONF_INTS:
    case CONF_TIMES:
        return same_ints(a, b);
    default:
        return memcmp(a, b, conf_value_bytes(row)) == 0;
    }
}

typedef void on_difference(void *arg, const char *key, const struct conf_option *row);

static void diff(struct arena *keys, const struct conf_option *rows, const char *prefix,
                 const char *a, const char *b, on_difference *on_diff, void *arg)
{
    for (const struct conf_option *row = rows; row->name; row++) {
        const char *x = a + row->offset, *y = b + row->offset;
        const char *key = arena_printf(keys, "%s%s%s", prefix, prefix[0] ? "." : "", row->name);
        if (row->type == CONF_GROUP) {
            diff(keys, row->rows, key, x, y, on_diff, arg);
        } else if (row->type == CONF_LIST) {
            const struct conf_list *p = (const void *)x, *q = (const void *)y;
            if (p->count != q->count)
                on_diff(arg, key, row);
            for (size_t i = 0; p->count == q->count && i < p->count; i++)
                diff(keys, row->rows, arena_printf(keys, "%s[%zu]", key, i),
                     (const char *)p->items + i * row->item_bytes,
                     (const char *)q->items + i * row->item_bytes, on_diff, arg);
        } else if (!same_value(row, x, y)) {
            on_diff(arg, key, row);
        }
    }
}

void conf_diff(const struct conf_option *rows, const void *a, const void *b,
               void (*on_diff)(void *arg, const char *key, const struct conf_option *row),
               void *arg)
{
    struct arena keys;
    arena_init(&keys);
    diff(&keys, rows, "", a, b, on_diff, arg);
    arena_deinit(&keys);
}
