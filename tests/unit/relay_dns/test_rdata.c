#include "relay/dns/rdata.h"

#include <stdio.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#define LIT(s)              \
    {                       \
        "" s, sizeof(s) - 1 \
    }
#define L63 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

static const struct {
    const char *what;
    enum dns_type type;
    struct sv wire;
    const char *name; /* what it says in words; NULL: refused */
    uint16_t preference;
} cases[] = {
    {"A", DNS_A, LIT("\xc0\x00\x02\x01"), "192.0.2.1", 0},
    {"A, short", DNS_A, LIT("\xc0\x00\x02"), NULL, 0},
    {"A, long", DNS_A, LIT("\xc0\x00\x02\x01\x01"), NULL, 0},
    {"AAAA", DNS_AAAA, LIT(" \x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01"), "2001:db8::1", 0},
    {"AAAA, short", DNS_AAAA, LIT("\xc0\x00\x02\x01"), NULL, 0},
    {"TXT", DNS_TXT,
     LIT("\x03"
         "abc"),
     "abc", 0},
    {"TXT, strings", DNS_TXT,
     LIT("\x03"
         "v=1\x00\x04"
         "; p="),
     "v=1; p=", 0},
    {"TXT, empty string", DNS_TXT, LIT("\x00"), "", 0},
    {"TXT, nothing", DNS_TXT, LIT(""), NULL, 0},
    {"TXT, short", DNS_TXT,
     LIT("\x04"
         "abc"),
     NULL, 0},
    {"TXT, second short", DNS_TXT,
     LIT("\x01"
         "a\x01"),
     NULL, 0},
    {"MX", DNS_MX, LIT("\x00\x0a\x02Mx\x04test\x00"), "mx.test", 10},
    {"MX, null", DNS_MX, LIT("\x00\x00\x00"), "", 0},
    {"MX, no name", DNS_MX, LIT("\x00\x0a"), NULL, 0},
    {"MX, empty", DNS_MX, LIT(""), NULL, 0},
    {"MX, no root", DNS_MX, LIT("\x00\x0a\x02mx"), NULL, 0},
    {"MX, label past the end", DNS_MX, LIT("\x00\x0a\x09mx\x00"), NULL, 0},
    {"MX, something behind", DNS_MX, LIT("\x00\x0a\x02mx\x00x"), NULL, 0},
    {"MX, compressed", DNS_MX, LIT("\x00\x0a\xc0\x0c"), NULL, 0},
    {"MX, label type 1", DNS_MX, LIT("\x00\x0a\x41zz\x00"), NULL, 0},
    {"MX, line end in a label", DNS_MX, LIT("\x00\x0a\x04m\r\nx\x00"), NULL, 0},
    {"MX, NUL in a label", DNS_MX, LIT("\x00\x0a\x02m\x00\x00"), NULL, 0},
    {"MX, dot in a label", DNS_MX, LIT("\x00\x0a\x03m.x\x00"), NULL, 0},
    {"MX, space in a label", DNS_MX, LIT("\x00\x0a\x03m x\x00"), NULL, 0},
    {"MX, 8 bit", DNS_MX, LIT("\x00\x0a\x02m\xfc\x00"), NULL, 0},
    {"MX, label of 63", DNS_MX, LIT("\x00\x0a\x3f" L63 "\x00"), L63, 10},
    {"MX, 255 octets", DNS_MX,
     LIT("\x00\x0a\x3f" L63 "\x3f" L63 "\x3f" L63 "\x3d"
         "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\x00"),
     L63 "." L63 "." L63 ".aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", 10},
    {"MX, 256 octets", DNS_MX,
     LIT("\x00\x0a\x3f" L63 "\x3f" L63 "\x3f" L63 "\x3e"
         "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\x00"),
     NULL, 0},
    {"CNAME", DNS_CNAME, LIT("\x02Mx\x04test\x00"), "mx.test", 0},
    {"CNAME, nothing", DNS_CNAME, LIT(""), NULL, 0},
    {"CNAME, something behind", DNS_CNAME, LIT("\x02mx\x00\x00"), NULL, 0},
    {"SRV", DNS_SRV, LIT("\x00\x0a\x00\x01\x00\x19\x03mX6\x04test\x00"), "1 25 mx6.test", 10},
    {"SRV, not available", DNS_SRV, LIT("\x00\x00\x00\x00\x00\x00\x00"), "0 0 ", 0},
    {"SRV, high numbers", DNS_SRV, LIT("\xff\xff\xff\xfe\xff\xfd\x01h\x00"), "65534 65533 h",
     65535},
    {"SRV, no name", DNS_SRV, LIT("\x00\x0a\x00\x01\x00\x19"), NULL, 0},
    {"SRV, no port", DNS_SRV, LIT("\x00\x0a\x00\x01\x00"), NULL, 0},
    {"SRV, nothing", DNS_SRV, LIT(""), NULL, 0},
    {"SRV, no root", DNS_SRV, LIT("\x00\x0a\x00\x01\x00\x19\x03mx6"), NULL, 0},
    {"SRV, compressed", DNS_SRV, LIT("\x00\x0a\x00\x01\x00\x19\xc0\x0c"), NULL, 0},
    {"SRV, something behind", DNS_SRV, LIT("\x00\x0a\x00\x01\x00\x19\x01h\x00\x00"), NULL, 0},
    {"TLSA", DNS_TLSA,
     LIT("\x03\x01\x02"
         "digest"),
     "3 1 2 digest", 0},
    {"TLSA, unknown numbers", DNS_TLSA, LIT("\xff\xfe\xfd\x00"), "255 254 253 ", 0},
    {"TLSA, no data", DNS_TLSA, LIT("\x03\x01\x01"), NULL, 0},
    {"TLSA, two numbers", DNS_TLSA, LIT("\x03\x01"), NULL, 0},
    {"TLSA, nothing", DNS_TLSA, LIT(""), NULL, 0},
};

/* A record in words. */
static void write_record(enum dns_type type, const struct dns_record *r, char *out, size_t room)
{
    char ip[IP_TEXT_MAX];
    switch (type) {
    case DNS_A:
    case DNS_AAAA:
        snprintf(out, room, "%s", ip_text(&r->ip, ip));
        return;
    case DNS_TXT:
        snprintf(out, room, "%.*s", SV_ARG(r->text));
        return;
    case DNS_SRV:
        snprintf(out, room, "%u %u %s", r->weight, r->port, r->name);
        return;
    case DNS_TLSA:
        snprintf(out, room, "%u %u %u %.*s", r->usage, r->selector, r->matching, SV_ARG(r->text));
        return;
    default:
        snprintf(out, room, "%s", r->name);
    }
}

static void records(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct arena arena;
        struct dns_record r;
        char text[512];
        arena_init(&arena);
        /* a copy of the exact size, so that a read past the end is seen */
        char *exact = test_malloc(cases[i].wire.len + !cases[i].wire.len);
        memcpy(exact, cases[i].wire.ptr, cases[i].wire.len);
        int err =
            dns_rdata_decode(cases[i].type, (struct sv){exact, cases[i].wire.len}, &arena, &r);
        if ((err == 0) != (cases[i].name != NULL))
            fail_msg("%s: %d", cases[i].what, err);
        if (err == 0) {
            write_record(cases[i].type, &r, text, sizeof text);
            assert_string_equal(text, cases[i].name);
            assert_int_equal(r.preference, cases[i].preference);
        }
        test_free(exact);
        arena_deinit(&arena);
    }
}

static void names_to_ask(void **state)
{
    static const struct {
        struct sv name;
        bool ok;
    } names[] = {
        {LIT("example.net"), true},
        {LIT("."), true},
        {LIT("a"), true},
        {LIT("_25._tcp.mx.test"), true},
        {LIT(L63 ".test"), true},
        {LIT(""), false},
        {LIT("a..b"), false},
        {LIT(".a"), false},
        {LIT("a."), false},
        {LIT("a b"), false},
        {LIT("a\0b"), false},
        {LIT("b\xfc"
             "cher.test"),
         false},
        {LIT("a" L63 ".test"), false},
        {LIT(L63 "." L63 "." L63 "." L63), false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (dns_rdata_name_ok(names[i].name) != names[i].ok)
            fail_msg("%.*s", SV_ARG(names[i].name));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(records), cmocka_unit_test(names_to_ask)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
