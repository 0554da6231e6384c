/*
 * The wall clock is set a day and a year forward, and back: queued mail neither expires for it, nor
 * is it tried again and again, nor does it wait for the clock to come back.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/sim/seeds.h"
#include "tests/sim/world.h"

#define HOUR_MS INT64_C(3600000)

static void check(const struct ledger_recipient *r, unsigned before, const char *what)
{
    if (r->failed_reports)
        ledger_fault("%s: given up", what);
    if (r->deferrals <= before)
        ledger_fault("%s: not tried again", what);
    if (r->deferrals > before + 8)
        ledger_fault("%s: tried %u times in four hours", what, r->deferrals - before);
}

static bool jumps(uint64_t seed)
{
    static const char *const domains[] = {"dead.example"};
    struct receiver_script script = {0};
    struct ledger_sum sum;
    int64_t by_ms = (seed % 2 ? 365 * 24 : 24) * HOUR_MS;
    world_begin(seed, "queue = { lifetime = \"20h\"; };");
    (void)world_receiver(WORLD_AUTHOR_DOMAIN, "203.0.113.1", &script);
    struct receiver *dead = world_receiver("dead.example", "203.0.113.2", &script);
    receiver_link(dead, SIM_REFUSED, 0);
    unsigned m = ledger_add(world_user(0), 2000, 1, domains, 1);
    const struct ledger_recipient *r = &ledger_message(m)->recipients[0];
    if (!world_start())
        ledger_fault("not serving");
    world_submit(0, m, 1, 0);
    (void)sim_run_for(HOUR_MS);

    unsigned before = r->deferrals;
    sim_wall_jump(by_ms);
    (void)sim_run_for(4 * HOUR_MS);
    check(r, before, "set forward");

    before = r->deferrals;
    sim_wall_jump(-by_ms);
    (void)sim_run_for(5 * HOUR_MS);
    check(r, before, "set back");

    receiver_link(dead, SIM_OK, 0);
    if (!world_drain(6 * HOUR_MS))
        ledger_fault("still queued");
    world_stop();
    ledger_settle(&sum);
    if (sum.delivered != 1)
        ledger_fault("delivered %u", sum.delivered);
    bool good = ledger_is_good(&sum);
    world_end();
    return good;
}

static void test_jumps(void **state)
{
    (void)state;
    assert_true(seeds_run("clock jumps", 4, jumps));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_jumps)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
