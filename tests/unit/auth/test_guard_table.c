/* Counts within a window, and which entry of a full table is forgotten. */
#include "auth/guard_table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define WINDOW 8000u

static void windows(void **state)
{
    static const struct {
        uint64_t at_ms; /* of a failure; ascending */
        unsigned after; /* count then */
    } rows[] = {
        {0, 1}, {10, 2}, {1500, 3}, {7900, 4}, {8900, 3}, {8950, 4}, {100000, 1}, {100000, 2},
    };
    struct guard_count c = {0};

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        guard_count_add(&c, WINDOW, rows[i].at_ms);
        if (guard_count_at(&c, WINDOW, rows[i].at_ms) != rows[i].after)
            fail_msg("row %zu: %u", i, guard_count_at(&c, WINDOW, rows[i].at_ms));
    }
    assert_int_equal(guard_count_at(&c, WINDOW, 100000 + WINDOW / 2), 2);
    assert_int_equal(guard_count_at(&c, WINDOW, 100000 + WINDOW + WINDOW / GUARD_PARTS + 8), 0);
    assert_int_equal(guard_count_at(&c, WINDOW * 100, 100000), 0); /* another window: anew */
    for (unsigned i = 0; i < 70000; i++)
        guard_count_add(&c, WINDOW, 200000);
    assert_int_equal(guard_count_at(&c, WINDOW, 200000), UINT16_MAX);
}

static struct sv key(unsigned n)
{
    static char text[16];

    snprintf(text, sizeof(text), "k%u", n);
    return sv_of(text);
}

/* The least lately touched goes first, and blocked ones after all that only count. */
static void bounded(void **state)
{
    struct guard_table t;

    (void)state;
    guard_table_init(&t, 10, 7);
    for (unsigned i = 0; i < 10; i++)
        guard_table_touch(&t, key(i));
    guard_table_block(&t, guard_table_find(&t, key(0)), 5);
    guard_table_touch(&t, key(1)); /* now newer than 2 */
    guard_table_touch(&t, key(10));
    assert_int_equal(guard_table_count(&t), 10);
    assert_null(guard_table_find(&t, key(2)));
    assert_non_null(guard_table_find(&t, key(1)));
    for (unsigned i = 11; i < 1000; i++)
        guard_table_touch(&t, key(i));
    assert_int_equal(guard_table_count(&t), 10);
    assert_non_null(guard_table_find(&t, key(0)));
    assert_int_equal(guard_table_find(&t, key(0))->until_ms, 5);
    for (unsigned i = 991; i < 1000; i++)
        guard_table_block(&t, guard_table_find(&t, key(i)), 6);
    guard_table_touch(&t, key(1000)); /* all are blocked: the oldest block ends */
    assert_null(guard_table_find(&t, key(0)));
    assert_non_null(guard_table_find(&t, key(991)));
    assert_true(sv_eq(guard_entry_key(guard_table_find(&t, key(991))), SV("k991")));
    guard_table_remove(&t, guard_table_find(&t, key(991)));
    assert_int_equal(guard_table_count(&t), 9);
    guard_table_deinit(&t);
}

/* However many were blocked, one can still count: those whose time is over go, and the oldest of
 * too many. */
static void room_to_count(void **state)
{
    struct guard_table t;

    (void)state;
    guard_table_init(&t, 10, 7);
    for (unsigned i = 0; i < 8; i++)
        guard_table_block(&t, guard_table_touch(&t, key(i)), 100 + i);
    guard_table_touch(&t, key(20));
    guard_table_touch(&t, key(21));
    guard_table_touch(&t, key(22)); /* one too many: the oldest block goes */
    assert_null(guard_table_find(&t, key(0)));
    assert_non_null(guard_table_find(&t, key(20)));
    guard_table_expire(&t, 103);
    assert_null(guard_table_find(&t, key(3)));
    assert_non_null(guard_table_find(&t, key(4)));
    assert_int_equal(guard_table_count(&t), 7);
    assert_int_equal(t.counts[GUARD_BLOCKED], 4);
    for (unsigned i = 30; i < 60; i++)
        guard_table_touch(&t, key(i));
    assert_non_null(guard_table_find(&t, key(4))); /* few blocks outlast a flood */
    assert_int_equal(guard_table_touch(&t, key(4))->until_ms, 0);
    assert_int_equal(t.counts[GUARD_BLOCKED], 3);
    guard_table_deinit(&t);
    assert_int_equal(t.counts[GUARD_BLOCKED], 0);
}

/* What is slowed outlasts a flood of what is not, but takes no more than a quarter; one too many
 * lasts as long as the newest that only counts. */
static void slowed(void **state)
{
    struct guard_table t;

    (void)state;
    guard_table_init(&t, 12, 7);
    for (unsigned i = 0; i < 3; i++)
        guard_table_slow(&t, guard_table_touch(&t, key(i)));
    for (unsigned i = 10; i < 100; i++)
        guard_table_touch(&t, key(i));
    for (unsigned i = 0; i < 3; i++)
        assert_non_null(guard_table_find(&t, key(i)));
    guard_table_slow(&t, guard_table_touch(&t, key(1)));  /* again: the newest of them */
    guard_table_slow(&t, guard_table_touch(&t, key(99))); /* one too many: 0 is the oldest */
    assert_int_equal(t.counts[GUARD_SLOWED], 3);
    assert_int_equal(guard_table_find(&t, key(0))->kind, GUARD_COUNTED);
    for (unsigned i = 100; i < 108; i++)
        guard_table_touch(&t, key(i));
    assert_non_null(guard_table_find(&t, key(0)));
    guard_table_touch(&t, key(108));
    assert_null(guard_table_find(&t, key(0)));
    assert_int_equal(guard_table_find(&t, key(2))->kind, GUARD_SLOWED);
    guard_table_block(&t, guard_table_find(&t, key(2)), 5);
    assert_int_equal(t.counts[GUARD_SLOWED], 2);
    for (unsigned i = 0; i < 30; i++) /* all are slowed or blocked in the end, and there is room */
        guard_table_block(&t, guard_table_touch(&t, key(200 + i)), 6);
    assert_int_equal(guard_table_count(&t), 12);
    guard_table_deinit(&t);
    for (unsigned i = 0; i < GUARD_KINDS; i++)
        assert_int_equal(t.counts[i], 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(windows), cmocka_unit_test(bounded),
                                       cmocka_unit_test(room_to_count), cmocka_unit_test(slowed)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
