/* MX6: SRV records beside MX, and each rule that decides what becomes of them. */
#include "zones.h"

static const char *const lines[] = {
    "with6.test MX 0 mx.with6.test",
    "mx.with6.test A 192.0.2.2",
    "_mx6._tcp.with6.test SRV 0 0 25 mx6.with6.test",
    "mx6.with6.test AAAA 2001:db8::2",
    "mx6.with6.test A 192.0.2.3",
    "only4.test MX 0 mx.with6.test",
    "nodata.test MX 0 mx.with6.test",
    "_mx6._tcp.nodata.test SRV -",
    "fail.test MX 0 mx.with6.test",
    "_mx6._tcp.fail.test SRV !",
    "bogus.test MX 0 mx.with6.test",
    "_mx6._tcp.bogus.test SRV bogus",
    "slow.test MX 0 mx.with6.test",
    "_mx6._tcp.slow.test SRV ~",
    "slowhost.test MX 0 mx.with6.test",
    "_mx6._tcp.slowhost.test SRV 0 0 25 silent6.test",
    "_mx6._tcp.slowhost.test SRV 1 0 25 mx6.with6.test",
    "silent6.test AAAA ~",
    "silent6.test A 192.0.2.9",
    "order.test MX 0 mx.with6.test",
    "_mx6._tcp.order.test SRV 20 0 25 late6.test",
    "_mx6._tcp.order.test SRV 10 0 25 mx6.with6.test",
    "late6.test AAAA 2001:db8::20",
    "late6.test A -",
    "dot.test MX 0 mx.with6.test",
    "_mx6._tcp.dot.test SRV 0 0 25 .",
    "dots.test MX 0 mx.with6.test",
    "_mx6._tcp.dots.test SRV 0 0 25 .",
    "_mx6._tcp.dots.test SRV 1 0 25 mx6.with6.test",
    "alias.test MX 0 mx.with6.test",
    "_mx6._tcp.alias.test SRV 0 0 25 alias6.test",
    "alias6.test CNAME mx6.with6.test",
    "v4.test MX 0 mx.with6.test",
    "_mx6._tcp.v4.test SRV 0 0 25 mx.with6.test",
    "gone.test MX 0 mx.with6.test",
    "_mx6._tcp.gone.test SRV 0 0 25 nowhere6.test",
    "error.test MX 0 mx.with6.test",
    "_mx6._tcp.error.test SRV 0 0 25 error6.test",
    "error6.test AAAA !",
    "error6.test A 192.0.2.9",
    "bad.test MX 0 mx.with6.test",
    "_mx6._tcp.bad.test SRV 0 0 25 bad6.test",
    "bad6.test AAAA ::ffff:10.0.0.2",
    "bad6.test AAAA ::1",
    "bad6.test AAAA fe80::1",
    "bad6.test AAAA ff02::1",
    "bad6.test A 192.0.2.9",
    "mixed.test MX 0 mx.with6.test",
    "_mx6._tcp.mixed.test SRV 0 0 25 mixed6.test",
    "mixed6.test AAAA ::1",
    "mixed6.test AAAA 2001:db8::7",
    "mixed6.test A 127.0.0.1",
    "port.test MX 0 mx.with6.test",
    "_mx6._tcp.port.test SRV 0 0 2525 mx6.with6.test",
    "_mx6._tcp.port.test SRV 1 0 25 late6.test",
    "self.test MX 0 mx.with6.test",
    "_mx6._tcp.self.test SRV 0 0 25 self6.test",
    "self6.test AAAA 2001:db8::77",
    "self6.test A 192.0.2.9",
    "twice.test MX 0 mx.with6.test",
    "_mx6._tcp.twice.test SRV 0 0 25 mx6.with6.test",
    "_mx6._tcp.twice.test SRV 1 0 25 mx6.with6.test",
    "both.test MX 0 mx6.with6.test",
    "_mx6._tcp.both.test SRV 0 0 25 mx6.with6.test",
    "implicit.test MX -",
    "implicit.test A 192.0.2.8",
    "_mx6._tcp.implicit.test SRV 0 0 25 mx6.with6.test",
    "hostless.test MX 0 nowhere.test",
    "_mx6._tcp.hostless.test SRV 0 0 25 mx6.with6.test",
    "_mx6._tcp.nowhere.test SRV 0 0 25 mx6.with6.test",
    "null.test MX 0 .",
    "_mx6._tcp.null.test SRV 0 0 25 mx6.with6.test",
    "mxfail.test MX !",
    "_mx6._tcp.mxfail.test SRV 0 0 25 mx6.with6.test",
    "nullslow.test MX 0 .",
    "_mx6._tcp.nullslow.test SRV ~",
    "qmtp.test MX 12801 mx.with6.test",
    "_mx6._tcp.qmtp.test SRV 12801 0 25 mx6.with6.test",
    NULL,
};
static const struct zone zone = {lines, NULL};

#define MX     "mx.with6.test=192.0.2.2:25"
#define TARGET "mx6:mx6.with6.test=[2001:db8::2]:25 mx6:mx6.with6.test=192.0.2.3:25"

static struct route_input input_of(const char *domain)
{
    static const struct ip_port listener = {
        {.family = IP_V6, .bytes = {0x20, 1, 0xd, 0xb8, [15] = 0x77}}, 25};
    struct route_input in = zone_input(domain);
    in.mta_sts = false;
    in.listeners = &listener;
    in.nlisteners = 1;
    return in;
}

static void rules(void **state)
{
    static const struct {
        const char *domain, *expected;
        const char *says; /* one of the steps does; NULL: any */
    } cases[] = {
        /* SPECS 5.3: MX6 first, each target over IPv6 and then over IPv4, then the MX path */
        {"with6.test", "deliver " TARGET " " MX, NULL},
        {"only4.test", "deliver " MX, "the domain is not MX6"}, /* NXDOMAIN */
        {"nodata.test", "deliver " MX, "the domain is not MX6"},
        {"fail.test", "deliver " MX, "the look-up failed: the MX records are used"},
        {"bogus.test", "deliver " MX, "bad signature"},
        {"slow.test", "deliver " MX, "not waited for any longer"},
        {"slowhost.test", "deliver " TARGET " " MX, "AAAA silent6.test: no answer"},
        {"order.test", "deliver " TARGET " mx6:late6.test=[2001:db8::20]:25 " MX, NULL},
        {"dot.test", "deliver " MX, "decidedly not MX6"},
        {"dots.test", "deliver " TARGET " " MX, "not a host"},
        {"alias.test", "deliver mx6:alias6.test=[2001:db8::2]:25 mx6:alias6.test=192.0.2.3:25 " MX,
         "an alias, which RFC 2782 forbids"},
        {"v4.test", "deliver " MX, "no IPv6 address that can be used"},
        {"gone.test", "deliver " MX, "no such host"},
        {"error.test", "deliver " MX, "the look-up failed"}, /* never a reason to defer */
        {"bad.test", "deliver " MX, "no IPv6 address that can be used"},
        {"mixed.test", "deliver mx6:mixed6.test=[2001:db8::7]:25 " MX, "relay.allow_loopback"},
        {"port.test", "deliver mx6:late6.test=[2001:db8::20]:25 " MX, "relay.mx6_ports"},
        {"self.test", "deliver " MX, NULL},
        {"twice.test", "deliver " TARGET " " MX, "named before"},
        {"both.test",
         "deliver " TARGET " mx6.with6.test=[2001:db8::2]:25 mx6.with6.test=192.0.2.3:25", NULL},
        {"implicit.test", "deliver " TARGET " implicit.test=192.0.2.8:25", NULL},
        {"hostless.test", "deliver " TARGET, NULL},
        /* SPECS 5.4: what the MX records say of the domain as a whole comes first */
        {"nowhere.test", "failed 5.1.2", NULL},
        {"null.test", "failed 5.1.10", NULL},
        {"nullslow.test", "failed 5.1.10", NULL},
        {"mxfail.test", "deferred 4.4.3", NULL},
        /* a target speaks SMTP only, whatever its priority */
        {"qmtp.test", "deliver " TARGET " qmtp:mx.with6.test=192.0.2.2:209/none:none " MX, NULL},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct route_input in = input_of(cases[i].domain);
        zone_check(&zone, &in, cases[i].domain, cases[i].expected);
        if (cases[i].says && !zone_says(&zone, &in, cases[i].says))
            fail_msg("%s: no step says \"%s\"", cases[i].domain, cases[i].says);
    }
}

static void what_is_off_is_not_asked(void **state)
{
    static const struct {
        enum route_mx6 mx6;
        const char *says;
    } cases[] = {
        {ROUTE_MX6_OFF, "relay.mx6"},
        {ROUTE_MX6_NO_IPV6, "no global IPv6"},
        {ROUTE_MX6_FAILED, "less than an hour ago"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct route_input in = input_of("with6.test");
        in.mx6 = cases[i].mx6;
        zone_check(&zone, &in, "off", "deliver " MX);
        assert_true(zone_says(&zone, &in, cases[i].says));
    }
}

static void loopback_targets_where_allowed(void **state)
{
    struct route_input in = input_of("mixed.test");
    (void)state;
    in.allow_loopback = true;
    zone_check(&zone, &in, "allowed",
               "deliver mx6:mixed6.test=[::1]:25 mx6:mixed6.test=[2001:db8::7]:25 "
               "mx6:mixed6.test=127.0.0.1:25 " MX);
}

static void other_ports_where_allowed(void **state)
{
    struct route_input in = input_of("port.test");
    (void)state;
    in.nmx6_ports = 2;
    zone_check(&zone, &in, "2525 too",
               "deliver mx6:mx6.with6.test=[2001:db8::2]:2525 mx6:mx6.with6.test=192.0.2.3:2525 "
               "mx6:late6.test=[2001:db8::20]:25 " MX);
}

/* For the owner's memory: only a look-up that failed or took too long. */
static void failures_are_told(void **state)
{
    static const struct {
        const char *domain;
        bool failed;
    } cases[] = {{"with6.test", false}, {"only4.test", false},   {"fail.test", true},
                 {"bogus.test", true},  {"slow.test", true},     {"slowhost.test", false},
                 {"dot.test", false},   {"nullslow.test", false}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct route_input in = input_of(cases[i].domain);
        struct route *r = zone_route(&zone, &in, false);
        if (route_plan(r)->srv_failed != cases[i].failed)
            fail_msg("%s", cases[i].domain);
        route_free(r);
    }
}

/* MX6 alone is waited for: true in no other state. */
static void waiting(void **state)
{
    struct route_input in = input_of("with6.test");
    struct dns_record mx = {.name = "mx.test"}, srv = {.name = "six.test", .port = 25};
    struct dns_record v4 = {.ip = {.family = IP_V4, .bytes = {192, 0, 2, 1}}};
    struct route_question q[8];
    size_t n = 0;
    (void)state;
    in.ipv6 = true;
    struct route *r = route_new(&in);
    while (route_next(r, &q[n]))
        n++;
    assert_int_equal(n, 2);
    assert_int_equal(q[0].type, DNS_SRV);
    assert_false(route_waits_for_mx6(r)); /* MX is out as well */
    route_mx6_late(r);                    /* and this is no matter */
    assert_true(route_is_open(r, q[0].id));
    route_answer(r, q[1].id, &(struct dns_answer){.records = &mx, .nrecords = 1});
    assert_true(route_waits_for_mx6(r));
    while (route_next(r, &q[n]))
        n++;
    assert_int_equal(n, 4);
    route_answer(r, q[0].id, &(struct dns_answer){.records = &srv, .nrecords = 1});
    assert_false(route_waits_for_mx6(r)); /* the MX host's addresses are out */
    while (route_next(r, &q[n]))
        n++;
    assert_int_equal(n, 6);
    route_answer(r, q[2].id, &(struct dns_answer){.status = DNS_NODATA});
    route_answer(r, q[3].id, &(struct dns_answer){.records = &v4, .nrecords = 1});
    assert_true(route_waits_for_mx6(r));
    assert_false(route_is_done(r));
    route_mx6_late(r);
    assert_true(route_is_done(r));
    assert_false(route_is_open(r, q[4].id));
    assert_false(route_waits_for_mx6(r));
    assert_int_equal(route_plan(r)->nattempts, 1);
    route_free(r);
}

/* RFC 2782: how often each of these is the first of its priority, of 2,000 draws;
 * one of weight 0 seldom, but not never, wherever it stands. */
static void weights(void **state)
{
    static const uint16_t weight[] = {10, 30, 60, 0};
    static const unsigned from[] = {130, 500, 1080, 5}, to[] = {270, 700, 1320, 45};
    unsigned first[4] = {0};
    (void)state;
    for (uint64_t seed = 0; seed < 2000; seed++) {
        struct dns_record srv[4], v6 = {.ip = {.family = IP_V6, .bytes = {0x20, 1}}},
                                  mx = {.name = "mx.test"};
        static const char *const names[] = {"w10.test", "w30.test", "w60.test", "w0.test"};
        struct route_input in = input_of("x.test");
        struct route_question q;
        in.seed = seed;
        in.dane = false;
        for (size_t i = 0; i < 4; i++)
            srv[i] = (struct dns_record){
                .preference = 1, .weight = weight[i], .port = 25, .name = names[i]};
        struct route *r = route_new(&in);
        while (route_next(r, &q)) {
            struct dns_answer a = {.records = &v6, .nrecords = 1};
            if (q.type == DNS_SRV)
                a = (struct dns_answer){.records = srv, .nrecords = 4};
            else if (q.type == DNS_MX)
                a.records = &mx;
            else if (q.type == DNS_A)
                a = (struct dns_answer){.status = DNS_NODATA};
            route_answer(r, q.id, &a);
        }
        const struct route_plan *p = route_plan(r);
        assert_int_equal(p->nattempts, 5); /* each of them once, then MX */
        for (size_t i = 0; i < 4; i++)
            first[i] += strcmp(p->attempts[0].host, names[i]) == 0;
        route_free(r);
    }
    for (size_t i = 0; i < 4; i++)
        assert_in_range(first[i], from[i], to[i]);
}

/* A thousand targets leave room for the MX hosts. */
static void many_targets(void **state)
{
    struct dns_record *srv = mem_new(1000, sizeof *srv), addresses[20], mx = {.name = "mx.test"};
    struct route_input in = input_of("x.test");
    struct route_question q;
    struct arena a;
    (void)state;
    arena_init(&a);
    for (unsigned i = 0; i < 1000; i++)
        srv[i] = (struct dns_record){.port = 25, .name = arena_printf(&a, "t%u.test", i)};
    for (uint8_t i = 0; i < 20; i++)
        addresses[i] = (struct dns_record){.ip = {.family = IP_V6, .bytes = {0x20, 1, [15] = i}}};
    struct route *r = route_new(&in);
    while (route_next(r, &q)) {
        struct dns_answer answer = {.records = addresses, .nrecords = 20};
        if (q.type == DNS_SRV)
            answer = (struct dns_answer){.records = srv, .nrecords = 1000};
        else if (q.type == DNS_MX)
            answer = (struct dns_answer){.records = &mx, .nrecords = 1};
        else if (q.type == DNS_A)
            answer = (struct dns_answer){.status = DNS_NODATA};
        route_answer(r, q.id, &answer);
    }
    const struct route_plan *p = route_plan(r);
    size_t mx6 = 0;
    for (size_t i = 0; i < p->nattempts; i++)
        mx6 += p->attempts[i].via == ROUTE_VIA_MX6;
    assert_int_equal(mx6, 16);
    assert_int_equal(p->nattempts, 32);
    assert_string_equal(p->site, "mx.test");
    route_free(r);
    arena_deinit(&a);
    free(srv);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rules),
        cmocka_unit_test(what_is_off_is_not_asked),
        cmocka_unit_test(loopback_targets_where_allowed),
        cmocka_unit_test(other_ports_where_allowed),
        cmocka_unit_test(failures_are_told),
        cmocka_unit_test(waiting),
        cmocka_unit_test(weights),
        cmocka_unit_test(many_targets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
