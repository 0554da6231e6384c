/* Limits of single sites: how many jobs begin in a minute, at once and over one connection. */
#include "tests/unit/relay_queue/sched_world.h"

#define SENT_MAX 4000

static uint64_t sent_ms[SENT_MAX];
static size_t nsent;

/* Time passes in steps of a millisecond; each job is done in the step after it began. */
static void run(uint64_t ms)
{
    for (uint64_t end = now_ms + ms; now_ms < end;) {
        for (size_t n = nout; n > 0; n--) {
            assert_true(nsent < SENT_MAX);
            if (out[0]->kind == SCHED_DELIVER)
                sent_ms[nsent++] = now_ms - 1;
            finish(out[0], OK);
        }
        pass(1);
        store_turn();
    }
}

static size_t most_in_a_minute(void)
{
    size_t most = 0;
    for (size_t i = 0, from = 0; i < nsent; i++) {
        while (sent_ms[from] + 60000 <= sent_ms[i])
            from++;
        most = i - from + 1 > most ? i - from + 1 : most;
    }
    return most;
}

static void never_more_in_a_minute_and_hardly_less(void **state)
{
    static const unsigned rates[] = {1, 7, 60, 599, 1200};
    (void)state;
    for (size_t i = 0; i < sizeof rates / sizeof rates[0]; i++) {
        set_up(NULL);
        limits.per_minute = rates[i];
        nsent = 0;
        add_rows("a.test", 4000, WALL0);
        sched_start(sched);
        run(180000);
        assert_true(most_in_a_minute() <= rates[i]);
        assert_true(nsent >= 3 * rates[i] * 97 / 100);
        tear_down(NULL);
    }
}

/* What came by memory and what lies on the disk share the pace, and so do domains of the site. */
static void a_pace_is_of_the_whole_site(void **state)
{
    (void)state;
    auto_resolve = false;
    limits.per_minute = 60;
    nsent = 0;
    add_rows("a.test", 300, WALL0);
    size_t i = add_rows("b.test", 60, WALL0);
    for (uint32_t j = 0; j < 5; j++)
        sched_on_queued(sched, batch_of((uint32_t)i + j));
    sched_start(sched);
    store_turn();
    resolved("a.test", "mx", 3600000);
    resolved("b.test", "mx", 3600000);
    run(120000);
    assert_in_range(nsent, 119, 120);
    assert_in_range(gone("a.test"), 55, 65);
    assert_in_range(gone("b.test"), 55, 65);
}

static void another_site_has_its_own(void **state)
{
    (void)state;
    auto_resolve = false;
    limits.per_minute = 1;
    add_rows("slow.test", 10, WALL0);
    add_rows("b.test", 500, WALL0);
    sched_start(sched);
    store_turn();
    resolved("slow.test", "mx", 3600000);
    limits.per_minute = 0;
    resolved("b.test", "mx2", 3600000);
    nsent = 0;
    run(2000);
    assert_int_equal(gone("slow.test"), 1);
    assert_int_equal(gone("b.test"), 500);
}

static void connections_are_limited(void **state)
{
    (void)state;
    limits.connections = 2;
    add_rows("a.test", 50, WALL0);
    sched_start(sched);
    for (int i = 0; i < 60; i++) {
        store_turn();
        assert_true(nout <= 2);
        if (nout)
            finish(out[0], OK);
    }
    assert_int_equal(gone("a.test"), 50);
    /* more than per_site, too */
    limits.connections = 15;
    sched_wake(sched);
    add_rows("a.test", 100, WALL0);
    size_t most = 0;
    for (int i = 0; i < 200; i++) {
        pass(i ? 0 : 61000);
        store_turn();
        most = nout > most ? nout : most;
        if (nout && i > 3)
            finish(out[0], OK);
    }
    assert_int_equal(most, 15);
}

static void a_connection_is_closed_after_its_share(void **state)
{
    uint32_t slots[7];
    (void)state;
    limits.connections = 1;
    limits.per_connection = 3;
    add_rows("a.test", 7, WALL0);
    sched_start(sched);
    for (int i = 0; i < 7; i++) {
        while (nout == 0)
            assert_true(store_turn());
        slots[i] = out[0]->slot;
        finish(out[0], OK);
    }
    assert_int_equal(slots[0], slots[2]);
    assert_int_not_equal(slots[2], slots[3]);
    assert_int_equal(slots[3], slots[5]);
    assert_int_not_equal(slots[5], slots[6]);
    assert_int_equal(closed_slots, 2);
}

/* Rows are not claimed by the dozen when only a few can go before they have waited too long. */
static void claims_know_the_pace(void **state)
{
    (void)state;
    limits.per_minute = 2;
    nsent = 0;
    add_rows("a.test", 1000, WALL0);
    sched_start(sched);
    run(1200000);
    assert_in_range(nsent, 39, 40);
    assert_int_equal(no_attempts, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(never_more_in_a_minute_and_hardly_less),
        CASE(a_pace_is_of_the_whole_site),
        CASE(another_site_has_its_own),
        CASE(connections_are_limited),
        CASE(a_connection_is_closed_after_its_share),
        CASE(claims_know_the_pace),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
