/*
 * The documents that come from the rows: --help, manual page, sample configuration. All three show
 * a default by the same function, so that they cannot differ from each other or from the reader.
 */
#include "msa/base/conf_value.h"

#include <string.h>

#define SAMPLE_COLUMNS 88

struct docs {
    struct arena scratch;
    struct buf *out;
    int err;
};

static void put(struct docs *d, const char *text)
{
    if (d->err == 0)
        d->err = buf_put(d->out, sv_of(text));
}

PRINTF_LIKE(2, 3) static void putf(struct docs *d, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    if (d->err == 0)
        d->err = buf_vprintf(d->out, fmt, args);
    va_end(args);
}

/* As it would be written in the file. */
static const char *default_text(struct docs *d, const struct conf_option *row)
{
    switch (row->type) {
    case CONF_BOOL:
    case CONF_INT:
        return row->def ? row->def : "false";
    case CONF_STRINGS:
    case CONF_INTS:
    case CONF_TIMES:
        return row->def ? row->def : "[ ]";
    case CONF_LIST:
        return row->def ? row->def : "( )";
    default:
        return arena_printf(&d->scratch, "\"%s\"", row->def ? row->def : "");
    }
}

/* What the type and the flags of the row say. */
static const char *facts(struct docs *d, const struct conf_option *row)
{
    const char *range = conf_value_range(row, &d->scratch);
    const char *values = "";
    if (row->type == CONF_ENUM)
        values = arena_printf(&d->scratch, "Values: %s. ", conf_value_asked(row, &d->scratch));
    else if (range[0])
        values = arena_printf(&d->scratch, "Range: %s. ", range);
    return arena_printf(&d->scratch, "%s%s", values,
                        row->flags & CONF_RELOAD ? "Takes effect at a reload."
                                                 : "Takes effect at a restart.");
}

static const char *join(struct docs *d, const char *prefix, const char *name)
{
    return arena_printf(&d->scratch, "%s%s%s", prefix, prefix[0] ? "." : "", name);
}

static void help_rows(struct docs *d, const struct conf_option *rows, const char *prefix)
{
    for (const struct conf_option *row = rows; row->name; row++) {
        const char *key = join(d, prefix, row->name);
        if (row->type == CONF_GROUP) {
            help_rows(d, row->rows, key);
            continue;
        }
        putf(d, "  %-28s %s\n", key, row->help);
        if (row->type == CONF_LIST)
            help_rows(d, row->rows, arena_printf(&d->scratch, "%s[]", key));
        else
            putf(d, "  %-28s default: %s\n", "", default_text(d, row));
    }
}

/* Text for troff: no line begins with a control character, no backslash is one. */
static void put_troff(struct docs *d, const char *text)
{
    if (*text == '.' || *text == '\'')
        put(d, "\\&");
    for (; *text && d->err == 0; text++) {
        if (*text == '\\')
            put(d, "\\e");
        else if (*text == '-')
            put(d, "\\-");
        else
            d->err = buf_append(d->out, text, 1);
    }
}

static void man_rows(struct docs *d, const struct conf_option *rows, const char *prefix);

static void man_row(struct docs *d, const struct conf_option *row, const char *key)
{
    put(d, ".TP\n.B ");
    put_troff(d, key);
    if (row->type != CONF_LIST) {
        put(d, "\n.br\ndefault: ");
        put_troff(d, default_text(d, row));
    }
    put(d, "\n.br\n");
    putf(d, "%c", row->help[0] >= 'a' && row->help[0] <= 'z' ? row->help[0] - 32 : row->help[0]);
    put_troff(d, row->help + 1);
    put(d, ".\n");
    put_troff(d, row->text);
    put(d, "\n");
    put_troff(d, facts(d, row));
    put(d, "\n");
    if (row->example) {
        put(d, ".br\nExample:\n");
        put_troff(d, row->name);
        put(d, " = ");
        put_troff(d, row->example);
        put(d, ";\n");
    }
    if (row->type == CONF_LIST) {
        if (row->def) {
            put(d, ".br\nDefault:\n");
            put_troff(d, row->def);
            put(d, "\n");
        }
        man_rows(d, row->rows, arena_printf(&d->scratch, "%s[]", key));
    }
}

static void man_rows(struct docs *d, const struct conf_option *rows, const char *prefix)
{
    for (const struct conf_option *row = rows; row->name; row++) {
        const char *key = join(d, prefix, row->name);
        if (row->type == CONF_GROUP) {
            putf(d, ".SS %s\n", key);
            put_troff(d, row->text);
            put(d, "\n");
            man_rows(d, row->rows, key);
        } else {
            man_row(d, row, key);
        }
    }
}

/* Where a comment stands: "#" behind indent levels, its text behind inset columns. */
struct margin {
    unsigned indent, inset;
};

/* A comment, wrapped at SAMPLE_COLUMNS. */
static void put_wrapped(struct docs *d, struct margin m, const char *text)
{
    size_t column = 0, left = m.indent * 4 + 2 + m.inset;
    while (*text) {
        size_t len = strcspn(text, " ");
        if (column && left + column + 1 + len > SAMPLE_COLUMNS) {
            put(d, "\n");
            column = 0;
        }
        if (column == 0)
            putf(d, "%*s# %*s", (int)m.indent * 4, "", (int)m.inset, "");
        putf(d, "%s%.*s", column ? " " : "", (int)len, text);
        column += len + (column ? 1 : 0);
        text += len;
        text += strspn(text, " ");
    }
    put(d, "\n");
}

/* Text of a line, or of several: each is a comment. */
static void put_commented(struct docs *d, unsigned indent, const char *text)
{
    struct sv left = sv_of(text);
    while (left.len) {
        struct sv line = sv_split(&left, '\n');
        putf(d, "%*s#%.*s\n", (int)indent * 4, "", SV_ARG(line));
    }
}

static void sample_text(struct docs *d, struct margin m, const struct conf_option *row)
{
    put_wrapped(d, m, arena_printf(&d->scratch, "%s: %s", row->name, row->help));
    m.inset += 2;
    put_wrapped(d, m, row->text);
    if (row->type != CONF_GROUP)
        put_wrapped(d, m, facts(d, row));
    if (row->example) /* on one line, so that it can be copied */
        putf(d, "%*s# %*sExample: %s = %s;\n", (int)m.indent * 4, "", (int)m.inset, "", row->name,
             row->example);
}

static void sample_entry(struct docs *d, unsigned indent, const struct conf_option *rows)
{
    struct margin m = {indent, 4}, inner = {indent, 6};
    put_wrapped(d, (struct margin){indent, 2}, "Keys of an entry:");
    for (const struct conf_option *row = rows; row->name; row++) {
        sample_text(d, m, row);
        if (row->flags & CONF_REQUIRED)
            put_wrapped(d, inner, "Must be written.");
        else
            put_wrapped(d, inner, arena_printf(&d->scratch, "Default: %s", default_text(d, row)));
    }
}

static void sample_rows(struct docs *d, const struct conf_option *rows, unsigned indent)
{
    for (const struct conf_option *row = rows; row->name; row++) {
        if (row != rows)
            put(d, "\n");
        sample_text(d, (struct margin){indent, 0}, row);
        if (row->type == CONF_GROUP) {
            putf(d, "%*s%s = {\n", (int)indent * 4, "", row->name);
            sample_rows(d, row->rows, indent + 1);
            putf(d, "%*s};\n", (int)indent * 4, "");
            continue;
        }
        if (row->type == CONF_LIST)
            sample_entry(d, indent, row->rows);
        put_commented(d, indent,
                      arena_printf(&d->scratch, "%s = %s;", row->name, default_text(d, row)));
    }
}

typedef void write_rows(struct docs *d, const struct conf_option *rows);

static void write_help(struct docs *d, const struct conf_option *rows)
{
    help_rows(d, rows, "");
}

static void write_man(struct docs *d, const struct conf_option *rows)
{
    man_rows(d, rows, "");
}

static void write_sample(struct docs *d, const struct conf_option *rows)
{
    sample_rows(d, rows, 0);
}

static int write_with(write_rows *write, const struct conf_option *rows, struct buf *out)
{
    struct docs d = {.out = out};
    arena_init(&d.scratch);
    write(&d, rows);
    arena_deinit(&d.scratch);
    return d.err;
}

int conf_docs_help(const struct conf_option *rows, struct buf *out)
{
    return write_with(write_help, rows, out);
}

int conf_docs_man(const struct conf_option *rows, struct buf *out)
{
    return write_with(write_man, rows, out);
}

int conf_docs_sample(const struct conf_option *rows, struct buf *out)
{
    return write_with(write_sample, rows, out);
}
