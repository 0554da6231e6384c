#include "rewrite/dkim_fields.h"

#include "msa/base/require.h"

static const struct {
    struct sv name;
    enum rewrite_dkim_oversign oversign;
} table[] = {
#define FIELD_ROW(text, when) {{text, sizeof(text) - 1}, REWRITE_DKIM_##when},
    REWRITE_DKIM_FIELDS(FIELD_ROW)
#undef FIELD_ROW
};
_Static_assert(sizeof table / sizeof *table == REWRITE_DKIM_FIELD_COUNT, "the number of rows");

/* Index in the table, or its count. */
static size_t index_of(struct sv name)
{
    for (size_t i = 0; i < REWRITE_DKIM_FIELD_COUNT; i++)
        if (name.len == table[i].name.len && sv_ieq(name, table[i].name))
            return i;
    return REWRITE_DKIM_FIELD_COUNT;
}

void rewrite_dkim_fields_find(struct rewrite_dkim_fields *out, struct sv section)
{
    struct rewrite_field f;
    size_t at = 0;
    REQUIRE(section.len <= UINT32_MAX);
    out->section = section;
    for (size_t i = 0; i < REWRITE_DKIM_FIELD_COUNT; i++)
        out->names[i].count = 0;
    while (rewrite_fields_next(section, &at, &f)) {
        struct sv name = sv_trim(sv_range(section.ptr + f.start, section.ptr + f.value - 1));
        size_t i = index_of(name);
        if (i == REWRITE_DKIM_FIELD_COUNT)
            continue;
        uint32_t place = out->names[i].count++ % REWRITE_DKIM_SAME_MAX;
        out->names[i].start[place] = (uint32_t)f.start;
        out->names[i].end[place] = (uint32_t)f.end;
    }
}

static uint32_t signed_count(const struct rewrite_dkim_fields *f, size_t i)
{
    uint32_t n = f->names[i].count;
    return n < REWRITE_DKIM_SAME_MAX ? n : REWRITE_DKIM_SAME_MAX;
}

static bool is_oversigned(const struct rewrite_dkim_fields *f, size_t i)
{
    uint32_t n = f->names[i].count;
    switch (table[i].oversign) {
    case REWRITE_DKIM_ALWAYS:
        return n <= REWRITE_DKIM_SAME_MAX;
    case REWRITE_DKIM_PRESENT:
        return n > 0 && n <= REWRITE_DKIM_SAME_MAX;
    case REWRITE_DKIM_NEVER:
        break;
    }
    return false;
}

void rewrite_dkim_fields_hash(const struct rewrite_dkim_fields *f, enum rewrite_dkim_canon canon,
                              rewrite_dkim_sink *sink, void *arg)
{
    for (size_t i = 0; i < REWRITE_DKIM_FIELD_COUNT; i++)
        for (uint32_t k = 0; k < signed_count(f, i); k++) {
            uint32_t place = (f->names[i].count - 1 - k) % REWRITE_DKIM_SAME_MAX;
            struct sv field = sv_range(f->section.ptr + f->names[i].start[place],
                                       f->section.ptr + f->names[i].end[place]);
            rewrite_dkim_field(canon, field, sink, arg);
            sink(arg, SV("\r\n"));
        }
}

void rewrite_dkim_fields_names(const struct rewrite_dkim_fields *f,
                               void (*each)(void *arg, struct sv name), void *arg)
{
    for (size_t i = 0; i < REWRITE_DKIM_FIELD_COUNT; i++)
        for (uint32_t k = 0; k < signed_count(f, i) + is_oversigned(f, i); k++)
            each(arg, table[i].name);
}
