/* Ages of messages while the wall clock jumps. */
#include "relay/queue/age.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#define T0      INT64_C(1767225600000)
#define HOUR_MS INT64_C(3600000)
#define YEAR_MS (365 * 24 * HOUR_MS)

static struct age_clock ages;
static int64_t wall;
static uint64_t mono;

static int64_t pass(int64_t ms)
{
    wall += ms;
    mono += (uint64_t)ms;
    return age_watch(&ages, wall, mono);
}

static int64_t jump(int64_t by_ms)
{
    wall += by_ms;
    return pass(4000); /* noticed a little later */
}

static int set_up(void **state)
{
    (void)state;
    ages = (struct age_clock){0};
    wall = T0;
    mono = 12345;
    assert_int_equal(pass(0), 0);
    return 0;
}

static void assert_age(int64_t received_ms, int64_t age_ms)
{
    assert_in_range(age_of(&ages, received_ms, wall), (uintmax_t)(age_ms - 10000 * (age_ms > 0)),
                    (uintmax_t)(age_ms + 10000));
}

static void without_jumps_it_is_the_difference(void **state)
{
    (void)state;
    pass(HOUR_MS);
    assert_int_equal(age_of(&ages, T0, wall), HOUR_MS);
    assert_int_equal(age_of(&ages, T0 - YEAR_MS, wall), YEAR_MS + HOUR_MS); /* a long stop */
}

static void small_steps_are_followed(void **state)
{
    (void)state;
    for (int i = 0; i < 100; i++)
        assert_int_equal(jump(AGE_JUMP_MIN_MS - 1), 0);
    assert_int_equal(ages.njumps, 0);
}

static void forward_and_back(void **state)
{
    (void)state;
    static const int64_t sizes[] = {AGE_JUMP_MIN_MS, 24 * HOUR_MS, YEAR_MS};
    for (size_t i = 0; i < 3; i++) {
        set_up(NULL);
        int64_t before = wall;
        pass(HOUR_MS);
        assert_int_equal(jump(sizes[i]), sizes[i]);
        int64_t between = wall;
        assert_age(before, HOUR_MS);
        assert_age(between, 0);
        pass(HOUR_MS);
        assert_age(before, 2 * HOUR_MS);
        assert_age(between, HOUR_MS);
        assert_int_equal(jump(-sizes[i]), -sizes[i]);
        int64_t after = wall;
        pass(5 * HOUR_MS);
        assert_age(before, 7 * HOUR_MS);
        assert_age(after, 5 * HOUR_MS);
        if (between > wall) /* else it is taken for an older one by at most the jump */
            assert_age(between, 5 * HOUR_MS);
    }
}

static void back_and_forward(void **state)
{
    (void)state;
    int64_t before = wall;
    pass(HOUR_MS);
    assert_int_equal(jump(-YEAR_MS), -YEAR_MS);
    int64_t between = wall;
    pass(HOUR_MS);
    assert_age(before, HOUR_MS);
    assert_age(between, HOUR_MS);
    assert_int_equal(jump(YEAR_MS), YEAR_MS);
    pass(HOUR_MS);
    assert_age(before, 3 * HOUR_MS);
    assert_age(between, 2 * HOUR_MS);
}

static void many_jumps_are_never_too_old(void **state)
{
    (void)state;
    int64_t before = wall;
    for (int i = 0; i < 3 * AGE_JUMPS_MAX; i++)
        jump(24 * HOUR_MS);
    assert_in_range(age_of(&ages, before, wall), 0, HOUR_MS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(without_jumps_it_is_the_difference, set_up),
        cmocka_unit_test_setup(small_steps_are_followed, set_up),
        cmocka_unit_test_setup(forward_and_back, set_up),
        cmocka_unit_test_setup(back_and_forward, set_up),
        cmocka_unit_test_setup(many_jumps_are_never_too_old, set_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
