/*
 * The object of the main thread: look-ups and explanations. The resolver is this file's own (same
 * symbols), so that the test answers when it likes.
 */
#include "relay/relay.h"

#include "msa/base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

/* ---- resolver ---- */

struct dns {
    size_t asked, canceled;
};

struct dns_query {
    struct dns *dns;
    char *name;
    enum dns_type type;
    void (*on_answer)(void *arg, const struct dns_answer *answer);
    void *arg;
};

static struct dns_query *open_queries[64];
static size_t nopen;

struct dns_query *dns_query(struct dns *d, const char *name, enum dns_type type,
                            uint64_t deadline_ms,
                            void (*on_answer)(void *arg, const struct dns_answer *answer),
                            void *arg)
{
    struct dns_query *q = NEW(struct dns_query);
    assert_int_equal(deadline_ms, 1234);
    *q = (struct dns_query){d, mem_str(name), type, on_answer, arg};
    d->asked++;
    open_queries[nopen++] = q;
    return q;
}

static void forget(struct dns_query *q)
{
    size_t i = 0;
    while (open_queries[i] != q)
        assert_true(++i < nopen);
    memmove(open_queries + i, open_queries + i + 1, (--nopen - i) * sizeof(void *));
    free(q->name);
    free(q);
}

void dns_cancel(struct dns_query *q)
{
    q->dns->canceled++;
    forget(q);
}

void dns_get_stats(const struct dns *d, struct dns_stats *out)
{
    *out = (struct dns_stats){.questions = d->asked, .in_flight = nopen};
}

/* Answers the first open question with one record, or none. */
static void reply(const char *name, enum dns_type type, const struct dns_record *record)
{
    struct dns_query *q = open_queries[0];
    void (*on_answer)(void *, const struct dns_answer *) = q->on_answer;
    void *arg = q->arg;
    assert_string_equal(q->name, name);
    assert_int_equal(q->type, type);
    forget(q);
    on_answer(arg, &(struct dns_answer){.status = record ? DNS_OK : DNS_NODATA,
                                        .ttl_s = 100,
                                        .records = record,
                                        .nrecords = record != NULL});
}

/* ---- relay ---- */

static struct loop *loop;
static struct relay *relay;
static struct dns resolvers[2];
static struct queue_options queue;
static struct relay_options options;
static struct relay_route_options routes[2];
static const char *const to[] = {"smtps://192.0.2.9:4650", "smtp://smarthost.test"};
static struct relay_settings *settings;
static char told[256];

static struct relay_settings *make_settings(void)
{
    return relay_settings_new(&(struct relay_settings){.hostname = "our.test",
                                                       .postmaster = "postmaster@our.test",
                                                       .relay = &options,
                                                       .queue = &queue,
                                                       .dns_timeout_ms = 1234});
}

static int set_up(void **state)
{
    (void)state;
    memset(resolvers, 0, sizeof resolvers);
    options = (struct relay_options){.ipv6 = false, .per_site = 1, .capture = ""};
    routes[0] =
        (struct relay_route_options){.domain = "static.test",
                                     .sender = "*",
                                     .login = "*",
                                     .to = {.items = (const char **)(uintptr_t)to, .count = 2},
                                     .tls = RELAY_ROUTE_TLS_VERIFY,
                                     .user = "u",
                                     .socks = "",
                                     .password_file = "f"};
    options.routes = (struct conf_list){.items = routes, .count = 1};
    loop = loop_new();
    settings = make_settings();
    relay =
        relay_new(&(struct relay_config){.loop = loop, .dns = &resolvers[0], .settings = settings});
    told[0] = '\0';
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    relay_free(relay);
    relay_settings_drop(settings);
    loop_free(loop);
    assert_int_equal(nopen, 0);
    return 0;
}

static void on_plan(void *arg, const struct route_plan *plan)
{
    char text[IP_TEXT_MAX];
    (void)arg;
    size_t used = (size_t)snprintf(told, sizeof told, "%s",
                                   plan->verdict == ROUTE_DELIVER ? "deliver" : plan->status);
    for (size_t i = 0; i < plan->nattempts; i++) {
        const struct route_attempt *a = &plan->attempts[i];
        used += (size_t)snprintf(told + used, sizeof told - used, " %s=%s/%d/%d/%d", a->host,
                                 ip_port_text(&a->to, text), a->implicit_tls, (int)a->tls,
                                 a->credentials);
    }
    loop_stop(loop);
}

static const struct dns_record mx = {.preference = 1, .name = "mx.test"};
static const struct dns_record address = {.ip = {.family = IP_V4, .bytes = {192, 0, 2, 1}}};

static void explains_a_domain(void **state)
{
    (void)state;
    relay_explain(relay, "Some.One@Example.TEST", "", "", on_plan, NULL);
    reply("example.test", DNS_MX, &mx);
    reply("mx.test", DNS_A, &address);
    assert_string_equal(told, ""); /* always later */
    loop_run(loop);
    assert_string_equal(told, "deliver mx.test=192.0.2.1:25/0/1/-1");
}

static void explains_what_needs_no_question(void **state)
{
    (void)state;
    relay_explain(relay, "a@[192.0.2.7]", "", "", on_plan, NULL);
    loop_run(loop);
    assert_string_equal(told, "deliver [192.0.2.7]=192.0.2.7:25/0/1/-1");
    assert_int_equal(resolvers[0].asked, 0);
}

static void static_routes_carry_tls_and_credentials(void **state)
{
    (void)state;
    relay_explain(relay, "a@static.test", "", "", on_plan, NULL);
    reply("smarthost.test", DNS_A, &address);
    loop_run(loop);
    assert_string_equal(told, "deliver 192.0.2.9=192.0.2.9:4650/1/3/0 "
                              "smarthost.test=192.0.2.1:25/0/3/0");
}

/* Where the operator sends queued mail: with what a route says of the same next hop, or without. */
static void next_hops_by_url(void **state)
{
    (void)state;
    relay_explain(relay, "smtp://127.0.0.1:2525", "", "", on_plan, NULL);
    loop_run(loop);
    assert_string_equal(told, "deliver 127.0.0.1=127.0.0.1:2525/0/1/-1");
    relay_explain(relay, "smtps://192.0.2.9:4650", "", "", on_plan, NULL);
    loop_run(loop);
    assert_string_equal(told, "deliver 192.0.2.9=192.0.2.9:4650/1/3/0");
}

static void another_resolver_is_asked_again(void **state)
{
    (void)state;
    relay_explain(relay, "a@example.test", "", "", on_plan, NULL);
    relay_set_dns(relay, &resolvers[1]);
    assert_int_equal(resolvers[0].canceled, 1);
    assert_int_equal(resolvers[1].asked, 1);
    reply("example.test", DNS_MX, NULL);
    reply("example.test", DNS_A, NULL);
    loop_run(loop);
    assert_string_equal(told, "5.4.4");
}

static void freed_with_questions_open(void **state)
{
    (void)state;
    relay_explain(relay, "a@example.test", "", "", on_plan, NULL);
    relay_explain(relay, "b@example.test", "", "", on_plan, NULL);
    reply("example.test", DNS_MX, &mx);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(explains_a_domain),
        CASE(explains_what_needs_no_question),
        CASE(static_routes_carry_tls_and_credentials),
        CASE(next_hops_by_url),
        CASE(another_resolver_is_asked_again),
        CASE(freed_with_questions_open),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
