/*
 * Design: three tables, by form. An entry is a key; behind it stand the rules with that key in
 * their order, each with the places for which no rule before it matches all that it does: so there
 * are four at most.
 * Of the entries that an address has in the three tables the rule that was added first wins.
 */
#include "rewrite/rules.h"

#include "msa/base/require.h"
#include "msa/smtp/nfc.h"

#include <stdio.h>
#include <string.h>
#include <uthash.h>

/* Places as one bit for each of the four pairs. */
#define PAIRS_ALL 15u

struct kept {
    struct rewrite_rule rule;
    uint32_t order;
    unsigned pairs;
    uint16_t row;
    struct kept *next;
};

struct entry {
    struct kept *first;
    UT_hash_handle hh;
};

struct rewrite_rules {
    struct arena *arena;
    struct entry *tables[3]; /* by enum rewrite_rule_form */
    unsigned pairs;          /* of all rules */
    uint32_t count;
    size_t below_labels; /* most labels of a domain in the last table */
};

static unsigned pairs_of(unsigned where)
{
    unsigned pairs = PAIRS_ALL;
    if (!(where & REWRITE_IN_ENVELOPE))
        pairs &= ~3u;
    if (!(where & REWRITE_IN_HEADER))
        pairs &= ~12u;
    if (!(where & REWRITE_OF_SENDER))
        pairs &= ~5u;
    if (!(where & REWRITE_OF_RECIPIENT))
        pairs &= ~10u;
    return pairs;
}

/* ---- reading ---- */

static const char forms[] =
    "\"jru@example.net\", \"*@example.net\", or \"*@*.example.net\" for the domains below it";

static bool fail(struct rewrite_rule_fault *f, bool in_replace, const char *wrong,
                 const char *right)
{
    *f = (struct rewrite_rule_fault){in_replace, wrong, right};
    return false;
}

/* A domain of two labels at least; U-labels are read as well. */
static bool parse_domain(struct arena *a, struct sv text, struct sv *out)
{
    struct smtp_path path;
    struct sv address = sv_of(arena_printf(a, "a@%.*s", SV_ARG(text)));
    if (smtp_path_parse_address(a, address, SMTP_PATH_FORWARD, &path) != SMTP_PATH_OK ||
        path.kind != SMTP_PATH_MAILBOX)
        return false;
    *out = smtp_path_domain(&path);
    return true;
}

struct sv rewrite_rules_key(const struct smtp_path *path, char out[SMTP_PATH_MAX],
                            size_t *local_len)
{
    char composed[SMTP_PATH_MAX];
    struct sv text = smtp_nfc(path->text, composed, sizeof composed);
    if (text.len > SMTP_PATH_MAX)
        return SV_NONE;
    for (size_t i = 0; i < text.len; i++)
        out[i] = ascii_lower(text.ptr[i]);
    *local_len = text.len - (path->text.len - path->local_len); /* a domain is ASCII */
    return (struct sv){out, text.len};
}

static bool parse_match(struct arena *a, struct sv text, struct rewrite_rule *out,
                        struct rewrite_rule_fault *fault)
{
    struct smtp_path path;
    char key[SMTP_PATH_MAX];
    size_t local_len;
    if (sv_eq(text, SV("*")) || sv_starts(text, SV("*@*")) || sv_eq(text, SV("*@"))) {
        struct sv below = sv_skip(text, 4);
        out->form = REWRITE_RULE_BELOW;
        if (sv_starts(text, SV("*@*.")) && parse_domain(a, below, &out->key))
            return true;
        if (sv_find(below, '.') < below.len && sv_find(below, '*') == below.len)
            return fail(fault, false, "is no address, and no domain that could match", forms);
        return fail(fault, false, "would match everything: a rule names a domain or an address",
                    forms);
    }
    if (sv_starts(text, SV("*@"))) {
        out->form = REWRITE_RULE_DOMAIN;
        return parse_domain(a, sv_skip(text, 2), &out->key) ||
               fail(fault, false, "is no address, and no domain that could match", forms);
    }
    out->form = REWRITE_RULE_ADDRESS;
    if (sv_find(text, '*') < text.len ||
        smtp_path_parse_address(a, text, SMTP_PATH_FORWARD, &path) != SMTP_PATH_OK)
        return fail(fault, false, "is no address, and no domain that could match", forms);
    out->key = arena_sv(a, rewrite_rules_key(&path, key, &local_len));
    return out->key.len ||
           fail(fault, false, "is no address, and no domain that could match", forms);
}

static bool parse_replace(struct arena *a, struct sv text, struct rewrite_rule *out,
                          struct rewrite_rule_fault *fault)
{
    static const char right[] =
        "\"Random.User@example.net\", or \"*@example.net\" to keep the local part";
    struct smtp_path path;
    out->local = SV_NONE;
    if (sv_starts(text, SV("*@")))
        return parse_domain(a, sv_skip(text, 2), &out->domain) ||
               fail(fault, true, "is no address, and no domain that could stand there", right);
    if (sv_find(text, '*') < text.len ||
        smtp_path_parse_address(a, text, SMTP_PATH_FORWARD, &path) != SMTP_PATH_OK)
        return fail(fault, true, "is no address, and no domain that could stand there", right);
    if (path.utf8)
        return fail(fault, true,
                    "has a local part beyond ASCII, for which not every message is fit", right);
    out->local = sv_first(path.text, path.local_len);
    out->domain = smtp_path_domain(&path);
    return true;
}

bool rewrite_rule_parse(struct arena *a, struct sv match, struct sv replace,
                        struct rewrite_rule *out, struct rewrite_rule_fault *fault_out)
{
    return parse_match(a, match, out, fault_out) && parse_replace(a, replace, out, fault_out);
}

struct sv rewrite_rule_domain(const struct rewrite_rule *rule)
{
    size_t at = rule->form == REWRITE_RULE_ADDRESS ? sv_rfind(rule->key, '@') + 1 : 0;
    return sv_skip(rule->key, at);
}

static struct sv take_word(struct sv *text)
{
    size_t n = 0;
    while (n < text->len && text->ptr[n] != ' ' && text->ptr[n] != '\t')
        n++;
    struct sv word = sv_first(*text, n);
    *text = sv_trim(sv_skip(*text, n));
    return word;
}

bool rewrite_map_next(struct sv *text, unsigned *line, struct sv *match_out, struct sv *replace_out)
{
    while (text->len) {
        struct sv rest = sv_split(text, '\n');
        ++*line;
        if (rest.len && rest.ptr[rest.len - 1] == '\r')
            rest.len--;
        rest = sv_trim(rest);
        if (!rest.len || rest.ptr[0] == '#')
            continue;
        *match_out = take_word(&rest);
        *replace_out = take_word(&rest);
        if (rest.len)
            *replace_out = SV_NONE;
        return true;
    }
    return false;
}

/* ---- tables ---- */

struct rewrite_rules *rewrite_rules_new(struct arena *a)
{
    struct rewrite_rules *r = arena_alloc(a, sizeof *r);
    r->arena = a;
    return r;
}

void rewrite_rules_free(struct rewrite_rules *r)
{
    for (size_t i = 0; r && i < sizeof r->tables / sizeof *r->tables; i++)
        HASH_CLEAR(hh, r->tables[i]);
}

static struct entry *find_entry(const struct rewrite_rules *r, enum rewrite_rule_form form,
                                struct sv key)
{
    struct entry *e = NULL;
    if (r->tables[form])
        HASH_FIND(hh, r->tables[form], key.ptr, key.len, e);
    return e;
}

static size_t labels_of(struct sv domain)
{
    size_t labels = 1;
    for (size_t i = 0; i < domain.len; i++)
        labels += domain.ptr[i] == '.';
    return labels;
}

bool rewrite_rules_has(const struct rewrite_rules *r, unsigned where)
{
    return r && (r->pairs & pairs_of(where));
}

static const struct kept *earlier(const struct kept *best, const struct entry *e, unsigned pair)
{
    const struct kept *k = e ? e->first : NULL;
    while (k && !(k->pairs & pair))
        k = k->next;
    return k && (!best || k->order < best->order) ? k : best;
}

/* From the shortest to the longest domain above this one that a rule may have. */
static const struct kept *find_below(const struct rewrite_rules *r, struct sv domain,
                                     const struct kept *best, unsigned pair)
{
    size_t labels = 0;
    for (size_t i = domain.len; i > 1 && labels < r->below_labels; i--)
        if (domain.ptr[i - 1] == '.' && ++labels <= r->below_labels)
            best = earlier(best, find_entry(r, REWRITE_RULE_BELOW, sv_skip(domain, i)), pair);
    return best;
}

static const struct kept *find(const struct rewrite_rules *r, struct sv key, size_t local_len,
                               unsigned pair)
{
    struct sv domain = sv_skip(key, local_len + 1);
    if (!(r->pairs & pair))
        return NULL;
    const struct kept *best = earlier(NULL, find_entry(r, REWRITE_RULE_ADDRESS, key), pair);
    best = earlier(best, find_entry(r, REWRITE_RULE_DOMAIN, domain), pair);
    return find_below(r, domain, best, pair);
}

/* The places of pairs for which a rule before matches all that this one does. */
static unsigned covered(const struct rewrite_rules *r, const struct rewrite_rule *rule,
                        unsigned pairs)
{
    /* what stands before the key, so that it is an address that only such rules match */
    static const char *const before[] = {
        [REWRITE_RULE_ADDRESS] = "", [REWRITE_RULE_DOMAIN] = "@", [REWRITE_RULE_BELOW] = "@*."};
    char text[SMTP_PATH_MAX + 4];
    int len = snprintf(text, sizeof text, "%s%.*s", before[rule->form], SV_ARG(rule->key));
    REQUIRE(len > 0 && (size_t)len < sizeof text);
    struct sv key = {text, (size_t)len};
    unsigned found = 0;
    for (unsigned pair = 1; pair < PAIRS_ALL; pair <<= 1)
        if (pairs & pair && find(r, key, sv_rfind(key, '@'), pair))
            found |= pair;
    return found;
}

bool rewrite_rules_add(struct rewrite_rules *r, const struct rewrite_rule *rule, unsigned where,
                       uint16_t row)
{
    unsigned pairs = pairs_of(where);
    pairs &= ~covered(r, rule, pairs);
    if (!pairs)
        return false;
    struct entry *e = find_entry(r, rule->form, rule->key);
    if (!e) {
        e = arena_alloc(r->arena, sizeof *e);
        HASH_ADD_KEYPTR(hh, r->tables[rule->form], rule->key.ptr, rule->key.len, e);
    }
    struct kept **end = &e->first;
    while (*end)
        end = &(*end)->next;
    *end = arena_alloc(r->arena, sizeof **end);
    **end = (struct kept){.rule = *rule, .order = r->count++, .pairs = pairs, .row = row};
    r->pairs |= pairs;
    if (rule->form == REWRITE_RULE_BELOW && labels_of(rule->key) > r->below_labels)
        r->below_labels = labels_of(rule->key);
    return true;
}

const struct rewrite_rule *rewrite_rules_find(const struct rewrite_rules *r, unsigned where,
                                              struct sv key, size_t local_len, uint16_t *row_out)
{
    const struct kept *k = find(r, key, local_len, pairs_of(where));
    if (!k)
        return NULL;
    *row_out = k->row;
    return &k->rule;
}

struct sv rewrite_rules_apply(const struct rewrite_rules *r, unsigned where,
                              const struct smtp_path *path, char out[REWRITE_RULES_TEXT],
                              uint16_t *row_out)
{
    char text[SMTP_PATH_MAX];
    size_t local_len;
    bool is_mailbox = path->kind == SMTP_PATH_MAILBOX || path->kind == SMTP_PATH_LITERAL;
    if (!rewrite_rules_has(r, where) || !is_mailbox)
        return SV_NONE;
    struct sv key = rewrite_rules_key(path, text, &local_len);
    const struct rewrite_rule *rule =
        key.len ? rewrite_rules_find(r, where, key, local_len, row_out) : NULL;
    if (!rule)
        return SV_NONE;
    struct sv local = rule->local.len ? rule->local : sv_first(path->text, path->local_len);
    REQUIRE(local.len + 1 + rule->domain.len <= REWRITE_RULES_TEXT);
    memcpy(out, local.ptr, local.len);
    out[local.len] = '@';
    memcpy(out + local.len + 1, rule->domain.ptr, rule->domain.len);
    struct sv made = {out, local.len + 1 + rule->domain.len};
    return sv_eq(made, path->text) ? SV_NONE : made;
}
