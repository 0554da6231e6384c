/*
 * Times and sizes with units. One table a kind, largest unit first, serves parsing and writing.
 */
#include "msa/base/conf.h"

#include <inttypes.h>
#include <stdio.h>

struct unit {
    char letter;
    int64_t factor;
};

static const struct unit time_units[] = {{'w', 604800}, {'d', 86400}, {'h', 3600},
                                         {'m', 60},     {'s', 1},     {0, 0}};
static const struct unit size_units[] = {
    {'G', INT64_C(1) << 30}, {'M', INT64_C(1) << 20}, {'K', INT64_C(1) << 10}, {0, 0}};

static const struct unit *find_unit(const struct unit *units, char letter)
{
    for (; units->letter; units++)
        if (units->letter == letter)
            return units;
    return NULL;
}

static bool parse(struct sv number, int64_t factor, int64_t *out)
{
    uint64_t value;
    int64_t product;
    if (!sv_u64(number, INT64_MAX, &value) ||
        __builtin_mul_overflow((int64_t)value, factor, &product))
        return false;
    *out = product;
    return true;
}

bool conf_parse_time(struct sv text, int64_t *seconds_out)
{
    if (text.len < 2)
        return false;
    const struct unit *u = find_unit(time_units, text.ptr[text.len - 1]);
    return u && parse(sv_first(text, text.len - 1), u->factor, seconds_out);
}

bool conf_parse_size(struct sv text, int64_t *bytes_out)
{
    if (text.len == 0)
        return false;
    const struct unit *u = find_unit(size_units, text.ptr[text.len - 1]);
    return u ? parse(sv_first(text, text.len - 1), u->factor, bytes_out)
             : parse(text, 1, bytes_out);
}

static const char *write_units(const struct unit *units, int64_t value,
                               char buf[CONF_UNIT_TEXT_MAX])
{
    while (units->letter && (value == 0 || value % units->factor != 0))
        units++;
    if (units->letter)
        snprintf(buf, CONF_UNIT_TEXT_MAX, "%" PRId64 "%c", value / units->factor, units->letter);
    else
        snprintf(buf, CONF_UNIT_TEXT_MAX, "%" PRId64, value);
    return buf;
}

const char *conf_time_text(int64_t seconds, char buf[CONF_UNIT_TEXT_MAX])
{
    if (seconds == 0) {
        snprintf(buf, CONF_UNIT_TEXT_MAX, "0s");
        return buf;
    }
    return write_units(time_units, seconds, buf);
}

const char *conf_size_text(int64_t bytes, char buf[CONF_UNIT_TEXT_MAX])
{
    return write_units(size_units, bytes, buf);
}
