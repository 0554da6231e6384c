/*
 * From libconfig's tree to value structs, along the rows. Each field gets its default first, so
 * that a fault leaves something sound behind and the search for further faults goes on. Defaults
 * of arrays and lists are read by libconfig too; a default that is refused is a broken table.
 */
#include "msa/base/conf_read.h"

#include "msa/base/conf_nearest.h"
#include "msa/base/conf_scan.h"
#include "msa/base/conf_value.h"
#include "msa/base/require.h"

#include <libconfig.h>
#include <stdlib.h>
#include <string.h>

#ifdef MSA_SANITIZED
#include <sanitizer/lsan_interface.h>
#endif

#define TEXT_MAX ((size_t)64 << 20)

struct reader {
    const struct conf_option *root;
    const char *state;
    struct arena *arena;
    struct conf_faults *faults;
    const struct conf_source *src;
};

static void read_group(struct reader *r, const struct conf_option *rows,
                       const config_setting_t *group, const char *prefix, char *base);

static const char *join(struct reader *r, const char *prefix, const char *name)
{
    return arena_printf(r->arena, "%s%s%s", prefix, prefix[0] ? "." : "", name);
}

/* conf_fault() speaks of this key from now on; outer serves where the key has no place. */
static void at_key(struct reader *r, const char *key, const char *outer)
{
    const struct conf_place *place = conf_source_find(r->src, key);
    if (!place)
        place = conf_source_find(r->src, outer);
    r->faults->key = key;
    r->faults->line = place ? place->line : 0;
    r->faults->file = r->src->file;
}

static struct conf_given given_of(const config_setting_t *s)
{
    struct conf_given g = {.type = CONF_GIVEN_GROUP};
    switch (config_setting_type(s)) {
    case CONFIG_TYPE_BOOL:
        g.type = CONF_GIVEN_BOOL;
        g.b = config_setting_get_bool(s) != 0;
        break;
    case CONFIG_TYPE_INT:
    case CONFIG_TYPE_INT64:
        g.type = CONF_GIVEN_INT;
        g.i = config_setting_get_int64(s);
        break;
    case CONFIG_TYPE_FLOAT:
        g.type = CONF_GIVEN_FLOAT;
        break;
    case CONFIG_TYPE_STRING:
        g.type = CONF_GIVEN_STRING;
        g.text = sv_of(config_setting_get_string(s));
        break;
    case CONFIG_TYPE_ARRAY:
        g.type = CONF_GIVEN_ARRAY;
        break;
    case CONFIG_TYPE_LIST:
        g.type = CONF_GIVEN_LIST;
        break;
    default:
        break;
    }
    return g;
}

static void wrong_type(struct reader *r, const struct conf_option *row, const config_setting_t *s)
{
    conf_fault(r->faults, conf_value_asked(row, r->arena), "%s cannot stand here",
               conf_value_given(given_of(s).type));
}

/* Number of elements of what may be one value in place of several. */
static size_t count_of(const config_setting_t *s, bool several)
{
    return several ? (size_t)config_setting_length(s) : 1;
}

static const config_setting_t *element(const config_setting_t *s, bool several, size_t i)
{
    return several ? config_setting_get_elem(s, (unsigned)i) : s;
}

static void read_array(struct reader *r, const struct conf_option *row, const config_setting_t *s,
                       const char *key, void *field)
{
    bool several = config_setting_is_array(s) || config_setting_is_list(s);
    size_t count = count_of(s, several), kept = 0;
    bool ints = row->type == CONF_INTS || row->type == CONF_TIMES;
    size_t size = ints ? sizeof(int64_t) : sizeof(const char *);
    char *items = arena_alloc(r->arena, count * size + 1);
    for (size_t i = 0; i < count; i++) {
        struct conf_given g = given_of(element(s, several, i));
        at_key(r, several ? arena_printf(r->arena, "%s[%zu]", key, i) : key, key);
        if (conf_value_set(row, &g, r->state, r->arena, r->faults, items + kept * size))
            kept++;
    }
    if (ints)
        *(struct conf_ints *)field = (struct conf_ints){.items = (void *)items, .count = kept};
    else
        *(struct conf_strings *)field =
            (struct conf_strings){.items = (void *)items, .count = kept};
}

static void read_list(struct reader *r, const struct conf_option *row, const config_setting_t *s,
                      const char *key, void *field)
{
    bool several = config_setting_is_list(s) || config_setting_is_array(s);
    size_t count = count_of(s, several), kept = 0;
    if (count == 0)
        return; /* an empty list is the default */
    char *items = arena_alloc(r->arena, count * row->item_bytes);
    for (size_t i = 0; i < count; i++) {
        const config_setting_t *e = element(s, several, i);
        const char *item_key = arena_printf(r->arena, "%s[%zu]", key, i);
        at_key(r, item_key, key);
        if (config_setting_is_group(e))
            read_group(r, row->rows, e, item_key, items + row->item_bytes * kept++);
        else
            wrong_type(r, row, e);
    }
    *(struct conf_list *)field = (struct conf_list){.items = items, .count = kept};
}

static void read_row(struct reader *r, const struct conf_option *row, const config_setting_t *s,
                     const char *key, void *field)
{
    at_key(r, key, "");
    switch (row->type) {
    case CONF_STRINGS:
    case CONF_INTS:
    case CONF_TIMES:
        if (config_setting_is_group(s))
            wrong_type(r, row, s);
        else
            read_array(r, row, s, key, field);
        return;
    case CONF_LIST:
        read_list(r, row, s, key, field);
        return;
    case CONF_GROUP:
        if (config_setting_is_group(s))
            read_group(r, row->rows, s, key, field);
        else
            wrong_type(r, row, s);
        return;
    default: {
        struct conf_given g = given_of(s);
        conf_value_set(row, &g, r->state, r->arena, r->faults, field);
    }
    }
}

static void set_default(struct reader *r, const struct conf_option *row, void *field)
{
    config_t parsed;
    struct conf_given g;
    switch (row->type) {
    case CONF_GROUP:
        for (const struct conf_option *inner = row->rows; inner->name; inner++)
            set_default(r, inner, (char *)field + inner->offset);
        return;
    case CONF_STRINGS:
    case CONF_INTS:
    case CONF_TIMES:
    case CONF_LIST:
        memset(field, 0, conf_value_bytes(row));
        if (!row->def)
            return;
        config_init(&parsed);
        int ok = config_read_string(&parsed, arena_printf(r->arena, "value = %s;", row->def));
        REQUIRE(ok == CONFIG_TRUE);
        read_row(r, row, config_lookup(&parsed, "value"), row->name, field);
        config_destroy(&parsed);
        return;
    default:
        if (!row->def) {
            const char *empty = "";
            memset(field, 0, conf_value_bytes(row));
            if (row->type == CONF_STRING || row->type == CONF_PATH)
                memcpy(field, &empty, sizeof empty);
            return;
        }
        g = conf_value_default(row);
        conf_value_set(row, &g, r->state, r->arena, r->faults, field);
    }
}

void conf_read_default(const struct conf_option *row, const char *state, struct arena *a,
                       void *field)
{
    struct conf_source src = {.file = ""};
    struct conf_faults faults;
    conf_faults_init(&faults, a);
    struct reader r = {
        .root = row->rows, .state = state, .arena = a, .faults = &faults, .src = &src};
    set_default(&r, row, field);
    REQUIRE(faults.errors == 0);
}

static bool is_known(const struct conf_option *rows, const char *name)
{
    for (; rows->name; rows++)
        if (strcmp(rows->name, name) == 0)
            return true;
    return false;
}

static void refuse_unknown(struct reader *r, const struct conf_option *rows,
                           const config_setting_t *group, const char *prefix)
{
    for (int i = 0; i < config_setting_length(group); i++) {
        const char *name = config_setting_name(config_setting_get_elem(group, (unsigned)i));
        if (is_known(rows, name) ||
            strncmp(name, CONF_SCAN_DUPLICATE, sizeof CONF_SCAN_DUPLICATE - 1) == 0)
            continue;
        at_key(r, join(r, prefix, name), prefix);
        const char *nearest = conf_nearest(r->root, rows, prefix, sv_of(name), r->arena);
        conf_fault(r->faults,
                   nearest ? arena_printf(r->arena, "the nearest known key is %s", nearest)
                           : "known keys: msad --help",
                   "unknown key");
    }
}

static void read_group(struct reader *r, const struct conf_option *rows,
                       const config_setting_t *group, const char *prefix, char *base)
{
    for (const struct conf_option *row = rows; row->name; row++) {
        const config_setting_t *s = config_setting_get_member(group, row->name);
        const char *key = join(r, prefix, row->name);
        conf_read_default(row, r->state, r->arena, base + row->offset);
        if (s) {
            read_row(r, row, s, key, base + row->offset);
        } else if (row->flags & CONF_REQUIRED) {
            at_key(r, key, prefix);
            conf_fault(r->faults, arena_printf(r->arena, "%s = %s;", row->name, row->example),
                       "is missing");
        }
    }
    refuse_unknown(r, rows, group, prefix);
}

static bool is_sound_path(const char *text)
{
    if (text[0] != '/')
        return false;
    while (*text && (unsigned char)*text >= ' ' && *text != 0x7f)
        text++;
    return *text == '\0';
}

/* The value of "state" is needed before any path; its other faults are reported in its turn, and
 * the default stands in for a value that would make every path a fault. */
static const char *find_state(struct reader *r, const config_t *parsed)
{
    const char *text = NULL;
    for (const struct conf_option *row = r->root; row->name; row++)
        if (strcmp(row->name, "state") == 0)
            text = row->def;
    const config_setting_t *s = config_lookup(parsed, "state");
    const char *written = s ? config_setting_get_string(s) : NULL;
    if (written && strstr(written, "<state>")) {
        at_key(r, "state", "");
        conf_fault(r->faults, "an absolute path in quotes", "<state> cannot stand in itself");
    } else if (written && is_sound_path(written)) {
        text = written;
    }
    struct sv state = sv_of(text);
    while (state.len > 1 && state.ptr[state.len - 1] == '/')
        state.len--;
    return arena_str(r->arena, state);
}

const char *conf_read_state(const struct conf_option *rows, const void *values)
{
    for (; rows->name; rows++)
        if (strcmp(rows->name, "state") == 0)
            return *(const char *const *)((const char *)values + rows->offset);
    return "";
}

/* libconfig 1.5 loses the strings it holds at a syntax error: a few bytes a refused file. */
static bool parse(config_t *parsed, const char *text)
{
#ifdef MSA_SANITIZED
    __lsan_disable();
#endif
    bool ok = config_read_string(parsed, text) == CONFIG_TRUE;
#ifdef MSA_SANITIZED
    __lsan_enable();
#endif
    return ok;
}

static void syntax_fault(const config_t *parsed, const char *file, struct conf_faults *faults)
{
    faults->file = file;
    faults->key = "";
    faults->line = (unsigned)config_error_line(parsed);
    const char *text = config_error_text(parsed);
    if (strcmp(text, "mismatched element type in array") == 0)
        conf_fault(faults, "values of one type, all in quotes or none", "the array mixes types");
    else
        conf_fault(faults, "key = value; with text in quotes and every bracket closed", "%s", text);
}

bool conf_read(const struct conf_option *rows, const char *file, struct sv text, struct arena *a,
               void *values, struct conf_faults *faults, struct conf_source *src)
{
    struct buf mended;
    config_t parsed;
    *src = (struct conf_source){.file = arena_str(a, sv_of(file))};
    struct reader r = {.root = rows, .arena = a, .faults = faults, .src = src};
    faults->file = src->file;
    config_init(&parsed);
    buf_init(&mended, TEXT_MAX, 0);
    bool ok = text.len <= TEXT_MAX / 8;
    if (!ok)
        conf_fault(faults, "at most 8M", "the file is too large");
    ok = ok && conf_scan(text, a, faults, src, &mended);
    size_t len;
    char *string = buf_take(&mended, &len);
    if (ok && !parse(&parsed, string)) {
        syntax_fault(&parsed, src->file, faults);
        ok = false;
    }
    src->readable = ok;
    r.state = find_state(&r, &parsed);
    if (ok)
        read_group(&r, rows, config_root_setting(&parsed), "", values);
    else
        for (const struct conf_option *row = rows; row->name; row++)
            conf_read_default(row, r.state, a, (char *)values + row->offset);
    free(string);
    config_destroy(&parsed);
    return faults->errors == 0;
}
