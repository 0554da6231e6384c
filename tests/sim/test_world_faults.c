/*
 * Whatever goes wrong around a server that keeps running: clients that break off, receivers that
 * refuse, stall and hang up in every phase, a network that resets, a keeper that is away, a clock
 * that jumps, a disk that is full or fails. Afterwards the books are exact: accepted = delivered +
 * reported + queued. And the same seed gives the same run twice.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/sim/auth/script.h"
#include "tests/sim/seeds.h"
#include "tests/sim/world.h"

#include <errno.h>
#include <stdio.h>

#define DOMAINS   6
#define HOSTS     8
#define CLIENTS   5
#define MINUTE_MS 60000

static const char *const domains[DOMAINS] = {"d0.example", "d1.example", "d2.example",
                                             "d3.example", "d4.example", "d5.example"};

struct scene {
    struct receiver *receivers[HOSTS]; /* the last are the second hosts of the first domains */
    bool disk_fails, clock_jumps;
    bool names_fail;  /* a file that could not be removed stays until the next start */
    bool short_lived; /* recipients expire; reports must not */
};

static size_t some_size(void)
{
    switch (sim_below(10)) {
    case 0:
        return 70000 + sim_below(300000); /* a spool file */
    case 1:
        return 200; /* no more than a header */
    default:
        return 300 + sim_below(5000);
    }
}

static void set_network(void)
{
    struct sim_net net = {.latency_max_ms = 1 + sim_below(50),
                          .segment_max = sim_below(3) ? 65536 : 1 + sim_below(3000),
                          .window = sim_below(3) ? 65536 : 2000 + sim_below(10000)};
    sim_net_set(&net);
    sim_thread_delay(sim_below(3) ? 0 : 1 + sim_below(30));
    sim_dns_delay(1 + sim_below(200));
}

static void make_receivers(struct scene *s)
{
    struct receiver_script author = {.faults = s->short_lived ? 0 : sim_below(200),
                                     .no_permanent = true};
    (void)world_receiver(WORLD_AUTHOR_DOMAIN, "203.0.113.100", &author);
    for (unsigned i = 0; i < HOSTS; i++) {
        char address[32];
        struct receiver_script script = {.faults = sim_below(3) ? sim_below(600) : 0,
                                         .chunking = sim_below(2)};
        snprintf(address, sizeof address, "203.0.113.%u", i + 1);
        s->receivers[i] = world_receiver(domains[i % DOMAINS], address, &script);
    }
}

static void submit_some(unsigned count)
{
    unsigned breaks = sim_below(2) ? 0 : sim_below(60);
    unsigned user = sim_below(WORLD_USERS), first = ledger_count();
    for (unsigned i = 0; i < count; i++)
        (void)ledger_add(world_user(user), some_size(), 1 + sim_below(5), domains + sim_below(2),
                         DOMAINS - 1);
    world_submit(user, first, count, breaks);
}

/* Errors for a few operations, or no room for some time. */
static void fail_disk(struct scene *s)
{
    if (sim_below(3) == 0) {
        disk_set_capacity(sim_below(2) ? UINT64_MAX : disk_used() + sim_below(400000));
        return;
    }
    static const unsigned kinds[] = {DISK_OP_WRITE, DISK_OP_SYNC, DISK_OP_NAME,
                                     DISK_OP_WRITE | DISK_OP_SYNC};
    unsigned kind = kinds[sim_below(4)];
    s->names_fail |= kind == DISK_OP_NAME;
    disk_fail(kind, sim_below(3) ? "/state/queue" : "spool", sim_below(20), 1 + sim_below(6),
              sim_below(2) ? -ENOSPC : -EIO);
}

static void heal_disk(void)
{
    disk_fail(0, NULL, 0, 0, 0);
    disk_set_capacity(UINT64_MAX);
}

/* One thing that goes wrong, or right again. */
static void disturb(struct scene *s)
{
    static const enum sim_fault faults[] = {SIM_REFUSED, SIM_UNREACH, SIM_BLACK_HOLE,
                                            SIM_RESET,   SIM_SILENT,  SIM_OK};
    struct receiver *r = s->receivers[sim_below(HOSTS)];
    switch (sim_below(10)) {
    case 5:
        world_reload();
        break;
    case 6: /* a clean stop loses no answer: nothing may be delivered twice for it */
        heal_disk();
        world_stop();
        if (!world_start())
            ledger_fault("not serving again");
        break;
    case 0:
        sim_net_reset_all();
        ledger_on_answers_lost();
        break;
    case 1:
        sim_auth_down(sim_below(2));
        break;
    case 2:
        heal_disk();
        break;
    case 3:
        if (s->clock_jumps)
            sim_wall_jump((int64_t)sim_below(7200000) - 3600000);
        break;
    case 4:
        sim_dns_fail(domains[sim_below(DOMAINS)], DNS_MX, sim_below(2) ? DNS_TEMPFAIL : DNS_OK);
        break;
    default:
        receiver_link(r, faults[sim_below(6)], sim_below(4000));
        break;
    }
}

static void heal(void)
{
    sim_auth_down(false);
    world_set_faults(0);
    heal_disk();
    for (unsigned i = 0; i < DOMAINS; i++)
        sim_dns_fail(domains[i], DNS_MX, DNS_OK);
}

static void run_disturbed(struct scene *s)
{
    unsigned rounds = 4 + sim_below(20);
    for (unsigned i = 0; i < rounds; i++) {
        if (sim_below(2))
            disturb(s);
        if (s->disk_fails && sim_below(3) == 0)
            fail_disk(s);
        if (sim_below(2))
            submit_some(1 + sim_below(5));
        (void)sim_run_for(sim_below(8) ? sim_below(5000) : sim_below(20 * MINUTE_MS));
    }
}

static void finish(const struct scene *scene, bool drained)
{
    if (!drained) {
        heal_disk(); /* results that cannot be written would keep the server from its end */
        world_stop();
        world_list_queue();
        return;
    }
    heal();
    if (!world_drain(30 * 3600 * 1000))
        ledger_fault("still queued long after all is well");
    else
        world_check_idle(!scene->names_fail);
    world_stop();
}

static bool run(uint64_t seed, uint64_t *fingerprint_out, struct ledger_sum *sum)
{
    struct scene scene = {0};
    scene.short_lived = seed % 3 == 0;
    world_begin(
        seed, scene.short_lived ? "queue = { lifetime = \"40m\"; delay_warning = \"10m\"; };" : "");
    set_network();
    scene.disk_fails = sim_below(2);
    scene.clock_jumps = !scene.short_lived && sim_below(4) == 0;
    make_receivers(&scene);
    if (!world_start())
        ledger_fault("not serving");
    for (unsigned i = 0; i < CLIENTS; i++)
        submit_some(1 + sim_below(8));
    run_disturbed(&scene);
    finish(&scene, sim_below(3) > 0);
    ledger_settle(sum);
    bool good = ledger_is_good(sum);
    *fingerprint_out = sim_fingerprint();
    world_end();
    return good;
}

static bool random_faults(uint64_t seed)
{
    uint64_t fingerprint;
    struct ledger_sum sum;
    return run(seed, &fingerprint, &sum);
}

static bool same_twice(uint64_t seed)
{
    uint64_t first, second;
    struct ledger_sum a, b;
    bool good = run(seed, &first, &a) & run(seed, &second, &b);
    if (first != second || a.digest != b.digest) {
        fprintf(stderr, "traces %llx and %llx, deliveries %llx and %llx\n",
                (unsigned long long)first, (unsigned long long)second, (unsigned long long)a.digest,
                (unsigned long long)b.digest);
        good = false;
    }
    return good;
}

static void test_random_faults(void **state)
{
    (void)state;
    assert_true(seeds_run("random faults", 45, random_faults));
}

static void test_same_seed_twice(void **state)
{
    (void)state;
    assert_true(seeds_run("same seed twice", 5, same_twice));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_random_faults),
                                       cmocka_unit_test(test_same_seed_twice)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
