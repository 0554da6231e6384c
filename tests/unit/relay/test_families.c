/* Which family lost at a host: expiry and bounds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "relay/families.h"

#include <stdio.h>

static void a_loser_is_remembered_for_a_while(void **state)
{
    struct relay_families *f = relay_families_new();
    (void)state;
    assert_int_equal(relay_families_loser(f, "a.test", 0), IP_NONE);
    relay_families_note(f, "a.test", IP_V6, 1000);
    assert_int_equal(relay_families_loser(f, "a.test", 1000), IP_V6);
    assert_int_equal(relay_families_loser(f, "b.test", 1000), IP_NONE);
    assert_int_equal(relay_families_loser(f, "a.test", 1000 + RELAY_FAMILIES_MS - 1), IP_V6);
    assert_int_equal(relay_families_loser(f, "a.test", 1000 + RELAY_FAMILIES_MS), IP_NONE);
    relay_families_note(f, "a.test", IP_V4, 2000);
    assert_int_equal(relay_families_loser(f, "a.test", 2000), IP_V4);
    assert_int_equal(relay_families_count(f), 1);
    relay_families_free(f);
}

static void the_oldest_goes_when_it_is_full(void **state)
{
    struct relay_families *f = relay_families_new();
    char host[32];
    (void)state;
    for (int i = 0; i < RELAY_FAMILIES_MAX + 10; i++) {
        snprintf(host, sizeof host, "h%d.test", i);
        relay_families_note(f, host, IP_V6, 1);
    }
    assert_int_equal(relay_families_count(f), RELAY_FAMILIES_MAX);
    assert_int_equal(relay_families_loser(f, "h1.test", 2), IP_NONE);
    assert_int_equal(relay_families_loser(f, "h9.test", 2), IP_NONE);
    assert_int_equal(relay_families_loser(f, "h10.test", 2), IP_V6);
    assert_int_equal(relay_families_loser(f, host, 2), IP_V6);
    relay_families_free(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_loser_is_remembered_for_a_while),
        cmocka_unit_test(the_oldest_goes_when_it_is_full),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
