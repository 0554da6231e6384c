/* Tables of zones and what the planner makes of them. */
#include "relay/route/route.h"

#include "msa/base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

/* "name TYPE data", data "!" for a failure, "-" for no such record; names that do not stand here
 * do not exist. */
static const char *const zone[] = {
    "one.test MX 10 mx.one.test",
    "mx.one.test A 192.0.2.1",
    "mx.one.test AAAA 2001:db8::1",
    "two.test MX 20 b.two.test",
    "two.test MX 10 a.two.test",
    "a.two.test A 192.0.2.2",
    "a.two.test AAAA -",
    "b.two.test A 192.0.2.3",
    "b.two.test AAAA -",
    "null.test MX 0 .",
    "mixed.test MX 0 .",
    "mixed.test MX 10 mx.one.test",
    "plain.test MX -",
    "plain.test A 192.0.2.4",
    "plain.test AAAA -",
    "bare.test MX -",
    "bare.test A -",
    "bare.test AAAA -",
    "deaf.test MX 10 gone.test",
    "deaf.test A 192.0.2.9",
    "fail.test MX !",
    "half.test MX 10 broken.test",
    "broken.test A !",
    "broken.test AAAA -",
    "part.test MX 10 broken.test",
    "part.test MX 20 a.two.test",
    "local.test MX 10 localhost.test",
    "localhost.test A 127.0.0.1",
    "localhost.test AAAA ::1",
    "mapped.test MX 10 m.mapped.test",
    "m.mapped.test AAAA ::ffff:192.0.2.1",
    "m.mapped.test A 0.0.0.0",
    "loop.test MX 10 a.two.test",
    "loop.test MX 20 our.test",
    "loop.test MX 30 b.two.test",
    "our.test A 192.0.2.77",
    "our.test AAAA -",
    "selfonly.test MX 10 our.test",
    "twice.test MX 10 a.two.test",
    "twice.test MX 20 a.two.test",
    "v6.test MX 10 only6.test",
    "only6.test AAAA 2001:db8::6",
    "only6.test A -",
};

static struct dns_answer lookup(const char *name, enum dns_type type, struct arena *a)
{
    struct dns_record *records = arena_alloc(a, 8 * sizeof *records);
    struct dns_answer out = {.status = DNS_NXDOMAIN, .ttl_s = 300, .records = records};
    for (size_t i = 0; i < sizeof zone / sizeof *zone; i++) {
        struct sv rest = sv_of(zone[i]);
        if (!sv_eq(sv_split(&rest, ' '), sv_of(name)))
            continue;
        if (out.status == DNS_NXDOMAIN)
            out.status = DNS_NODATA;
        if (!sv_eq(sv_split(&rest, ' '), sv_of(dns_type_text(type))) || sv_eq(rest, SV("-")))
            continue;
        if (sv_eq(rest, SV("!"))) {
            out.status = DNS_TEMPFAIL;
            out.text = "SERVFAIL";
            return out;
        }
        struct dns_record *r = &records[out.nrecords++];
        out.status = DNS_OK;
        if (type == DNS_MX) {
            uint64_t preference = 0;
            assert_true(sv_u64(sv_split(&rest, ' '), 65535, &preference));
            r->preference = (uint16_t)preference;
            r->name = sv_eq(rest, SV(".")) ? "" : arena_str(a, rest);
        } else {
            assert_true(ip_parse(rest, &r->ip));
        }
    }
    return out;
}

static const struct ip_port listeners[] = {
    {{.family = IP_V4, .bytes = {192, 0, 2, 77}}, 25},
    {{.family = IP_V4}, 587},
};

/* "verdict [status] host=address:port ..." */
static void run(const struct route_input *input, bool backwards, char *out, size_t room)
{
    struct arena a;
    struct route_question q[128];
    size_t n = 0;
    arena_init(&a);
    struct route *r = route_new(input);
    while (!route_is_done(r)) {
        while (route_next(r, &q[n]))
            n++;
        assert_true(n > 0);
        struct route_question now = backwards ? q[--n] : q[0];
        if (!backwards)
            memmove(q, q + 1, --n * sizeof *q);
        struct dns_answer answer = lookup(now.name, now.type, &a);
        route_answer(r, now.id, &answer);
    }
    const struct route_plan *p = route_plan(r);
    size_t used = (size_t)snprintf(out, room, "%s",
                                   p->verdict == ROUTE_DELIVER  ? "deliver"
                                   : p->verdict == ROUTE_FAILED ? "failed "
                                                                : "deferred ");
    if (p->verdict != ROUTE_DELIVER)
        used += (size_t)snprintf(out + used, room - used, "%s", p->status);
    for (size_t i = 0; i < p->nattempts; i++) {
        char text[IP_TEXT_MAX];
        used += (size_t)snprintf(out + used, room - used, " %s=%s", p->attempts[i].host,
                                 ip_port_text(&p->attempts[i].to, text));
    }
    assert_true(p->nsteps > 0);
    for (size_t i = 0; i < p->nsteps; i++)
        assert_true(p->steps[i].step && p->steps[i].said && p->steps[i].why);
    route_free(r);
    arena_deinit(&a);
}

static void domains(void **state)
{
    static const struct {
        const char *domain, *expected;
        bool loopback, no_ipv6;
    } cases[] = {
        {"one.test", "deliver mx.one.test=[2001:db8::1]:25 mx.one.test=192.0.2.1:25", 0, 0},
        {"one.test", "deliver mx.one.test=192.0.2.1:25", 0, 1},
        {"two.test", "deliver a.two.test=192.0.2.2:25 b.two.test=192.0.2.3:25", 0, 0},
        {"null.test", "failed 5.1.10", 0, 0},
        {"mixed.test", "deliver mx.one.test=[2001:db8::1]:25 mx.one.test=192.0.2.1:25", 0, 0},
        {"nowhere.test", "failed 5.1.2", 0, 0},
        {"plain.test", "deliver plain.test=192.0.2.4:25", 0, 0},
        {"bare.test", "failed 5.4.4", 0, 0},
        {"deaf.test", "failed 5.4.4", 0, 0}, /* not the domain's own address */
        {"fail.test", "deferred 4.4.3", 0, 0},
        {"half.test", "deferred 4.4.3", 0, 0},
        {"part.test", "deliver a.two.test=192.0.2.2:25", 0, 0},
        {"local.test", "failed 5.4.4", 0, 0},
        {"local.test", "deliver localhost.test=[::1]:25 localhost.test=127.0.0.1:25", 1, 0},
        {"mapped.test", "failed 5.4.4", 0, 0},
        {"loop.test", "deliver a.two.test=192.0.2.2:25", 0, 0},
        {"selfonly.test", "failed 5.4.6", 0, 0},
        {"twice.test", "deliver a.two.test=192.0.2.2:25", 0, 0},
        {"v6.test", "failed 5.4.4", 0, 1},
        {"[192.0.2.5]", "deliver [192.0.2.5]=192.0.2.5:25", 0, 0},
        {"[IPv6:2001:db8::5]", "deliver [IPv6:2001:db8::5]=[2001:db8::5]:25", 0, 0},
        {"[127.0.0.1]", "failed 5.4.4", 0, 0},
        {"[127.0.0.1]", "deliver [127.0.0.1]=127.0.0.1:25", 1, 0},
        {"[x25:1]", "failed 5.1.2", 0, 0},
        {"[192.0.2.77]", "failed 5.4.6", 0, 0},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        for (int backwards = 0; backwards < 2; backwards++) {
            char got[512];
            struct route_input in = {.domain = cases[i].domain,
                                     .static_name = "",
                                     .credentials = -1,
                                     .ipv6 = !cases[i].no_ipv6,
                                     .allow_loopback = cases[i].loopback,
                                     .listeners = listeners,
                                     .nlisteners = 2,
                                     .seed = 1};
            run(&in, backwards, got, sizeof got);
            if (strcmp(got, cases[i].expected) != 0)
                fail_msg("%s: got \"%s\", not \"%s\"", cases[i].domain, got, cases[i].expected);
        }
    }
}

static void static_routes(void **state)
{
    struct ip loopback = {.family = IP_V4, .bytes = {127, 0, 0, 1}};
    struct route_target targets[] = {
        {.host = "127.0.0.1", .ip = loopback, .port = 2525, .tls = ROUTE_TLS_NONE},
        {.host = "a.two.test", .port = 465, .implicit_tls = true, .tls = ROUTE_TLS_VERIFY},
        {.host = "our.test", .port = 25, .tls = ROUTE_TLS_REQUIRE},
    };
    struct route_input in = {.domain = "[127.0.0.1]",
                             .targets = targets,
                             .ntargets = 3,
                             .credentials = 2,
                             .static_name = "smarthost",
                             .ipv6 = true,
                             .listeners = listeners,
                             .nlisteners = 2};
    char got[512];
    (void)state;
    run(&in, false, got, sizeof got);
    /* the administrator's word: loopback and our own address are no matter */
    assert_string_equal(got, "deliver 127.0.0.1=127.0.0.1:2525 a.two.test=192.0.2.2:465 "
                             "our.test=192.0.2.77:25");
    struct route *r = route_new(&(struct route_input){.domain = "x.test",
                                                      .targets = targets,
                                                      .ntargets = 1,
                                                      .credentials = 2,
                                                      .static_name = "s"});
    assert_true(route_is_done(r)); /* an address needs no DNS */
    assert_string_equal(route_plan(r)->site, "route s");
    assert_int_equal(route_plan(r)->attempts[0].tls, ROUTE_TLS_NONE);
    assert_int_equal(route_plan(r)->attempts[0].credentials, 2);
    route_free(r);
    targets[0] = (struct route_target){.host = "gone.test", .port = 25};
    in.ntargets = 1;
    run(&in, false, got, sizeof got);
    assert_string_equal(got, "deferred 4.4.4"); /* mail is not bounced for a fault of ours */
}

static void listeners_on_all_addresses(void **state)
{
    struct ip own = {.family = IP_V4, .bytes = {192, 0, 2, 2}};
    struct route_input in = {.domain = "two.test",
                             .static_name = "",
                             .credentials = -1,
                             .listeners = (struct ip_port[]){{{.family = IP_V4}, 25}},
                             .nlisteners = 1,
                             .own_ips = &own,
                             .nown_ips = 1};
    char got[512];
    (void)state;
    run(&in, false, got, sizeof got);
    assert_string_equal(got, "failed 5.4.6");
    in.listeners = (struct ip_port[]){{{.family = IP_V4}, 587}}; /* the address alone is not us */
    run(&in, false, got, sizeof got);
    assert_string_equal(got, "deliver a.two.test=192.0.2.2:25 b.two.test=192.0.2.3:25");
}

/* 1,000 MX of equal preference: bounded, shuffled by the seed, and one site whatever the order. */
static void long_lists(void **state)
{
    struct dns_record *mx = mem_new(1000, sizeof *mx);
    struct arena a;
    const char *first[2] = {"", ""};
    struct route *routes[2];
    (void)state;
    arena_init(&a);
    for (unsigned i = 0; i < 1000; i++)
        mx[i] = (struct dns_record){.preference = 5, .name = arena_printf(&a, "mx%u.test", i)};
    for (size_t s = 0; s < 2; s++) {
        struct route_question q;
        size_t asked = 0;
        routes[s] = route_new(&(struct route_input){
            .domain = "big.test", .static_name = "", .credentials = -1, .seed = s + 1});
        assert_true(route_next(routes[s], &q));
        route_answer(
            routes[s], q.id,
            &(struct dns_answer){.status = DNS_OK, .ttl_s = 5, .records = mx, .nrecords = 1000});
        while (route_next(routes[s], &q)) {
            asked++;
            struct dns_record address = {.ip = {.family = IP_V4, .bytes = {192, 0, 2, 1}}};
            route_answer(routes[s], q.id,
                         &(struct dns_answer){
                             .status = DNS_OK, .ttl_s = 90000, .records = &address, .nrecords = 1});
        }
        assert_int_equal(asked, ROUTE_HOSTS_MAX);
        assert_int_equal(route_plan(routes[s])->nattempts, ROUTE_HOSTS_MAX);
        assert_int_equal(route_plan(routes[s])->ttl_s, 60);
        first[s] = route_plan(routes[s])->attempts[0].host;
    }
    assert_string_not_equal(first[0], first[1]);
    route_free(routes[0]);
    route_free(routes[1]);
    arena_deinit(&a);
    free(mx);
}

static void equal_sets_are_one_site(void **state)
{
    static const char *const orders[2][2] = {{"a.test", "b.test"}, {"b.test", "a.test"}};
    char *site[2];
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct route_question q;
        struct dns_record mx[2] = {{.preference = 1, .name = orders[i][0]},
                                   {.preference = 2, .name = orders[i][1]}};
        struct route *r = route_new(&(struct route_input){
            .domain = i ? "x.test" : "y.test", .static_name = "", .credentials = -1});
        assert_true(route_next(r, &q));
        route_answer(r, q.id, &(struct dns_answer){.status = DNS_OK, .records = mx, .nrecords = 2});
        while (route_next(r, &q)) {
            struct dns_record address = {.ip = {.family = IP_V4, .bytes = {192, 0, 2, 1}}};
            route_answer(
                r, q.id,
                &(struct dns_answer){.status = DNS_OK, .records = &address, .nrecords = 1});
        }
        site[i] = mem_str(route_plan(r)->site);
        route_free(r);
    }
    assert_string_equal(site[0], site[1]);
    free(site[0]);
    free(site[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(domains),
        cmocka_unit_test(static_routes),
        cmocka_unit_test(long_lists),
        cmocka_unit_test(listeners_on_all_addresses),
        cmocka_unit_test(equal_sets_are_one_site),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
