/*
 * Many sites chosen by MX preferences (MXPS): hosts that speak QMTP and SMTP, SMTP alone, or QMTP
 * to whom nobody can connect, beside some of MX6; with refusals, mixed answers, silence, nonsense
 * and cuts in every place of packages and responses. Afterwards the books are exact: accepted =
 * delivered + reported + queued. Mail comes again only where no answer was sure to arrive, which is
 * counted, and never by SMTP from a host that was just spoken to by QMTP (qmtp_receiver.h).
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

#define SITES     36
#define HOUR_MS   3600000
#define MINUTE_MS 60000
#define WINDOW    8192
#define QMTP      12801
#define SMTP      12800
#define LEVEL     16 /* from one level of MXPS to the next */

static char names[SITES][24];
static const char *domains[SITES];
static struct receiver *receivers[SITES * 4];
static struct qmtp_receiver *qmtp[SITES * 4];
static unsigned nreceivers, nqmtp;

static struct receiver_script some_smtp(void)
{
    return (struct receiver_script){.faults = sim_below(3) ? sim_below(400) : 0,
                                    .chunking = sim_below(2)};
}

static struct qmtp_script some_qmtp(void)
{
    return (struct qmtp_script){.faults = sim_below(4) ? sim_below(700) : 0,
                                .window = WINDOW,
                                .one_response = sim_below(6) == 0,
                                .closes = sim_below(6) == 0,
                                .garbage = sim_below(10) == 0};
}

/* One host of MX of the site: with QMTP as its preference says, or without. */
static void make_host(unsigned site, unsigned level)
{
    char address[32];
    struct receiver_script smtp = some_smtp();
    struct qmtp_script by_qmtp = some_qmtp();
    bool has_qmtp = sim_below(3) > 0;
    unsigned preference = (has_qmtp ? QMTP : sim_below(2) ? SMTP : 1) + level * LEVEL;
    snprintf(address, sizeof address, "198.51.%u.%u", 100 + nreceivers / 200, 1 + nreceivers % 200);
    struct world_host host = {.domain = names[site],
                              .address = address,
                              .preference = preference,
                              .smtp = &smtp,
                              .qmtp = has_qmtp ? &by_qmtp : NULL};
    world_host(&host);
    receivers[nreceivers++] = host.receiver;
    if (has_qmtp && sim_below(4) == 0)
        qmtp_receiver_link(host.qmtp_receiver, sim_below(2) ? SIM_REFUSED : SIM_BLACK_HOLE, 0);
    if (sim_below(10) == 0)
        receiver_link(host.receiver, SIM_REFUSED, 0);
    if (has_qmtp)
        qmtp[nqmtp++] = host.qmtp_receiver;
}

static void make_site(unsigned n)
{
    unsigned hosts = 1 + sim_below(3);
    snprintf(names[n], sizeof names[n], "d%u.example", n);
    domains[n] = names[n];
    if (sim_below(6) == 0) {
        char v6[48], v4[32];
        struct receiver *other = NULL;
        struct receiver_script script = some_smtp();
        script.falls_back = sim_below(600);
        snprintf(v6, sizeof v6, "2001:db8:1::%x", n + 1);
        snprintf(v4, sizeof v4, "203.0.113.%u", n + 1);
        (void)world_mx6(names[n], v6, v4, &script, &other);
    }
    for (unsigned i = 0; i < hosts; i++)
        make_host(n, sim_below(3) ? i : 0);
}

static void make_world(void)
{
    struct receiver_script smtp = {.faults = sim_below(100), .no_permanent = true};
    struct qmtp_script by_qmtp = {.faults = sim_below(100), .window = WINDOW, .no_permanent = true};
    struct world_host author = {.domain = WORLD_AUTHOR_DOMAIN,
                                .address = "192.0.2.100",
                                .preference = QMTP,
                                .smtp = &smtp,
                                .qmtp = &by_qmtp};
    nreceivers = nqmtp = 0;
    world_host(&author);
    for (unsigned i = 0; i < SITES; i++)
        make_site(i);
}

/* Small ones, and some that no window holds. */
static void submit_some(unsigned count)
{
    unsigned user = sim_below(WORLD_USERS), first = ledger_count();
    for (unsigned i = 0; i < count; i++) {
        unsigned from = sim_below(SITES - 4);
        size_t size = sim_below(4) ? 300 + sim_below(3000) : 10000 + sim_below(60000);
        (void)ledger_add(world_user(user), size, 1 + sim_below(8), domains + from,
                         1 + sim_below(4));
    }
    world_submit(user, first, count, 0);
}

static void disturb(void)
{
    static const enum sim_fault faults[] = {SIM_REFUSED, SIM_UNREACH, SIM_BLACK_HOLE,
                                            SIM_RESET,   SIM_SILENT,  SIM_OK};
    if (nqmtp > 0 && sim_below(2))
        qmtp_receiver_link(qmtp[sim_below(nqmtp)], faults[sim_below(6)], sim_below(9000));
    else
        receiver_link(receivers[sim_below(nreceivers)], faults[sim_below(6)], sim_below(4000));
}

static void tell_sums(void)
{
    unsigned packages = 0, taken = 0, unsure = 0;
    for (unsigned i = 0; i < nqmtp; i++) {
        packages += qmtp_receiver_packages(qmtp[i]);
        taken += qmtp_receiver_taken(qmtp[i]);
        unsure += qmtp_receiver_unsure(qmtp[i]);
    }
    fprintf(stderr, "by QMTP: %u packages, %u recipients taken, %u of them without a sure answer\n",
            packages, taken, unsure);
}

static bool random_sites(uint64_t seed)
{
    struct ledger_sum sum;
    struct sim_net net = {.latency_max_ms = 20, .segment_max = 65536, .window = WINDOW};
    char options[120];
    world_begin(seed, "");
    snprintf(options, sizeof options, "relay = { allow_loopback = true; qmtp_recipients = %u; };",
             1 + sim_below(8));
    world_options(options);
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
        if (!world_drain(48ull * HOUR_MS))
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
        tell_sums();
    world_end();
    return good;
}

/* ---- one site ---- */

static struct world_host one_host(const struct receiver_script *smtp,
                                  const struct qmtp_script *by_qmtp)
{
    struct world_host host = {.domain = "d.example",
                              .address = "198.51.100.1",
                              .preference = QMTP,
                              .smtp = smtp,
                              .qmtp = by_qmtp};
    world_host(&host);
    return host;
}

static void begin(const char *options)
{
    static const struct receiver_script author = {.no_permanent = true};
    world_begin(5, options);
    (void)world_receiver(WORLD_AUTHOR_DOMAIN, "203.0.113.100", &author);
}

static void submit_to_one(unsigned recipients)
{
    static const char *const to[] = {"d.example"};
    (void)ledger_add(world_user(0), 500, recipients, to, 1);
    world_submit(0, ledger_count() - 1, 1, 0);
}

static struct ledger_sum finish(void)
{
    struct ledger_sum sum;
    world_stop();
    ledger_settle(&sum);
    assert_true(ledger_is_good(&sum));
    world_end();
    return sum;
}

static void test_goes_by_qmtp(void **state)
{
    (void)state;
    begin("relay = { allow_loopback = true; };");
    struct world_host h = one_host(&(struct receiver_script){0}, &(struct qmtp_script){0});
    assert_true(world_start());
    submit_to_one(5);
    assert_true(world_drain(HOUR_MS));
    assert_int_equal(qmtp_receiver_packages(h.qmtp_receiver), 5); /* a recipient each */
    assert_int_equal(qmtp_receiver_sessions(h.qmtp_receiver), 1);
    assert_int_equal(receiver_sessions(h.receiver), 0);
    struct ledger_sum sum = finish();
    assert_int_equal(sum.delivered, 5);
    assert_int_equal(sum.repeated, 0);
}

/* Nobody can connect to QMTP: SMTP at the same address, in the same attempt. */
static void test_smtp_at_the_same_address(void **state)
{
    (void)state;
    static const enum sim_fault faults[] = {SIM_REFUSED, SIM_UNREACH, SIM_BLACK_HOLE};
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
        begin("relay = { allow_loopback = true; };");
        struct world_host h = one_host(&(struct receiver_script){0}, &(struct qmtp_script){0});
        qmtp_receiver_link(h.qmtp_receiver, faults[i], 0);
        assert_true(world_start());
        submit_to_one(3);
        assert_true(world_drain(MINUTE_MS)); /* less than the first pause of a retry */
        assert_int_equal(receiver_taken(h.receiver), 1);
        assert_int_equal(qmtp_receiver_sessions(h.qmtp_receiver), 0);
        assert_int_equal(finish().delivered, 3);
    }
}

/* One response whatever the number: the first K counts, the others come again one by one. */
static void test_one_response(void **state)
{
    (void)state;
    begin("relay = { allow_loopback = true; qmtp_recipients = 10; };");
    struct world_host h =
        one_host(&(struct receiver_script){0}, &(struct qmtp_script){.one_response = true});
    assert_true(world_start());
    submit_to_one(4);
    assert_true(world_drain(6 * HOUR_MS));
    assert_int_equal(qmtp_receiver_packages(h.qmtp_receiver), 4); /* four, then one each */
    struct ledger_sum sum = finish();
    assert_int_equal(sum.delivered, 4);
    assert_int_equal(sum.repeated, 3); /* who could not know */
}

/* What is no QMTP is no answer, and SMTP is not tried there either. */
static void test_garbage(void **state)
{
    (void)state;
    begin("relay = { allow_loopback = true; };");
    struct world_host h =
        one_host(&(struct receiver_script){0}, &(struct qmtp_script){.garbage = true});
    assert_true(world_start());
    submit_to_one(2);
    (void)sim_run_for(2 * HOUR_MS);
    assert_true(qmtp_receiver_sessions(h.qmtp_receiver) > 3);
    assert_int_equal(receiver_sessions(h.receiver), 0);
    qmtp_receiver_set_faults(h.qmtp_receiver, 0);
    assert_true(world_drain(6 * HOUR_MS));
    struct ledger_sum sum = finish();
    assert_int_equal(sum.delivered, 2);
    assert_int_equal(sum.repeated, 0);
}

static void test_random_sites(void **state)
{
    (void)state;
    assert_true(seeds_run("many sites, QMTP", 20, random_sites));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_sites), cmocka_unit_test(test_goes_by_qmtp),
        cmocka_unit_test(test_smtp_at_the_same_address), cmocka_unit_test(test_one_response),
        cmocka_unit_test(test_garbage)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
