#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "msa/smtp/reply_parse.h"

#include <stdlib.h>
#include <string.h>

static const struct {
    const char *label;
    struct sv wire;
    enum smtp_reply_progress end;
    size_t used; /* of the wire; 0: all */
    int code;
    struct smtp_status enhanced;
    const char *text;
    enum smtp_reply_fault fault;
} rows[] = {
    {"plain", SV("250 ok\r\n"), SMTP_REPLY_DONE, 0, 250, {0}, "ok", 0},
    {"enhanced",
     SV("550 5.1.1 no such user\r\n"),
     SMTP_REPLY_DONE,
     0,
     550,
     {5, 1, 1},
     "no such user",
     0},
    {"enhanced alone", SV("250 2.0.0\r\n"), SMTP_REPLY_DONE, 0, 250, {2, 0, 0}, "", 0},
    {"three digits",
     SV("550 5.5.604 go IPv4\r\n"),
     SMTP_REPLY_DONE,
     0,
     550,
     {5, 5, 604},
     "go IPv4",
     0},
    {"other class stays in the text",
     SV("450 5.1.1 x\r\n"),
     SMTP_REPLY_DONE,
     0,
     450,
     {0},
     "5.1.1 x",
     0},
    {"no code in 3yz", SV("354 3.7.0 x\r\n"), SMTP_REPLY_DONE, 0, 354, {0}, "3.7.0 x", 0},
    {"not a status", SV("250 2.0.0x\r\n"), SMTP_REPLY_DONE, 0, 250, {0}, "2.0.0x", 0},
    {"lines",
     SV("550-5.5.604 a\r\n550-5.5.604 b\r\n550 c 5.5.604\r\n"),
     SMTP_REPLY_DONE,
     0,
     550,
     {5, 5, 604},
     "a\nb\nc 5.5.604",
     0},
    {"other status on a later line",
     SV("550-5.1.1 a\r\n550 5.2.2 b\r\n"),
     SMTP_REPLY_DONE,
     0,
     550,
     {5, 1, 1},
     "a\n5.2.2 b",
     0},
    {"code alone", SV("250\r\n"), SMTP_REPLY_DONE, 0, 250, {0}, "", 0},
    {"code alone behind others", SV("250-a\r\n250\r\n"), SMTP_REPLY_DONE, 0, 250, {0}, "a\n", 0},
    {"empty lines of text", SV("250-\r\n250 \r\n"), SMTP_REPLY_DONE, 0, 250, {0}, "\n", 0},
    {"bare LF", SV("250-a\n250 b\n"), SMTP_REPLY_DONE, 0, 250, {0}, "a\nb", 0},
    {"bare CR is text", SV("250 a\rb\r\r\n"), SMTP_REPLY_DONE, 0, 250, {0}, "a?b?", 0},
    {"NUL, control, 8-bit",
     SV("250 a\0b\033c\303\274\td\r\n"),
     SMTP_REPLY_DONE,
     0,
     250,
     {0},
     "a?b?c?? d",
     0},
    {"one reply only", SV("250 a\r\n550 b\r\n"), SMTP_REPLY_DONE, 7, 250, {0}, "a", 0},
    {"unfinished", SV("250-a\r\n25"), SMTP_REPLY_MORE, 0, 0, {0}, NULL, 0},
    {"no code", SV("hello\r\n"), SMTP_REPLY_BAD, 1, 0, {0}, NULL, SMTP_REPLY_FAULT_CODE},
    {"empty line", SV("\r\n"), SMTP_REPLY_BAD, 1, 0, {0}, NULL, SMTP_REPLY_FAULT_CODE},
    {"two digits", SV("25 x\r\n"), SMTP_REPLY_BAD, 3, 0, {0}, NULL, SMTP_REPLY_FAULT_CODE},
    {"four digits", SV("2500 x\r\n"), SMTP_REPLY_BAD, 4, 0, {0}, NULL, SMTP_REPLY_FAULT_CODE},
    {"1yz", SV("150 x\r\n"), SMTP_REPLY_BAD, 1, 0, {0}, NULL, SMTP_REPLY_FAULT_CODE},
    {"6yz", SV("600 x\r\n"), SMTP_REPLY_BAD, 1, 0, {0}, NULL, SMTP_REPLY_FAULT_CODE},
    {"NUL in the code",
     SV("2\0"
        "50 x\r\n"),
     SMTP_REPLY_BAD,
     2,
     0,
     {0},
     NULL,
     SMTP_REPLY_FAULT_CODE},
    {"tab behind the code",
     SV("250\tx\r\n"),
     SMTP_REPLY_BAD,
     4,
     0,
     {0},
     NULL,
     SMTP_REPLY_FAULT_CODE},
    {"mixed", SV("250-a\r\n550 b\r\n"), SMTP_REPLY_BAD, 10, 0, {0}, NULL, SMTP_REPLY_FAULT_MIXED},
};

/* Feeds pieces: 0 whole, 1 byte by byte, else random; in memory that is gone afterwards. */
static enum smtp_reply_progress feed(struct smtp_reply_parser *p, struct sv wire, unsigned piece,
                                     size_t *total)
{
    enum smtp_reply_progress end = SMTP_REPLY_MORE;
    *total = 0;
    srand(piece);
    while (wire.len && end == SMTP_REPLY_MORE) {
        size_t n = piece == 0 ? wire.len : piece == 1 ? 1 : 1 + (size_t)rand() % 9, used;
        struct sv part = sv_first(wire, n);
        char *copy = malloc(part.len);
        memcpy(copy, part.ptr, part.len);
        end = smtp_reply_parse_feed(p, (struct sv){copy, part.len}, &used);
        free(copy);
        *total += used;
        wire = sv_skip(wire, part.len);
    }
    return end;
}

static void test_rows(void **state)
{
    (void)state;
    struct smtp_reply_parser p;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        for (unsigned piece = 0; piece < 10; piece++) {
            size_t used;
            smtp_reply_parse_init(&p);
            enum smtp_reply_progress end = feed(&p, rows[i].wire, piece, &used);
            if (end != rows[i].end || p.fault != rows[i].fault ||
                used != (rows[i].used ? rows[i].used : rows[i].wire.len))
                fail_msg("%s: %d, fault %d, used %zu", rows[i].label, end, p.fault, used);
            if (end != SMTP_REPLY_DONE)
                continue;
            assert_int_equal(p.reply.code, rows[i].code);
            assert_true(smtp_status_eq(p.reply.enhanced, rows[i].enhanced));
            if (!sv_eq(p.reply.text, sv_of(rows[i].text)))
                fail_msg("%s: %.*s", rows[i].label, SV_ARG(p.reply.text));
        }
}

static void test_several(void **state)
{
    (void)state;
    struct smtp_reply_parser p;
    struct sv wire = SV("250 2.1.0 a\r\n354 b\r\n");
    size_t used;
    smtp_reply_parse_init(&p);
    assert_int_equal(smtp_reply_parse_feed(&p, wire, &used), SMTP_REPLY_DONE);
    wire = sv_skip(wire, used);
    assert_int_equal(smtp_reply_parse_feed(&p, wire, &used), SMTP_REPLY_DONE);
    assert_int_equal(used, wire.len);
    assert_int_equal(p.reply.code, 354);
    assert_int_equal(p.reply.enhanced.class, 0);
    assert_true(sv_eq(p.reply.text, SV("b")));
}

/* One endless line, endless lines, and the longest reply that passes. */
static void test_bounds(void **state)
{
    (void)state;
    static char big[2 * SMTP_REPLY_WIRE_BYTES];
    struct smtp_reply_parser p;
    size_t used;
    memset(big, 'x', sizeof(big));
    memcpy(big, "250 ", 4);
    smtp_reply_parse_init(&p);
    assert_int_equal(feed(&p, (struct sv){big, sizeof(big)}, 0, &used), SMTP_REPLY_BAD);
    assert_int_equal(p.fault, SMTP_REPLY_FAULT_LONG);
    assert_int_equal(used, SMTP_REPLY_WIRE_BYTES + 1);

    memcpy(big + SMTP_REPLY_WIRE_BYTES - 2, "\r\n", 2);
    smtp_reply_parse_init(&p);
    assert_int_equal(feed(&p, (struct sv){big, sizeof(big)}, 7, &used), SMTP_REPLY_DONE);
    assert_int_equal(p.reply.text.len, SMTP_REPLY_KEPT_BYTES);
    assert_true(p.cut);

    for (size_t i = 0; i + 5 <= sizeof(big); i += 5)
        memcpy(big + i, "250-\n", 5);
    smtp_reply_parse_init(&p);
    assert_int_equal(feed(&p, (struct sv){big, sizeof(big)}, 3, &used), SMTP_REPLY_BAD);
    assert_int_equal(p.fault, SMTP_REPLY_FAULT_LONG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_rows), cmocka_unit_test(test_several),
                                       cmocka_unit_test(test_bounds)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
