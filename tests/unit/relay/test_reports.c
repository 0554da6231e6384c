/* When reports about TLS are sent, in virtual time; over HTTPS, because no store is here. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "msa/base/log.h"
#include "relay/reports.h"
#include "tests/sim/dns/zone.h"
#include "tests/sim/https/site.h"
#include "tests/sim/loop/sim.h"

#include <stdio.h>
#include <string.h>

#define HOUR_MS UINT64_C(3600000)
#define DAY_MS  (24 * HOUR_MS)

static struct {
    struct loop *loop;
    struct dns *dns;
    struct https *https;
    struct tls_ctx *trust;
    struct tls_results *results;
    struct relay_reports *reports;
    struct fetch_world world;
} t;

static void drop_line(void *arg, const char *line, size_t len)
{
    (void)arg, (void)line, (void)len;
}

static void set(const char *from)
{
    relay_reports_set(t.reports, &t.world, from, "mail.our.test",
                      (struct relay_notice_signer){NULL, NULL});
}

static int set_up(void **state)
{
    const char *said;
    struct buf why;
    (void)state;
    memset(&t, 0, sizeof t);
    log_set_sink(drop_line, NULL);
    sim_start(1);
    sim_dns_reset();
    sim_https_reset();
    buf_init(&why, 100, 0);
    t.loop = loop_new();
    assert_int_equal(dns_new(&(struct dns_config){.loop = t.loop}, &t.dns, &said), 0);
    assert_int_equal(tls_ctx_client_new(&(struct tls_ctx_client_options){0}, &t.trust, &why), 0);
    t.https = https_new(t.loop);
    t.results = tls_results_new(t.loop);
    t.reports =
        relay_reports_new(&(struct relay_reports_config){.loop = t.loop, .results = t.results});
    t.world = (struct fetch_world){
        .loop = t.loop, .dns = t.dns, .https = t.https, .trust = t.trust, .dns_timeout_ms = 1000};
    set("tls@our.test");
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    relay_reports_free(t.reports);
    tls_results_free(t.results);
    https_free(t.https);
    dns_free(t.dns);
    tls_ctx_drop(t.trust);
    loop_stop(t.loop);
    loop_run(t.loop);
    loop_free(t.loop);
    sim_stop();
    return 0;
}

static void gather(const char *domain)
{
    struct tls_event *e = tls_event_new();
    e->domain = domain;
    e->host = "mx";
    tls_results_add(t.results, e, NULL);
    tls_event_free(e);
}

static void asks(const char *domain, const char *uris)
{
    char name[100], record[300];
    snprintf(name, sizeof name, "_smtp._tls.%s", domain);
    snprintf(record, sizeof record, "v=TLSRPTv1; rua=%s", uris);
    sim_dns_add(name, DNS_TXT, record);
}

static void site(const char *host, unsigned status)
{
    sim_dns_add(host, DNS_A, "192.0.2.1");
    sim_https_set(host, &(struct https_answer){HTTPS_ANSWERED, status, "", SV_NONE, ""});
}

static void assert_stats(uint64_t sent, uint64_t failed, size_t left)
{
    struct relay_reports_stats st;
    relay_reports_get_stats(t.reports, &st);
    assert_int_equal(st.sent, sent);
    assert_int_equal(st.failed, failed);
    assert_int_equal(tls_results_count(t.results), left);
}

/* Not before the day is over, then within hours, at times of their own. */
static void test_spread(void **state)
{
    char domain[20];
    size_t by_hour[5] = {0};
    (void)state;
    site("h.test", 201);
    for (int i = 0; i < 100; i++) {
        snprintf(domain, sizeof domain, "d%d.test", i);
        asks(domain, "https://h.test/x");
        gather(domain);
    }
    sim_run_for(DAY_MS - 1000);
    assert_int_equal(sim_https_asked()->count, 0);
    for (int i = 0; i < 5; i++) {
        size_t before = sim_https_asked()->count;
        sim_run_for(HOUR_MS);
        by_hour[i] = sim_https_asked()->count - before;
    }
    assert_stats(100, 0, 0);
    for (int i = 0; i < 4; i++)
        assert_in_range(by_hour[i], 10, 40);
    assert_string_equal(sim_https_asked()->target, "/x");
    assert_string_equal(sim_https_asked()->post_type, "application/tlsrpt+gzip");
    assert_memory_equal(sim_https_asked()->post.ptr, "\x1f\x8b", 2);
}

/* What takes nothing is tried again for a day, less and less often; then it is given up. */
static void test_given_up(void **state)
{
    (void)state;
    asks("d.test", "https://h.test/");
    site("h.test", 500);
    gather("d.test");
    sim_run_for(DAY_MS + 6 * HOUR_MS);
    size_t tries = sim_https_asked()->count;
    assert_in_range(tries, 2, 6);
    assert_stats(0, 0, 1);
    sim_run_for(2 * DAY_MS);
    assert_in_range(sim_https_asked()->count - tries, 2, 6);
    assert_stats(0, 1, 0);
}

/* The second target where the first does not take it; later where DNS does not answer. */
static void test_ways(void **state)
{
    (void)state;
    asks("d.test", "mailto:a@b.test,https://bad.test/,https://h.test/");
    site("bad.test", 404);
    site("h.test", 200);
    sim_dns_fail("_smtp._tls.e.test", DNS_TXT, DNS_TEMPFAIL);
    gather("d.test");
    gather("e.test");
    gather("f.test"); /* nobody asks */
    sim_run_for(DAY_MS + 5 * HOUR_MS);
    assert_string_equal(sim_https_asked()->host, "h.test");
    assert_stats(1, 0, 1);
    sim_dns_fail("_smtp._tls.e.test", DNS_TXT, DNS_OK);
    asks("e.test", "https://h.test/");
    sim_run_for(DAY_MS);
    assert_stats(2, 0, 0);
}

static void test_reload(void **state)
{
    (void)state;
    asks("d.test", "https://h.test/");
    site("h.test", 200);
    gather("d.test");
    sim_run_for(DAY_MS);
    sim_https_delay(30000);
    for (int i = 0; i < 2000 && !sim_https_asked()->under_way; i++)
        sim_run_for(10000);
    assert_int_equal(sim_https_asked()->under_way, 1);
    set("tls@our.test"); /* given up, and begun again */
    assert_int_equal(sim_https_asked()->under_way, 0);
    sim_run_for(DAY_MS);
    assert_stats(1, 0, 0);
    gather("d.test");
    set(""); /* off: nothing is kept for a report that nobody sends */
    assert_stats(1, 0, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {TEST(test_spread), TEST(test_given_up), TEST(test_ways),
                                       TEST(test_reload)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
