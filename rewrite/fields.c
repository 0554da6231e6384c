#include "rewrite/fields.h"

#include "msa/base/require.h"

#include <string.h>

static const struct sv names[] = {
#define FIELD_NAME(kind, name) [REWRITE_FIELD_##kind] = {name, sizeof(name) - 1},
    REWRITE_FIELDS(FIELD_NAME)
#undef FIELD_NAME
};

/* The lengths that names have, a bit each: most others are known by that not to be here. */
#define FIELD_LENGTH(kind, name) UINT64_C(1) << (sizeof(name) - 1) |
static const uint64_t lengths = REWRITE_FIELDS(FIELD_LENGTH) 0;
#undef FIELD_LENGTH

enum rewrite_field_kind rewrite_fields_kind(struct sv name)
{
    if (name.len >= 64 || !(lengths >> name.len & 1))
        return REWRITE_FIELD_OTHER;
    for (unsigned k = REWRITE_FIELD_OTHER + 1; k < REWRITE_FIELD_KINDS; k++)
        if (name.len == names[k].len && ascii_lower(*name.ptr) == ascii_lower(*names[k].ptr) &&
            sv_ieq(name, names[k]))
            return (enum rewrite_field_kind)k;
    return REWRITE_FIELD_OTHER;
}

bool rewrite_fields_is(struct sv name, enum rewrite_field_kind kind)
{
    return name.len == names[kind].len && sv_ieq(name, names[kind]);
}

const char *rewrite_fields_name(enum rewrite_field_kind kind)
{
    REQUIRE(kind > REWRITE_FIELD_OTHER && kind < REWRITE_FIELD_KINDS);
    return names[kind].ptr;
}

bool rewrite_fields_is_address(enum rewrite_field_kind kind)
{
    switch (kind) {
#define FIELD_CASE(kind_, name) case REWRITE_FIELD_##kind_:
        REWRITE_ADDRESS_FIELDS(FIELD_CASE)
#undef FIELD_CASE
        return true;
    default:
        return false;
    }
}

static bool is_white(char c)
{
    return c == ' ' || c == '\t';
}

/* RFC 5322 4.5: the obsolete form has space between name and colon; receivers must read it. */
static struct sv trim_name(struct sv name)
{
    while (name.len && is_white(name.ptr[name.len - 1]))
        name.len--;
    return name;
}

enum rewrite_line_kind rewrite_fields_line(struct sv line, struct sv *name_out)
{
    if (!line.len)
        return REWRITE_LINE_END;
    if (is_white(line.ptr[0]))
        return REWRITE_LINE_FOLD;
    const char *colon = memchr(line.ptr, ':', line.len);
    if (!colon)
        return REWRITE_LINE_NO_COLON;
    struct sv name = trim_name(sv_range(line.ptr, colon));
    if (!name.len)
        return REWRITE_LINE_BAD_NAME;
    for (size_t i = 0; i < name.len; i++)
        if (name.ptr[i] < 33 || name.ptr[i] > 126)
            return REWRITE_LINE_BAD_NAME;
    *name_out = name;
    return REWRITE_LINE_FIELD;
}

/* Offset behind the line that begins at at. */
static size_t line_end(struct sv section, size_t at)
{
    const char *lf = memchr(section.ptr + at, '\n', section.len - at);
    return lf ? (size_t)(lf - section.ptr) + 1 : section.len;
}

bool rewrite_fields_next(struct sv section, size_t *at, struct rewrite_field *out)
{
    if (*at >= section.len)
        return false;
    size_t end = line_end(section, *at);
    struct sv line = {section.ptr + *at, end - *at};
    const char *colon = memchr(line.ptr, ':', line.len);
    if (!colon || is_white(*line.ptr))
        return false;
    struct sv name = trim_name(sv_range(line.ptr, colon));
    if (!name.len)
        return false;
    *out = (struct rewrite_field){.start = *at,
                                  .name_len = name.len,
                                  .value = *at + (size_t)(colon - line.ptr) + 1,
                                  .kind = rewrite_fields_kind(name)};
    while (end < section.len && is_white(section.ptr[end]))
        end = line_end(section, end);
    out->end = end;
    *at = end;
    return true;
}
