#include "rewrite/fields.h"

#include "msa/base/require.h"

#include <string.h>

static const struct sv names[] = {
#define FIELD_NAME(kind, name) [REWRITE_FIELD_##kind] = {name, sizeof(name) - 1},
    REWRITE_FIELDS(FIELD_NAME)
#undef FIELD_NAME
};

enum rewrite_field_kind rewrite_fields_kind(struct sv name)
{
    for (unsigned k = REWRITE_FIELD_OTHER + 1; k < REWRITE_FIELD_KINDS; k++)
        if (name.len == names[k].len && sv_ieq(name, names[k]))
            return (enum rewrite_field_kind)k;
    return REWRITE_FIELD_OTHER;
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

enum rewrite_line_kind rewrite_fields_line(struct sv line, struct sv *name_out)
{
    if (!line.len)
        return REWRITE_LINE_END;
    if (line.ptr[0] == ' ' || line.ptr[0] == '\t')
        return REWRITE_LINE_FOLD;
    size_t colon = sv_find(line, ':');
    if (colon == line.len)
        return REWRITE_LINE_NO_COLON;
    struct sv name = sv_first(line, colon);
    /* RFC 5322 4.5: the obsolete form has space between name and colon; receivers must read it. */
    while (name.len && (name.ptr[name.len - 1] == ' ' || name.ptr[name.len - 1] == '\t'))
        name.len--;
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
    while (line.len && (line.ptr[line.len - 1] == '\n' || line.ptr[line.len - 1] == '\r'))
        line.len--;
    struct sv name;
    if (rewrite_fields_line(line, &name) != REWRITE_LINE_FIELD)
        return false;
    *out = (struct rewrite_field){.start = *at,
                                  .name_len = name.len,
                                  .value = *at + sv_find(line, ':') + 1,
                                  .kind = rewrite_fields_kind(name)};
    while (end < section.len && (section.ptr[end] == ' ' || section.ptr[end] == '\t'))
        end = line_end(section, end);
    out->end = end;
    *at = end;
    return true;
}
