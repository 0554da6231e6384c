/*
 * One value and its faults. The words for what is asked stand in one place, so that messages and
 * documents cannot differ.
 */
#include "msa/base/conf_value.h"

#include "msa/base/require.h"

#include <inttypes.h>
#include <limits.h>
#include <string.h>

const char *conf_value_given(enum conf_given_type type)
{
    static const char *const words[] = {
        [CONF_GIVEN_BOOL] = "true or false", [CONF_GIVEN_INT] = "a number",
        [CONF_GIVEN_FLOAT] = "a fraction",   [CONF_GIVEN_STRING] = "text",
        [CONF_GIVEN_ARRAY] = "an array [ ]", [CONF_GIVEN_LIST] = "a list ( )",
        [CONF_GIVEN_GROUP] = "a group { }",
    };
    return words[type];
}

static const char *one_of(const struct conf_option *row, struct arena *a)
{
    const char *text = arena_printf(a, "\"%s\"", row->names[0]);
    for (size_t i = 1; row->names[i]; i++)
        text =
            arena_printf(a, "%s%s\"%s\"", text, row->names[i + 1] ? ", " : " or ", row->names[i]);
    return text;
}

static const char *number_text(const struct conf_option *row, int64_t value, struct arena *a)
{
    char buf[CONF_UNIT_TEXT_MAX];
    if (row->type == CONF_TIME || row->type == CONF_TIMES)
        return arena_str(a, sv_of(conf_time_text(value, buf)));
    if (row->type == CONF_SIZE && value < 0)
        return arena_printf(a, "%" PRId64 "%%", -value);
    if (row->type == CONF_SIZE)
        return arena_str(a, sv_of(conf_size_text(value, buf)));
    return arena_printf(a, "%" PRId64, value);
}

const char *conf_value_range(const struct conf_option *row, struct arena *a)
{
    if (row->min == 0 && row->max == 0)
        return "";
    return arena_printf(a, "%s to %s%s", number_text(row, row->min, a),
                        number_text(row, row->max, a),
                        row->flags & CONF_PERCENT_OK ? ", or 1% to 100%" : "");
}

const char *conf_value_asked(const struct conf_option *row, struct arena *a)
{
    switch (row->type) {
    case CONF_BOOL:
        return "true or false";
    case CONF_INT:
        return arena_printf(a, "a whole number, %s", conf_value_range(row, a));
    case CONF_INTS:
        return arena_printf(a, "whole numbers such as [ 1, 2 ], each %s", conf_value_range(row, a));
    case CONF_SIZE:
        return row->flags & CONF_PERCENT_OK ? "a size such as \"50M\" or \"25%\""
                                            : "a size such as \"50M\"";
    case CONF_TIME:
        return "a time such as \"30s\", \"5m\", \"2h\", \"5d\" or \"1w\"";
    case CONF_STRING:
        return "text in quotes";
    case CONF_PATH:
        return "an absolute path in quotes";
    case CONF_ENUM:
        return one_of(row, a);
    case CONF_STRINGS:
        return "text in quotes, or an array such as [ \"a\", \"b\" ]";
    case CONF_TIMES:
        return "times such as [ \"5m\", \"1h\" ]";
    case CONF_GROUP:
        return "a group { ... }";
    case CONF_LIST:
        return "a list of groups ( { ... }, { ... } )";
    }
    return "";
}

/* A missing unit and a negative number get the words that help, anything else the general ones. */
static bool wrong_type(const struct conf_option *row, const struct conf_given *g, struct arena *a,
                       struct conf_faults *faults)
{
    bool time = row->type == CONF_TIME || row->type == CONF_TIMES;
    if (time && g->type == CONF_GIVEN_INT)
        conf_fault(faults,
                   g->i > 0 && g->i < INT_MAX
                       ? arena_printf(a, "\"%" PRId64 "s\" if seconds are meant", g->i)
                       : conf_value_asked(row, a),
                   "a time needs a unit (s, m, h, d or w)");
    else if (row->type == CONF_BOOL && g->type == CONF_GIVEN_STRING)
        conf_fault(faults, "true or false, without quotes", "\"%.*s\" is text", SV_ARG(g->text));
    else
        conf_fault(faults, conf_value_asked(row, a), "%s cannot stand here",
                   conf_value_given(g->type));
    return false;
}

static bool in_range(const struct conf_option *row, int64_t value, struct arena *a,
                     struct conf_faults *faults)
{
    bool bounded = row->min != 0 || row->max != 0;
    REQUIRE(bounded); /* without bounds an overflow would pass */
    if (value >= row->min && value <= row->max)
        return true;
    const char *shown = number_text(row, value, a);
    if (row->type == CONF_SIZE && value < 0)
        shown = "a negative size"; /* number_text takes it for a percentage */
    if (value == INT64_MAX || value == INT64_MIN + 1)
        shown = "the number"; /* what it was is lost, and too long to repeat */
    conf_fault(faults, conf_value_range(row, a), "%s is too %s", shown,
               value < row->min ? "small" : "large");
    return false;
}

static bool set_bool(const struct conf_option *row, const struct conf_given *g, struct arena *a,
                     struct conf_faults *faults, void *field)
{
    if (g->type != CONF_GIVEN_BOOL)
        return wrong_type(row, g, a, faults);
    memcpy(field, &g->b, sizeof g->b);
    return true;
}

static bool set_int(const struct conf_option *row, const struct conf_given *g, struct arena *a,
                    struct conf_faults *faults, void *field)
{
    if (g->type != CONF_GIVEN_INT)
        return wrong_type(row, g, a, faults);
    if (!in_range(row, g->i, a, faults))
        return false;
    memcpy(field, &g->i, sizeof g->i);
    return true;
}

static bool set_percent(const struct conf_given *g, struct conf_faults *faults, void *field)
{
    uint64_t percent;
    if (!sv_u64(sv_first(g->text, g->text.len - 1), 100, &percent) || percent == 0) {
        conf_fault(faults, "1% to 100%", "\"%.*s\" is no usable percentage", SV_ARG(g->text));
        return false;
    }
    int64_t value = -(int64_t)percent;
    memcpy(field, &value, sizeof value);
    return true;
}

static bool set_size(const struct conf_option *row, const struct conf_given *g, struct arena *a,
                     struct conf_faults *faults, void *field)
{
    int64_t value = g->i;
    if (g->type == CONF_GIVEN_STRING) {
        if ((row->flags & CONF_PERCENT_OK) && g->text.len && g->text.ptr[g->text.len - 1] == '%')
            return set_percent(g, faults, field);
        if (!conf_parse_size(g->text, &value)) {
            conf_fault(faults, conf_value_asked(row, a), "\"%.*s\" is no size", SV_ARG(g->text));
            return false;
        }
    } else if (g->type != CONF_GIVEN_INT) {
        return wrong_type(row, g, a, faults);
    }
    if (!in_range(row, value, a, faults))
        return false;
    memcpy(field, &value, sizeof value);
    return true;
}

static bool set_time(const struct conf_option *row, const struct conf_given *g, struct arena *a,
                     struct conf_faults *faults, void *field)
{
    int64_t value;
    if (g->type != CONF_GIVEN_STRING)
        return wrong_type(row, g, a, faults);
    if (!conf_parse_time(g->text, &value)) {
        conf_fault(faults, conf_value_asked(row, a), "\"%.*s\" is no time", SV_ARG(g->text));
        return false;
    }
    if (!in_range(row, value, a, faults))
        return false;
    memcpy(field, &value, sizeof value);
    return true;
}

static bool set_enum(const struct conf_option *row, const struct conf_given *g, struct arena *a,
                     struct conf_faults *faults, void *field)
{
    struct sv text = g->type == CONF_GIVEN_BOOL ? g->b ? SV("true") : SV("false") : g->text;
    if (g->type != CONF_GIVEN_STRING && g->type != CONF_GIVEN_BOOL)
        return wrong_type(row, g, a, faults);
    for (int i = 0; row->names[i]; i++)
        if (sv_eq(text, sv_of(row->names[i]))) {
            memcpy(field, &i, sizeof i);
            return true;
        }
    conf_fault(faults, one_of(row, a), "\"%.*s\" is not known", SV_ARG(text));
    return false;
}

static const char *replace_state(const char *text, const char *state, struct arena *a)
{
    const char *hit;
    while ((hit = strstr(text, "<state>")) != NULL)
        text = arena_printf(a, "%.*s%s%s", (int)(hit - text), text, state, hit + 7);
    return text;
}

static bool set_string(const struct conf_option *row, const struct conf_given *g, const char *state,
                       struct arena *a, struct conf_faults *faults, void *field)
{
    if (g->type != CONF_GIVEN_STRING)
        return wrong_type(row, g, a, faults);
    /* such a byte would get into replies, header fields or the log */
    for (size_t i = 0; i < g->text.len; i++)
        if ((unsigned char)g->text.ptr[i] < ' ' || g->text.ptr[i] == 0x7f) {
            conf_fault(faults, "printable text", "a control character stands in the value");
            return false;
        }
    bool empty = g->text.len == 0;
    if (empty && (row->def || row->type == CONF_STRINGS || (row->flags & CONF_REQUIRED))) {
        conf_fault(faults, row->type == CONF_STRINGS ? "leave it out" : conf_value_asked(row, a),
                   "the value is empty");
        return false;
    }
    const char *value = arena_str(a, g->text);
    if (row->type == CONF_PATH && !empty) {
        value = replace_state(value, state, a);
        if (value[0] != '/') {
            conf_fault(faults, "a path that begins with / or <state>", "\"%s\" is not absolute",
                       value);
            return false;
        }
    }
    size_t errors = faults->errors;
    if (row->check && !empty)
        row->check(value, faults);
    if (faults->errors != errors)
        return false;
    memcpy(field, &value, sizeof value);
    return true;
}

bool conf_value_set(const struct conf_option *row, const struct conf_given *given,
                    const char *state, struct arena *a, struct conf_faults *faults, void *field)
{
    switch (row->type) {
    case CONF_BOOL:
        return set_bool(row, given, a, faults, field);
    case CONF_INT:
    case CONF_INTS:
        return set_int(row, given, a, faults, field);
    case CONF_SIZE:
        return set_size(row, given, a, faults, field);
    case CONF_TIME:
    case CONF_TIMES:
        return set_time(row, given, a, faults, field);
    case CONF_ENUM:
        return set_enum(row, given, a, faults, field);
    case CONF_STRING:
    case CONF_PATH:
    case CONF_STRINGS:
        return set_string(row, given, state, a, faults, field);
    case CONF_GROUP:
    case CONF_LIST:
        break;
    }
    REQUIRE(row->type != CONF_GROUP && row->type != CONF_LIST);
    return false;
}

struct conf_given conf_value_default(const struct conf_option *row)
{
    struct conf_given g = {.type = CONF_GIVEN_STRING, .text = sv_of(row->def)};
    uint64_t number;
    if (row->type == CONF_BOOL) {
        g.type = CONF_GIVEN_BOOL;
        g.b = sv_eq(g.text, SV("true"));
    } else if (row->type == CONF_INT) {
        bool ok = sv_u64(g.text, INT64_MAX, &number);
        REQUIRE(ok);
        g.type = CONF_GIVEN_INT;
        g.i = (int64_t)number;
    }
    return g;
}
