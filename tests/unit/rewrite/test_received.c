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
     {.helo = SV("client.example"),
      .address = SV("192.0.2.7"),
      .by = SV("mail.example.net"),
      .protocol = SV("ESMTPSA"),
      .id = SV("0123456789abcdef"),
      .tls = SV("TLS_AES_256_GCM_SHA384"),
      .for_path = SV("b@example.org"),
      .wall_s = WHEN},
     "Received: from [192.0.2.7] (client.example) by mail.example.net\r\n"
     "\twith ESMTPSA id 0123456789abcdef\r\n\tfor <b@example.org>\r\n"
     "\ttls TLS_AES_256_GCM_SHA384;\r\n\tTue, 28 Jul 2026 10:11:12 +0000\r\n"},
    {"hidden: neither address nor name",
     {.helo = SV("client.example"),
      .address = SV("192.0.2.7"),
      .hide_client = true,
      .by = SV("mail.example.net"),
      .protocol = SV("ESMTPSA"),
      .id = SV("0123456789abcdef"),
      .tls = SV("TLS_AES_256_GCM_SHA384"),
      .wall_s = WHEN},
     "Received: from mail.example.net by mail.example.net\r\n"
     "\twith ESMTPSA id 0123456789abcdef\r\n"
     "\ttls TLS_AES_256_GCM_SHA384;\r\n\tTue, 28 Jul 2026 10:11:12 +0000\r\n"},
    {"IPv6, no name, no TLS",
     {.address = SV("2001:db8::7"),
      .by = SV("m"),
      .protocol = SV("ESMTPA"),
      .id = SV("q"),
      .wall_s = WHEN},
     "Received: from [IPv6:2001:db8::7] by m\r\n\twith ESMTPA id q;\r\n"
     "\tTue, 28 Jul 2026 10:11:12 +0000\r\n"},
    {"a name cannot break out",
     {.helo = SV("a) by evil\r\nX: y;(\0z"),
      .address = SV("192.0.2.7"),
      .by = SV("m"),
      .protocol = SV("ESMTPA"),
      .id = SV("q"),
      .for_path = SV("\"a> b\r\n\"@example.org"),
      .wall_s = WHEN},
     "Received: from [192.0.2.7] (a??by?evil??X:?y???z) by m\r\n\twith ESMTPA id q\r\n"
     "\tfor <\"a? b??\"@example.org>;\r\n\tTue, 28 Jul 2026 10:11:12 +0000\r\n"},
    {"solicitation and priority",
     {.by = SV("m"),
      .protocol = SV("UTF8SMTPSA"),
      .id = SV("q"),
      .for_path = SV("b@example.org"),
      .tls = SV("TLS_X"),
      .solicit = SV("net.example:ADV,org.example:ADV:ADLT"),
      .has_priority = true,
      .priority = -3,
      .wall_s = WHEN},
     "Received: from m by m\r\n\twith UTF8SMTPSA\r\n"
     "\t(SOLICIT=net.example:ADV,org.example:ADV:ADLT)\r\n id q\r\n\tfor <b@example.org>\r\n"
     "\tPRIORITY -3\r\n\ttls TLS_X;\r\n\tTue, 28 Jul 2026 10:11:12 +0000\r\n"},
    {"priority 0 is said; keywords cannot break out",
     {.by = SV("m"),
      .protocol = SV("ESMTPA"),
      .id = SV("q"),
      .solicit = SV("a:b) by evil\r\nX"),
      .has_priority = true,
      .wall_s = WHEN},
     "Received: from m by m\r\n\twith ESMTPA\r\n\t(SOLICIT=a:b??by?evil??X)\r\n id q\r\n"
     "\tPRIORITY 0;\r\n\tTue, 28 Jul 2026 10:11:12 +0000\r\n"},
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
    struct rewrite_received r = {.helo = big,
                                 .address = big,
                                 .by = big,
                                 .protocol = big,
                                 .id = big,
                                 .tls = big,
                                 .for_path = big,
                                 .has_priority = true,
                                 .priority = -9,
                                 .wall_s = WHEN};
    struct buf out;
    buf_init(&out, REWRITE_RECEIVED_MAX, 0);
    assert_int_equal(rewrite_received_write(&out, &r), 0);
    struct sv rest = buf_view(&out);
    while (rest.len)
        assert_true(sv_split(&rest, '\n').len < 998);
    buf_deinit(&out);
    /* keywords: whole ones as far as they fit, at every length of them */
    for (size_t word = 10; word < 1200; word += 7) {
        memset(x, 'x', sizeof(x));
        for (size_t i = word; i < sizeof(x); i += word)
            x[i] = ',';
        r.solicit = (struct sv){x, 1000};
        buf_init(&out, REWRITE_RECEIVED_MAX, 0);
        assert_int_equal(rewrite_received_write(&out, &r), 0);
        rest = buf_view(&out);
        bool found = false;
        while (rest.len) {
            struct sv line = sv_split(&rest, '\n');
            assert_true(line.len < 998);
            if (!sv_starts(line, SV("\t(SOLICIT=")))
                continue;
            found = true;
            assert_true(sv_iends(line, SV("x)\r")));
            assert_int_equal((line.len - strlen("\t(SOLICIT=)\r")) % word, 0);
        }
        assert_int_equal(found, word <= 900);
        buf_deinit(&out);
    }
    memset(x, 'x', sizeof(x));
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
