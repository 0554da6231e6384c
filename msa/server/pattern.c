#include "msa/server/pattern.h"

#include "msa/smtp/lookalike.h"
#include "msa/smtp/nfc.h"

#include <string.h>

static const char forms[] = "\"bob@example.net\", \"bob+*@example.net\", \"@example.net\", "
                            "\"@*.example.net\", \"%u\", \"%u+*\", \"*\" or \"file:/path\"";

struct sv pattern_key(const struct smtp_path *path, char out[SMTP_PATH_MAX])
{
    char composed[SMTP_PATH_MAX];
    struct sv text = smtp_nfc(sv_first(path->text, SMTP_PATH_MAX), composed, sizeof composed);
    for (size_t i = 0; i < text.len; i++)
        out[i] = ascii_lower(text.ptr[i]);
    return (struct sv){out, text.len};
}

/* An address with the domain in question: that reads U-labels as well. */
bool pattern_domain(struct arena *a, struct sv text, struct sv *out)
{
    struct smtp_path path;
    struct sv address = sv_of(arena_printf(a, "a@%.*s", SV_ARG(text)));
    if (smtp_path_parse_address(a, address, SMTP_PATH_FORWARD, &path) != SMTP_PATH_OK ||
        path.kind != SMTP_PATH_MAILBOX)
        return false;
    *out = smtp_path_domain(&path);
    return true;
}

static bool fail(const char **wrong_out, const char *wrong, const char **right_out,
                 const char *right)
{
    *wrong_out = wrong;
    *right_out = right;
    return false;
}

static bool parse_domain(struct arena *a, struct sv text, struct pattern *out, const char **wrong,
                         const char **right)
{
    out->form = sv_starts(text, SV("*.")) ? PATTERN_BELOW : PATTERN_DOMAIN;
    if (out->form == PATTERN_BELOW)
        text = sv_skip(text, 2);
    if (!pattern_domain(a, text, &out->key))
        return fail(wrong, "is no pattern: a fully qualified domain stands behind the @", right,
                    "\"@example.net\" for a domain, \"@*.example.net\" for those below it");
    if (smtp_lookalike_mixed(out->key))
        return fail(wrong, "has a domain that mixes scripts: it looks like what it is not", right,
                    "the domain written in one script");
    return true;
}

/* local "+*@" domain, without the "+*". */
static bool is_sub(struct sv text, struct sv *local, struct sv *domain)
{
    size_t at = sv_rfind(text, '@');
    *local = sv_first(text, at);
    if (at == text.len || !sv_iends(*local, SV("+*")))
        return false;
    local->len -= 2;
    *domain = sv_skip(text, at + 1);
    return true;
}

static bool parse_address(struct arena *a, struct sv text, struct pattern *out, const char **wrong,
                          const char **right)
{
    char key[SMTP_PATH_MAX];
    struct smtp_path path;
    struct sv local, domain;
    out->form = is_sub(text, &local, &domain) ? PATTERN_SUB : PATTERN_ADDRESS;
    if (out->form == PATTERN_SUB)
        text = sv_of(arena_printf(a, "%.*s@%.*s", SV_ARG(local), SV_ARG(domain)));
    if (sv_find(text, '*') < text.len)
        return fail(wrong,
                    "is no pattern: * stands alone, in \"@*.domain\" or in \"name+*@domain\"",
                    right, forms);
    if (smtp_path_parse_address(a, text, SMTP_PATH_FORWARD, &path) != SMTP_PATH_OK)
        return fail(wrong, "is no pattern and no address", right, forms);
    if (path.kind == SMTP_PATH_MAILBOX && smtp_lookalike_mixed(smtp_path_domain(&path)))
        return fail(wrong, "has a domain that mixes scripts: it looks like what it is not", right,
                    "the domain written in one script");
    if (smtp_lookalike_mixed_text(sv_first(path.text, path.local_len)))
        return fail(wrong, "has a local part that mixes scripts: it looks like what it is not",
                    right, "the address written in one script");
    if (out->form == PATTERN_SUB && path.text.ptr[0] == '"')
        return fail(wrong, "is no pattern: a local part in quotes has no sub-addresses", right,
                    forms);
    out->key = arena_sv(a, pattern_key(&path, key));
    return true;
}

bool pattern_is_source(struct sv text)
{
    return sv_starts(text, SV(PATTERN_FILE_PREFIX)) || sv_starts(text, SV(PATTERN_SQLITE_PREFIX));
}

struct sv pattern_source_path(struct sv text, struct sv *query_out)
{
    bool is_file = sv_starts(text, SV(PATTERN_FILE_PREFIX));
    *query_out = sv_skip(text, sv_find(text, ':') + 1);
    if (!is_file)
        return sv_split(query_out, '?');
    struct sv path = *query_out;
    *query_out = SV_NONE;
    return path;
}

static bool parse_source(struct arena *a, struct sv text, struct pattern *out, const char **wrong,
                         const char **right)
{
    bool is_query = sv_starts(text, SV(PATTERN_SQLITE_PREFIX));
    struct sv query, path = pattern_source_path(text, &query);
    out->form = PATTERN_FILE;
    out->key = arena_sv(a, text);
    if (!sv_starts(path, SV("/")) || text.len > PATTERN_SOURCE_MAX)
        return fail(wrong, "is no pattern: the path is not absolute, or it is too long", right,
                    "for example \"file:/etc/msa/aliases\"");
    if (is_query && !sv_istarts(query, SV("select ")))
        return fail(wrong, "is no pattern: it has no query", right,
                    "for example \"sqlite:/etc/msa/users.db?SELECT login, address FROM aliases\"");
    return true;
}

bool pattern_parse(struct arena *a, struct sv text, struct pattern *out, const char **wrong_out,
                   const char **right_out)
{
    *out = (struct pattern){.form = PATTERN_ALL};
    if (sv_eq(text, SV("*")))
        return true;
    if (sv_starts(text, SV("%u"))) {
        out->form = sv_eq(text, SV("%u+*")) ? PATTERN_OWN_SUB : PATTERN_OWN;
        return out->form == PATTERN_OWN_SUB || sv_eq(text, SV("%u")) ||
               fail(wrong_out, "is no pattern", right_out,
                    "\"%u\" for the login's own address, \"%u+*\" for its sub-addresses");
    }
    if (pattern_is_source(text))
        return parse_source(a, text, out, wrong_out, right_out);
    if (sv_starts(text, SV("*@")))
        return fail(wrong_out, "is no pattern", right_out,
                    "\"@example.net\" for a domain, \"@*.example.net\" for those below it");
    if (sv_starts(text, SV("@")))
        return parse_domain(a, sv_skip(text, 1), out, wrong_out, right_out);
    return parse_address(a, text, out, wrong_out, right_out);
}
