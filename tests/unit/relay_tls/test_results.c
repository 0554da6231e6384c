/* What is gathered for reports: the array "policies" of RFC 8460 4.4, text by text. */
#include "tests/sim/loop/sim.h"

#include "relay/tls/results.h"
#include "tests/sim/vfs.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#define DAY    (SIM_WALL_START_MS / 86400000)
#define DAY_MS UINT64_C(86400000)
#define SUMS(ok, bad)                                      \
    "\"summary\":{\"total-successful-session-count\":" #ok \
    ",\"total-failure-session-count\":" #bad "}"
#define NOTHING "{\"policy\":{\"policy-type\":\"no-policy-found\",\"policy-domain\":\"d.test\"},"
#define STS                                                              \
    "{\"policy\":{\"policy-type\":\"sts\",\"policy-domain\":\"d.test\"," \
    "\"policy-string\":[\"version: STSv1\",\"mode: testing\"],\"mx-host\":[\"*.d.test\"]},"

static struct loop *loop;
static struct keep *keep;
static struct tls_results *results;

static void on_row(void *arg, enum keep_kind kind, struct sv key, struct sv value)
{
    assert_int_equal(kind, KEEP_RESULT);
    tls_results_remember(arg, key, value);
}

static void begin(void)
{
    loop = loop_new();
    results = tls_results_new(loop);
    keep = keep_open("/tls.db", on_row, results);
    tls_results_set_keep(results, keep);
}

static void end(void)
{
    tls_results_free(results);
    keep_close(keep);
    loop_stop(loop);
    loop_run(loop);
    loop_free(loop);
}

static int set_up(void **state)
{
    (void)state;
    sim_start(1);
    sim_vfs_register();
    sqlite3_vfs_register(sqlite3_vfs_find(SIM_VFS), 1);
    begin();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    end();
    sim_stop();
    return 0;
}

struct step {
    enum tls_policy policy;
    const char *host, *result, *reason;
    bool no_address;
};

static void add(const struct step *s)
{
    static const char *const mx[] = {"*.d.test"}, *const lines[] = {"version: STSv1",
                                                                    "mode: testing"};
    static const char *const tlsa[] = {"3 1 1 AB", "3 1 1 CD"};
    struct sts_policy p = {.mx = mx, .nmx = 1, .lines = lines, .nlines = 2};
    struct tls_event *e = tls_event_new();
    e->domain = "d.test";
    e->host = s->host;
    e->policy = s->policy;
    e->result = s->result;
    e->reason = s->reason ? s->reason : "";
    e->tlsa = tlsa;
    e->ntlsa = 2;
    if (!s->no_address) {
        e->remote = (struct ip){.family = IP_V4, .bytes = {192, 0, 2, 1}};
        e->local = (struct ip){.family = IP_V6, .bytes = {0x20, 0x01, 0x0d, 0xb8, [15] = 9}};
        e->helo = "greets.d.test";
    }
    tls_results_add(results, e, s->policy == TLS_POLICY_STS ? &p : NULL);
    tls_event_free(e);
}

static char *text_of(int64_t day)
{
    struct tls_group *g = tls_results_find(results, day, "d.test");
    return g ? json_dumps(g->policies, JSON_COMPACT) : NULL;
}

#define OURS   "\"sending-mta-ip\":\"2001:db8::9\","
#define THEIRS "\"receiving-mx-helo\":\"greets.d.test\","

static void test_texts(void **state)
{
    static const struct {
        const char *what;
        struct step steps[6];
        const char *text;
    } rows[] = {
        {"successes",
         {{TLS_POLICY_NONE, "mx.d.test", NULL, NULL, false},
          {TLS_POLICY_NONE, "mx2.d.test", NULL, NULL, false}},
         "[" NOTHING SUMS(2, 0) "}]"},
        {"a failure, twice, and another host",
         {{TLS_POLICY_STS, "mx.d.test", "certificate-expired", NULL, false},
          {TLS_POLICY_STS, "mx.d.test", "certificate-expired", NULL, false},
          {TLS_POLICY_STS, "mx2.d.test", "certificate-expired", "said \"so\"", false},
          {TLS_POLICY_STS, "mx.d.test", NULL, NULL, false}},
         "[" STS SUMS(
             1, 3) ",\"failure-details\":["
                   "{\"result-type\":\"certificate-expired\"," OURS
                   "\"receiving-mx-hostname\":\"mx.d.test\"," THEIRS
                   "\"receiving-ip\":\"192.0.2.1\",\"failed-session-count\":2},"
                   "{\"result-type\":\"certificate-expired\"," OURS
                   "\"receiving-mx-hostname\":\"mx2.d.test\"," THEIRS
                   "\"receiving-ip\":\"192.0.2.1\",\"failure-reason-code\":\"said \\\"so\\\"\","
                   "\"failed-session-count\":1}]}]"},
        {"DANE names its records and host",
         {{TLS_POLICY_TLSA, "mx.d.test", "dnssec-invalid", NULL, true}},
         "[{\"policy\":{\"policy-type\":\"tlsa\",\"policy-domain\":\"d.test\",\"policy-string\":"
         "[\"3 1 1 AB\",\"3 1 1 CD\"],\"mx-host\":[\"mx.d.test\"]}," SUMS(
             0, 1) ",\"failure-details\":[{\"result-type\":\"dnssec-invalid\",\"receiving-mx-"
                   "hostname\":"
                   "\"mx.d.test\",\"failed-session-count\":1}]}]"},
        {"two policies",
         {{TLS_POLICY_NONE, "a", NULL, NULL, false},
          {TLS_POLICY_STS, "a", NULL, NULL, false},
          {TLS_POLICY_NONE, "a", NULL, NULL, false}},
         "[" NOTHING SUMS(2, 0) "}," STS SUMS(1, 0) "}]"},
        {"what is not UTF-8",
         {{TLS_POLICY_NONE, "a", "validation-failure", "\xff", true}},
         "[" NOTHING SUMS(0, 1) ",\"failure-details\":[{\"result-type\":\"validation-failure\","
                                "\"receiving-mx-hostname\":\"a\",\"failure-reason-code\":\"?\","
                                "\"failed-session-count\":1}]}]"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        print_message("%s\n", rows[i].what);
        for (size_t k = 0; k < 6 && rows[i].steps[k].host; k++)
            add(&rows[i].steps[k]);
        char *text = text_of(DAY);
        assert_string_equal(text, rows[i].text);
        free(text);
        if (i % 2) { /* and so it is after a restart */
            end();
            begin();
            text = text_of(DAY);
            assert_string_equal(text, rows[i].text);
            free(text);
        }
        tls_results_drop(results, tls_results_find(results, DAY, "d.test"));
        assert_int_equal(tls_results_count(results), 0);
    }
    end();
    begin();
    assert_int_equal(tls_results_count(results), 0);
}

static void on_group(void *arg, struct tls_group *g)
{
    (*(unsigned *)arg)++;
    tls_results_drop(results, g);
}

static void test_days(void **state)
{
    const struct step s = {TLS_POLICY_NONE, "mx", NULL, NULL, false};
    unsigned n = 0;
    (void)state;
    add(&s);
    tls_results_each(results, DAY, on_group, &n);
    assert_int_equal(n, 0); /* the day is not over */
    sim_run_for(DAY_MS);
    add(&s);
    assert_int_equal(tls_results_count(results), 2);
    tls_results_each(results, DAY + 1, on_group, &n);
    assert_int_equal(n, 1);
    assert_int_equal(tls_results_count(results), 1);
}

/* What hostile servers can make of it is bounded. */
static void test_bounds(void **state)
{
    char host[40], domain[40];
    (void)state;
    for (int i = 0; i < 200; i++) {
        snprintf(host, sizeof host, "mx%d", i);
        add(&(struct step){TLS_POLICY_NONE, host, "certificate-not-trusted", NULL, false});
        add(&(struct step){TLS_POLICY_TLSA, host, NULL, NULL, false});
    }
    struct tls_group *g = tls_results_find(results, DAY, "d.test");
    assert_int_equal(json_array_size(g->policies), 8);
    json_t *first = json_array_get(g->policies, 0);
    assert_int_equal(json_array_size(json_object_get(first, "failure-details")), 50);
    assert_int_equal(json_integer_value(json_object_get(json_object_get(first, "summary"),
                                                        "total-failure-session-count")),
                     200);
    struct tls_event *e = tls_event_new();
    e->host = "mx";
    for (int i = 0; i < RESULTS_GROUPS_MAX + 10; i++) {
        snprintf(domain, sizeof domain, "d%d.test", i);
        e->domain = domain;
        tls_results_add(results, e, NULL);
    }
    tls_event_free(e);
    assert_int_equal(tls_results_count(results), RESULTS_GROUPS_MAX);
    tls_results_clear(results);
    assert_int_equal(tls_results_count(results), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {TEST(test_texts), TEST(test_days), TEST(test_bounds)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
