/* What the operator sees of mail that is due: what it waits for. */
#include "tests/unit/relay_queue/sched_world.h"

#define ID    "0123456789abcdef" /* of the world's message */
#define OTHER "fedcba9876543210"

static uint64_t waits_ms;

static enum sched_waits waits(const char *destination, const char *id)
{
    struct sched_why why = sched_why(sched, destination, id);
    assert_true(!why.for_ms || !why.left_ms);
    waits_ms = why.for_ms + why.left_ms;
    return why.waits;
}

static void queued(const char *domain)
{
    sched_on_queued(sched, batch_of((uint32_t)add_rows(domain, 1, WALL0)));
}

static void dns(void **state)
{
    (void)state;
    auto_resolve = false;
    sched_start(sched);
    settle(10);
    assert_int_equal(waits("a.test", ID), SCHED_WAITS_TURN);
    for (char domain[] = "a.test"; domain[0] <= 'e'; domain[0]++)
        queued(domain); /* one more than are asked at once */
    pass(700);
    assert_int_equal(waits("a.test", ID), SCHED_WAITS_DNS);
    assert_int_equal(waits_ms, 700);
    assert_int_equal(waits("e.test", ID), SCHED_WAITS_DNS);
    assert_int_equal(waits_ms, 0);
    resolved("a.test", "a.test", 3600000);
    assert_int_equal(waits("a.test", ID), SCHED_OUT);
    assert_int_equal(waits("e.test", ID), SCHED_WAITS_DNS);
    for (char domain[] = "b.test"; domain[0] <= 'e'; domain[0]++)
        resolved(domain, domain, 3600000);
}

static void slot_and_pause(void **state)
{
    (void)state;
    limits.connections = 1;
    sched_start(sched);
    settle(10);
    queued("a.test");
    queued("a.test");
    assert_int_equal(nout, 1);
    assert_int_equal(waits("a.test", ID), SCHED_OUT);
    assert_int_equal(waits("a.test", OTHER), SCHED_WAITS_SLOT);
    assert_int_equal(waits("b.test", ID), SCHED_WAITS_TURN);
    sched_pause(sched, "a.test", true);
    assert_int_equal(waits("a.test", ID), SCHED_OUT); /* that goes on */
    assert_int_equal(waits("a.test", OTHER), SCHED_WAITS_PAUSE);
    assert_int_equal(waits("b.test", ID), SCHED_WAITS_TURN);
    sched_pause(sched, NULL, true);
    assert_int_equal(waits("b.test", ID), SCHED_WAITS_PAUSE);
    sched_pause(sched, NULL, false);
    sched_pause(sched, "a.test", false);
}

static void site_is_down(void **state)
{
    (void)state;
    sched_start(sched);
    settle(10);
    queued("dead.test");
    queued("dead.test");
    finish(out[0], DEAD);
    finish(out[0], DEAD);
    pass(1000);
    assert_int_equal(waits("dead.test", OTHER), SCHED_WAITS_SITE);
    assert_int_equal(waits_ms, 29000);
}

static void pace(void **state)
{
    (void)state;
    limits.per_minute = 60;
    sched_start(sched);
    settle(10);
    queued("a.test");
    queued("a.test");
    assert_int_equal(nout, 1);
    pass(400);
    assert_int_equal(waits("a.test", OTHER), SCHED_WAITS_PACE);
    assert_int_equal(waits_ms, 600);
}

int main(void)
{
    const struct CMUnitTest tests[] = {CASE(dns), CASE(slot_and_pause), CASE(site_is_down),
                                       CASE(pace)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
