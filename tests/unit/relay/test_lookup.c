/*
 * Look-ups in the simulated world: how long they last, what is remembered, what a new configuration
 * or resolver does to those under way.
 */
#include "relay/lookup.h"

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

#define TIMEOUT_MS 8000

static struct loop *loop;
static struct dns *dns;
static struct relay_lookups *lookups;
static struct relay_settings *settings;
static struct relay_options options;
static struct queue_options queue;
static struct ip own_ip;
static bool told_no_ipv4;
static int64_t ports[] = {25};
static char told[512];
static uint64_t told_at;
static size_t ntold;

static struct relay_settings *make_settings(void)
{
    return relay_settings_new(&(struct relay_settings){.hostname = "our.test",
                                                       .postmaster = "postmaster@our.test",
                                                       .relay = &options,
                                                       .queue = &queue,
                                                       .own_ips = &own_ip,
                                                       .nown_ips = 1,
                                                       .dns_timeout_ms = TIMEOUT_MS});
}

static struct relay_lookups *make_lookups(void)
{
    return relay_lookups_new(
        &(struct relay_lookups_config){.loop = loop, .dns = dns, .settings = settings});
}

static struct dns *make_dns(void)
{
    struct dns *d;
    const char *why;
    assert_int_equal(dns_new(&(struct dns_config){.loop = loop}, &d, &why), 0);
    return d;
}

static int set_up(void **state)
{
    (void)state;
    sim_start(1);
    sim_dns_reset();
    sim_dns_add("six.test", DNS_MX, "10 mx.test");
    sim_dns_add("mx.test", DNS_A, "192.0.2.1");
    sim_dns_add("_mx6._tcp.six.test", DNS_SRV, "0 0 25 mx6.test");
    sim_dns_add("mx6.test", DNS_AAAA, "2001:db8::6");
    sim_dns_add("plain.test", DNS_MX, "10 mx.test");
    assert_true(ip_parse(SV("2001:db8::1"), &own_ip));
    options = (struct relay_options){
        .mx6 = true, .mx6_ports = {ports, 1}, .ipv6 = true, .tls = {.dane = true}, .capture = ""};
    loop = loop_new();
    dns = make_dns();
    settings = make_settings();
    lookups = make_lookups();
    told[0] = '\0';
    ntold = 0;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    relay_lookups_free(lookups);
    relay_settings_drop(settings);
    dns_free(dns);
    loop_stop(loop);
    sim_run_for(1);
    loop_free(loop);
    sim_stop();
    return 0;
}

static void on_done(void *arg, const char *destination, struct route *route)
{
    char text[IP_TEXT_MAX];
    const struct route_plan *p = route_plan(route);
    (void)arg;
    int used =
        snprintf(told, sizeof told, "%s %s%s", destination,
                 p->verdict == ROUTE_DELIVER ? "deliver" : p->status, p->unsure ? " unsure" : "");
    told_no_ipv4 = p->no_ipv4;
    for (size_t i = 0; i < p->nattempts; i++)
        used += snprintf(told + used, sizeof told - (size_t)used, " %s",
                         ip_port_text(&p->attempts[i].to, text));
    if (p->unproven)
        snprintf(told + used, sizeof told - (size_t)used, " %s", p->unproven);
    told_at = sim_now();
    ntold++;
    route_free(route);
}

/* What a look-up finds, and after how long. */
static void check(const char *domain, const char *expected, uint64_t ms)
{
    uint64_t began = sim_now();
    size_t before = ntold;
    relay_lookup(lookups, domain, on_done, NULL);
    sim_run_for(3 * TIMEOUT_MS);
    assert_int_equal(ntold, before + 1);
    assert_string_equal(told, expected);
    assert_in_range(told_at - began, ms, ms + 20);
}

static void mx6_is_asked_beside_mx(void **state)
{
    (void)state;
    check("six.test", "six.test deliver [2001:db8::6]:25 192.0.2.1:25", 0);
    check("plain.test", "plain.test deliver 192.0.2.1:25", 0);
}

static void a_slow_srv_is_waited_for_two_seconds_and_then_not_at_all(void **state)
{
    (void)state;
    sim_dns_slow("_mx6._tcp.six.test", DNS_SRV, 1500);
    check("six.test", "six.test deliver [2001:db8::6]:25 192.0.2.1:25", 1500);
    sim_dns_reset();
    sim_dns_add("six.test", DNS_MX, "10 mx.test");
    sim_dns_add("mx.test", DNS_A, "192.0.2.1");
    sim_dns_slow("_mx6._tcp.six.test", DNS_SRV, 5000);
    check("six.test", "six.test deliver 192.0.2.1:25", ROUTE_MX6_WAIT_MS);
    size_t asked = sim_dns_questions();
    check("six.test", "six.test deliver 192.0.2.1:25", 0);
    assert_int_equal(sim_dns_questions() - asked, 3); /* MX, AAAA, A */
}

static void a_slow_address_of_a_target_is_not_waited_for_either(void **state)
{
    (void)state;
    sim_dns_slow("mx6.test", DNS_AAAA, 7000);
    check("six.test", "six.test deliver 192.0.2.1:25", ROUTE_MX6_WAIT_MS);
}

/* The two seconds are MX6's alone: a slow MX host is waited for as before. */
static void other_questions_have_their_own_time(void **state)
{
    (void)state;
    sim_dns_slow("mx.test", DNS_A, 5000);
    check("six.test", "six.test deliver [2001:db8::6]:25 192.0.2.1:25", 5000);
    sim_dns_slow("plain.test", DNS_MX, 60000);
    check("plain.test", "plain.test 4.4.3", TIMEOUT_MS);
}

static void a_failed_srv_is_remembered_for_an_hour(void **state)
{
    (void)state;
    sim_dns_fail("_mx6._tcp.six.test", DNS_SRV, DNS_TEMPFAIL);
    check("six.test", "six.test deliver 192.0.2.1:25", 0);
    sim_dns_fail("_mx6._tcp.six.test", DNS_SRV, DNS_OK);
    check("six.test", "six.test deliver 192.0.2.1:25", 0);
    sim_run_for(ROUTE_MX6_FORGET_MS - 4 * 3 * TIMEOUT_MS);
    check("six.test", "six.test deliver 192.0.2.1:25", 0);
    sim_run_for(4 * 3 * TIMEOUT_MS);
    check("six.test", "six.test deliver [2001:db8::6]:25 192.0.2.1:25", 0);
}

static void another_resolver_may_know(void **state)
{
    (void)state;
    sim_dns_fail("_mx6._tcp.six.test", DNS_SRV, DNS_TEMPFAIL);
    check("six.test", "six.test deliver 192.0.2.1:25", 0);
    sim_dns_fail("_mx6._tcp.six.test", DNS_SRV, DNS_OK);
    relay_lookups_set_dns(lookups, dns);
    check("six.test", "six.test deliver [2001:db8::6]:25 192.0.2.1:25", 0);
}

static void set(void)
{
    relay_settings_drop(settings);
    settings = make_settings();
    relay_lookups_set(lookups, settings);
}

static void without_validation_nothing_is_sure(void **state)
{
    (void)state;
    sim_dns_strip(true);
    check("plain.test", "plain.test deliver unsure 192.0.2.1:25", 0);
    sim_run_for(3000 * 1000);
    check("plain.test", "plain.test deliver unsure 192.0.2.1:25", 0);
    sim_run_for(600 * 1000); /* it will not come any more */
    check("plain.test",
          "plain.test deliver 192.0.2.1:25 the resolver 192.0.2.53:53 lets no DNSSEC through, see "
          "dns.dnssec",
          0);
    sim_dns_strip(false);
    check("plain.test", "plain.test deliver 192.0.2.1:25", 0);
}

static void mx6_needs_ipv6(void **state)
{
    static const struct {
        bool mx6, ipv6, loopback;
        const char *own;
        bool used;
    } rows[] = {
        {true, true, false, "2001:db8::1", true},   {false, true, false, "2001:db8::1", false},
        {true, false, false, "2001:db8::1", false}, {true, true, false, "fe80::1", false},
        {true, true, false, "::1", false},          {true, true, false, "fd00::1", false},
        {true, true, false, "192.0.2.9", false},    {true, true, true, "::1", true},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        options.mx6 = rows[i].mx6;
        options.ipv6 = rows[i].ipv6;
        options.allow_loopback = rows[i].loopback;
        assert_true(ip_parse(sv_of(rows[i].own), &own_ip));
        set();
        check("six.test",
              rows[i].used ? "six.test deliver [2001:db8::6]:25 192.0.2.1:25"
                           : "six.test deliver 192.0.2.1:25",
              0);
    }
}

static void a_machine_without_ipv4_says_so(void **state)
{
    (void)state;
    static const char *const own[] = {"2001:db8::1", "127.0.0.1", "192.0.2.9"};
    for (size_t i = 0; i < sizeof own / sizeof *own; i++) {
        assert_true(ip_parse(sv_of(own[i]), &own_ip));
        set();
        check("plain.test", "plain.test deliver 192.0.2.1:25", 0);
        assert_int_equal(told_no_ipv4, i < 2);
    }
}

static void ports_are_the_operators(void **state)
{
    static int64_t both[] = {26, 2525};
    (void)state;
    sim_dns_add("_mx6._tcp.plain.test", DNS_SRV, "0 0 2525 mx6.test");
    check("plain.test", "plain.test deliver 192.0.2.1:25", 0);
    options.mx6_ports = (struct conf_ints){both, 2};
    set();
    check("plain.test", "plain.test deliver [2001:db8::6]:2525 192.0.2.1:25", 0);
}

static void a_new_resolver_or_configuration_begins_again(void **state)
{
    (void)state;
    struct dns *other = make_dns();
    sim_dns_delay(1000);
    relay_lookup(lookups, "six.test", on_done, NULL);
    sim_run_for(1500);
    relay_lookups_set_dns(lookups, other);
    dns_free(dns);
    dns = other;
    options.mx6 = false;
    set();
    sim_run_for(1999);
    assert_int_equal(ntold, 0);
    sim_run_for(2);
    assert_string_equal(told, "six.test deliver 192.0.2.1:25");
}

static struct route *explained;
static unsigned nexplained;

static void on_explained(void *arg, const char *destination, struct route *route)
{
    (void)arg;
    (void)destination;
    nexplained++;
    route_free(explained);
    explained = route;
}

static void explanations_have_steps_and_come_later(void **state)
{
    (void)state;
    nexplained = 0;
    explained = NULL;
    relay_lookup_explain(lookups, "[192.0.2.7]", on_explained, NULL);
    assert_int_equal(nexplained, 0);
    sim_run_for(10);
    assert_int_equal(nexplained, 1);
    assert_true(route_plan(explained)->nsteps > 0);
    /* at the end each is told, without a route */
    relay_lookup_explain(lookups, "six.test", on_explained, NULL);
    relay_lookup_explain(lookups, "[192.0.2.7]", on_explained, NULL);
    relay_lookup(lookups, "six.test", on_done, NULL);
    relay_lookups_free(lookups);
    assert_int_equal(nexplained, 3);
    assert_null(explained);
    assert_int_equal(ntold, 0);
    lookups = make_lookups();
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(mx6_is_asked_beside_mx),
        CASE(a_machine_without_ipv4_says_so),
        CASE(a_slow_srv_is_waited_for_two_seconds_and_then_not_at_all),
        CASE(a_slow_address_of_a_target_is_not_waited_for_either),
        CASE(other_questions_have_their_own_time),
        CASE(a_failed_srv_is_remembered_for_an_hour),
        CASE(another_resolver_may_know),
        CASE(without_validation_nothing_is_sure),
        CASE(mx6_needs_ipv6),
        CASE(ports_are_the_operators),
        CASE(a_new_resolver_or_configuration_begins_again),
        CASE(explanations_have_steps_and_come_later),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
