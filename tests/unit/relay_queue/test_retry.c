#include "relay/queue/retry.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#define MIN_MS  INT64_C(60000)
#define HOUR_MS (60 * MIN_MS)
#define DAY_MS  (24 * HOUR_MS)
#define T0      INT64_C(1700000000000)

static int64_t steps[] = {300, 600, 3600};

static struct queue_options options(void)
{
    return (struct queue_options){.lifetime_s = 5 * 86400,
                                  .delay_warning_s = 4 * 3600,
                                  .retry = {.items = steps, .count = 3}};
}

static void due_follows_the_schedule(void **state)
{
    static const struct {
        uint32_t attempts;
        int64_t interval_ms;
    } cases[] = {{0, 5 * MIN_MS}, {1, 10 * MIN_MS}, {2, HOUR_MS}, {3, HOUR_MS}, {4000000, HOUR_MS}};
    (void)state;
    struct queue_options o = options();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int64_t least = INT64_MAX, most = 0;
        for (uint64_t random = 0; random < 2000; random++) {
            struct retry_decision d = retry_after(&o, 1000, cases[i].attempts, false, T0 + 1000,
                                                  random * UINT64_C(0x9e3779b97f4a7c15));
            assert_int_equal(d.verdict, RETRY_LATER);
            assert_false(d.warn);
            int64_t wait = d.due_ms - T0 - 1000;
            least = wait < least ? wait : least;
            most = wait > most ? wait : most;
        }
        int64_t tenth = cases[i].interval_ms / 10;
        assert_in_range(least, cases[i].interval_ms - tenth, cases[i].interval_ms - tenth * 9 / 10);
        assert_in_range(most, cases[i].interval_ms + tenth * 9 / 10, cases[i].interval_ms + tenth);
    }
}

static void expiry_and_warning(void **state)
{
    static const struct {
        const char *what;
        int64_t age_ms;
        bool warned;
        enum retry_verdict verdict;
        bool warn;
    } cases[] = {
        {"young", HOUR_MS, false, RETRY_LATER, false},
        {"just before the warning", 4 * HOUR_MS - 1, false, RETRY_LATER, false},
        {"the warning", 4 * HOUR_MS, false, RETRY_LATER, true},
        {"only one warning", 5 * HOUR_MS, true, RETRY_LATER, false},
        {"last moment", 5 * DAY_MS - 1, true, RETRY_LATER, false},
        {"expired", 5 * DAY_MS, true, RETRY_EXPIRED, false},
        {"expired, never warned", 9 * DAY_MS, false, RETRY_EXPIRED, false},
        {"held longer than a stepped clock says", -DAY_MS, false, RETRY_LATER, false},
    };
    (void)state;
    struct queue_options o = options();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct retry_decision d = retry_after(&o, cases[i].age_ms, 2, cases[i].warned, T0, 7);
        if (d.verdict != cases[i].verdict || d.warn != cases[i].warn)
            fail_msg("%s: verdict %d, warn %d", cases[i].what, d.verdict, d.warn);
    }
}

/* The last attempt falls on the end of the lifetime: not before it, and it is the last one. */
static void last_attempt_at_the_end(void **state)
{
    (void)state;
    struct queue_options o = options();
    int64_t ends = T0 + 5 * DAY_MS;
    struct retry_decision d =
        retry_after(&o, 5 * DAY_MS - 10 * MIN_MS, 9, true, ends - 10 * MIN_MS, 3);
    assert_int_equal(d.verdict, RETRY_LATER);
    assert_int_equal(d.due_ms, ends);
    assert_int_equal(retry_after(&o, 5 * DAY_MS, 10, true, d.due_ms, 3).verdict, RETRY_EXPIRED);
}

static void warning_can_be_off(void **state)
{
    (void)state;
    struct queue_options o = options();
    o.delay_warning_s = 0;
    assert_false(retry_after(&o, DAY_MS, 2, false, T0, 1).warn);
    o.delay_warning_s = o.lifetime_s; /* at or above the lifetime: none */
    assert_false(retry_after(&o, 5 * DAY_MS - 1, 2, false, T0, 1).warn);
}

/* What was put off without a try waits as long as its age says, and its attempts are the least. */
static void put_off_by_age(void **state)
{
    static const struct {
        int64_t age_ms;
        uint32_t attempts, step;
    } cases[] = {
        {-1, 0, 0},
        {0, 0, 0},
        {5 * MIN_MS - 1, 0, 0},
        {5 * MIN_MS, 0, 1},
        {15 * MIN_MS - 1, 0, 1},
        {15 * MIN_MS, 0, 2},
        {15 * MIN_MS, 4, 4},
        {4 * DAY_MS, 1, 2},
        {4 * DAY_MS, 90, 90},
    };
    (void)state;
    struct queue_options o = options();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_int_equal(retry_step(&o, cases[i].age_ms, cases[i].attempts), cases[i].step);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(due_follows_the_schedule), cmocka_unit_test(expiry_and_warning),
        cmocka_unit_test(last_attempt_at_the_end),  cmocka_unit_test(warning_can_be_off),
        cmocka_unit_test(put_off_by_age),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
