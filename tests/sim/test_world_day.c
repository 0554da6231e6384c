/*
 * Days of retries for a receiver that never answers, in virtual time: attempts come as queue.retry
 * says, each wait within a tenth of it; one delay report, one failure report, and the queue is
 * empty.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/sim/seeds.h"
#include "tests/sim/world.h"

#define HOUR_MS INT64_C(3600000)
/* A connection that is not answered, a sweep, a look-up: what comes on top of a wait. */
#define SLACK_MS 140000

static const int64_t waits_s[] = {300, 600, 1200, 2400, 3600, 7200, 14400};

static int64_t wait_s(unsigned n)
{
    return waits_s[n < 6 ? n : 6];
}

static void check_waits(const struct ledger_recipient *r, int64_t lifetime_ms)
{
    for (unsigned i = 1; i < r->deferrals; i++) {
        int64_t waited = (int64_t)(r->deferred_ms[i] - r->deferred_ms[i - 1]);
        int64_t wanted = wait_s(i - 1) * 1000;
        if (waited < wanted * 9 / 10 || waited > wanted * 11 / 10 + SLACK_MS)
            ledger_fault("wait %u was %lld ms instead of about %lld", i, (long long)waited,
                         (long long)wanted);
    }
    int64_t end = (int64_t)r->failed_report_ms, warned = (int64_t)r->delay_report_ms;
    if (end < lifetime_ms || end > lifetime_ms + SLACK_MS + 60000)
        ledger_fault("failure reported at %lld ms", (long long)end);
    /* at the first attempt after four hours */
    if (warned < 4 * HOUR_MS || warned > 4 * HOUR_MS + 4 * HOUR_MS * 11 / 10 + SLACK_MS)
        ledger_fault("delay reported at %lld ms", (long long)warned);
}

static bool dead_receiver(uint64_t seed)
{
    static const char *const domains[] = {"dead.example"};
    static const enum sim_fault how[] = {SIM_REFUSED, SIM_UNREACH, SIM_BLACK_HOLE, SIM_SILENT};
    struct receiver_script script = {0};
    struct ledger_sum sum;
    world_begin(seed, "queue = { lifetime = \"1d\"; };");
    (void)world_receiver(WORLD_AUTHOR_DOMAIN, "203.0.113.1", &script);
    struct receiver *dead = world_receiver("dead.example", "203.0.113.2", &script);
    if (seed % 5 == 0)
        sim_dns_fail("dead.example", DNS_MX, DNS_TEMPFAIL);
    else
        receiver_link(dead, how[seed % 4], 0);
    unsigned m = ledger_add(world_user(0), 2000, 1, domains, 1);
    ledger_message(m)->recipients[0].notify = LEDGER_NOTIFY_DEFAULT;
    if (!world_start())
        ledger_fault("not serving");
    world_submit(0, m, 1, 0);
    (void)sim_run_for(25 * 3600 * 1000);
    const struct ledger_recipient *r = &ledger_message(m)->recipients[0];
    if (!world_drain(1))
        ledger_fault("still queued after a day");
    if (r->failed_reports != 1 || r->delay_reports != 1)
        ledger_fault("%u failure and %u delay reports", r->failed_reports, r->delay_reports);
    if (r->deferrals < 10 || receiver_sessions(dead) > r->deferrals + 1)
        ledger_fault("%u attempts, %u sessions", r->deferrals, receiver_sessions(dead));
    if (how[seed % 4] != SIM_SILENT || seed % 5 == 0)
        check_waits(r, 24 * HOUR_MS);
    world_stop();
    ledger_settle(&sum);
    if (sum.accepted != 1 || sum.reported != 1)
        ledger_fault("accepted %u, reported %u", sum.accepted, sum.reported);
    bool good = ledger_is_good(&sum);
    world_end();
    return good;
}

static void test_dead_receiver(void **state)
{
    (void)state;
    assert_true(seeds_run("dead receiver", 10, dead_receiver));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_dead_receiver)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
