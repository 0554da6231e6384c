#include "msa/smtp/reply.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static void check(struct smtp_reply r, const char *wire)
{
    struct buf b;
    buf_init(&b, 8192, 0);
    assert_int_equal(smtp_reply_write(&b, &r), 0);
    if (!sv_eq(buf_view(&b), sv_of(wire)))
        fail_msg("got %.*s", SV_ARG(buf_view(&b)));
    buf_deinit(&b);
}

static void forms(void **state)
{
    (void)state;
    check(SMTP_REPLY(250, 2, 0, 0, "Ok"), "250 2.0.0 Ok\r\n");
    check(SMTP_REPLY_PLAIN(220, SV("hi")), "220 hi\r\n");
    check(SMTP_REPLY(250, 2, 0, 0, ""), "250 2.0.0 \r\n");
    check(SMTP_REPLY(550, 5, 7, 1, "one\ntwo\nthree"),
          "550-5.7.1 one\r\n550-5.7.1 two\r\n550 5.7.1 three\r\n");
    check(SMTP_REPLY_PLAIN(250, SV("a\nSIZE 5\n")), "250-a\r\n250 SIZE 5\r\n");
}

static void nothing_can_break_out(void **state)
{
    (void)state;
    check(SMTP_REPLY(550, 5, 1, 1, "a\r\n250 ok\0\t\x1b\x7f\xff"),
          "550-5.1.1 a \r\n550 5.1.1 250 ok    ?\r\n");
    check(SMTP_REPLY(550, 5, 1, 1, "a\rb"), "550 5.1.1 a b\r\n");
}

static void long_text_is_split(void **state)
{
    char text[2000];
    struct buf b;
    (void)state;
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = i % 10 == 9 && i < 1000 ? ' ' : 'x';
    buf_init(&b, 8192, 0);
    struct smtp_reply r = {
        .code = 451, .enhanced = SMTP_STATUS(4, 3, 0), .text = {text, sizeof text}};
    assert_int_equal(smtp_reply_write(&b, &r), 0);
    struct sv rest = buf_view(&b);
    size_t lines = 0, octets = 0;
    while (rest.len) {
        struct sv line = sv_split(&rest, '\n');
        assert_true(line.len + 1 <= SMTP_REPLY_LINE_MAX);
        assert_true(sv_starts(line, rest.len ? SV("451-4.3.0 ") : SV("451 4.3.0 ")));
        octets += line.len - 11;
        lines++;
    }
    assert_true(lines >= 4 && lines < 8);
    assert_true(octets > 1990); /* only the spaces at the breaks are gone */
    buf_deinit(&b);
}

static void full_buffer_is_left_alone(void **state)
{
    struct buf b;
    (void)state;
    buf_init(&b, 20, 0);
    assert_int_equal(buf_put(&b, SV("x")), 0);
    assert_int_equal(smtp_reply_write(&b, &SMTP_REPLY(250, 2, 0, 0, "a\nb")), ERR_FULL);
    assert_true(sv_eq(buf_view(&b), SV("x")));
    buf_deinit(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(forms),
        cmocka_unit_test(nothing_can_break_out),
        cmocka_unit_test(long_text_is_split),
        cmocka_unit_test(full_buffer_is_left_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
