/*
 * Many sites at once, a part of them with MX6: targets reached over IPv6 that ask for IPv4 at every
 * stage, beside refusals, silence and lost connections everywhere. Afterwards the books are exact:
 * accepted = delivered + reported + queued; nobody who was told to come over IPv4 came over IPv6
 * again, and no report speaks of that wish, as every site has an IPv4 way (receiver.h).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/sim/seeds.h"
#include "tests/sim/world.h"

#include <stdio.h>
#include <stdlib.h>

#define SITES     40
#define HOUR_MS   3600000
#define MINUTE_MS 60000

static char names[SITES][24];
static const char *domains[SITES];
static struct receiver *receivers[SITES * 5];
static unsigned nreceivers;

static struct receiver *keep(struct receiver *r)
{
    receivers[nreceivers++] = r;
    return r;
}

static struct receiver_script some_script(void)
{
    return (struct receiver_script){.faults = sim_below(3) ? sim_below(500) : 0,
                                    .chunking = sim_below(2)};
}

/* One to three targets of MX6 or none, one or two hosts of MX; some of all that are dead. */
static void make_site(unsigned n)
{
    char v6[48], v4[32];
    unsigned targets = sim_below(2) ? 1 + sim_below(3) : 0, hosts = 1 + sim_below(2);
    snprintf(names[n], sizeof names[n], "d%u.example", n);
    domains[n] = names[n];
    for (unsigned i = 0; i < targets; i++) {
        struct receiver_script script = some_script();
        struct receiver *other = NULL;
        bool has_v4 = sim_below(3) > 0;
        script.falls_back = sim_below(4) ? sim_below(1000) : 0;
        snprintf(v6, sizeof v6, "2001:db8:1::%x:%x", n, i + 1);
        snprintf(v4, sizeof v4, "203.0.113.%u", nreceivers + 1);
        struct receiver *r = keep(world_mx6(names[n], v6, has_v4 ? v4 : NULL, &script, &other));
        if (other)
            keep(other);
        if (sim_below(6) == 0)
            receiver_link(r, SIM_REFUSED, 0);
    }
    for (unsigned i = 0; i < hosts; i++) {
        struct receiver_script script = some_script();
        snprintf(v4, sizeof v4, "198.51.100.%u", nreceivers + 1);
        struct receiver *r = keep(world_receiver(names[n], v4, &script));
        if (sim_below(8) == 0)
            receiver_link(r, sim_below(2) ? SIM_REFUSED : SIM_BLACK_HOLE, 0);
    }
}

static void make_world(void)
{
    struct receiver_script author = {
        .faults = sim_below(100), .no_permanent = true, .no_such_reports = true};
    nreceivers = 0;
    (void)world_receiver(WORLD_AUTHOR_DOMAIN, "192.0.2.100", &author);
    for (unsigned i = 0; i < SITES; i++)
        make_site(i);
}

static void submit_some(unsigned count)
{
    unsigned user = sim_below(WORLD_USERS), first = ledger_count();
    for (unsigned i = 0; i < count; i++) {
        unsigned from = sim_below(SITES - 4);
        (void)ledger_add(world_user(user), 300 + sim_below(3000), 1 + sim_below(6), domains + from,
                         1 + sim_below(4));
    }
    world_submit(user, first, count, 0);
}

static void disturb(void)
{
    static const enum sim_fault faults[] = {SIM_REFUSED, SIM_UNREACH, SIM_BLACK_HOLE,
                                            SIM_RESET,   SIM_SILENT,  SIM_OK};
    receiver_link(receivers[sim_below(nreceivers)], faults[sim_below(6)], sim_below(4000));
}

static unsigned count_fallbacks(void)
{
    unsigned count = 0;
    for (unsigned i = 0; i < nreceivers; i++)
        count += receiver_fell_back(receivers[i]);
    return count;
}

static bool random_sites(uint64_t seed)
{
    struct ledger_sum sum;
    struct sim_net net = {.latency_max_ms = 20, .segment_max = 65536, .window = 65536};
    world_begin(seed, "relay = { allow_loopback = true; };");
    sim_net_set(&net);
    sim_dns_delay(1 + sim_below(100));
    make_world();
    if (!world_start())
        ledger_fault("not serving");
    for (unsigned i = 0; i < 12; i++)
        submit_some(1 + sim_below(8));
    for (unsigned i = 0; i < 10; i++) {
        disturb();
        if (sim_below(2))
            submit_some(1 + sim_below(5));
        (void)sim_run_for(sim_below(3) ? sim_below(10000) : sim_below(20 * MINUTE_MS));
    }
    if (sim_below(3) > 0) {
        world_set_faults(0);
        if (!world_drain(30ull * HOUR_MS))
            ledger_fault("still queued long after all is well");
        else
            world_check_idle(true);
        world_stop();
    } else {
        world_stop();
        world_list_queue();
    }
    ledger_settle(&sum);
    bool good = ledger_is_good(&sum);
    if (good && getenv("MSA_SIM_SUMS"))
        fprintf(stderr, "asked for IPv4: %u times\n", count_fallbacks());
    world_end();
    return good;
}

/* One message over a target that asks at the end of data: over IPv6 once, taken over IPv4. */
static void test_asks_once(void **state)
{
    (void)state;
    static const char *const to[] = {"d.example"};
    struct ledger_sum sum;
    struct receiver *v4 = NULL;
    struct receiver_script script = {.falls_back = 1000, .falls_back_at_end = true};
    world_begin(7, "relay = { allow_loopback = true; };");
    struct receiver *v6 = world_mx6("d.example", "2001:db8::2", "203.0.113.2", &script, &v4);
    (void)world_receiver("d.example", "203.0.113.3", &(struct receiver_script){0});
    assert_true(world_start());
    (void)ledger_add(world_user(0), 500, 1, to, 1);
    world_submit(0, 0, 1, 0);
    assert_true(world_drain(HOUR_MS));
    assert_int_equal(receiver_fell_back(v6), 1);
    assert_int_equal(receiver_sessions(v6), 1);
    assert_int_equal(receiver_taken(v6), 0);
    assert_int_equal(receiver_taken(v4), 1);
    world_stop();
    ledger_settle(&sum);
    assert_true(ledger_is_good(&sum));
    assert_int_equal(sum.delivered, 1);
    assert_int_equal(sum.reported, 0);
    world_end();
}

/* IPv4 is refused for now: it stays queued, and comes over IPv4 alone, also after a restart. */
static void test_mark_is_kept(void **state)
{
    (void)state;
    static const char *const to[] = {"d.example"};
    struct ledger_sum sum;
    struct receiver *v4 = NULL;
    struct receiver_script script = {.falls_back = 1000, .falls_back_at_end = true};
    world_begin(7, "relay = { allow_loopback = true; };");
    struct receiver *v6 = world_mx6("d.example", "2001:db8::2", "203.0.113.2", &script, &v4);
    struct receiver *mx =
        world_receiver("d.example", "203.0.113.3", &(struct receiver_script){.refuse_all = false});
    assert_true(world_start());
    receiver_link(v4, SIM_REFUSED, 0);
    receiver_link(mx, SIM_REFUSED, 0);
    (void)ledger_add(world_user(0), 500, 1, to, 1);
    world_submit(0, 0, 1, 0);
    (void)sim_run_for(MINUTE_MS);
    assert_int_equal(receiver_sessions(v6), 1);
    world_stop();
    assert_true(world_start());
    (void)sim_run_for(10 * MINUTE_MS);
    receiver_link(mx, SIM_OK, 0);
    assert_true(world_drain(6 * HOUR_MS));
    assert_int_equal(receiver_sessions(v6), 1); /* MX6 is not for it any more */
    assert_int_equal(receiver_taken(v4), 0);
    assert_int_equal(receiver_taken(mx), 1);
    world_stop();
    ledger_settle(&sum);
    assert_true(ledger_is_good(&sum));
    world_end();
}

/* The same code of a host that is no target of MX6 is what it says: a report. */
static void test_outside_of_mx6(void **state)
{
    (void)state;
    static const char *const to[] = {"d.example"};
    struct ledger_sum sum;
    struct receiver_script asks = {.falls_back = 1000, .falls_back_at_end = true};
    world_begin(6, "relay = { allow_loopback = true; };");
    (void)world_receiver(WORLD_AUTHOR_DOMAIN, "203.0.113.100", &(struct receiver_script){0});
    struct receiver *mx = world_receiver("d.example", "203.0.113.3", &asks);
    assert_true(world_start());
    (void)ledger_add(world_user(0), 500, 1, to, 1);
    world_submit(0, 0, 1, 0);
    assert_true(world_drain(8 * 24 * HOUR_MS));
    assert_int_equal(receiver_taken(mx), 0);
    world_stop();
    ledger_settle(&sum);
    assert_true(ledger_is_good(&sum));
    assert_int_equal(sum.reported, 1);
    world_end();
}

static void test_random_sites(void **state)
{
    (void)state;
    assert_true(seeds_run("many sites, MX6", 20, random_sites));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_asks_once), cmocka_unit_test(test_mark_is_kept),
        cmocka_unit_test(test_outside_of_mx6), cmocka_unit_test(test_random_sites)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
