#include "msa/smtp/path.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#define A10  "aaaaaaaaaa"
#define A60  A10 A10 A10 A10 A10 A10
#define L61  A60 "a." /* a label of 61 and its dot: 62 octets */
#define D186 L61 L61 L61

#define R SMTP_PATH_REVERSE
#define F SMTP_PATH_FORWARD

static const struct row {
    int use;
    const char *text;
    enum smtp_path_verdict verdict;
    const char *canonical;
} rows[] = {
    /* null path and postmaster */
    {R, "<>", SMTP_PATH_OK, ""},
    {F, "<>", SMTP_PATH_BAD_SYNTAX, 0},
    {R, "< >", SMTP_PATH_BAD_SYNTAX, 0},
    {R, "", SMTP_PATH_BAD_SYNTAX, 0},
    {R, "<", SMTP_PATH_BAD_SYNTAX, 0},
    {R, ">", SMTP_PATH_BAD_SYNTAX, 0},
    {R, "<><>", SMTP_PATH_BAD_SYNTAX, 0},
    {R, "<<>>", SMTP_PATH_BAD_SYNTAX, 0},
    {F, "<Postmaster>", SMTP_PATH_OK, "Postmaster"},
    {F, "<postMASTER>", SMTP_PATH_OK, "postMASTER"},
    {F, "<\"postmaster\">", SMTP_PATH_OK, "postmaster"},
    {F, "Postmaster", SMTP_PATH_BAD_SYNTAX, 0},
    {R, "<Postmaster>", SMTP_PATH_NO_DOMAIN, 0},
    {F, "<postmaster2>", SMTP_PATH_NO_DOMAIN, 0},
    {F, "<post master>", SMTP_PATH_BAD_SYNTAX, 0},
    {F, "<@x.example:postmaster>", SMTP_PATH_NO_DOMAIN, 0},
    /* brackets and what surrounds them */
    {R, "<a@example.net>", SMTP_PATH_OK, "a@example.net"},
    {R, " <a@example.net>", SMTP_PATH_OK, "a@example.net"},
    {R, "    <a@example.net>  ", SMTP_PATH_OK, "a@example.net"},
    {R, "<a@example.net> SIZE=1", SMTP_PATH_OK, "a@example.net"},
    {R, "<a@example.net>SIZE=1", SMTP_PATH_BAD_SYNTAX, 0},
    {R, "<a@example.net>>", SMTP_PATH_BAD_SYNTAX, 0},
    {R, "<a@example.net", SMTP_PATH_BAD_SYNTAX, 0},
    {R, "a@example.net", SMTP_PATH_BAD_SYNTAX, 0},
    {R, "a@example.net>", SMTP_PATH_BAD_SYNTAX, 0},
    {R, "<<a@example.net>", SMTP_PATH_BAD_SYNTAX, 0},
    {R, "< a@example.net>", SMTP_PATH_BAD_SYNTAX, 0},
    {R, "<a@example.net >", SMTP_PATH_BAD_SYNTAX, 0},
    {R, "\t<a@example.net>", SMTP_PATH_BAD_SYNTAX, 0},
    {R, "<a@example.net>\tX", SMTP_PATH_BAD_SYNTAX, 0},
    {R, "A <a@example.net>", SMTP_PATH_BAD_SYNTAX, 0},
    {R, "\"A\" <a@example.net>", SMTP_PATH_BAD_SYNTAX, 0},
    {R, "(c)<a@example.net>", SMTP_PATH_BAD_SYNTAX, 0},
    {R, "<a@example.net(c)>", SMTP_PATH_BAD_SYNTAX, 0},
    {F, "<a@example.net>,<b@example.net>", SMTP_PATH_BAD_SYNTAX, 0},
    {F, "<a@example.net,b@example.net>", SMTP_PATH_BAD_SYNTAX, 0},
    /* dot-strings */
    {R, "<a.b@example.net>", SMTP_PATH_OK, "a.b@example.net"},
    {R, "<a.b.c.d@example.net>", SMTP_PATH_OK, "a.b.c.d@example.net"},
    {R, "<A.B@example.net>", SMTP_PATH_OK, "A.B@example.net"},
    {R, "<.a@example.net>", SMTP_PATH_BAD_SYNTAX, 0},
    {R, "<a.@example.net>", SMTP_PATH_BAD_SYNTAX, 0},
    {R, "<a..b@example.net>", SMTP_PATH_BAD_SYNTAX, 0},
    {R, "<.@example.net>", SMTP_PATH_BAD_SYNTAX, 0},
    {R, "<@example.net>", SMTP_PATH_BAD_SYNTAX, 0},
    {R, "<a+tag@example.net>", SMTP_PATH_OK, "a+tag@example.net"},
    {R, "<a-b_c@example.net>", SMTP_PATH_OK, "a-b_c@example.net"},
    {R, "<!#$%&'*+-/=?^_`{|}~@example.net>", SMTP_PATH_OK, "!#$%&'*+-/=?^_`{|}~@example.net"},
    {R, "<1@example.net>", SMTP_PATH_OK, "1@example.net"},
    {R, "<-a@example.net>", SMTP_PATH_OK, "-a@example.net"},
    {R, "<|id@example.net>", SMTP_PATH_OK, "|id@example.net"},
    {R, "<a b@example.net>", SMTP_PATH_BAD_SYNTAX, 0},
    {R, "<a,b@example.net>", SMTP_PATH_BAD_SYNTAX, 0},
    {R, "<a;b@example.net>", SMTP_PATH_BAD_SYNTAX, 0},
    {R, "<a:b@example.net>", SMTP_PATH_BAD_SYNTAX, 0},
    {R, "<a(b)@example.net>", SMTP_PATH_BAD_SYNTAX, 0},
    {R, "<a[b]@example.net>", SMTP_PATH_BAD_SYNTAX, 0},
    {R, "<a\\b@example.net>", SMTP_PATH_BAD_SYNTAX, 0},
    {R, "<a\\@b@example.net>", SMTP_PATH_BAD_SYNTAX, 0},
    {R, "<a<b@example.net>", SMTP_PATH_BAD_SYNTAX, 0},
    {R, "<a@b@example.net>", SMTP_PATH_BAD_SYNTAX, 0},
    {R, "<a@@example.net>", SMTP_PATH_BAD_SYNTAX, 0},
    {R, "<a\"b@example.net>", SMTP_PATH_BAD_SYNTAX, 0},
    {R, "<a\x01@example.net>", SMTP_PATH_BAD_SYNTAX, 0},
    {R, "<a\x7f@example.net>", SMTP_PATH_BAD_SYNTAX, 0},
    {R, "<a\r@example.net>", SMTP_PATH_BAD_SYNTAX, 0},
    {R, "<a\n@example.net>", SMTP_PATH_BAD_SYNTAX, 0},
    {R, "<a\t@example.net>", SMTP_PATH_BAD_SYNTAX, 0},
    {R, "<\xc3\xa9@example.net>", SMTP_PATH_OK, "\xc3\xa9@example.net"},
    {R, "<\xff@example.net>", SMTP_PATH_BAD_SYNTAX, 0},
    /* quoted strings */
    {R, "<\"a\"@example.net>", SMTP_PATH_OK, "a@example.net"},
    {R, "<\"a.b\"@example.net>", SMTP_PATH_OK, "a.b@example.net"},
    {R, "<\"a..b\"@example.net>", SMTP_PATH_OK, "\"a..b\"@example.net"},
    {R, "<\".a\"@example.net>", SMTP_PATH_OK, "\".a\"@example.net"},
    {R, "<\"a b\"@example.net>", SMTP_PATH_OK, "\"a b\"@example.net"},
    {R, "<\" \"@example.net>", SMTP_PATH_OK, "\" \"@example.net"},
    {R, "<\"\"@example.net>", SMTP_PATH_OK, "\"\"@example.net"},
    {R, "<\"a@b\"@example.net>", SMTP_PATH_OK, "\"a@b\"@example.net"},
    {R, "<\"a>b\"@example.net>", SMTP_PATH_OK, "\"a>b\"@example.net"},
    {R, "<\"<>\"@example.net>", SMTP_PATH_OK, "\"<>\"@example.net"},
    {R, "<\"a\\b\"@example.net>", SMTP_PATH_OK, "ab@example.net"},
    {R, "<\"\\a\\.\\b\"@example.net>", SMTP_PATH_OK, "a.b@example.net"},
    {R, "<\"a\\\"b\"@example.net>", SMTP_PATH_OK, "\"a\\\"b\"@example.net"},
    {R, "<\"a\\\\b\"@example.net>", SMTP_PATH_OK, "\"a\\\\b\"@example.net"},
    {R, "<\"\\ \"@example.net>", SMTP_PATH_OK, "\" \"@example.net"},
    {R, "<\"a,b;c:d\"@example.net>", SMTP_PATH_OK, "\"a,b;c:d\"@example.net"},
    {R, "<\"(c)\"@example.net>", SMTP_PATH_OK, "\"(c)\"@example.net"},
    {R, "<\"a@example.net>", SMTP_PATH_BAD_SYNTAX, 0},
    {R, "<\"a\\\"@example.net>", SMTP_PATH_BAD_SYNTAX, 0},
    {R, "<\"a\"b@example.net>", SMTP_PATH_BAD_SYNTAX, 0},
    {R, "<\"a\".b@example.net>", SMTP_PATH_BAD_SYNTAX, 0},
    {R, "<a.\"b\"@example.net>", SMTP_PATH_BAD_SYNTAX, 0},
    {R, "<\"a\tb\"@example.net>", SMTP_PATH_BAD_SYNTAX, 0},
    {R, "<\"a\rb\"@example.net>", SMTP_PATH_BAD_SYNTAX, 0},
    {R, "<\"a\nb\"@example.net>", SMTP_PATH_BAD_SYNTAX, 0},
    {R, "<\"a\\\nb\"@example.net>", SMTP_PATH_BAD_SYNTAX, 0},
    {R, "<\"\xc3\xa9\"@example.net>", SMTP_PATH_OK, "\xc3\xa9@example.net"},
    {R, "<\"\xc3\xa9 \"@example.net>", SMTP_PATH_OK, "\"\xc3\xa9 \"@example.net"},
    {R, "<\"\\\xc3\xa9\"@example.net>", SMTP_PATH_BAD_SYNTAX, 0},
    {R, "<\xc2\x85@example.net>", SMTP_PATH_BAD_SYNTAX, 0},
    {R, "<\xc0\xaf@example.net>", SMTP_PATH_BAD_SYNTAX, 0},
    {R, "<\"a\">", SMTP_PATH_NO_DOMAIN, 0},
    /* domains */
    {R, "<a@EXAMPLE.Net>", SMTP_PATH_OK, "a@example.net"},
    {R, "<a@x.y.z.example.net>", SMTP_PATH_OK, "a@x.y.z.example.net"},
    {R, "<a@1.example>", SMTP_PATH_OK, "a@1.example"},
    {R, "<a@3com.example>", SMTP_PATH_OK, "a@3com.example"},
    {R, "<a@x-y.example>", SMTP_PATH_OK, "a@x-y.example"},
    {R, "<a@x--y.example>", SMTP_PATH_OK, "a@x--y.example"},
    {R, "<a@xn--bcher-kva.example>", SMTP_PATH_OK, "a@xn--bcher-kva.example"},
    {R, "<a@b.c>", SMTP_PATH_OK, "a@b.c"},
    {R, "<a>", SMTP_PATH_NO_DOMAIN, 0},
    {R, "<a@>", SMTP_PATH_BAD_SYNTAX, 0},
    {R, "<a@.>", SMTP_PATH_BAD_SYNTAX, 0},
    {R, "<a@.example.net>", SMTP_PATH_BAD_SYNTAX, 0},
    {R, "<a@example.net.>", SMTP_PATH_BAD_SYNTAX, 0},
    {R, "<a@example..net>", SMTP_PATH_BAD_SYNTAX, 0},
    {R, "<a@-example.net>", SMTP_PATH_BAD_SYNTAX, 0},
    {R, "<a@example-.net>", SMTP_PATH_BAD_SYNTAX, 0},
    {R, "<a@example.net->", SMTP_PATH_BAD_SYNTAX, 0},
    {R, "<a@ex_ample.net>", SMTP_PATH_BAD_SYNTAX, 0},
    {R, "<a@exa mple.net>", SMTP_PATH_BAD_SYNTAX, 0},
    {R, "<a@exam/ple.net>", SMTP_PATH_BAD_SYNTAX, 0},
    {R, "<a@example.net:25>", SMTP_PATH_BAD_SYNTAX, 0},
    {R, "<a@*.example.net>", SMTP_PATH_BAD_SYNTAX, 0},
    {R,
     "<a@b\xc3\xbc"
     "cher.example>",
     SMTP_PATH_OK, "a@xn--bcher-kva.example"},
    {R, "<a@XN--BCHER-KVA.example>", SMTP_PATH_OK, "a@xn--bcher-kva.example"},
    {R, "<a@xn--.example>", SMTP_PATH_BAD_SYNTAX, 0},
    {R, "<a@\xe2\x98\x95.example>", SMTP_PATH_BAD_SYNTAX, 0},
    {R, "<a@\xc3\xbc>", SMTP_PATH_UNQUALIFIED, 0},
    {R, "<a@exa\rmple.net>", SMTP_PATH_BAD_SYNTAX, 0},
    {R, "<a@localhost>", SMTP_PATH_UNQUALIFIED, 0},
    {F, "<a@host>", SMTP_PATH_UNQUALIFIED, 0},
    {F, "<\"a b\"@host>", SMTP_PATH_UNQUALIFIED, 0},
    {F, "<a@127.0.0.1>", SMTP_PATH_UNQUALIFIED, 0},
    {F, "<a@example.1>", SMTP_PATH_UNQUALIFIED, 0},
    {F, "<a@1>", SMTP_PATH_UNQUALIFIED, 0},
    {F, "<a@host> NOTIFY=NEVER", SMTP_PATH_UNQUALIFIED, 0},
    /* address literals */
    {F, "<a@[127.0.0.1]>", SMTP_PATH_OK, "a@[127.0.0.1]"},
    {F, "<a@[255.255.255.255]>", SMTP_PATH_OK, "a@[255.255.255.255]"},
    {F, "<a@[0.0.0.0]>", SMTP_PATH_OK, "a@[0.0.0.0]"},
    {F, "<a@[IPv6:::1]>", SMTP_PATH_OK, "a@[ipv6:::1]"},
    {F, "<a@[ipv6:2001:DB8::A]>", SMTP_PATH_OK, "a@[ipv6:2001:db8::a]"},
    {F, "<a@[IPv6:2001:db8:0:0:0:0:0:1]>", SMTP_PATH_OK, "a@[ipv6:2001:db8:0:0:0:0:0:1]"},
    {F, "<a@[IPv6:::ffff:192.0.2.1]>", SMTP_PATH_OK, "a@[ipv6:::ffff:192.0.2.1]"},
    {F, "<a@[tag:content]>", SMTP_PATH_OK, "a@[tag:content]"},
    {F, "<a@[x-1:!#$]>", SMTP_PATH_OK, "a@[x-1:!#$]"},
    {F, "<a@[127.000.00.001]>", SMTP_PATH_OK, "a@[127.0.0.1]"},
    {F, "<a@[IPv6:::ffff:192.000.002.001]>", SMTP_PATH_OK, "a@[ipv6:::ffff:192.0.2.1]"},
    {F, "<a@[IPv6:1:2:3:4:5:6:7::]>", SMTP_PATH_BAD_SYNTAX, 0},
    {F, "<a@[127.0000.0.1]>", SMTP_PATH_BAD_SYNTAX, 0},
    {F, "<a@[]>", SMTP_PATH_BAD_SYNTAX, 0},
    {F, "<a@[127.0.0.1>", SMTP_PATH_BAD_SYNTAX, 0},
    {F, "<a@127.0.0.1]>", SMTP_PATH_BAD_SYNTAX, 0},
    {F, "<a@[127.0.0]>", SMTP_PATH_BAD_SYNTAX, 0},
    {F, "<a@[127.0.0.256]>", SMTP_PATH_BAD_SYNTAX, 0},
    {F, "<a@[127.0.0.1.1]>", SMTP_PATH_BAD_SYNTAX, 0},
    {F, "<a@[ 127.0.0.1]>", SMTP_PATH_BAD_SYNTAX, 0},
    {F, "<a@[127.0.0.1 ]>", SMTP_PATH_BAD_SYNTAX, 0},
    {F, "<a@[0x7f.0.0.1]>", SMTP_PATH_BAD_SYNTAX, 0},
    {F, "<a@[::1]>", SMTP_PATH_BAD_SYNTAX, 0},
    {F, "<a@[IPv6:]>", SMTP_PATH_BAD_SYNTAX, 0},
    {F, "<a@[IPv6:1]>", SMTP_PATH_BAD_SYNTAX, 0},
    {F, "<a@[IPv6:1:2:3:4:5:6:7:8:9]>", SMTP_PATH_BAD_SYNTAX, 0},
    {F, "<a@[IPv6:::1%eth0]>", SMTP_PATH_BAD_SYNTAX, 0},
    {F, "<a@[IPv6:127.0.0.1]>", SMTP_PATH_BAD_SYNTAX, 0},
    {F, "<a@[tag]>", SMTP_PATH_BAD_SYNTAX, 0},
    {F, "<a@[tag:]>", SMTP_PATH_BAD_SYNTAX, 0},
    {F, "<a@[:x]>", SMTP_PATH_BAD_SYNTAX, 0},
    {F, "<a@[tag-:x]>", SMTP_PATH_BAD_SYNTAX, 0},
    {F, "<a@[ta_g:x]>", SMTP_PATH_BAD_SYNTAX, 0},
    {F, "<a@[tag:x y]>", SMTP_PATH_BAD_SYNTAX, 0},
    {F, "<a@[tag:x[y]>", SMTP_PATH_BAD_SYNTAX, 0},
    {F, "<a@[tag:x\\y]>", SMTP_PATH_BAD_SYNTAX, 0},
    {F, "<a@[127.0.0.1].example>", SMTP_PATH_BAD_SYNTAX, 0},
    {F, "<a@[127.0.0.1][x:y]>", SMTP_PATH_BAD_SYNTAX, 0},
    /* source routes */
    {F, "<@x.example:a@example.net>", SMTP_PATH_OK, "a@example.net"},
    {F, "<@x.example,@y.example:a@example.net>", SMTP_PATH_OK, "a@example.net"},
    {F, "<@x:a@example.net>", SMTP_PATH_OK, "a@example.net"},
    {R, "<@x.example:a@example.net>", SMTP_PATH_OK, "a@example.net"},
    {F, "<@x.example:a@host>", SMTP_PATH_UNQUALIFIED, 0},
    {F, "<@x.example a@example.net>", SMTP_PATH_BAD_SYNTAX, 0},
    {F, "<@x.example,:a@example.net>", SMTP_PATH_BAD_SYNTAX, 0},
    {F, "<@x.example,y.example:a@example.net>", SMTP_PATH_BAD_SYNTAX, 0},
    {F, "<x.example:a@example.net>", SMTP_PATH_BAD_SYNTAX, 0},
    {F, "<@:a@example.net>", SMTP_PATH_BAD_SYNTAX, 0},
    {F, "<@x.example:>", SMTP_PATH_BAD_SYNTAX, 0},
    {F, "<@x.example>", SMTP_PATH_BAD_SYNTAX, 0},
    {F, "<@x.example:@y.example:a@example.net>", SMTP_PATH_BAD_SYNTAX, 0},
    /* lengths */
    {R, "<" A60 "aaaa@example.net>", SMTP_PATH_OK, A60 "aaaa@example.net"},
    {R, "<" A60 "aaaaa@example.net>", SMTP_PATH_TOO_LONG, 0},
    {R, "<\"" A60 "aa\"@example.net>", SMTP_PATH_OK, A60 "aa@example.net"},
    {R, "<\"" A60 "aaa\"@example.net>", SMTP_PATH_TOO_LONG, 0},
    {R, "<\"" A60 A60 A60 "\"@example.net>", SMTP_PATH_TOO_LONG, 0},
    {R, "<a@" A60 "aaa.net>", SMTP_PATH_OK, "a@" A60 "aaa.net"},
    {R, "<a@" A60 "aaaa.net>", SMTP_PATH_TOO_LONG, 0},
    {R, "<a@" D186 A60 "aa.net>", SMTP_PATH_OK, "a@" D186 A60 "aa.net"},
    {R, "<a@" D186 A60 "aaa.net>", SMTP_PATH_TOO_LONG, 0},
    {R, "<aa@" D186 A60 "aa.net>", SMTP_PATH_TOO_LONG, 0},
    {R, "<a@" D186 A60 "aaa.nu>", SMTP_PATH_OK, "a@" D186 A60 "aaa.nu"},
    {R, "<a@" D186 A60 "aaa.net.net>", SMTP_PATH_TOO_LONG, 0},
    {F, "<@" D186 A60 "a.net:a@" D186 A60 "aa.net>", SMTP_PATH_OK, "a@" D186 A60 "aa.net"},
};

static void verdicts(void **state)
{
    (void)state;
    assert_true(sizeof rows / sizeof rows[0] >= 150);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct arena a;
        struct smtp_path p = {.kind = 99}, again;
        struct sv rest;
        arena_init(&a);
        enum smtp_path_verdict v =
            smtp_path_parse(&a, sv_of(rows[i].text), (enum smtp_path_use)rows[i].use, &p, &rest);
        if (v != rows[i].verdict)
            fail_msg("%s: verdict %d, not %d", rows[i].text, v, rows[i].verdict);
        if (v == SMTP_PATH_OK) {
            if (!sv_eq(p.text, sv_of(rows[i].canonical)))
                fail_msg("%s: became %.*s", rows[i].text, SV_ARG(p.text));
            if (p.kind != SMTP_PATH_POSTMASTER) {
                v = smtp_path_parse_address(&a, p.text, (enum smtp_path_use)rows[i].use, &again);
                assert_int_equal(v, SMTP_PATH_OK);
                assert_int_equal(again.kind, p.kind);
                assert_true(sv_eq(again.text, p.text));
            }
        } else if (v == SMTP_PATH_UNQUALIFIED) {
            struct sv domain = smtp_path_domain(&p);
            bool label = sv_find(domain, '.') == domain.len && !sv_eq(domain, SV("1"));
            assert_int_equal(p.unqualified, label); /* "host": could be completed */
        } else {
            assert_int_equal(p.kind, 99); /* nothing was touched */
        }
        arena_deinit(&a);
    }
}

static void nul_is_refused(void **state)
{
    static const char text[] = "<a\0@example.net>", domain[] = "<a@example\0.net>";
    struct arena a;
    struct smtp_path p;
    struct sv rest;
    (void)state;
    arena_init(&a);
    assert_int_equal(smtp_path_parse(&a, (struct sv){text, sizeof text - 1}, R, &p, &rest),
                     SMTP_PATH_BAD_SYNTAX);
    assert_int_equal(smtp_path_parse(&a, (struct sv){domain, sizeof domain - 1}, R, &p, &rest),
                     SMTP_PATH_BAD_SYNTAX);
    arena_deinit(&a);
}

static struct smtp_path path_of(struct arena *a, const char *text)
{
    struct smtp_path p;
    assert_int_equal(smtp_path_parse_address(a, sv_of(text), R, &p), SMTP_PATH_OK);
    return p;
}

static void parts_and_comparison(void **state)
{
    struct arena a;
    struct ip ip;
    (void)state;
    arena_init(&a);
    struct smtp_path p = path_of(&a, "\"a@b\"@Example.NET"), q = path_of(&a, "\"A@B\"@example.net");
    struct smtp_path null = path_of(&a, ""), v6 = path_of(&a, "a@[IPv6:::1]");
    assert_true(sv_eq(smtp_path_domain(&p), SV("example.net")));
    assert_true(smtp_path_same(&p, &q));
    assert_false(smtp_path_same(&p, &null));
    assert_int_equal(null.kind, SMTP_PATH_NULL);
    assert_int_equal(smtp_path_domain(&null).len, 0);
    assert_true(smtp_path_ip(&v6, &ip) && ip_is_loopback(&ip) && ip.family == IP_V6);
    assert_false(smtp_path_ip(&p, &ip));
    struct smtp_path other = path_of(&a, "a@[tag:x]"), v4 = path_of(&a, "a@[192.0.2.7]");
    assert_false(smtp_path_ip(&other, &ip));
    assert_true(smtp_path_ip(&v4, &ip) && ip.family == IP_V4 && ip.bytes[3] == 7);
    arena_deinit(&a);
}

static void utf8_is_told(void **state)
{
    static const struct {
        const char *text;
        bool utf8, had;
    } cases[] = {
        {"<a@example.net> \xc3\xa9", false, false}, /* not of the path */
        {"<\xc3\xa9@example.net>", true, true},
        {"<a@b\xc3\xbc.example>", false, true},
        {"<a@xn--b-eha.example>", false, false},
        {"<@b\xc3\xbc.example:a@example.net>", false, true},
        {"<\"\xc3\xa9 \"@b\xc3\xbc.example>", true, true},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct arena a;
        struct smtp_path p;
        struct sv rest;
        arena_init(&a);
        assert_int_equal(smtp_path_parse(&a, sv_of(cases[i].text), F, &p, &rest), SMTP_PATH_OK);
        if (p.utf8 != cases[i].utf8 || p.had_utf8 != cases[i].had)
            fail_msg("%s: utf8 %d, had_utf8 %d", cases[i].text, p.utf8, p.had_utf8);
        arena_deinit(&a);
    }
}

static void refusals(void **state)
{
    static const struct {
        enum smtp_path_verdict v;
        int use, code, detail;
    } cases[] = {
        {SMTP_PATH_BAD_SYNTAX, R, 501, 7},  {SMTP_PATH_BAD_SYNTAX, F, 501, 3},
        {SMTP_PATH_TOO_LONG, R, 501, 7},    {SMTP_PATH_TOO_LONG, F, 501, 3},
        {SMTP_PATH_NO_DOMAIN, R, 501, 7},   {SMTP_PATH_NO_DOMAIN, F, 501, 3},
        {SMTP_PATH_UNQUALIFIED, R, 554, 8}, {SMTP_PATH_UNQUALIFIED, F, 554, 2},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct smtp_reply r = smtp_path_refusal(cases[i].v, (enum smtp_path_use)cases[i].use);
        assert_int_equal(r.code, cases[i].code);
        assert_true(smtp_status_eq(r.enhanced, SMTP_STATUS(5, 1, (uint16_t)cases[i].detail)));
    }
    assert_int_equal(smtp_path_refusal(SMTP_PATH_OK, SMTP_PATH_FORWARD).code, 0);
}

static void domains(void **state)
{
    (void)state;
    assert_true(smtp_domain_valid(SV("example.net")));
    assert_true(smtp_domain_valid(SV("host")));
    assert_false(smtp_domain_valid(SV("example.net.")));
    assert_false(smtp_domain_valid(SV("")));
    assert_false(smtp_domain_valid(SV("a b")));
    assert_false(smtp_domain_valid(SV("[127.0.0.1]")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(verdicts),
        cmocka_unit_test(nul_is_refused),
        cmocka_unit_test(parts_and_comparison),
        cmocka_unit_test(utf8_is_told),
        cmocka_unit_test(refusals),
        cmocka_unit_test(domains),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
