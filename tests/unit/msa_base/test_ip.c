#include "msa/base/ip.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>
#include <string.h>

static struct ip ip_of(const char *text)
{
    struct ip ip;
    if (!ip_parse(sv_of(text), &ip))
        fail_msg("%s is not parsed", text);
    return ip;
}

static void text_forms(void **state)
{
    (void)state;
    static const struct {
        const char *in, *out; /* out NULL: refused */
    } rows[] = {
        {"192.0.2.1", "192.0.2.1"},
        {"2001:DB8:0:0:0:0:0:1", "2001:db8::1"},
        {"::ffff:192.0.2.1", "::ffff:192.0.2.1"},
        {"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"},
        {"192.0.2", NULL},
        {"192.0.2.256", NULL},
        {"192.0.2.01", NULL},
        {"192.0.2.1 ", NULL},
        {"[::1]", NULL},
        {"fe80::1%lo", NULL},
        {"", NULL},
        {"::1::", NULL},
        {"1.2.3.4:25", NULL},
        {"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", NULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct ip ip;
        char text[IP_TEXT_MAX];
        assert_int_equal(ip_parse(sv_of(rows[i].in), &ip), rows[i].out != NULL);
        if (rows[i].out)
            assert_string_equal(ip_text(&ip, text), rows[i].out);
    }
    struct ip none = {0};
    char text[IP_TEXT_MAX];
    assert_string_equal(ip_text(&none, text), "none");
    assert_false(ip_parse((struct sv){"1.2.3.4\0", 8}, &none));
    struct ip_port a = {.ip = ip_of("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"), .port = 65535};
    assert_string_equal(ip_port_text(&a, text), "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535");
    a = (struct ip_port){.ip = ip_of("192.0.2.1"), .port = 25};
    assert_string_equal(ip_port_text(&a, text), "192.0.2.1:25");
}

static void literals(void **state)
{
    (void)state;
    static const struct {
        const char *in, *out; /* out NULL: refused */
    } rows[] = {
        {"[192.0.2.1]", "192.0.2.1"},
        {"[IPv6:2001:db8::1]", "2001:db8::1"},
        {"[ipv6:2001:DB8:0:0::1]", "2001:db8::1"},
        {"[IPv6:::ffff:192.0.2.1]", "::ffff:192.0.2.1"},
        {"[2001:db8::1]", NULL}, /* RFC 5321 4.1.3: with its tag */
        {"[IPv6:192.0.2.1]", NULL},
        {"[IPv6:]", NULL},
        {"[IPv6 2001:db8::1]", NULL},
        {"[x400:c=de]", NULL},
        {"[192.0.2.01]", NULL},
        {"[192.0.2.1", NULL},
        {"192.0.2.1]", NULL},
        {"192.0.2.1", NULL},
        {"[192.0.2.1] ", NULL},
        {"[[192.0.2.1]]", NULL},
        {"[]", NULL},
        {"[", NULL},
        {"]", NULL},
        {"", NULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct ip ip = {.family = 9};
        char text[IP_TEXT_MAX];
        if (ip_literal_parse(sv_of(rows[i].in), &ip) != (rows[i].out != NULL))
            fail_msg("%s is %s", rows[i].in, rows[i].out ? "refused" : "taken");
        if (rows[i].out)
            assert_string_equal(ip_text(&ip, text), rows[i].out);
        else
            assert_int_equal(ip.family, 9); /* as it was */
    }
}

static void classes(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool loopback, forbidden;
    } rows[] = {
        {"127.0.0.1", true, true},
        {"127.255.0.9", true, true},
        {"0.0.0.0", false, true},
        {"0.1.2.3", false, true},
        {"169.254.1.1", false, true},
        {"224.0.0.1", false, true},
        {"255.255.255.255", false, true},
        {"10.0.0.1", false, false},
        {"192.0.2.1", false, false},
        {"::1", true, true},
        {"::", false, true},
        {"::2", false, true},
        {"fe80::1", false, true},
        {"febf::1", false, true},
        {"fec0::1", false, false},
        {"ff02::1", false, true},
        {"::ffff:10.0.0.1", false, true},
        {"::10.0.0.1", false, true},
        {"2001:db8::1", false, false},
        {"::1:0:0:0:0", false, false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct ip ip = ip_of(rows[i].text);
        assert_int_equal(ip_is_loopback(&ip), rows[i].loopback);
        assert_int_equal(ip_is_forbidden_target(&ip), rows[i].forbidden);
    }
    struct ip none = {0};
    assert_true(ip_is_forbidden_target(&none));
}

static void equality_and_client(void **state)
{
    (void)state;
    struct ip a = ip_of("2001:db8:1:2:3:4:5:6"), b = ip_of("2001:db8:1:2:9:9:9:9"),
              c = ip_of("2001:db8:1:3::"), v4 = ip_of("192.0.2.1");
    assert_false(ip_eq(&a, &b));
    struct ip x = ip_client(&a), y = ip_client(&b), z = ip_client(&c), w = ip_client(&v4);
    assert_true(ip_eq(&x, &y));
    assert_false(ip_eq(&x, &z));
    assert_true(ip_eq(&w, &v4));
    memset(v4.bytes + 4, 7, 12); /* not part of an IPv4 address */
    assert_true(ip_eq(&w, &v4));
    assert_false(ip_eq(&a, &v4));
}

static void networks(void **state)
{
    (void)state;
    static const struct {
        const char *net, *in, *out; /* in and out NULL: refused; else an address inside, outside */
    } rows[] = {
        {"192.0.2.0/24", "192.0.2.255", "192.0.3.0"},
        {"192.0.2.4/30", "192.0.2.7", "192.0.2.8"},
        {"192.0.2.128/25", "192.0.2.128", "192.0.2.127"},
        {"192.0.2.1", "192.0.2.1", "192.0.2.0"},
        {"192.0.2.1/32", "192.0.2.1", "192.0.2.2"},
        {"0.0.0.0/0", "203.0.113.9", "::1"},
        {"128.0.0.0/1", "255.0.0.1", "127.255.255.255"},
        {"2001:db8::/33", "2001:db8:7fff::1", "2001:db8:8000::"},
        {"2001:db8::1", "2001:db8::1", "2001:db8::2"},
        {"::/0", "2001:db8::1", "192.0.2.1"},
        {"::ffff:192.0.2.0/120", "::ffff:192.0.2.9", "192.0.2.9"},
        {"192.0.2.1/24", NULL, NULL}, /* bits behind the prefix */
        {"2001:db8::1/64", NULL, NULL},
        {"128.0.0.0/0", NULL, NULL},
        {"192.0.2.0/33", NULL, NULL},
        {"::/129", NULL, NULL},
        {"192.0.2.0/", NULL, NULL},
        {"192.0.2.0/024", NULL, NULL},
        {"192.0.2.0/24/24", NULL, NULL},
        {"192.0.2.0/-1", NULL, NULL},
        {"192.0.2.0 /24", NULL, NULL},
        {"192.0.2/24", NULL, NULL},
        {"/24", NULL, NULL},
        {"", NULL, NULL},
        {"example.net", NULL, NULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct ip_net net;
        bool good = ip_net_parse(sv_of(rows[i].net), &net);
        if (good != (rows[i].in != NULL))
            fail_msg("%s is %s", rows[i].net, good ? "taken" : "refused");
        if (!good)
            continue;
        struct ip in = ip_of(rows[i].in), out = ip_of(rows[i].out), none = {0};
        if (!ip_net_has(&net, &in) || ip_net_has(&net, &out) || ip_net_has(&net, &none))
            fail_msg("%s: %s, %s", rows[i].net, rows[i].in, rows[i].out);
    }
}

static void unmapped(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        {"::ffff:192.0.2.1", "192.0.2.1"},
        {"::192.0.2.1", "::192.0.2.1"},
        {"2001:db8::ffff:c000:201", "2001:db8::ffff:c000:201"},
        {"192.0.2.1", "192.0.2.1"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct ip in = ip_of(rows[i][0]), out = ip_unmapped(&in), expected = ip_of(rows[i][1]);
        assert_true(ip_eq(&out, &expected));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_forms), cmocka_unit_test(literals),
        cmocka_unit_test(classes),    cmocka_unit_test(equality_and_client),
        cmocka_unit_test(networks),   cmocka_unit_test(unmapped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
