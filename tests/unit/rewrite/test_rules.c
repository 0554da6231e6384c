#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "rewrite/rules.h"

#include "msa/base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EVERYWHERE \
    (REWRITE_IN_ENVELOPE | REWRITE_IN_HEADER | REWRITE_OF_SENDER | REWRITE_OF_RECIPIENT)
#define FORM       "is no address, and no domain that could match"
#define EVERYTHING "would match everything: a rule names a domain or an address"
#define NO_REPLACE "is no address, and no domain that could stand there"

/* key NULL: a fault, with these words */
static const struct {
    const char *match, *replace;
    enum rewrite_rule_form form;
    const char *key, *local, *domain;
    const char *wrong;
} forms[] = {
    {"jru@example.net", "J.Random@example.net", REWRITE_RULE_ADDRESS, "jru@example.net", "J.Random",
     "example.net", NULL},
    {"JRU@Example.NET", "*@a.Example", REWRITE_RULE_ADDRESS, "jru@example.net", "", "a.example",
     NULL},
    {"\"jru\"@example.net", "\"a b\"@example.net", REWRITE_RULE_ADDRESS, "jru@example.net",
     "\"a b\"", "example.net", NULL},
    {"\"j r\"@example.net", "j@example.net", REWRITE_RULE_ADDRESS, "\"j r\"@example.net", "j",
     "example.net", NULL},
    {"*@example.net", "*@example.org", REWRITE_RULE_DOMAIN, "example.net", "", "example.org", NULL},
    {"*@Example.net", "all@example.org", REWRITE_RULE_DOMAIN, "example.net", "all", "example.org",
     NULL},
    {"*@*.sales.example.net", "*@sales.example.net", REWRITE_RULE_BELOW, "sales.example.net", "",
     "sales.example.net", NULL},
    {"*@b\303\274cher.example", "*@example.net", REWRITE_RULE_DOMAIN, "xn--bcher-kva.example", "",
     "example.net", NULL},
    {"j\303\266rg@example.net", "joerg@example.net", REWRITE_RULE_ADDRESS,
     "j\303\266rg@example.net", "joerg", "example.net", NULL},
    {"a@[192.0.2.1]", "a@example.net", REWRITE_RULE_ADDRESS, "a@[192.0.2.1]", "a", "example.net",
     NULL},
    {"*", "*@example.net", 0, NULL, NULL, NULL, EVERYTHING},
    {"*@*", "*@example.net", 0, NULL, NULL, NULL, EVERYTHING},
    {"*@*.*", "*@example.net", 0, NULL, NULL, NULL, EVERYTHING},
    {"*@*.", "*@example.net", 0, NULL, NULL, NULL, EVERYTHING},
    {"*@*.net", "*@example.net", 0, NULL, NULL, NULL, EVERYTHING},
    {"*@", "*@example.net", 0, NULL, NULL, NULL, EVERYTHING},
    {"*@*.a..example", "*@example.net", 0, NULL, NULL, NULL, FORM},
    {"*@*example.net", "*@example.net", 0, NULL, NULL, NULL, FORM},
    {"*@net", "*@example.net", 0, NULL, NULL, NULL, FORM},
    {"j*@example.net", "*@example.net", 0, NULL, NULL, NULL, FORM},
    {"@example.net", "*@example.net", 0, NULL, NULL, NULL, FORM},
    {"example.net", "*@example.net", 0, NULL, NULL, NULL, FORM},
    {"a@b", "*@example.net", 0, NULL, NULL, NULL, FORM},
    {"", "*@example.net", 0, NULL, NULL, NULL, FORM},
    {"a@b.example\r\nX: y", "*@example.net", 0, NULL, NULL, NULL, FORM},
    {"a@b.example", "", 0, NULL, NULL, NULL, NO_REPLACE},
    {"a@b.example", "*", 0, NULL, NULL, NULL, NO_REPLACE},
    {"a@b.example", "*@*.example.net", 0, NULL, NULL, NULL, NO_REPLACE},
    {"a@b.example", "a*@example.net", 0, NULL, NULL, NULL, NO_REPLACE},
    {"a@b.example", "b", 0, NULL, NULL, NULL, NO_REPLACE},
    {"a@b.example", "*@example", 0, NULL, NULL, NULL, NO_REPLACE},
    {"a@b.example", "x@b.example\r\nX: y", 0, NULL, NULL, NULL, NO_REPLACE},
    {"a@b.example", "j\303\266rg@b.example", 0, NULL, NULL, NULL,
     "has a local part beyond ASCII, for which not every message is fit"},
};

static void test_forms(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        struct arena a;
        struct rewrite_rule rule;
        struct rewrite_rule_fault fault = {false, "", ""};
        arena_init(&a);
        bool good =
            rewrite_rule_parse(&a, sv_of(forms[i].match), sv_of(forms[i].replace), &rule, &fault);
        if (good != (forms[i].key != NULL) || (!good && strcmp(fault.wrong, forms[i].wrong) != 0))
            fail_msg("%s -> %s: %d %s", forms[i].match, forms[i].replace, good, fault.wrong);
        if (!good) {
            assert_true(*fault.right);
            assert_int_equal(fault.in_replace, strcmp(forms[i].match, "a@b.example") == 0);
        } else if (rule.form != forms[i].form || !sv_eq(rule.key, sv_of(forms[i].key)) ||
                   !sv_eq(rule.local, sv_of(forms[i].local)) ||
                   !sv_eq(rule.domain, sv_of(forms[i].domain))) {
            fail_msg("%s -> %s: %d %.*s %.*s %.*s", forms[i].match, forms[i].replace, rule.form,
                     SV_ARG(rule.key), SV_ARG(rule.local), SV_ARG(rule.domain));
        }
        arena_deinit(&a);
    }
}

#define COVERED 1024u /* by rules before it: not added */

/* rules of the rows below: match, replace, where */
static const struct {
    const char *match, *replace;
    unsigned where;
} list[] = {
    {"jru@example.net", "J.Random.User@example.net", EVERYWHERE},
    {"keep@sales.example.net", "keep@sales.example.net", EVERYWHERE},
    {"*@*.sales.example.net", "*@sales.example.net", EVERYWHERE},
    {"*@sales.example.net", "*@example.net", REWRITE_IN_HEADER | REWRITE_OF_SENDER},
    {"*@*.example.net", "*@wide.example", EVERYWHERE},
    {"late@x.sales.example.net", "never@example.net", EVERYWHERE | COVERED},
    {"*@to.example.net", "*@t.example", EVERYWHERE | COVERED},
    {"env@out.example", "e@out.example", REWRITE_IN_ENVELOPE | REWRITE_OF_SENDER},
    {"env@out.example", "h@out.example",
     REWRITE_IN_HEADER | REWRITE_OF_SENDER | REWRITE_OF_RECIPIENT},
    {"*@big.example", "all@big.example", EVERYWHERE},
    {"\"j r\"@quoted.example", "j.r@quoted.example", EVERYWHERE},
    {"*@b\303\274cher.example", "*@books.example", EVERYWHERE},
    {"j\303\266rg@utf8.example", "joerg@utf8.example", EVERYWHERE},
    {"*@*.a.sales.example.net", "*@example.net", EVERYWHERE | COVERED},
    {"*@*.sales.example.net", "*@example.net", EVERYWHERE | COVERED},
    {"x@big.example", "y@big.example", EVERYWHERE | COVERED},
    {"*@*.big.example", "*@b.example", EVERYWHERE},
    {"\"x y\"@a.big.example", "y@big.example", EVERYWHERE | COVERED},
    {"*@big.example", "*@b.example", REWRITE_IN_HEADER | REWRITE_OF_SENDER | COVERED},
};

#define ES (REWRITE_IN_ENVELOPE | REWRITE_OF_SENDER)
#define ER (REWRITE_IN_ENVELOPE | REWRITE_OF_RECIPIENT)
#define HS (REWRITE_IN_HEADER | REWRITE_OF_SENDER)
#define HR (REWRITE_IN_HEADER | REWRITE_OF_RECIPIENT)

/* to "": it stays */
static const struct {
    unsigned where;
    const char *address, *to;
    unsigned row;
} rows[] = {
    {ES, "jru@example.net", "J.Random.User@example.net", 0},
    {HR, "JRU@EXAMPLE.NET", "J.Random.User@example.net", 0},
    {ES, "\"jru\"@example.net", "J.Random.User@example.net", 0},
    {ES, "jru2@example.net", "", 0},
    {ES, "jr@example.net", "", 0},
    {ES, "jru@example.net.test", "", 0},
    {ES, "jru@xexample.net", "", 0},
    /* the first counts, none after another */
    {ES, "a@x.sales.example.net", "a@sales.example.net", 2},
    {HS, "a@x.sales.example.net", "a@sales.example.net", 2},
    {ES, "a@x.y.sales.example.net", "a@sales.example.net", 2},
    {HS, "late@x.sales.example.net", "late@sales.example.net", 2},
    {HS, "a@sales.example.net", "a@example.net", 3},
    {HR, "a@sales.example.net", "a@wide.example", 4},
    {ES, "a@sales.example.net", "a@wide.example", 4},
    {ES, "keep@sales.example.net", "", 1}, /* to itself */
    {HS, "keep@sales.example.net", "", 1},
    {ES, "a@to.example.net", "a@wide.example", 4},
    {ES, "a@example.net", "", 0},
    {ES, "a@net", "", 0},
    /* places */
    {ES, "env@out.example", "e@out.example", 7},
    {ER, "env@out.example", "", 0},
    {HS, "env@out.example", "h@out.example", 8},
    {HR, "env@out.example", "h@out.example", 8},
    {ER, "x@big.example", "all@big.example", 9},
    {ER, "ALL@big.example", "all@big.example", 9},
    {ER, "all@big.example", "", 9},
    /* as they are written */
    {ES, "UPPER@x.sales.example.net", "UPPER@sales.example.net", 2},
    {ES, "\"a b\"@x.sales.example.net", "\"a b\"@sales.example.net", 2},
    {ES, "\"j r\"@quoted.example", "j.r@quoted.example", 10},
    {ES, "a@b\303\274cher.example", "a@books.example", 11},
    {ES, "a@xn--bcher-kva.example", "a@books.example", 11},
    {ES, "jo\314\210rg@utf8.example", "joerg@utf8.example", 12}, /* composed otherwise */
    {ES, "j\303\266rg@utf8.example", "joerg@utf8.example", 12},
    {ES, "J\303\266RG@utf8.example", "joerg@utf8.example", 12},
    {ES, "a@[192.0.2.1]", "", 0},
    {ES, "", "", 0},
};

static struct rewrite_rules *make(struct arena *a)
{
    struct rewrite_rules *r = rewrite_rules_new(a);
    for (size_t i = 0; i < sizeof list / sizeof *list; i++) {
        struct rewrite_rule rule;
        struct rewrite_rule_fault fault;
        assert_true(
            rewrite_rule_parse(a, sv_of(list[i].match), sv_of(list[i].replace), &rule, &fault));
        unsigned where = list[i].where & ~COVERED;
        if (rewrite_rules_add(r, &rule, where, (uint16_t)i) != (list[i].where == where))
            fail_msg("%s", list[i].match);
    }
    return r;
}

static void test_rows(void **state)
{
    (void)state;
    struct arena a;
    arena_init(&a);
    struct rewrite_rules *r = make(&a);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct smtp_path path = {0};
        char out[REWRITE_RULES_TEXT];
        uint16_t row = 0;
        smtp_path_parse_address(&a, sv_of(rows[i].address), SMTP_PATH_REVERSE, &path);
        struct sv to = rewrite_rules_apply(r, rows[i].where, &path, out, &row);
        if (!sv_eq(to, sv_of(rows[i].to)) || row != rows[i].row)
            fail_msg("%zu %s: %.*s by %u", i, rows[i].address, SV_ARG(to), row);
        assert_int_equal(rewrite_rules_apply(NULL, rows[i].where, &path, out, &row).len, 0);
    }
    rewrite_rules_free(r);
    rewrite_rules_free(NULL);
    arena_deinit(&a);
}

/* What others before it take in all its places is told. */
static void test_never_taken(void **state)
{
    (void)state;
    struct arena a;
    struct rewrite_rule rule;
    struct rewrite_rule_fault fault;
    arena_init(&a);
    struct rewrite_rules *r = rewrite_rules_new(&a);
    assert_false(rewrite_rules_has(r, EVERYWHERE));
    assert_false(rewrite_rules_has(NULL, EVERYWHERE));
    assert_true(rewrite_rule_parse(&a, SV("*@a.example"), SV("*@b.example"), &rule, &fault));
    assert_true(rewrite_rules_add(r, &rule, ES, 0));
    assert_true(rewrite_rules_has(r, ES));
    assert_false(rewrite_rules_has(r, ER));
    assert_false(rewrite_rules_has(r, HS));
    assert_false(rewrite_rules_add(r, &rule, ES, 1));
    assert_true(rewrite_rules_add(
        r, &rule, REWRITE_IN_ENVELOPE | REWRITE_OF_SENDER | REWRITE_OF_RECIPIENT, 2));
    assert_true(rewrite_rules_add(r, &rule, EVERYWHERE, 3));
    assert_false(rewrite_rules_add(r, &rule, EVERYWHERE, 4));
    const unsigned places[] = {ES, ER, HS, HR}, by[] = {0, 2, 3, 3};
    for (size_t i = 0; i < 4; i++) {
        uint16_t row = 9;
        assert_non_null(rewrite_rules_find(r, places[i], SV("x@a.example"), 1, &row));
        assert_int_equal(row, by[i]);
    }
    rewrite_rules_free(r);
    arena_deinit(&a);
}

static void test_map(void **state)
{
    (void)state;
    struct sv text = SV("# comment\r\n\r\na@b.example  c@d.example\r\n\t*@x.example\t*@y.example \n"
                        "one\n#\na b c\nlast@a.example last@b.example");
    static const struct {
        unsigned line;
        const char *match, *replace;
    } want[] = {{3, "a@b.example", "c@d.example"},
                {4, "*@x.example", "*@y.example"},
                {5, "one", ""},
                {7, "a", ""},
                {8, "last@a.example", "last@b.example"}};
    unsigned line = 0;
    struct sv match, replace;
    for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
        assert_true(rewrite_map_next(&text, &line, &match, &replace));
        assert_int_equal(line, want[i].line);
        assert_true(sv_eq(match, sv_of(want[i].match)));
        assert_true(sv_eq(replace, sv_of(want[i].replace)));
    }
    assert_false(rewrite_map_next(&text, &line, &match, &replace));
}

/* A look-up is as quick among 20,000 rules as among 20: told by the time of many. */
static void test_many(void **state)
{
    (void)state;
    struct arena a;
    arena_init(&a);
    struct rewrite_rules *r = rewrite_rules_new(&a);
    for (unsigned i = 0; i < 60000; i++) {
        static const char *const matches[] = {"u%u@example.net", "*@d%u.example",
                                              "*@*.e%u.example"};
        char match[60], replace[60];
        struct rewrite_rule rule;
        struct rewrite_rule_fault fault;
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
        snprintf(match, sizeof match, matches[i % 3], i);
#pragma GCC diagnostic pop
        snprintf(replace, sizeof replace, i % 3 ? "*@r%u.example" : "r%u@example.net", i);
        assert_true(rewrite_rule_parse(&a, sv_of(match), sv_of(replace), &rule, &fault));
        assert_true(rewrite_rules_add(r, &rule, EVERYWHERE, 0));
    }
    for (unsigned i = 0; i < 60000; i++) {
        char key[60], want[60];
        uint16_t row;
        snprintf(key, sizeof key,
                 i % 3 == 0   ? "u%u@example.net"
                 : i % 3 == 1 ? "x@d%u.example"
                              : "x@a.b.e%u.example",
                 i);
        snprintf(want, sizeof want, i % 3 ? "r%u.example" : "r%u", i);
        const struct rewrite_rule *rule =
            rewrite_rules_find(r, ES, sv_of(key), sv_find(sv_of(key), '@'), &row);
        assert_non_null(rule);
        assert_true(sv_eq(i % 3 ? rule->domain : rule->local, sv_of(want)));
        assert_true(
            sv_eq(rewrite_rule_domain(rule),
                  sv_of(strstr(key, "e") && i % 3 == 2 ? strstr(key, "e") : strchr(key, '@') + 1)));
    }
    rewrite_rules_free(r);
    arena_deinit(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_forms), cmocka_unit_test(test_rows),
                                       cmocka_unit_test(test_never_taken),
                                       cmocka_unit_test(test_map), cmocka_unit_test(test_many)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
