/*
 * Rules for addresses. The input is a map, an empty line behind a line of "%", and addresses, one a
 * line. The rule that is found by hash is the first that matches when all are tried; what it gives
 * is an address in the form that paths have, or too long for one; no rule matches everything.
 */
#include "msa/base/require.h"
#include "rewrite/rules.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define WHERE     (REWRITE_IN_ENVELOPE | REWRITE_OF_SENDER)
#define RULES_MAX 200

struct table {
    struct rewrite_rule list[RULES_MAX];
    size_t count;
};

static bool matches(const struct rewrite_rule *rule, struct sv key, struct sv domain)
{
    switch (rule->form) {
    case REWRITE_RULE_ADDRESS:
        return sv_eq(rule->key, key);
    case REWRITE_RULE_DOMAIN:
        return sv_eq(rule->key, domain);
    case REWRITE_RULE_BELOW:
        return domain.len > rule->key.len && sv_iends(domain, rule->key) &&
               domain.ptr[domain.len - rule->key.len - 1] == '.';
    }
    return false;
}

static void check_rule(const struct rewrite_rule *rule)
{
    struct sv domain = rewrite_rule_domain(rule);
    REQUIRE(sv_find(domain, '.') < domain.len || domain.ptr[0] == '[');
    REQUIRE(rule->domain.len && sv_find(rule->domain, '@') == rule->domain.len);
    for (size_t i = 0; i < rule->local.len; i++)
        REQUIRE(rule->local.ptr[i] >= 32 && rule->local.ptr[i] < 127);
}

static void check_address(const struct rewrite_rules *r, const struct table *t, struct arena *a,
                          struct sv text)
{
    struct smtp_path path, again;
    char out[REWRITE_RULES_TEXT];
    uint16_t row = RULES_MAX;
    if (smtp_path_parse_address(a, text, SMTP_PATH_REVERSE, &path) != SMTP_PATH_OK)
        return;
    struct sv to = rewrite_rules_apply(r, WHERE, &path, out, &row);
    char key_text[SMTP_PATH_MAX];
    size_t local_len = 0;
    struct sv key = rewrite_rules_key(&path, key_text, &local_len);
    size_t first = 0;
    while (first < t->count &&
           !(key.len && matches(&t->list[first], key, sv_skip(key, local_len + 1))))
        first++;
    REQUIRE(row == (first < t->count ? first : RULES_MAX));
    REQUIRE(!to.len || first < t->count);
    if (!to.len)
        return;
    REQUIRE(!sv_eq(to, path.text));
    if (to.len + 2 <= SMTP_PATH_MAX)
        REQUIRE(smtp_path_parse_address(a, to, SMTP_PATH_FORWARD, &again) == SMTP_PATH_OK &&
                sv_eq(again.text, to));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sv text = {(const char *)data, size};
    const char *split = size ? memmem(data, size, "%\n\n", 3) : NULL;
    struct sv map = split ? sv_range(text.ptr, split) : text;
    struct sv addresses = split ? sv_skip(text, map.len + 3) : SV_NONE, match, replace;
    struct table t = {.count = 0};
    struct arena a;
    unsigned line = 0;
    arena_init(&a);
    struct rewrite_rules *r = rewrite_rules_new(&a);
    while (t.count < RULES_MAX && rewrite_map_next(&map, &line, &match, &replace)) {
        struct rewrite_rule_fault fault = {false, NULL, NULL};
        struct rewrite_rule *rule = &t.list[t.count];
        if (!rewrite_rule_parse(&a, match, replace, rule, &fault)) {
            REQUIRE(fault.wrong && fault.right);
            continue;
        }
        check_rule(rule);
        rewrite_rules_add(r, rule, WHERE, (uint16_t)t.count++);
    }
    while (addresses.len)
        check_address(r, &t, &a, sv_split(&addresses, '\n'));
    rewrite_rules_free(r);
    arena_deinit(&a);
    return 0;
}
