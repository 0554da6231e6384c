/* MXPS: which preferences say QMTP, and what stands in the plan then. */
#include "zones.h"

/* SPECS 8: the test of a preference */
static void preferences(void **state)
{
    static const struct {
        uint16_t preference;
        bool qmtp;
    } cases[] = {{0, 0},     {1, 0},     {10000, 0}, {12785, 0}, {12799, 0}, {12800, 0}, {12801, 1},
                 {12802, 0}, {12816, 0}, {12817, 1}, {12833, 1}, {12849, 1}, {12865, 1}, {13025, 1},
                 {13041, 1}, {13042, 0}, {13055, 0}, {13056, 0}, {13057, 0}, {65535, 0}};
    unsigned all = 0;
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char line[64];
        const char *const lines[] = {line, "mx.test A 192.0.2.1", NULL};
        const struct zone zone = {lines, NULL};
        struct route_input in = zone_input("x.test");
        snprintf(line, sizeof line, "x.test MX %u mx.test", cases[i].preference);
        zone_check(&zone, &in, line,
                   cases[i].qmtp
                       ? "deliver qmtp:mx.test=192.0.2.1:209/none:none mx.test=192.0.2.1:25"
                       : "deliver mx.test=192.0.2.1:25");
    }
    for (unsigned p = 0; p <= 65535; p++) { /* exactly 16 of them */
        struct dns_record mx = {.preference = (uint16_t)p, .name = "mx.test"};
        struct dns_record a = {.ip = {.family = IP_V4, .bytes = {192, 0, 2, 1}}};
        struct route_input in = zone_input("x.test");
        struct route_question q;
        in.mx6 = ROUTE_MX6_OFF;
        in.ipv6 = in.mta_sts = false;
        struct route *r = route_new(&in);
        while (route_next(r, &q))
            route_answer(
                r, q.id,
                &(struct dns_answer){.records = q.type == DNS_MX ? &mx : &a, .nrecords = 1});
        all += route_plan(r)->attempts[0].protocol == ROUTE_QMTP;
        route_free(r);
    }
    assert_int_equal(all, 16);
}

static const char *const lines[] = {
    /* the zone of the original text: a by QMTP (SMTP if it cannot be connected to), c by SMTP */
    "b.test MX 12801 a.test",
    "b.test MX 12816 c.test",
    "a.test A 192.0.2.1",
    "a.test AAAA 2001:db8::1",
    "a.test A 192.0.2.11",
    "c.test A 192.0.2.3",
    "two.test MX 12817 a.test",
    "two.test MX 12801 c.test",
    "same.test MX 12801 c.test",
    "same.test MX 12816 c.test",
    "self.test MX 12801 self209.test",
    "self209.test A 192.0.2.77",
    "worked.test MX 12801 worked.host.test",
    "worked.host.test A 192.0.2.4",
    "worked.host.test WORKED yes",
    "enforce.test MX 12801 c.test",
    "enforce.test STS enforce c.test",
    "testing.test MX 12801 c.test",
    "testing.test STS testing c.test",
    "dane.test MX 12801 mx.dane.test",
    "mx.dane.test A 192.0.2.5",
    "_25._tcp.mx.dane.test TLSA 3 1 1 32",
    "unusable.test MX 12801 un.dane.test",
    "un.dane.test A 192.0.2.6",
    "_25._tcp.un.dane.test TLSA 1 1 1 32",
    "local.test MX 12801 local.host.test",
    "local.host.test A 127.0.0.1",
    NULL,
};
static const char *const signed_names[] = {"dane.test", "unusable.test", NULL};
static const struct zone zone = {lines, signed_names};

static void plans(void **state)
{
    static const struct ip_port listener = {{.family = IP_V4, .bytes = {192, 0, 2, 77}}, 209};
    static const struct {
        const char *domain, *expected, *says;
    } cases[] = {
        /* per address: QMTP, directly followed by SMTP at the same address; IPv6 first */
        {"b.test",
         "deliver qmtp:a.test=[2001:db8::1]:209/none:none a.test=[2001:db8::1]:25 "
         "qmtp:a.test=192.0.2.1:209/none:none a.test=192.0.2.1:25 "
         "qmtp:a.test=192.0.2.11:209/none:none a.test=192.0.2.11:25 c.test=192.0.2.3:25",
         "the preference says QMTP"},
        {"two.test",
         "deliver qmtp:c.test=192.0.2.3:209/none:none c.test=192.0.2.3:25 "
         "qmtp:a.test=[2001:db8::1]:209/none:none a.test=[2001:db8::1]:25 "
         "qmtp:a.test=192.0.2.1:209/none:none a.test=192.0.2.1:25 "
         "qmtp:a.test=192.0.2.11:209/none:none a.test=192.0.2.11:25",
         NULL},
        {"same.test", "deliver qmtp:c.test=192.0.2.3:209/none:none c.test=192.0.2.3:25",
         "named before"},
        {"self.test", "failed 5.4.6", NULL},
        {"local.test", "failed 5.4.4", NULL},
        /* QMTP is clear text: where TLS is required it is left out, and said to be */
        {"worked.test", "deliver worked.host.test=192.0.2.4:25/require:memory",
         "left out: it is clear text"},
        {"enforce.test", "deliver c.test=192.0.2.3:25/verify:sts+secure",
         "left out: it is clear text"},
        {"dane.test", "deliver mx.dane.test=192.0.2.5:25/dane:dane+secure",
         "left out: it is clear text"},
        {"unusable.test", "deliver un.dane.test=192.0.2.6:25/require:dane+secure",
         "left out: it is clear text"},
        {"testing.test",
         "deliver qmtp:c.test=192.0.2.3:209/none:none+testing c.test=192.0.2.3:25+testing", NULL},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct route_input in = zone_input(cases[i].domain);
        in.listeners = &listener;
        in.nlisteners = 1;
        zone_check(&zone, &in, cases[i].domain, cases[i].expected);
        if (cases[i].says && !zone_says(&zone, &in, cases[i].says))
            fail_msg("%s: no step says \"%s\"", cases[i].domain, cases[i].says);
    }
}

static void switched_off(void **state)
{
    struct route_input in = zone_input("same.test");
    (void)state;
    in.mxps = false;
    zone_check(&zone, &in, "off", "deliver c.test=192.0.2.3:25");
    assert_true(zone_says(&zone, &in, "relay.mxps"));
}

/* The pair is never cut in two by the bound of attempts. */
static void pairs_are_whole(void **state)
{
    struct dns_record mx[20], v4[16];
    static char names[20][16];
    struct route_input in = zone_input("x.test");
    struct route_question q;
    (void)state;
    in.mx6 = ROUTE_MX6_OFF;
    in.ipv6 = in.mta_sts = false;
    for (unsigned i = 0; i < 20; i++) {
        snprintf(names[i], sizeof names[i], "mx%u.test", i);
        mx[i] = (struct dns_record){.preference = i ? 12801 : 1, .name = names[i]};
    }
    for (uint8_t i = 0; i < 16; i++)
        v4[i] = (struct dns_record){.ip = {.family = IP_V4, .bytes = {192, 0, 2, i}}};
    struct route *r = route_new(&in);
    while (route_next(r, &q)) {
        struct dns_answer a = {.records = v4, .nrecords = strcmp(q.name, "mx0.test") ? 16 : 1};
        if (q.type == DNS_MX)
            a = (struct dns_answer){.records = mx, .nrecords = 20};
        route_answer(r, q.id, &a);
    }
    const struct route_plan *p = route_plan(r);
    assert_int_equal(p->nattempts, 63);
    for (size_t i = 1; i < p->nattempts; i += 2) {
        assert_int_equal(p->attempts[i].protocol, ROUTE_QMTP);
        assert_int_equal(p->attempts[i].to.port, 209);
        assert_int_equal(p->attempts[i + 1].protocol, ROUTE_SMTP);
        assert_int_equal(p->attempts[i + 1].to.port, 25);
        assert_true(ip_eq(&p->attempts[i].to.ip, &p->attempts[i + 1].to.ip));
        assert_int_equal(p->attempts[i].host_index, p->attempts[i + 1].host_index);
    }
    route_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(preferences),
        cmocka_unit_test(plans),
        cmocka_unit_test(switched_off),
        cmocka_unit_test(pairs_are_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
