#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "msa/server/pauses.h"

static void names_are_there_once(void **state)
{
    struct pauses p = {0};
    (void)state;
    assert_false(pauses_set(&p, "relay", false));
    assert_true(pauses_set(&p, "relay", true));
    assert_false(pauses_set(&p, "relay", true));
    assert_true(pauses_set(&p, "site a", true));
    assert_true(pauses_set(&p, "submission", true));
    assert_int_equal(p.count, 3);
    assert_true(pauses_set(&p, "relay", false));
    assert_true(pauses_has(&p, "site a") && pauses_has(&p, "submission"));
    assert_false(pauses_has(&p, "relay"));
    pauses_deinit(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(names_are_there_once)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
