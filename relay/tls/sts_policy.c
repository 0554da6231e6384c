/*
 * Two small grammars, read line by line and field by field. Every field is checked, also unknown
 * ones: text that breaks the grammar is not the policy that somebody wrote, but an error page or
 * something else that must not be acted on.
 */
#include "relay/tls/sts_policy.h"

#include "msa/base/utf8.h"
#include "relay/tls/txt_record.h"

#include <string.h>

#define DOMAIN_MAX_BYTES 253

static const char *const mode_texts[] = {
#define STS_MODE_TEXT(name, text) text,
    STS_MODES(STS_MODE_TEXT)
#undef STS_MODE_TEXT
};

const char *sts_mode_text(enum sts_mode mode)
{
    return mode_texts[mode];
}

static bool is_alnum(char c)
{
    return ascii_alpha(c) || ascii_digit(c);
}

/* ---- the policy ---- */

struct reading {
    struct arena *arena;
    struct sts_policy *policy;
    const char **mx, **lines;
    bool version, mode, max_age; /* seen */
};

static bool is_label(struct sv label)
{
    if (label.len == 0 || label.len > 63 || !is_alnum(label.ptr[0]) ||
        !is_alnum(label.ptr[label.len - 1]))
        return false;
    for (size_t i = 0; i < label.len; i++)
        if (!is_alnum(label.ptr[i]) && label.ptr[i] != '-')
            return false;
    return true;
}

static bool is_pattern(struct sv text)
{
    struct sv name = sv_skip(text, sv_starts(text, SV("*.")) ? 2 : 0);
    if (name.len == 0 || name.len > DOMAIN_MAX_BYTES || name.ptr[name.len - 1] == '.')
        return false;
    while (name.len)
        if (!is_label(sv_split(&name, '.')))
            return false;
    return true;
}

static const char *take_version(struct reading *r, struct sv value)
{
    if (r->version)
        return NULL;
    r->version = true;
    return sv_eq(value, SV("STSv1")) ? NULL : "its version is not STSv1";
}

static const char *take_mode(struct reading *r, struct sv value)
{
    if (r->mode)
        return NULL;
    r->mode = true;
    for (unsigned i = 0; i < sizeof mode_texts / sizeof *mode_texts; i++) {
        if (!sv_eq(value, sv_of(mode_texts[i])))
            continue;
        r->policy->mode = (enum sts_mode)i;
        return NULL;
    }
    return "its mode is none of none, testing and enforce";
}

static const char *take_max_age(struct reading *r, struct sv value)
{
    uint64_t seconds;
    if (r->max_age)
        return NULL;
    r->max_age = true;
    if (value.len > 10 || !sv_u64(value, UINT64_MAX, &seconds))
        return "its max_age is no number of 1 to 10 digits";
    r->policy->max_age_s = seconds > STS_MAX_AGE_S ? STS_MAX_AGE_S : (uint32_t)seconds;
    return NULL;
}

static const char *take_mx(struct reading *r, struct sv value)
{
    if (!is_pattern(value))
        return "an mx is neither a domain name nor \"*.\" and one";
    if (r->policy->nmx == STS_POLICY_MX_MAX)
        return "it has too many mx lines";
    char *pattern = arena_str(r->arena, value);
    for (char *c = pattern; *c; c++)
        *c = ascii_lower(*c);
    r->mx[r->policy->nmx++] = pattern;
    return NULL;
}

static const char *take_line(struct reading *r, struct sv line)
{
    static const struct {
        struct sv name;
        const char *(*take)(struct reading *r, struct sv value);
    } fields[] = {
        {{"version", 7}, take_version},
        {{"mode", 4}, take_mode},
        {{"max_age", 7}, take_max_age},
        {{"mx", 2}, take_mx},
    };
    size_t colon = sv_find(line, ':');
    struct sv name = sv_first(line, colon), value = sv_trim(sv_skip(line, colon + 1));
    if (colon == line.len || !txt_record_is_name(name) || value.len == 0)
        return "a line is not of the form \"name: value\"";
    if (!utf8_is_printable(value))
        return "a line holds control characters or is not UTF-8";
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
        if (sv_eq(name, fields[i].name))
            return fields[i].take(r, value);
    return NULL;
}

static const char *read_lines(struct reading *r, struct sv text)
{
    while (text.len) {
        struct sv line = sv_split(&text, '\n');
        if (line.len && line.ptr[line.len - 1] == '\r')
            line.len--;
        struct sv bare = sv_trim(line);
        if (bare.len == 0)
            continue;
        const char *wrong = take_line(r, line);
        if (wrong)
            return wrong;
        r->lines[r->policy->nlines++] = arena_str(r->arena, bare);
    }
    if (!r->version)
        return "it has no version";
    if (!r->mode)
        return "it has no mode";
    if (!r->max_age)
        return "it has no max_age";
    if (r->policy->nmx == 0 && r->policy->mode != STS_MODE_NONE)
        return "it has no mx";
    return NULL;
}

int sts_policy_parse(struct sv text, struct arena *arena, struct sts_policy *out,
                     const char **wrong_out)
{
    *out = (struct sts_policy){0};
    if (text.len > STS_POLICY_MAX_BYTES) {
        *wrong_out = "it is longer than 64 KiB";
        return ERR_SYNTAX;
    }
    size_t lines = (text.len + 1) / 4; /* "a:b" and its end is the shortest that is kept */
    struct reading r = {.arena = arena, .policy = out};
    r.lines = arena_alloc(arena, lines * sizeof *r.lines);
    r.mx =
        arena_alloc(arena, (lines < STS_POLICY_MX_MAX ? lines : STS_POLICY_MX_MAX) * sizeof *r.mx);
    *wrong_out = read_lines(&r, text);
    if (*wrong_out)
        return ERR_SYNTAX;
    out->mx = r.mx;
    out->lines = r.lines;
    return 0;
}

/* RFC 8461 4.1, RFC 6125 6.4.3 with the wildcard as the whole left-most label. */
bool sts_policy_allows(const struct sts_policy *p, const char *host)
{
    struct sv name = sv_of(host);
    struct sv above = sv_skip(name, sv_find(name, '.')); /* with its dot */
    for (size_t i = 0; i < p->nmx; i++) {
        struct sv pattern = sv_of(p->mx[i]);
        bool wild = sv_starts(pattern, SV("*."));
        if (wild ? above.len < name.len && sv_ieq(sv_skip(pattern, 1), above)
                 : sv_ieq(pattern, name))
            return true;
    }
    return false;
}

/* ---- the record ---- */

static bool is_id(struct sv value)
{
    for (size_t i = 0; i < value.len; i++)
        if (!is_alnum(value.ptr[i]))
            return false;
    return value.len >= 1 && value.len <= STS_ID_MAX;
}

/* What follows the version: fields, of which one is the id. */
static bool take_fields(struct sv rest, char id_out[STS_ID_MAX + 1])
{
    struct sv name, value;
    int more;
    while ((more = txt_record_next(&rest, &name, &value)) > 0) {
        if (!txt_record_is_value(value))
            return false;
        if (!sv_eq(name, SV("id")) || id_out[0])
            continue;
        if (!is_id(value))
            return false;
        memcpy(id_out, value.ptr, value.len);
        id_out[value.len] = '\0';
    }
    return more == 0 && id_out[0] != '\0';
}

enum sts_record sts_record_find(const struct sv *texts, size_t n, char id_out[STS_ID_MAX + 1])
{
    struct sv rest;
    size_t found = txt_record_find(texts, n, SV("v=STSv1"), &rest);
    id_out[0] = '\0';
    if (found == 0)
        return STS_RECORD_NONE;
    if (found == 1 && take_fields(rest, id_out))
        return STS_RECORD_FOUND;
    id_out[0] = '\0';
    return STS_RECORD_INVALID;
}
