#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "relay/choice.h"

#include <stdlib.h>
#include <string.h>

static struct relay_route_options rows[] = {
    {.domain = "*", .sender = "@sales.example", .login = "*"},
    {.domain = "b.test", .sender = "*", .login = "*"},
    {.domain = "*", .sender = "*", .login = "news@example"},
    {.domain = "*.c.test", .sender = "a@example", .login = "@*.example"},
    {.domain = "c.test", .sender = "*", .login = "*"},
};

static const struct {
    const char *domain, *sender, *login;
    const char *key; /* NULL: the domain itself */
    int row;         /* -1: none */
} cases[] = {
    {"x.test", "a@sales.example", "joe@example", "x.test@0", 0},
    {"x.test", "A@SALES.Example", "joe@example", "x.test@0", 0},
    {"x.test", "a@eu.sales.example", "joe@example", NULL, -1},
    {"b.test", "a@sales.example", "joe@example", "b.test@0", 0},
    {"b.test", "a@example", "news@example", NULL, 1}, /* the first that matches */
    {"c.test", "a@example", "news@example", "c.test@2", 2},
    {"c.test", "a@example", "joe@example", NULL, 4},
    {"x.c.test", "a@example", "joe@eu.example", "x.c.test@3", 3},
    {"x.c.test", "a@example", "joe@example", NULL, -1},
    {"x.c.test", "b@example", "joe@eu.example", NULL, -1},
    {"x.test", "", "", NULL, -1}, /* reports: "*" only */
    {"[192.0.2.1]", "a@sales.example", "", "[192.0.2.1]@0", 0},
    {"smtp://h.test:26", "a@sales.example", "", NULL, -1},
};

static void what_may_go_different_ways(void **state)
{
    const struct relay_options all = {
        .routes = {.items = rows, .count = sizeof rows / sizeof rows[0]}};
    const struct relay_options rest = {
        .routes = {.items = rows + 1, .count = sizeof rows / sizeof rows[0] - 1}};
    const struct relay_options none = {.routes = {.count = 0}};
    (void)state;
    assert_true(relay_choice_has_ways(&all, "b.test"));
    assert_false(relay_choice_has_ways(&rest, "b.test")); /* the first row takes it all */
    assert_true(relay_choice_has_ways(&rest, "x.test"));
    assert_false(relay_choice_has_ways(&all, "smtp://h.test:26"));
    assert_false(relay_choice_has_ways(&none, "x.test"));
}

static void the_first_row_that_matches_all(void **state)
{
    const struct relay_options o = {
        .routes = {.items = rows, .count = sizeof rows / sizeof rows[0]}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char *key = relay_choice_key(&o, cases[i].domain, cases[i].sender, cases[i].login);
        if ((key == NULL) != (cases[i].key == NULL) || (key && strcmp(key, cases[i].key) != 0))
            fail_msg("case %zu: %s", i, key ? key : "the domain");
        size_t index = 99;
        struct sv domain;
        const struct relay_route_options *r =
            relay_choice_row(&o, key ? key : cases[i].domain, &index, &domain);
        if (r != (cases[i].row < 0 ? NULL : &rows[cases[i].row]))
            fail_msg("case %zu: row %zu", i, index);
        assert_true(sv_eq(domain, sv_of(cases[i].domain)));
        free(key);
    }
    size_t index;
    struct sv domain;
    assert_null(relay_choice_row(&o, "x.test@5", &index, &domain));
    assert_true(sv_eq(domain, SV("x.test")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(what_may_go_different_ways),
                                       cmocka_unit_test(the_first_row_that_matches_all)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
