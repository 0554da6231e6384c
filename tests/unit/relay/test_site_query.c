/*
 * Which destinations go to a site, in the simulated world: more of them than are looked up at once.
 */
#include "relay/site_query.h"

#include "msa/base/mem.h"
#include "tests/sim/dns/zone.h"
#include "tests/sim/loop/sim.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#define MANY    450
#define SLOW_MS 1000
#define AT_ONCE 100

static struct loop *loop;
static struct dns *dns;
static struct relay_lookups *lookups;
static struct relay_settings *settings;
static struct sched *sched;
static struct relay_options options;
static struct queue_options queue;
static bool done;

static int set_up(void **state)
{
    static const struct sched_ops ops;
    const char *why;
    (void)state;
    sim_start(1);
    sim_dns_reset();
    sim_dns_add("one.test", DNS_MX, "10 mx.one.test");
    sim_dns_add("mx.one.test", DNS_A, "192.0.2.1");
    sim_dns_add("two.test", DNS_MX, "10 mx.two.test");
    sim_dns_add("mx.two.test", DNS_A, "192.0.2.2");
    sim_dns_add("null.test", DNS_MX, "0 .");
    sim_dns_fail("dark.test", DNS_MX, DNS_TEMPFAIL);
    options = (struct relay_options){.capture = ""};
    loop = loop_new();
    assert_int_equal(dns_new(&(struct dns_config){.loop = loop}, &dns, &why), 0);
    settings = relay_settings_new(&(struct relay_settings){.hostname = "our.test",
                                                           .postmaster = "postmaster@our.test",
                                                           .relay = &options,
                                                           .queue = &queue,
                                                           .dns_timeout_ms = 8000});
    lookups = relay_lookups_new(
        &(struct relay_lookups_config){.loop = loop, .dns = dns, .settings = settings});
    sched = sched_new(&(struct sched_config){.loop = loop,
                                             .workers = 1,
                                             .per_site = 1,
                                             .slots_max = 1,
                                             .resolve_max = 1,
                                             .wait_max = 1,
                                             .retry_ms = 1,
                                             .job_deadline_ms = 1,
                                             .ops = &ops});
    done = false;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    relay_lookups_free(lookups);
    sched_free(sched);
    relay_settings_drop(settings);
    dns_free(dns);
    loop_stop(loop);
    sim_run_for(1);
    loop_free(loop);
    sim_stop();
    return 0;
}

static struct site_query *query(const char *site)
{
    return site_query_new(&(struct site_query_config){
        .lookups = lookups, .sched = sched, .settings = settings, .site = site});
}

static void on_done(void *arg)
{
    (void)arg;
    done = true;
}

static bool found(const struct site_query *q, const char *domain)
{
    return destinations_hold(site_query_found(q), domain, "", "");
}

static void on_unknown(void *arg, const char *destination, const char *status, const char *text)
{
    size_t *n = arg;
    assert_string_equal(destination, "dark.test");
    assert_int_equal(status[0], '4');
    assert_true(text[0]);
    ++*n;
}

/* What takes no mail has no site, and that is known. */
static void what_dns_says(void **state)
{
    static const char *const names[] = {"one.test", "two.test", "null.test", "gone.test",
                                        "dark.test"};
    size_t unknown = 0;
    (void)state;
    struct site_query *q = query("*.one.test");
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        site_query_add(q, names[i]);
    site_query_start(q, on_done, NULL);
    sim_run_for(60000);
    assert_true(done);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        assert_int_equal(found(q, names[i]), i == 0);
    site_query_each_unknown(q, on_unknown, &unknown);
    assert_int_equal(unknown, 1);
    site_query_free(q);
}

static void nothing_to_ask(void **state)
{
    (void)state;
    struct site_query *q = query("mx.one.test");
    site_query_start(q, on_done, NULL);
    assert_true(done);
    site_query_free(q);
    q = query("capture");
    options.capture = "mail";
    done = false;
    site_query_add(q, "one.test");
    site_query_start(q, on_done, NULL);
    assert_true(done);
    assert_true(found(q, "one.test"));
    site_query_free(q);
}

static void many(void **state)
{
    char name[32];
    (void)state;
    struct site_query *q = query("mx.one.test");
    for (unsigned i = 0; i < MANY; i++) {
        snprintf(name, sizeof name, "m%u.test", i);
        sim_dns_add(name, DNS_MX, i % 2 ? "10 mx.one.test" : "10 mx.two.test");
        sim_dns_slow(name, DNS_MX, SLOW_MS);
        site_query_add(q, name);
    }
    site_query_start(q, on_done, NULL);
    sim_run_for((MANY / AT_ONCE) * SLOW_MS);
    assert_false(done); /* a hundred at a time */
    sim_run_for(60000);
    assert_true(done);
    for (unsigned i = 0; i < MANY; i++) {
        snprintf(name, sizeof name, "m%u.test", i);
        assert_int_equal(found(q, name), i % 2);
    }
    site_query_free(q);
}

/* The look-ups go first: it is never told. */
static void given_up(void **state)
{
    (void)state;
    struct site_query *q = query("mx.one.test");
    site_query_add(q, "one.test");
    site_query_start(q, on_done, NULL);
    relay_lookups_free(lookups);
    sim_run_for(60000);
    assert_false(done);
    site_query_free(q);
    lookups = relay_lookups_new(
        &(struct relay_lookups_config){.loop = loop, .dns = dns, .settings = settings});
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {CASE(what_dns_says), CASE(nothing_to_ask), CASE(many),
                                       CASE(given_up)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
