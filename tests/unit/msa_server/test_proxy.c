#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "msa/base/mem.h"
#include "msa/server/proxy.h"

#include <stdlib.h>
#include <string.h>

#define V2      "\r\n\r\n\0\r\nQUIT\n"
#define TCP4    "\xc0\0\2\1\xc6\x33\x64\2\xc0\1\1\xd1" /* 192.0.2.1 198.51.100.2 49153 465 */
#define V6(end) "\x20\1\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0" end
#define TCP6    V6("\1") V6("\2") "\xff\xff\0\0"
#define MAPPED  "\0\0\0\0\0\0\0\0\0\0\xff\xff\xc0\0\2\1"
#define TLV     "\4\0\3abc" /* NOOP */

static const struct row {
    const char *name;
    struct sv bytes; /* the header */
    enum proxy_verdict verdict;
    const char *client; /* TOLD */
} rows[] = {
#define GOOD(name, bytes, verdict, client)                        \
    {                                                             \
        name, {bytes, sizeof(bytes) - 1}, PROXY_##verdict, client \
    }
#define BAD(name, bytes)                                  \
    {                                                     \
        name, {bytes, sizeof(bytes) - 1}, PROXY_BAD, NULL \
    }
    GOOD("v1", "PROXY TCP4 192.0.2.1 198.51.100.2 49153 465\r\n", TOLD, "192.0.2.1:49153"),
    GOOD("v1 largest",
         "PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
         "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n",
         TOLD, "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535"),
    GOOD("v1 mapped", "PROXY TCP6 ::ffff:192.0.2.1 ::1 0 1\r\n", TOLD, "192.0.2.1:0"),
    GOOD("v1 unknown", "PROXY UNKNOWN\r\n", UNKNOWN, NULL),
    GOOD("v1 unknown, longest",
         "PROXY UNKNOWN ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
         "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n",
         UNKNOWN, NULL),
    GOOD("v2", V2 "\x21\x11\0\x0c" TCP4, TOLD, "192.0.2.1:49153"),
    GOOD("v2 IPv6", V2 "\x21\x21\0\x24" TCP6, TOLD, "[2001:db8::1]:65535"),
    GOOD("v2 mapped", V2 "\x21\x21\0\x24" MAPPED MAPPED "\0\1\0\2", TOLD, "192.0.2.1:1"),
    GOOD("v2 with TLVs", V2 "\x21\x11\0\x18" TCP4 TLV TLV, TOLD, "192.0.2.1:49153"),
    GOOD("v2 LOCAL", V2 "\x20\0\0\0", LOCAL, NULL),
    GOOD("v2 LOCAL with addresses", V2 "\x20\x11\0\x0c" TCP4, LOCAL, NULL),
    GOOD("v2 no address", V2 "\x21\0\0\6" TLV, UNKNOWN, NULL),
    GOOD("v2 Unix", V2 "\x21\x31\0\6" TLV, UNKNOWN, NULL),

    BAD("SMTP", "EHLO client.example\r\n"),
    BAD("TLS", "\x16\3\1\2\0\1\0"),
    BAD("an empty line", "\r\nPROXY"),
    BAD("lower case", "proxy TCP4 192.0.2.1 198.51.100.2 49153 465\r\n"),
    BAD("v1 too long", "PROXY UNKNOWN ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
                       "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 655350\r\n"),
    BAD("v1 bare LF", "PROXY TCP4 192.0.2.1 198.51.100.2 49153 465\n"),
    BAD("v1 CR in the line", "PROXY TCP4 192.0.2.1 198.51.100.2 49153 465\rx\r\n"),
    BAD("v1 no words", "PROXY \r\n"),
    BAD("v1 protocol", "PROXY UDP4 192.0.2.1 198.51.100.2 49153 465\r\n"),
    BAD("v1 UNKNOWN and more", "PROXY UNKNOWNS\r\n"),
    BAD("v1 family", "PROXY TCP4 ::1 ::2 1 2\r\n"),
    BAD("v1 family of the destination", "PROXY TCP6 ::1 192.0.2.1 1 2\r\n"),
    BAD("v1 one port", "PROXY TCP4 192.0.2.1 198.51.100.2 49153\r\n"),
    BAD("v1 three ports", "PROXY TCP4 192.0.2.1 198.51.100.2 1 2 3\r\n"),
    BAD("v1 port", "PROXY TCP4 192.0.2.1 198.51.100.2 65536 2\r\n"),
    BAD("v1 port with a zero", "PROXY TCP4 192.0.2.1 198.51.100.2 01 2\r\n"),
    BAD("v1 port with a sign", "PROXY TCP4 192.0.2.1 198.51.100.2 1 +2\r\n"),
    BAD("v1 two spaces", "PROXY TCP4  192.0.2.1 198.51.100.2 1 2\r\n"),
    BAD("v1 space at the end", "PROXY TCP4 192.0.2.1 198.51.100.2 1 2 \r\n"),
    BAD("v1 no address", "PROXY TCP4 localhost 198.51.100.2 1 2\r\n"),
    BAD("v1 NUL", "PROXY TCP4 192.0.2.1\0 198.51.100.2 1 2\r\n"),
    BAD("v2 version 1", V2 "\x11\x11\0\x0c" TCP4),
    BAD("v2 command", V2 "\x22\x11\0\x0c" TCP4),
    BAD("v2 UDP", V2 "\x21\x12\0\x0c" TCP4),
    BAD("v2 family", V2 "\x21\x41\0\x0c" TCP4),
    BAD("v2 too short for IPv4", V2 "\x21\x11\0\x0b" TCP4),
    BAD("v2 too short for IPv6", V2 "\x21\x21\0\x23" TCP6),
    BAD("v2 too long", V2 "\x21\x11\x0f\xf1"),
    BAD("v2 other signature", "\r\n\r\n\0\r\nQUIT\r\x21\x11\0\x0c" TCP4),
};

static void check(const struct row *r, enum proxy_verdict v, const struct proxy_header *h)
{
    char text[IP_TEXT_MAX];
    if (v != r->verdict)
        fail_msg("%s: %d instead of %d", r->name, (int)v, (int)r->verdict);
    if (v == PROXY_BAD)
        assert_true(strlen(h->why) > 0);
    else if (h->bytes != r->bytes.len)
        fail_msg("%s: %zu octets taken", r->name, h->bytes);
    if (v == PROXY_TOLD)
        assert_string_equal(ip_port_text(&h->client, text), r->client);
}

/* What follows the header does not count to it, whatever it is. */
static void whole(void **state)
{
    (void)state;
    static const char *const behind[] = {"", "EHLO a\r\n", "PROXY UNKNOWN\r\n", "\x16\3\1"};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        for (size_t k = 0; k < sizeof behind / sizeof *behind; k++) {
            struct proxy_header h;
            size_t more = strlen(behind[k]);
            char *bytes = mem_new(rows[i].bytes.len + more, 1);
            memcpy(bytes, rows[i].bytes.ptr, rows[i].bytes.len);
            if (more)
                memcpy(bytes + rows[i].bytes.len, behind[k], more);
            enum proxy_verdict v = proxy_parse((struct sv){bytes, rows[i].bytes.len + more}, &h);
            check(&rows[i], v, &h);
            free(bytes);
        }
    }
}

/* Good headers want more until their last octet; bad ones end somewhere, and for good. */
static void byte_by_byte(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        enum proxy_verdict v = PROXY_MORE;
        struct proxy_header h = {0};
        size_t n = 0;
        for (; v == PROXY_MORE && n <= rows[i].bytes.len; n++) {
            char *bytes = mem_dup(rows[i].bytes.ptr, n);
            v = proxy_parse((struct sv){bytes, n}, &h);
            free(bytes);
        }
        check(&rows[i], v, &h);
        if (v != PROXY_BAD)
            assert_int_equal(n, rows[i].bytes.len + 1);
    }
}

static void largest_v2(void **state)
{
    (void)state;
    struct proxy_header h;
    char *bytes = mem_new(PROXY_HEADER_MAX, 1);
    static const char head[] = V2 "\x21\x11\x0f\xf0" TCP4;
    memcpy(bytes, head, sizeof head - 1);
    assert_int_equal(proxy_parse((struct sv){bytes, PROXY_HEADER_MAX - 1}, &h), PROXY_MORE);
    assert_int_equal(proxy_parse((struct sv){bytes, PROXY_HEADER_MAX}, &h), PROXY_TOLD);
    assert_int_equal(h.bytes, PROXY_HEADER_MAX);
    free(bytes);
}

/* Any single octet changed: no crash, and never more taken than is there. */
static void damaged(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        size_t len = rows[i].bytes.len;
        for (size_t at = 0; at < len; at++) {
            for (int value = 0; value < 256; value++) {
                struct proxy_header h;
                char *bytes = mem_dup(rows[i].bytes.ptr, len);
                bytes[at] = (char)value;
                enum proxy_verdict v = proxy_parse((struct sv){bytes, len}, &h);
                assert_true(v == PROXY_MORE || v == PROXY_BAD || (h.bytes && h.bytes <= len));
                free(bytes);
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole),
        cmocka_unit_test(byte_by_byte),
        cmocka_unit_test(largest_v2),
        cmocka_unit_test(damaged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
