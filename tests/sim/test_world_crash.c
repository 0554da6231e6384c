/*
 * The machine loses its power at a write or sync of the store, again and again, with what was not
 * synced dropped, torn and reordered: fifty messages from the clients to the receivers. Each one
 * that was acknowledged is delivered, unaltered, or reported; twice only where the result of the
 * first delivery was not committed.
 *
 * The first run counts the operations of an undisturbed workload; the crashes of the seeds are
 * spread over all of them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/sim/seeds.h"
#include "tests/sim/world.h"

#include <errno.h>
#include <stdio.h>

#define MESSAGES    50
#define CLIENTS     5
#define DOMAINS     4
#define CRASHES_MAX 4 /* of one workload */
#define WORKLOADS   4 /* of one seed */
#define HOUR_MS     3600000

static const char *const domains[DOMAINS] = {"d0.example", "d1.example", "d2.example",
                                             "d3.example"};

static uint64_t undisturbed_ops;

static void make_world(uint64_t seed)
{
    struct receiver_script script = {.faults = sim_below(2) ? 100 : 0, .no_permanent = true};
    struct sim_net net = {
        .latency_max_ms = 1 + sim_below(10), .segment_max = 65536, .window = 65536};
    sim_net_set(&net);
    sim_thread_delay(sim_below(2) ? 0 : 1 + sim_below(20));
    (void)world_receiver(WORLD_AUTHOR_DOMAIN, "203.0.113.100", &script);
    script.no_permanent = false;
    for (unsigned i = 0; i < DOMAINS; i++) {
        char address[32];
        snprintf(address, sizeof address, "203.0.113.%u", i + 1);
        script.chunking = (seed + i) % 2 == 0;
        (void)world_receiver(domains[i], address, &script);
    }
    for (unsigned i = 0; i < MESSAGES; i++)
        (void)ledger_add(world_user(i / (MESSAGES / CLIENTS)),
                         i % 10 == 3 ? 70000 + sim_below(200000) : 300 + sim_below(3000), 1 + i % 3,
                         domains + i % 2, DOMAINS - 1);
}

/* What no client has tried yet. */
static void submit_rest(void)
{
    for (unsigned user = 0; user < CLIENTS; user++) {
        unsigned each = MESSAGES / CLIENTS, first = user * each, end = first + each;
        while (first < end && ledger_message(first)->state != LEDGER_NEW)
            first++;
        if (first < end)
            world_submit(user, first, end - first, 0);
    }
}

static bool is_off(void *arg)
{
    (void)arg;
    return disk_is_off();
}

static bool is_over(void *arg)
{
    struct store_stats stats;
    if (is_off(arg))
        return true;
    store_get_stats(server_store(world_server()), &stats);
    return world_clients() == 0 && stats.messages == 0;
}

/* Starts, serves and works for at most ms, or until the power goes. True: all is done. errors: some
 * syncs or writes of so many operations fail, too; 0: none. */
static bool live(uint32_t errors, uint64_t ms)
{
    if (!world_start()) {
        if (!disk_is_off())
            ledger_fault("the server does not start");
        return false;
    }
    if (errors > 0)
        disk_fail(sim_below(2) ? DISK_OP_SYNC : DISK_OP_WRITE | DISK_OP_SYNC, "/state/queue",
                  sim_below(errors), 1 + sim_below(3), -EIO);
    submit_rest();
    return sim_run_while_not(is_over, NULL, ms) && !disk_is_off();
}

/* Crashes at the given operations, each counted from the start before it; 0: none. */
static bool run(uint64_t seed, const uint64_t *at, unsigned count)
{
    static const enum disk_loss losses[] = {DISK_LOSS_SEEDED, DISK_LOSS_ALL, DISK_LOSS_NONE,
                                            DISK_LOSS_TORN, DISK_LOSS_MIXED};
    struct ledger_sum sum;
    world_begin(seed, "");
    make_world(seed);
    for (unsigned i = 0; i < count; i++) {
        bool moment = seed % 5 == 0; /* not at an operation, but after so many milliseconds */
        disk_crash_at(moment ? 0 : disk_ops() + at[i]);
        if (live(seed % 3 == 0 ? (uint32_t)at[i] : 0, moment ? at[i] : 3 * HOUR_MS))
            break;
        disk_fail(0, NULL, 0, 0, 0);
        world_crash(losses[sim_below(5)]);
    }
    disk_crash_at(0);
    disk_fail(0, NULL, 0, 0, 0);
    if (!world_is_serving())
        (void)live(0, 3 * HOUR_MS);
    world_set_faults(0);
    if (world_is_serving() && !world_drain(10 * HOUR_MS))
        ledger_fault("still queued long after the last crash");
    else if (world_is_serving())
        world_check_idle(true);
    if (count == 0)
        undisturbed_ops = disk_ops();
    if (world_is_serving())
        world_stop();
    ledger_settle(&sum);
    bool good = ledger_is_good(&sum);
    world_end();
    return good;
}

/* The first crash of the n-th workload: multiples of the golden ratio spread any first n evenly. */
static uint64_t first_crash(uint64_t n)
{
    return 1 + ((n * UINT64_C(2654435769) & UINT32_MAX) * undisturbed_ops >> 32);
}

static bool crashes(uint64_t seed)
{
    bool good = true;
    for (uint64_t n = seed * WORKLOADS; n < (seed + 1) * WORKLOADS; n++) {
        uint64_t at[CRASHES_MAX] = {first_crash(n)};
        for (unsigned i = 1; i < CRASHES_MAX; i++) /* soon after the start */
            at[i] = 1 + (n * 104729 + i * 15485863) % 120;
        good &= run(n, at, 1 + (unsigned)(n % CRASHES_MAX));
    }
    return good;
}

static bool no_crash(uint64_t seed)
{
    return run(seed, NULL, 0);
}

/* The commit's sync fails, so that the client is refused although all of it may be on the disk;
 * some seconds later, with nothing else to write, the power goes. */
static bool refused(uint64_t seed)
{
    static const enum disk_loss losses[] = {DISK_LOSS_NONE, DISK_LOSS_ALL, DISK_LOSS_TORN,
                                            DISK_LOSS_MIXED};
    struct receiver_script script = {0};
    struct ledger_sum sum;
    world_begin(seed, "");
    (void)world_receiver(domains[0], "203.0.113.1", &script);
    unsigned m = ledger_add(world_user(0), seed % 2 ? 1000 : 100000, 1, domains, 1);
    if (!world_start())
        ledger_fault("not serving");
    disk_fail(DISK_OP_SYNC, "queue.db-wal", 0, 1 + sim_below(2), -EIO);
    world_submit(0, m, 1, 0);
    (void)sim_run_for(10000);
    if (ledger_message(m)->state != LEDGER_REFUSED)
        ledger_fault("not refused, but %d", (int)ledger_message(m)->state);
    world_crash(losses[seed / 2 % 4]);
    if (world_start()) {
        (void)sim_run_for(HOUR_MS);
        world_check_idle(true);
        world_stop();
    }
    ledger_settle(&sum);
    bool good = ledger_is_good(&sum);
    world_end();
    return good;
}

static void test_refused(void **state)
{
    (void)state;
    assert_true(seeds_run("refused stays refused", 20, refused));
}

static void test_crashes(void **state)
{
    (void)state;
    assert_true(no_crash(1));
    assert_true(undisturbed_ops > 200);
    assert_true(seeds_run("crashes", 45, crashes));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_crashes),
                                       cmocka_unit_test(test_refused)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
