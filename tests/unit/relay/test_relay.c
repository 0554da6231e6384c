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

/* Answers the first open question. */
static void reply_with(const char *name, enum dns_type type, const struct dns_answer *answer)
{
    struct dns_query *q = open_queries[0];
    void (*on_answer)(void *, const struct dns_answer *) = q->on_answer;
    void *arg = q->arg;
    assert_string_equal(q->name, name);
    assert_int_equal(q->type, type);
    forget(q);
    on_answer(arg, answer);
}

/* With one record, or none. */
static void reply(const char *name, enum dns_type type, const struct dns_record *record)
{
    reply_with(name, type,
               &(struct dns_answer){.status = record ? DNS_OK : DNS_NODATA,
                                    .ttl_s = 100,
                                    .records = record,
                                    .nrecords = record != NULL});
}

static void reply_failed(const char *name, enum dns_type type)
{
    reply_with(name, type, &(struct dns_answer){.status = DNS_BOGUS, .text = "bad signature"});
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
static char told[256], steps[1024];

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
    steps[0] = '\0';
    for (size_t i = 0, at = 0; i < plan->nsteps; i++)
        at += (size_t)snprintf(steps + at, sizeof steps - at, "%s %s;", plan->steps[i].step,
                               plan->steps[i].said);
    loop_stop(loop);
}

static const struct dns_record mx = {.preference = 1, .name = "mx.test"};
static const struct dns_record address = {.ip = {.family = IP_V4, .bytes = {192, 0, 2, 1}}};

static void explain(const char *who, const char *sender, const char *login)
{
    const char *wrong;
    if (!relay_explain(relay, who, sender, login, on_plan, NULL, &wrong))
        fail_msg("%s: %s", who, wrong);
}

static void explains_a_domain(void **state)
{
    (void)state;
    explain("Some.One@Example.TEST", "", "");
    reply("example.test", DNS_MX, &mx);
    reply("mx.test", DNS_A, &address);
    assert_string_equal(told, ""); /* always later */
    loop_run(loop);
    assert_string_equal(told, "deliver mx.test=192.0.2.1:25/0/1/-1");
}

static void explains_what_needs_no_question(void **state)
{
    (void)state;
    explain("a@[192.0.2.7]", "", "");
    loop_run(loop);
    assert_string_equal(told, "deliver [192.0.2.7]=192.0.2.7:25/0/1/-1");
    assert_int_equal(resolvers[0].asked, 0);
}

static void static_routes_carry_tls_and_credentials(void **state)
{
    (void)state;
    explain("a@static.test", "", "");
    reply("smarthost.test", DNS_A, &address);
    loop_run(loop);
    assert_string_equal(told, "deliver 192.0.2.9=192.0.2.9:4650/1/3/0 "
                              "smarthost.test=192.0.2.1:25/0/3/0");
}

/* As the queue has them. */
static void addresses_are_those_of_rcpt(void **state)
{
    static const char *const same[] = {
        "kim@bücher.test",
        "kim@BÜCHER.test",
        "kim@XN--BCHER-kva.TEST",
        "bücher.test",
        "\"a@b\"@xn--bcher-kva.test",
    };
    static const struct {
        const char *address, *wrong;
    } bad[] = {
        {"", "Bad address syntax"},
        {"kim@", "Bad address syntax"},
        {"kim@example.test.", "Bad address syntax"},
        {"a b@example.test", "Bad address syntax"},
        {"kim@localhost", "Domain is not fully qualified"},
        {"gopher://example.test", "it begins with none of"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof same / sizeof *same; i++) {
        explain(same[i], "", "");
        reply("xn--bcher-kva.test", DNS_MX, &mx);
        reply("mx.test", DNS_A, &address);
        loop_run(loop);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        const char *wrong = "";
        assert_false(relay_explain(relay, bad[i].address, "", "", on_plan, NULL, &wrong));
        if (!sv_istarts(sv_of(wrong), sv_of(bad[i].wrong)))
            fail_msg("%s: %s", bad[i].address, wrong);
    }
    routes[0].domain = "xn--bcher-kva.test";
    routes[0].sender = "@xn--grn-ioa.test";
    explain("kim@bücher.test", "Eva@grün.test", "");
    reply("smarthost.test", DNS_A, &address);
    loop_run(loop);
    assert_string_equal(told, "deliver 192.0.2.9=192.0.2.9:4650/1/3/0 "
                              "smarthost.test=192.0.2.1:25/0/3/0");
    routes[0].domain = "[IPv6:2001:db8::7]";
    routes[0].sender = "*";
    explain("kim@[IPV6:2001:DB8:0:0::7]", "", "");
    reply("smarthost.test", DNS_A, &address);
    loop_run(loop);
    assert_string_equal(told, "deliver 192.0.2.9=192.0.2.9:4650/1/3/0 "
                              "smarthost.test=192.0.2.1:25/0/3/0");
}

static void captured_mail_goes_nowhere_else(void **state)
{
    (void)state;
    options.capture = "/var/spool/capture";
    explain("a@static.test", "", "");
    explain("a@example.test", "", "");
    loop_run(loop);
    assert_int_equal(resolvers[0].asked, 0);
    assert_string_equal(told, "deliver");
    assert_string_equal(steps, "capture /var/spool/capture;");
}

/* Where the operator sends queued mail: with what a route says of the same next hop, or without. */
static void next_hops_by_url(void **state)
{
    (void)state;
    explain("smtp://127.0.0.1:2525", "", "");
    loop_run(loop);
    assert_string_equal(told, "deliver 127.0.0.1=127.0.0.1:2525/0/1/-1");
    explain("smtps://192.0.2.9:4650", "", "");
    loop_run(loop);
    assert_string_equal(told, "deliver 192.0.2.9=192.0.2.9:4650/1/3/0");
}

static void another_resolver_is_asked_again(void **state)
{
    (void)state;
    explain("a@example.test", "", "");
    relay_set_dns(relay, &resolvers[1]);
    assert_int_equal(resolvers[0].canceled, 1);
    assert_int_equal(resolvers[1].asked, 1);
    reply("example.test", DNS_MX, NULL);
    reply("example.test", DNS_A, NULL);
    loop_run(loop);
    assert_string_equal(told, "5.4.4");
}

/* What was not believed before may be good: MX6 that failed is asked for again, and what is under
 * way begins again. */
static void answers_from_before_validation_are_forgotten(void **state)
{
    (void)state;
    options.ipv6 = options.mx6 = options.allow_loopback = true;
    for (size_t i = 0; i < 2; i++) {
        explain("a@example.test", "", "");
        reply_failed("_mx6._tcp.example.test", DNS_SRV);
        reply("example.test", DNS_MX, NULL);
        reply("example.test", DNS_AAAA, NULL);
        reply("example.test", DNS_A, NULL);
        loop_run(loop);
        assert_string_equal(told, "5.4.4");
        relay_on_validating(relay);
    }
    explain("a@example.test", "", "");
    reply_failed("_mx6._tcp.example.test", DNS_SRV);
    relay_on_validating(relay);
    assert_int_equal(resolvers[0].canceled, 1);
    reply("_mx6._tcp.example.test", DNS_SRV, NULL);
    reply("example.test", DNS_MX, NULL);
    reply("example.test", DNS_AAAA, NULL);
    reply("example.test", DNS_A, &address);
    told[0] = '\0';
    loop_run(loop);
    assert_string_equal(told, "deliver example.test=192.0.2.1:25/0/1/-1");
}

static void freed_with_questions_open(void **state)
{
    (void)state;
    explain("a@example.test", "", "");
    explain("b@example.test", "", "");
    reply("example.test", DNS_MX, &mx);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(explains_a_domain),
        CASE(explains_what_needs_no_question),
        CASE(static_routes_carry_tls_and_credentials),
        CASE(addresses_are_those_of_rcpt),
        CASE(captured_mail_goes_nowhere_else),
        CASE(next_hops_by_url),
        CASE(another_resolver_is_asked_again),
        CASE(answers_from_before_validation_are_forgotten),
        CASE(freed_with_questions_open),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
