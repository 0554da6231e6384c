/*
 * Values back to configuration text. A value that equals its default is found by comparing the
 * two texts, which needs no second notion of equality.
 */
#include "msa/base/conf_read.h"
#include "msa/base/conf_value.h"

#include <inttypes.h>
#include <string.h>

#define MASK "********"

struct writer {
    const char *state;
    unsigned show;
    struct buf *out;
    int err; /* the first one; nothing is written after it */
};

static void put(struct writer *w, struct sv text)
{
    if (w->err == 0)
        w->err = buf_put(w->out, text);
}

static void put_string(struct writer *w, const char *text)
{
    put(w, SV("\""));
    for (; *text; text++) {
        if (*text == '"' || *text == '\\')
            put(w, SV("\\"));
        put(w, (struct sv){text, 1});
    }
    put(w, SV("\""));
}

static void put_indent(struct writer *w, unsigned depth)
{
    while (depth--)
        put(w, SV("    "));
}

static void put_number(struct writer *w, const struct conf_option *row, int64_t value)
{
    char buf[CONF_UNIT_TEXT_MAX];
    if (w->err < 0)
        return;
    if (row->type == CONF_INT || row->type == CONF_INTS)
        w->err = buf_printf(w->out, "%" PRId64, value);
    else if (row->type == CONF_SIZE && value < 0)
        w->err = buf_printf(w->out, "\"%" PRId64 "%%\"", -value);
    else
        put_string(w, row->type == CONF_SIZE ? conf_size_text(value, buf)
                                             : conf_time_text(value, buf));
}

static void put_elements(struct writer *w, const struct conf_option *row, const void *field)
{
    const struct conf_strings *strings = field;
    const struct conf_ints *ints = field;
    size_t count = row->type == CONF_STRINGS ? strings->count : ints->count;
    put(w, SV("[ "));
    for (size_t i = 0; i < count; i++) {
        if (row->type == CONF_STRINGS)
            put_string(w, strings->items[i]);
        else
            put_number(w, row, ints->items[i]);
        put(w, i + 1 < count ? SV(", ") : SV(" "));
    }
    put(w, SV("]"));
}

static void put_rows(struct writer *w, const struct conf_option *rows, const char *values,
                     unsigned depth);

static void put_list(struct writer *w, const struct conf_option *row, const struct conf_list *list,
                     unsigned depth)
{
    put(w, SV("("));
    for (size_t i = 0; i < list->count; i++) {
        put(w, i ? SV(",\n") : SV("\n"));
        put_indent(w, depth + 1);
        put(w, SV("{\n"));
        put_rows(w, row->rows, (const char *)list->items + i * row->item_bytes, depth + 2);
        put_indent(w, depth + 1);
        put(w, SV("}"));
    }
    if (list->count) {
        put(w, SV("\n"));
        put_indent(w, depth);
    }
    put(w, SV(")"));
}

static void put_value(struct writer *w, const struct conf_option *row, const void *field,
                      unsigned depth)
{
    bool masked =
        (row->flags & CONF_SECRET) && row->type != CONF_PATH && !(w->show & CONF_SHOW_SECRETS);
    switch (row->type) {
    case CONF_BOOL:
        put(w, *(const bool *)field ? SV("true") : SV("false"));
        return;
    case CONF_INT:
    case CONF_SIZE:
    case CONF_TIME:
        put_number(w, row, *(const int64_t *)field);
        return;
    case CONF_STRING:
    case CONF_PATH:
        put_string(w, masked && **(const char *const *)field ? MASK : *(const char *const *)field);
        return;
    case CONF_ENUM:
        put_string(w, row->names[*(const int *)field]);
        return;
    case CONF_STRINGS:
    case CONF_INTS:
    case CONF_TIMES:
        put_elements(w, row, field);
        return;
    case CONF_LIST:
        put_list(w, row, field, depth);
        return;
    case CONF_GROUP:
        put(w, SV("{\n"));
        put_rows(w, row->rows, field, depth + 1);
        put_indent(w, depth);
        put(w, SV("}"));
    }
}

static bool same_text(struct writer *w, const struct conf_option *row, const void *a, const void *b)
{
    struct buf x, y;
    buf_init(&x, SIZE_MAX / 2, BUF_SECRET);
    buf_init(&y, SIZE_MAX / 2, BUF_SECRET);
    unsigned show = CONF_SHOW_ALL | CONF_SHOW_SECRETS;
    struct writer wx = {.state = w->state, .show = show, .out = &x};
    struct writer wy = {.state = w->state, .show = show, .out = &y};
    put_value(&wx, row, a, 0);
    put_value(&wy, row, b, 0);
    bool same = sv_eq(buf_view(&x), buf_view(&y));
    buf_deinit(&x);
    buf_deinit(&y);
    return same;
}

/* A group is at its default when each of its rows is. */
static bool is_default(struct writer *w, const struct conf_option *row, const void *field)
{
    if (row->type == CONF_GROUP) {
        for (const struct conf_option *inner = row->rows; inner->name; inner++)
            if (!is_default(w, inner, (const char *)field + inner->offset))
                return false;
        return true;
    }
    struct arena scratch;
    arena_init(&scratch);
    void *def = arena_alloc(&scratch, conf_value_bytes(row));
    conf_read_default(row, w->state, &scratch, def);
    bool same = same_text(w, row, field, def);
    arena_deinit(&scratch);
    return same;
}

static void put_rows(struct writer *w, const struct conf_option *rows, const char *values,
                     unsigned depth)
{
    for (const struct conf_option *row = rows; row->name && w->err == 0; row++) {
        const char *field = values + row->offset;
        if (!(w->show & CONF_SHOW_ALL) && is_default(w, row, field))
            continue;
        put_indent(w, depth);
        put(w, sv_of(row->name));
        put(w, SV(" = "));
        put_value(w, row, field, depth);
        put(w, SV(";\n"));
    }
}

int conf_write(const struct conf_option *rows, const void *values, unsigned show, struct buf *out)
{
    struct writer w = {.state = conf_read_state(rows, values), .show = show, .out = out};
    put_rows(&w, rows, values, 0);
    return w.err;
}
