/* SPECS 5.5: what a connection to a host has to be, by DANE, MTA-STS and memory. */
#include "zones.h"

static const char *const lines[] = {
    /* hosts of a signed zone */
    "ee.sig.test A 192.0.2.1",
    "_25._tcp.ee.sig.test TLSA 3 1 1 32",
    "ta.sig.test A 192.0.2.2",
    "_25._tcp.ta.sig.test TLSA 2 0 1 32",
    "_25._tcp.ta.sig.test TLSA 0 0 1 32",
    "pkix.sig.test A 192.0.2.3",
    "_25._tcp.pkix.sig.test TLSA 1 1 1 32",
    "odd.sig.test A 192.0.2.4",
    "_25._tcp.odd.sig.test TLSA 3 2 1 32", /* no such selector */
    "_25._tcp.odd.sig.test TLSA 3 1 3 32", /* no such matching type */
    "_25._tcp.odd.sig.test TLSA 3 1 1 31", /* no such digest */
    "_25._tcp.odd.sig.test TLSA 4 1 1 32", /* no such usage */
    "full.sig.test A 192.0.2.5",
    "_25._tcp.full.sig.test TLSA 3 0 0 certificate",
    "key.sig.test A 192.0.2.13",
    "_25._tcp.key.sig.test TLSA 2 1 0 key",
    "noder.sig.test A 192.0.2.12",
    "_25._tcp.noder.sig.test TLSA 3 0 0 700",
    "_25._tcp.noder.sig.test TLSA 2 1 0 1",
    "_25._tcp.noder.sig.test TLSA 2 1 0 0",
    "_25._tcp.noder.sig.test TLSA 3 0 0 der 700", /* a sequence that is no certificate */
    "_25._tcp.noder.sig.test TLSA 3 1 0 der 91",
    "_25._tcp.noder.sig.test TLSA 3 0 0 key",
    "_25._tcp.noder.sig.test TLSA 3 1 0 certificate",
    "sha512.sig.test A 192.0.2.6",
    "_25._tcp.sha512.sig.test TLSA 3 1 2 64",
    "none.sig.test A 192.0.2.7",
    "fail.sig.test A 192.0.2.8",
    "_25._tcp.fail.sig.test TLSA !",
    "bogus.sig.test A 192.0.2.9",
    "_25._tcp.bogus.sig.test TLSA bogus",
    "noaddress.sig.test A -",
    "_25._tcp.noaddress.sig.test TLSA !",
    /* aliases: within signed zones, and out of one */
    "in.sig.test CNAME ee.sig.test",
    "own.sig.test CNAME none.sig.test",
    "_25._tcp.own.sig.test TLSA 3 1 1 32",
    "out.sig.test CNAME plain.test",
    "_25._tcp.out.sig.test TLSA 3 1 1 32",
    "outnone.sig.test CNAME plain.test",
    "unsigned.test CNAME plain.test",
    "_25._tcp.unsigned.test TLSA 3 1 1 32",
    "tlsaalias.sig.test A 192.0.2.10",
    "_25._tcp.tlsaalias.sig.test CNAME ta.common.sig.test",
    "ta.common.sig.test TLSA 2 0 1 32",
    "tlsaout.sig.test A 192.0.2.11",
    "_25._tcp.tlsaout.sig.test CNAME ta.plain.test",
    "ta.plain.test TLSA 2 0 1 32",
    "plain.test A 192.0.2.99",
    "_25._tcp.plain.test TLSA 3 1 1 32",
    /* domains */
    "ee.dom.test MX 1 ee.sig.test",
    "ta.dom.test MX 1 ta.sig.test",
    "pkix.dom.test MX 1 pkix.sig.test",
    "odd.dom.test MX 1 odd.sig.test",
    "full.dom.test MX 1 full.sig.test",
    "key.dom.test MX 1 key.sig.test",
    "noder.dom.test MX 1 noder.sig.test",
    "sha512.dom.test MX 1 sha512.sig.test",
    "none.dom.test MX 1 none.sig.test",
    "fail.dom.test MX 1 fail.sig.test",
    "bogus.dom.test MX 1 bogus.sig.test",
    "next.dom.test MX 1 bogus.sig.test",
    "next.dom.test MX 2 none.sig.test",
    "noaddress.dom.test MX 1 noaddress.sig.test",
    "noaddress.dom.test MX 2 none.sig.test",
    "plain.dom.test MX 1 plain.test",
    "in.dom.test MX 1 in.sig.test",
    "own.dom.test MX 1 own.sig.test",
    "out.dom.test MX 1 out.sig.test",
    "outnone.dom.test MX 1 outnone.sig.test",
    "unsigned.dom.test MX 1 unsigned.test",
    "tlsaalias.dom.test MX 1 tlsaalias.sig.test",
    "tlsaout.dom.test MX 1 tlsaout.sig.test",
    "insecure.test MX 1 ee.sig.test",
    "cname.dom.test CNAME ta.dom.test",
    /* an alias that leads out of signed zones, and one within; MX6 is signed */
    "outalias.dom.test CNAME ta.test",
    "ta.test MX 1 ta.sig.test",
    "_mx6._tcp.outalias.dom.test SRV 0 0 25 six.sig.test",
    "inalias.dom.test CNAME ta.dom.test",
    "_mx6._tcp.inalias.dom.test SRV 0 0 25 six.sig.test",
    "six.sig.test AAAA 2001:db8::6",
    "_25._tcp.six.sig.test TLSA 2 0 1 32",
    "self.dom.test A 192.0.2.20",
    "_25._tcp.self.dom.test TLSA 2 0 1 32",
    "worked.dom.test MX 1 none.sig.test",
    /* MTA-STS */
    "enf.test MX 1 a.host.test",
    "enf.test MX 2 b.other.test",
    "enf.test MX 3 c.a.host.test",
    "enf.test STS enforce *.host.test",
    "a.host.test A 192.0.2.30",
    "b.other.test A 192.0.2.31",
    "c.a.host.test A 192.0.2.32",
    "enfnone.test MX 1 b.other.test",
    "enfnone.test MX 2 c.a.host.test",
    "enfnone.test STS enforce a.host.test",
    "tst.test MX 1 a.host.test",
    "tst.test MX 2 b.other.test",
    "tst.test STS testing a.host.test",
    "off.test MX 1 a.host.test",
    "off.test STS none",
    "enf.dom.test MX 1 ee.sig.test",
    "enf.dom.test MX 2 none.sig.test",
    "enf.dom.test MX 3 a.host.test",
    "enf.dom.test STS enforce none.sig.test",
    "rescue.dom.test MX 1 fail.sig.test",
    "rescue.dom.test STS enforce fail.sig.test",
    "odd.enf.dom.test MX 1 pkix.sig.test",
    "odd.enf.dom.test MX 2 odd.sig.test",
    "odd.enf.dom.test STS enforce pkix.sig.test",
    "noder.enf.dom.test MX 1 noder.sig.test",
    "noder.enf.dom.test STS enforce noder.sig.test",
    "odd.tst.dom.test MX 1 pkix.sig.test",
    "odd.tst.dom.test STS testing pkix.sig.test",
    "tst.dom.test MX 1 ee.sig.test",
    "tst.dom.test STS testing ee.sig.test",
    "wait.test MX 1 a.host.test",
    "wait.test STS unknown",
    "wait.dom.test MX 1 none.sig.test",
    "wait.dom.test STS unknown",
    "waiterr.test MX 1 err.host.test",
    "waiterr.test MX 2 a.host.test",
    "waiterr.test STS enforce *.host.test",
    "err.host.test A !",
    "half.dom.test MX 1 half.sig.test",
    "half.sig.test A 192.0.2.33",
    "half.sig.test AAAA !",
    "wrk.test MX 1 w.host.test",
    "w.host.test A 192.0.2.40",
    "w.host.test WORKED yes",
    "wrkenf.test MX 1 w.host.test",
    "wrkenf.test STS enforce w.host.test",
    "wrktst.test MX 1 w.host.test",
    "wrktst.test STS testing w.host.test",
    /* MX6 */
    "t.sig.test AAAA 2001:db8::1",
    "_25._tcp.t.sig.test TLSA 3 1 1 32",
    "u.sig.test AAAA 2001:db8::2",
    "f.sig.test AAAA 2001:db8::3",
    "_25._tcp.f.sig.test TLSA !",
    "x.sig.test AAAA 2001:db8::4",
    "_25._tcp.x.sig.test TLSA 1 1 1 32",
    "p.test AAAA 2001:db8::5",
    "six.dom.test MX 1 ee.sig.test",
    "_mx6._tcp.six.dom.test SRV 1 0 25 t.sig.test",
    "_mx6._tcp.six.dom.test SRV 2 0 25 u.sig.test",
    "_mx6._tcp.six.dom.test SRV 3 0 25 f.sig.test",
    "_mx6._tcp.six.dom.test SRV 4 0 25 x.sig.test",
    "_mx6._tcp.six.dom.test SRV 5 0 25 p.test",
    "free.dom.test MX 1 none.sig.test",
    "_mx6._tcp.free.dom.test SRV 1 0 25 t.sig.test",
    "_mx6._tcp.free.dom.test SRV 2 0 25 u.sig.test",
    "_mx6._tcp.free.dom.test SRV 3 0 25 f.sig.test",
    "_mx6._tcp.free.dom.test SRV 4 0 25 x.sig.test",
    "_mx6._tcp.free.dom.test SRV 5 0 25 p.test",
    "lost.dom.test MX 1 fail.sig.test",
    "_mx6._tcp.lost.dom.test SRV 1 0 25 u.sig.test",
    "err.dom.test MX 1 err.sig.test",
    "err.sig.test A !",
    "err.dom.test MX 2 none.sig.test",
    "_mx6._tcp.err.dom.test SRV 1 0 25 u.sig.test",
    "six.enf.test MX 1 a.host.test",
    "six.enf.test STS enforce a.host.test p.test",
    "_mx6._tcp.six.enf.test SRV 1 0 25 u.sig.test",
    "_mx6._tcp.six.enf.test SRV 2 0 25 p.test",
    "other.dom.test MX 1 none.sig.test",
    "_mx6._tcp.other.dom.test SRV 0 0 2525 t.sig.test",
    "_2525._tcp.t.sig.test TLSA 3 1 1 32",
    NULL,
};
static const char *const signed_names[] = {"sig.test", "dom.test", NULL};
static const struct zone zone = {lines, signed_names};

static void levels(void **state)
{
    static const struct {
        const char *domain, *expected, *says;
    } cases[] = {
        /* (a) asked only where MX and addresses are secure; (c) usable or not */
        {"ee.dom.test", "deliver ee.sig.test=192.0.2.1:25/dane:dane+secure", "must match (DANE)"},
        {"ta.dom.test", "deliver ta.sig.test=192.0.2.2:25/dane:dane+secure", "cannot be used"},
        {"pkix.dom.test", "deliver pkix.sig.test=192.0.2.3:25/require:dane+secure", NULL},
        {"odd.dom.test", "deliver odd.sig.test=192.0.2.4:25/require:dane+secure", NULL},
        {"full.dom.test", "deliver full.sig.test=192.0.2.5:25/dane:dane+secure", NULL},
        {"key.dom.test", "deliver key.sig.test=192.0.2.13:25/dane:dane+secure", NULL},
        {"noder.dom.test", "deliver noder.sig.test=192.0.2.12:25/require:dane+secure", NULL},
        {"sha512.dom.test", "deliver sha512.sig.test=192.0.2.6:25/dane:dane+secure", NULL},
        {"none.dom.test", "deliver none.sig.test=192.0.2.7:25+secure", "no DANE"},
        {"plain.dom.test", "deliver plain.test=192.0.2.99:25+secure", "addresses are insecure"},
        {"insecure.test", "deliver ee.sig.test=192.0.2.1:25", "name the host are insecure"},
        {"[192.0.2.1]", "deliver [192.0.2.1]=192.0.2.1:25", NULL},
        /* (b) nobody knows: the host is barred, the next one is not */
        {"fail.dom.test", "deliver but 4.7.5 unsure fail.sig.test=192.0.2.8:25/barred:dane+secure",
         "SERVFAIL"},
        {"bogus.dom.test",
         "deliver but 4.7.5 unsure bogus.sig.test=192.0.2.9:25/barred:dane+secure",
         "bad signature"},
        {"next.dom.test",
         "deliver unsure bogus.sig.test=192.0.2.9:25/barred:dane+secure "
         "none.sig.test=192.0.2.7:25+secure",
         NULL},
        {"noaddress.dom.test", "deliver none.sig.test=192.0.2.7:25+secure", NULL},
        /* aliases (7672 2.2.2): the name behind them, then the name itself */
        {"in.dom.test", "deliver in.sig.test=192.0.2.1:25/dane:dane+secure", NULL},
        {"own.dom.test", "deliver own.sig.test=192.0.2.7:25/dane:dane+secure", NULL},
        {"out.dom.test", "deliver out.sig.test=192.0.2.99:25/dane:dane+secure",
         "asked for at the alias"},
        {"outnone.dom.test", "deliver outnone.sig.test=192.0.2.99:25+secure", NULL},
        {"unsigned.dom.test", "deliver unsigned.test=192.0.2.99:25+secure", NULL},
        {"tlsaalias.dom.test", "deliver tlsaalias.sig.test=192.0.2.10:25/dane:dane+secure", NULL},
        {"tlsaout.dom.test", "deliver tlsaout.sig.test=192.0.2.11:25+secure", "not counted"},
        {"cname.dom.test", "deliver ta.sig.test=192.0.2.2:25/dane:dane+secure", NULL},
        {"self.dom.test", "deliver self.dom.test=192.0.2.20:25/dane:dane+secure", NULL},
        /* (d) MTA-STS, and DANE before it */
        {"enf.test",
         "deliver a.host.test=192.0.2.30:25/verify:sts+secure "
         "b.other.test=192.0.2.31:25/barred:sts c.a.host.test=192.0.2.32:25/barred:sts",
         "does not name the host"},
        {"tst.test",
         "deliver a.host.test=192.0.2.30:25+testing "
         "b.other.test=192.0.2.31:25+testing+unlisted",
         "only reported"},
        {"off.test", "deliver a.host.test=192.0.2.30:25", NULL},
        {"enf.dom.test",
         "deliver ee.sig.test=192.0.2.1:25/dane:dane+secure "
         "none.sig.test=192.0.2.7:25/verify:sts+secure a.host.test=192.0.2.30:25/barred:sts+secure",
         NULL},
        {"odd.enf.dom.test",
         "deliver pkix.sig.test=192.0.2.3:25/verify:sts+secure "
         "odd.sig.test=192.0.2.4:25/barred:sts+secure",
         "cannot be used"},
        {"noder.enf.dom.test", "deliver noder.sig.test=192.0.2.12:25/verify:sts+secure", NULL},
        {"odd.tst.dom.test", "deliver pkix.sig.test=192.0.2.3:25/require:dane+secure", NULL},
        {"rescue.dom.test",
         "deliver but 4.7.5 unsure fail.sig.test=192.0.2.8:25/barred:dane+secure", NULL},
        {"tst.dom.test", "deliver ee.sig.test=192.0.2.1:25/dane:dane+secure", NULL},
        /* what only a later look-up can tell: nothing where DNSSEC vouches for the host anyway */
        {"wait.test", "deliver unsure a.host.test=192.0.2.30:25", "without MTA-STS policy"},
        {"wait.dom.test", "deliver none.sig.test=192.0.2.7:25+secure", NULL},
        {"waiterr.test", "deliver unsure a.host.test=192.0.2.30:25/verify:sts+secure", NULL},
        {"half.dom.test", "deliver half.sig.test=192.0.2.33:25+secure", NULL},
        /* (e) */
        {"enfnone.test",
         "deliver but 4.7.5 b.other.test=192.0.2.31:25/barred:sts "
         "c.a.host.test=192.0.2.32:25/barred:sts",
         NULL},
        /* (h) */
        {"wrk.test", "deliver w.host.test=192.0.2.40:25/require:memory", "relay.tls.refuse"},
        {"wrkenf.test", "deliver w.host.test=192.0.2.40:25/verify:sts+secure", NULL},
        {"wrktst.test", "deliver w.host.test=192.0.2.40:25/require:memory+testing", NULL},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct route_input in = zone_input(cases[i].domain);
        zone_check(&zone, &in, cases[i].domain, cases[i].expected);
        if (cases[i].says && !zone_says(&zone, &in, cases[i].says))
            fail_msg("%s: no step says \"%s\"", cases[i].domain, cases[i].says);
    }
}

/* (f) */
static void mx6_does_not_lead_around_a_policy(void **state)
{
    static const struct {
        const char *domain, *expected, *says;
    } cases[] = {
        {"six.dom.test",
         "deliver mx6:t.sig.test=[2001:db8::1]:25/dane:dane+secure "
         "ee.sig.test=192.0.2.1:25/dane:dane+secure",
         "an MX host is under DANE"},
        {"free.dom.test",
         "deliver mx6:t.sig.test=[2001:db8::1]:25/dane:dane+secure "
         "mx6:u.sig.test=[2001:db8::2]:25+secure "
         "mx6:x.sig.test=[2001:db8::4]:25/require:dane+secure "
         "mx6:p.test=[2001:db8::5]:25+secure none.sig.test=192.0.2.7:25+secure",
         "the look-up of its TLSA records failed"},
        {"lost.dom.test", "deliver but 4.7.5 unsure fail.sig.test=192.0.2.8:25/barred:dane+secure",
         NULL},
        {"err.dom.test", "deliver unsure none.sig.test=192.0.2.7:25+secure", NULL},
        {"six.enf.test",
         "deliver mx6:p.test=[2001:db8::5]:25/verify:sts "
         "a.host.test=192.0.2.30:25/verify:sts+secure",
         "does not name the target"},
        {"other.dom.test",
         "deliver mx6:t.sig.test=[2001:db8::1]:2525/dane:dane+secure "
         "none.sig.test=192.0.2.7:25+secure",
         NULL},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct route_input in = zone_input(cases[i].domain);
        in.nmx6_ports = 2;
        zone_check(&zone, &in, cases[i].domain, cases[i].expected);
        if (cases[i].says && !zone_says(&zone, &in, cases[i].says))
            fail_msg("%s: no step says \"%s\"", cases[i].domain, cases[i].says);
    }
}

/* RFC 7672 3.2.2 */
static void reference_names(void **state)
{
    static const struct {
        const char *domain, *names;
    } cases[] = {
        {"ta.dom.test", "ta.sig.test ta.dom.test "},
        {"cname.dom.test", "ta.sig.test cname.dom.test ta.dom.test "},
        {"in.dom.test", "ee.sig.test in.dom.test "},
        {"own.dom.test", "own.sig.test own.dom.test "},
        {"out.dom.test", "out.sig.test out.dom.test "},
        {"tlsaalias.dom.test", "tlsaalias.sig.test tlsaalias.dom.test "},
        {"inalias.dom.test", "six.sig.test inalias.dom.test ta.dom.test "},
        {"outalias.dom.test", "six.sig.test outalias.dom.test "},
        {"self.dom.test", "self.dom.test "},
        {"enf.test", "a.host.test "}, /* RFC 8461 4.2: the host alone */
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct route_input in = zone_input(cases[i].domain);
        struct route *r = zone_route(&zone, &in, false);
        const struct route_attempt *t = &route_plan(r)->attempts[0];
        char got[256] = "";
        for (size_t n = 0; n < t->nnames; n++)
            strcat(strcat(got, t->names[n]), " ");
        if (strcmp(got, cases[i].names) != 0)
            fail_msg("%s: \"%s\"", cases[i].domain, got);
        route_free(r);
    }
}

static void records_come_along(void **state)
{
    struct route_input in = zone_input("ta.dom.test");
    struct route *r = zone_route(&zone, &in, false);
    const struct route_attempt *t = &route_plan(r)->attempts[0];
    (void)state;
    assert_int_equal(t->ntlsa, 1); /* that of usage 0 is of no use */
    assert_int_equal(t->tlsa[0].usage, 2);
    assert_int_equal(t->tlsa[0].selector, 0);
    assert_int_equal(t->tlsa[0].matching, 1);
    assert_int_equal(t->tlsa[0].data.len, 32);
    route_free(r);
}

/* Words that name the rule and the host. */
static void words(void **state)
{
    static const struct {
        const char *domain, *rule, *host;
    } cases[] = {
        {"fail.dom.test", "DANE: look-up of TLSA", "_25._tcp.fail.sig.test"},
        {"enfnone.test", "MTA-STS: the policy of enfnone.test", "b.other.test"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct route_input in = zone_input(cases[i].domain);
        struct route *r = zone_route(&zone, &in, false);
        const struct route_plan *p = route_plan(r);
        assert_non_null(strstr(p->text, cases[i].rule));
        assert_non_null(strstr(p->text, cases[i].host));
        assert_non_null(strstr(p->attempts[0].barred, cases[i].rule));
        route_free(r);
    }
}

static void switched_off(void **state)
{
    struct route_input in = zone_input("ee.dom.test");
    (void)state;
    in.dane = false;
    zone_check(&zone, &in, "no DANE", "deliver ee.sig.test=192.0.2.1:25+secure");
    in.domain = "enf.test";
    in.mta_sts = false;
    zone_check(&zone, &in, "no MTA-STS",
               "deliver a.host.test=192.0.2.30:25 b.other.test=192.0.2.31:25 "
               "c.a.host.test=192.0.2.32:25");
}

/* A resolver that does not validate: all is insecure, and mail goes on. */
static void nothing_is_signed(void **state)
{
    static const struct zone bare = {lines, NULL};
    struct route_input in = zone_input("ee.dom.test");
    (void)state;
    zone_check(&bare, &in, "DANE", "deliver ee.sig.test=192.0.2.1:25");
    in.domain = "fail.dom.test";
    zone_check(&bare, &in, "no TLSA is asked for", "deliver fail.sig.test=192.0.2.8:25");
    in.stripped = true;
    zone_check(&bare, &in, "for now", "deliver unsure fail.sig.test=192.0.2.8:25");
    in.stripped_by = "192.0.2.53:53";
    zone_check(&bare, &in, "for good", "deliver fail.sig.test=192.0.2.8:25");
    in.domain = "wait.test";
    zone_check(&bare, &in, "but for a policy", "deliver unsure a.host.test=192.0.2.30:25");
    in.domain = "none.dom.test";
    zone_check(&zone, &in, "an answer of before", "deliver none.sig.test=192.0.2.7:25+secure");
    in.domain = "[192.0.2.1]";
    zone_check(&bare, &in, "no name", "deliver [192.0.2.1]=192.0.2.1:25");
}

/* What a later look-up may know is asked again soon. */
static void unsure_plans_are_short_lived(void **state)
{
    static const struct {
        const char *domain;
        bool stripped;
        uint32_t ttl_s;
    } cases[] = {{"none.dom.test", false, 300}, {"next.dom.test", false, 60},
                 {"waiterr.test", false, 60},   {"insecure.test", false, 300},
                 {"insecure.test", true, 60},   {"none.dom.test", true, 300}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct route_input in = zone_input(cases[i].domain);
        in.stripped = cases[i].stripped;
        struct route *r = zone_route(&zone, &in, false);
        assert_int_equal(route_plan(r)->ttl_s, cases[i].ttl_s);
        route_free(r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(levels),
        cmocka_unit_test(mx6_does_not_lead_around_a_policy),
        cmocka_unit_test(reference_names),
        cmocka_unit_test(records_come_along),
        cmocka_unit_test(words),
        cmocka_unit_test(switched_off),
        cmocka_unit_test(nothing_is_signed),
        cmocka_unit_test(unsure_plans_are_short_lived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
