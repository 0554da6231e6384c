#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "msa/daemon/poison.h"

#include <stdio.h>
#include <string.h>

static void two_crashes_hold(void **state)
{
    struct poison p = {0};
    (void)state;
    assert_false(poison_crashed(&p, "a"));
    assert_false(poison_crashed(&p, "b"));
    assert_true(poison_crashed(&p, "a"));
    assert_true(p.list[0].hold);
    assert_false(p.list[1].hold);
    assert_false(poison_crashed(&p, "a")); /* it is to be held already */
    assert_true(poison_crashed(&p, "b"));
    poison_deinit(&p);
    assert_int_equal(p.count, 0);
}

/* An operator released it, and it crashed once more. */
static void released_ones_are_held_again(void **state)
{
    struct poison p = {0};
    (void)state;
    assert_false(poison_crashed(&p, "a"));
    assert_true(poison_crashed(&p, "a"));
    poison_held(&p);
    assert_false(p.list[0].hold); /* the next start of the server does not hold it again */
    assert_true(poison_crashed(&p, "a"));
    assert_true(p.list[0].hold);
    poison_deinit(&p);
}

static void list_is_bounded(void **state)
{
    struct poison p = {0};
    char id[CRASHRING_ID_MAX + 1];
    (void)state;
    poison_crashed(&p, "held");
    poison_crashed(&p, "held");
    for (int i = 0; i < 3 * POISON_MAX; i++) {
        snprintf(id, sizeof id, "id%d", i);
        assert_false(poison_crashed(&p, id));
        assert_in_range(p.count, 1, POISON_MAX);
    }
    assert_string_equal(p.list[0].id, "held"); /* the oldest that is not held goes first */
    assert_true(p.list[0].hold);
    assert_true(poison_crashed(&p, id)); /* the newest is still known */
    for (int i = 0; i < 2 * POISON_MAX; i++) {
        snprintf(id, sizeof id, "id%d", i);
        poison_crashed(&p, id);
        poison_crashed(&p, id);
        assert_in_range(p.count, 1, POISON_MAX);
    }
    poison_deinit(&p);
}

static void long_ids_are_cut(void **state)
{
    struct poison p = {0};
    (void)state;
    poison_crashed(&p, "0123456789012345678901234567890123456789");
    assert_int_equal(strlen(p.list[0].id), CRASHRING_ID_MAX);
    poison_deinit(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_crashes_hold),
        cmocka_unit_test(released_ones_are_held_again),
        cmocka_unit_test(list_is_bounded),
        cmocka_unit_test(long_ids_are_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
