#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "rewrite/received.h"

#include <string.h>

#define WHEN 1785233472

static const struct {
    const char *label;
    struct rewrite_received in;
    const char *want;
} rows[] = {
    {"everything",
     {SV("client.example"), SV("192.0.2.7"), false, SV("mail.example.net"), SV("ESMTPSA"),
      SV("0123456789abcdef"), SV("TLS_AES_256_GCM_SHA384"), SV("b@example.org"), WHEN},
     "Received: from [192.0.2.7] (client.example) by mail.example.net\r\n"
     "\twith ESMTPSA id 0123456789abcdef\r\n\tfor <b@example.org>\r\n"
     "\ttls TLS_AES_256_GCM_SHA384;\r\n\tTue, 28 Jul 2026 10:11:12 +0000\r\n"},
    {"hidden: neither address nor name",
     {SV("client.example"), SV("192.0.2.7"), true, SV("mail.example.net"), SV("ESMTPSA"),
      SV("0123456789abcdef"), SV("TLS_AES_256_GCM_SHA384"), SV_NONE, WHEN},
     "Received: from mail.example.net by mail.example.net\r\n"
     "\twith ESMTPSA id 0123456789abcdef\r\n"
     "\ttls TLS_AES_256_GCM_SHA384;\r\n\tTue, 28 Jul 2026 10:11:12 +0000\r\n"},
    {"IPv6, no name, no TLS",
     {SV_NONE, SV("2001:db8::7"), false, SV("m"), SV("ESMTPA"), SV("q"), SV_NONE, SV_NONE, WHEN},
     "Received: from [IPv6:2001:db8::7] by m\r\n\twith ESMTPA id q;\r\n"
     "\tTue, 28 Jul 2026 10:11:12 +0000\r\n"},
    {"a name cannot break out",
     {SV("a) by evil\r\nX: y;(\0z"), SV("192.0.2.7"), false, SV("m"), SV("ESMTPA"), SV("q"),
      SV_NONE, SV("\"a> b\r\n\"@example.org"), WHEN},
     "Received: from [192.0.2.7] (a??by?evil??X:?y???z) by m\r\n\twith ESMTPA id q\r\n"
     "\tfor <\"a? b??\"@example.org>;\r\n\tTue, 28 Jul 2026 10:11:12 +0000\r\n"},
};

static void test_write(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct buf out;
        buf_init(&out, REWRITE_RECEIVED_MAX, 0);
        assert_int_equal(rewrite_received_write(&out, &rows[i].in), 0);
        struct sv got = buf_view(&out);
        if (!sv_eq(got, sv_of(rows[i].want)))
            fail_msg("%s: got\n%.*s", rows[i].label, SV_ARG(got));
        buf_deinit(&out);
    }
}

/* The longest values a peer can give stay within REWRITE_RECEIVED_MAX and 998 bytes a line. */
static void test_longest(void **state)
{
    (void)state;
    static char x[4096];
    memset(x, 'x', sizeof(x));
    struct sv big = {x, sizeof(x)};
    struct rewrite_received r = {big, big, false, big, SV("ESMTPSA"), big, big, big, WHEN};
    struct buf out;
    buf_init(&out, REWRITE_RECEIVED_MAX, 0);
    assert_int_equal(rewrite_received_write(&out, &r), 0);
    struct sv rest = buf_view(&out);
    while (rest.len)
        assert_true(sv_split(&rest, '\n').len < 998);
    buf_deinit(&out);
    buf_init(&out, 100, 0);
    assert_int_equal(rewrite_received_write(&out, &r), ERR_FULL);
    assert_int_equal(buf_len(&out), 0);
    buf_deinit(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_write),
                                       cmocka_unit_test(test_longest)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
