#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "relay/sites.h"

static const struct relay_site_options rows[] = {
    {"*.big.test", 5, 60, 20},
    {"mx.exact.test", 2, 0, 0},
    {"*.test", 7, 0, 0},
};

static const struct {
    const char *hosts[3];
    size_t connections; /* of the row that counts; 0: none */
} cases[] = {
    {{"mx1.big.test"}, 5},
    {{"MX1.BIG.TEST"}, 5},
    {{"a.example", "mx2.eu.big.test"}, 5},
    {{"big.test"}, 7},
    {{"mx.exact.test"}, 2},
    {{"mx.exact.test", "mx.big.test"}, 5}, /* the first row, not the first host */
    {{"a.mx.exact.test"}, 7},
    {{"test"}, 0},
    {{"big.test.example"}, 0},
    {{NULL}, 0},
};

static void the_first_row_that_matches_any_host(void **state)
{
    const struct relay_options options = {
        .sites = {.items = (void *)(uintptr_t)rows, .count = sizeof rows / sizeof rows[0]}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct route_attempt attempts[3] = {{0}};
        struct route_plan plan = {.attempts = attempts};
        while (plan.nattempts < 3 && cases[i].hosts[plan.nattempts]) {
            attempts[plan.nattempts].host = cases[i].hosts[plan.nattempts];
            plan.nattempts++;
        }
        struct sched_limits l = relay_sites_limits(&options, &plan);
        assert_int_equal(l.connections, cases[i].connections);
        assert_int_equal(l.per_minute, cases[i].connections == 5 ? 60 : 0);
        assert_int_equal(l.per_connection, cases[i].connections == 5 ? 20 : 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(the_first_row_that_matches_any_host)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
