/* Static routes, literals, MX records: tables of zones and what the planner makes of them. */
#include "zones.h"

static const char *const lines[] = {
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
    "dual.test MX 10 mx.one.test",
    "dual.test MX 20 b.two.test",
    "self10.test MX 10 our.test",
    "self10.test MX 10 a.two.test",
    "self10.test MX 20 b.two.test",
    "bogus.test MX bogus",
    "alias.test CNAME one.test",
    "many.test MX 10 many.host.test",
    "many.test MX 20 a.two.test",
    NULL,
};
static const struct zone zone = {lines, NULL};

static const struct ip_port listeners[] = {
    {{.family = IP_V4, .bytes = {192, 0, 2, 77}}, 25},
    {{.family = IP_V4}, 587},
};

static struct route_input input_of(const char *domain)
{
    struct route_input in = zone_input(domain);
    in.mx6 = ROUTE_MX6_OFF;
    in.listeners = listeners;
    in.nlisteners = 2;
    return in;
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
        {"[IPv6:2001:db8::5]", "failed 5.4.4", 0, 1},
        {"self10.test", "failed 5.4.6", 0, 0}, /* what stands beside us is not used either */
        {"bogus.test", "deferred 4.4.3", 0, 0},
        {"alias.test", "deliver mx.one.test=[2001:db8::1]:25 mx.one.test=192.0.2.1:25", 0, 0},
        {"dual.test",
         "deliver mx.one.test=[2001:db8::1]:25 mx.one.test=192.0.2.1:25 b.two.test=192.0.2.3:25", 0,
         0},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct route_input in = input_of(cases[i].domain);
        in.ipv6 = !cases[i].no_ipv6;
        in.allow_loopback = cases[i].loopback;
        zone_check(&zone, &in, cases[i].domain, cases[i].expected);
    }
}

/* What is put off says which look-up it was, and what came of it. */
static void a_failed_look_up_is_named(void **state)
{
    static const struct {
        const char *domain, *text;
    } cases[] = {
        {"fail.test", "look-up of MX for fail.test failed: SERVFAIL"},
        {"half.test", "look-up of A for broken.test failed: SERVFAIL"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct route_input in = input_of(cases[i].domain);
        struct route *r = zone_route(&zone, &in, false);
        assert_string_equal(route_plan(r)->text, cases[i].text);
        route_free(r);
    }
}

static void static_routes(void **state)
{
    struct ip loopback = {.family = IP_V4, .bytes = {127, 0, 0, 1}};
    struct route_target targets[] = {
        {.host = "127.0.0.1", .ip = loopback, .port = 2525, .tls = ROUTE_TLS_NONE},
        {.host = "a.two.test", .port = 465, .implicit_tls = true, .tls = ROUTE_TLS_VERIFY},
        {.host = "our.test", .port = 25, .tls = ROUTE_TLS_REQUIRE},
        {.host = "b.two.test",
         .port = 6209,
         .protocol = ROUTE_QMTP, /* as written, with no SMTP beside it */
         .implicit_tls = true,
         .tls = ROUTE_TLS_VERIFY},
    };
    struct route_input in = input_of("[127.0.0.1]");
    (void)state;
    in.targets = targets;
    in.ntargets = 4;
    in.credentials = 2;
    in.static_name = "smarthost";
    /* the administrator's word: loopback and our own address are no matter */
    zone_check(&zone, &in, "static",
               "deliver 127.0.0.1=127.0.0.1:2525/none:static+secure "
               "a.two.test=192.0.2.2:465/verify:static+secure "
               "our.test=192.0.2.77:25/require:static+secure "
               "qmtp:b.two.test=192.0.2.3:6209/verify:static+secure");
    struct route_proxy proxy = {{loopback, 9050}, "u", "p"};
    targets[3] = (struct route_target){
        .host = "hidden.onion", .port = 25, .tls = ROUTE_TLS_REQUIRE, .proxy = &proxy};
    struct route *p = zone_route(&zone, &in, false);
    assert_int_equal(route_plan(p)->nattempts, 4); /* its name is asked for nowhere */
    assert_string_equal(route_plan(p)->attempts[3].host, "hidden.onion");
    assert_int_equal(route_plan(p)->attempts[3].to.ip.family, IP_NONE);
    assert_int_equal(route_plan(p)->attempts[3].to.port, 25);
    assert_ptr_not_equal(route_plan(p)->attempts[3].proxy, &proxy);
    assert_int_equal(route_plan(p)->attempts[3].proxy->at.port, 9050);
    assert_string_equal(route_plan(p)->attempts[3].proxy->password, "p");
    route_free(p);
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
    zone_check(&zone, &in, "gone", "deferred 4.4.4"); /* not bounced for a fault of ours */
}

/* What a proxy resolves is asked of nobody, whatever it is called. */
static void routes_by_a_proxy(void **state)
{
    static const char *const hidden[] = {"abc.onion", "a.b.i2p", "onion"};
    const struct route_proxy proxy = {
        .at = {{.family = IP_V4, .bytes = {127, 0, 0, 1}}, 9050}, .user = "u", .password = "p"};
    struct route_target targets[] = {
        {.host = "abc.onion", .port = 25, .tls = ROUTE_TLS_OPPORTUNISTIC, .proxy = &proxy},
        {.host = "192.0.2.9", .port = 25, .proxy = &proxy},
    };
    struct route_input in = {.domain = "abc.onion",
                             .targets = targets,
                             .ntargets = 2,
                             .credentials = -1,
                             .static_name = "s"};
    (void)state;
    assert_true(ip_parse(SV("192.0.2.9"), &targets[1].ip));
    struct route *r = route_new(&in);
    assert_true(route_is_done(r));
    const struct route_plan *plan = route_plan(r);
    assert_int_equal(plan->nattempts, 2);
    assert_int_equal(plan->attempts[0].to.ip.family, IP_NONE);
    assert_int_equal(plan->attempts[1].to.ip.family, IP_V4);
    for (size_t i = 0; i < 2; i++) {
        assert_true(plan->attempts[i].proxy != &proxy); /* the plan's own */
        assert_int_equal(plan->attempts[i].proxy->at.port, 9050);
        assert_string_equal(plan->attempts[i].proxy->password, "p");
        assert_int_equal(plan->attempts[i].to.port, 25);
    }
    route_free(r);
    for (size_t i = 0; i < sizeof hidden / sizeof *hidden; i++) {
        struct route_question q;
        r = route_new(&(struct route_input){.domain = hidden[i], .static_name = ""});
        assert_false(route_next(r, &q));
        assert_true(route_is_done(r));
        assert_int_equal(route_plan(r)->verdict, ROUTE_FAILED);
        assert_string_equal(route_plan(r)->status, "5.4.4");
        route_free(r);
    }
    struct route_question q;
    r = route_new(&(struct route_input){.domain = "onion.test", .static_name = ""});
    assert_true(route_next(r, &q));
    route_free(r);
}

static void listeners_on_all_addresses(void **state)
{
    struct ip own = {.family = IP_V4, .bytes = {192, 0, 2, 2}};
    struct route_input in = input_of("two.test");
    (void)state;
    in.listeners = (struct ip_port[]){{{.family = IP_V4}, 25}};
    in.nlisteners = 1;
    in.own_ips = &own;
    in.nown_ips = 1;
    zone_check(&zone, &in, "all addresses", "failed 5.4.6");
    in.listeners = (struct ip_port[]){{{.family = IP_V4}, 587}}; /* the address alone is not us */
    zone_check(&zone, &in, "another port",
               "deliver a.two.test=192.0.2.2:25 b.two.test=192.0.2.3:25");
}

/* A refusal names its setting. */
static void words_name_the_setting(void **state)
{
    static const struct {
        const char *domain, *words;
        bool ipv6;
    } cases[] = {
        {"local.test", "relay.allow_loopback", true},
        {"v6.test", "relay.ipv6", false},
        {"fail.test", "MX for fail.test failed: SERVFAIL", true},
        {"bogus.test", "bad signature", true},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct route_input in = input_of(cases[i].domain);
        in.ipv6 = cases[i].ipv6;
        struct route *r = zone_route(&zone, &in, false);
        if (!strstr(route_plan(r)->text, cases[i].words))
            fail_msg("%s: %s", cases[i].domain, route_plan(r)->text);
        route_free(r);
    }
}

/* One host with a hundred addresses leaves room for the next; what is left out is said. */
static void many_addresses(void **state)
{
    struct dns_record addresses[100], mx[] = {{.preference = 10, .name = "many.host.test"},
                                              {.preference = 20, .name = "a.two.test"}};
    struct route_input in = input_of("many.test");
    struct route_question q;
    (void)state;
    in.ipv6 = false;
    in.explain = true;
    in.mta_sts = false;
    for (uint8_t i = 0; i < 100; i++)
        addresses[i] = (struct dns_record){.ip = {.family = IP_V4, .bytes = {192, 0, 2, i}}};
    struct route *r = route_new(&in);
    while (route_next(r, &q)) {
        struct dns_answer a = {.status = DNS_OK, .records = addresses, .nrecords = 100};
        if (q.type == DNS_MX)
            a = (struct dns_answer){.status = DNS_OK, .records = mx, .nrecords = 2};
        else if (strcmp(q.name, "many.host.test") != 0)
            a.nrecords = 1;
        route_answer(r, q.id, &a);
    }
    const struct route_plan *p = route_plan(r);
    assert_int_equal(p->nattempts, 17);
    assert_string_equal(p->attempts[16].host, "a.two.test");
    assert_int_equal(p->attempts[0].host_index, p->attempts[15].host_index);
    assert_int_not_equal(p->attempts[0].host_index, p->attempts[16].host_index);
    assert_true(zone_says(&zone, &in, "its addresses are asked for"));
    route_free(r);
}

/* The MTA-STS policy of the domain is asked for by its own kind of question, unless that is off. */
static void policy_is_asked_for(void **state)
{
    (void)state;
    for (int on = 0; on < 2; on++) {
        struct dns_record mx = {.preference = 10, .name = "a.two.test"};
        struct route_input in = input_of("many.test");
        struct route_question q;
        size_t policies = 0;
        in.mta_sts = on;
        struct route *r = route_new(&in);
        while (route_next(r, &q)) {
            struct dns_answer a = {.status = DNS_NODATA};
            if (q.type == DNS_MX)
                a = (struct dns_answer){.status = DNS_OK, .records = &mx, .nrecords = 1};
            if (q.kind == ROUTE_ASK_DNS) {
                route_answer(r, q.id, &a);
                continue;
            }
            assert_string_equal(q.name, "many.test");
            policies++;
            route_policy(r, q.id, &(struct sts_answer){.status = STS_ABSENT, .why = "no record"});
        }
        assert_int_equal(policies, on);
        route_free(r);
    }
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
        routes[s] = route_new(&(struct route_input){.domain = "big.test",
                                                    .static_name = "",
                                                    .credentials = -1,
                                                    .mx6 = ROUTE_MX6_OFF,
                                                    .seed = s + 1});
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
        struct route *r = route_new(&(struct route_input){.domain = i ? "x.test" : "y.test",
                                                          .static_name = "",
                                                          .mx6 = ROUTE_MX6_OFF,
                                                          .credentials = -1});
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
        cmocka_unit_test(a_failed_look_up_is_named),
        cmocka_unit_test(static_routes),
        cmocka_unit_test(policy_is_asked_for),
        cmocka_unit_test(routes_by_a_proxy),
        cmocka_unit_test(long_lists),
        cmocka_unit_test(many_addresses),
        cmocka_unit_test(words_name_the_setting),
        cmocka_unit_test(listeners_on_all_addresses),
        cmocka_unit_test(equal_sets_are_one_site),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
