#include "msa/smtp/ext.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static void offers(void **state)
{
    static const struct {
        struct smtp_ext_offer offer;
        const char *lines;
    } rows[] = {
        {{true, {NULL, 0}, 0},
         "\nPIPELINING\nSIZE 0\n8BITMIME\nSTARTTLS\nENHANCEDSTATUSCODES\nDSN\nCHUNKING"},
        {{false, {"PLAIN LOGIN", 11}, 52428800},
         "\nPIPELINING\nSIZE 52428800\n8BITMIME\nAUTH PLAIN "
         "LOGIN\nENHANCEDSTATUSCODES\nDSN\nCHUNKING"},
    };
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct buf b;
        buf_init(&b, 1000, 0);
        assert_int_equal(smtp_ext_write_ehlo(&rows[i].offer, &b), 0);
        assert_true(sv_eq(buf_view(&b), sv_of(rows[i].lines)));
        buf_deinit(&b);
    }
    for (size_t i = 0; i < SMTP_EXT_COUNT; i++)
        assert_int_equal(smtp_exts[i]->id, i);
}

static void numbers(void **state)
{
    struct smtp_value v[SMTP_MAIL_SLOTS] = {0}, r[SMTP_RCPT_SLOTS] = {0};
    struct arena a;
    (void)state;
    arena_init(&a);
    assert_int_equal(
        smtp_ext_parse_mail(&a, SV(" SIZE=99999999999999999999 BODY=7bit RET=hdrs"), v).code, 0);
    assert_true(v[SMTP_MAIL_SIZE].number == UINT64_MAX);
    assert_int_equal(v[SMTP_MAIL_BODY].number, SMTP_BODY_7BIT);
    assert_int_equal(v[SMTP_MAIL_RET].number, SMTP_RET_HDRS);
    assert_null(v[SMTP_MAIL_ENVID].text.ptr);
    assert_int_equal(smtp_ext_parse_rcpt(&a, SV(" NOTIFY=success,Delay"), r).code, 0);
    assert_int_equal(r[SMTP_RCPT_NOTIFY].number, SMTP_NOTIFY_SUCCESS | SMTP_NOTIFY_DELAY);
    arena_deinit(&a);
}

static void refusals(void **state)
{
    static const struct {
        bool mail;
        const char *text;
        int code;
    } rows[] = {
        {true, " FOO", 555},
        {true, " NOTIFY=NEVER", 555},
        {true, " SIZE=1 size=2", 501},
        {true, " SIZE=x", 501},
        {true, " SIZE", 501},
        {true, " BODY", 501},
        {true, " RET=", 501},
        {true, " ENVID=a=b", 501},
        {true, " ENVID=a+0D+0Ab", 501},
        {false, " ORCPT=rfc822;a+0Ab", 501},
        {false, " ORCPT=rfc822;a+00", 501},
        {false, " ORCPT=rfc822;+C3+A9", 501},
        {true, " AUTH", 501},
        {false, " RET=FULL", 555},
        {false, " NOTIFY", 501},
        {false, " NOTIFY=,DELAY", 501},
        {false, " NOTIFY=X", 501},
        {false, " ORCPT=;x", 501},
        {false, " ORCPT=rfc822;", 501},
        {false, " ORCPT=a b;c", 501},
        {false, " ORCPT=r_f;x", 501},
        {false, " ORCPT=rfc822;+0", 501},
        {false, " NOTIFY=NEVER,NEVER", 501},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct smtp_value v[SMTP_MAIL_SLOTS] = {0}, r[SMTP_RCPT_SLOTS] = {0};
        struct arena a;
        arena_init(&a);
        struct smtp_reply reply = rows[i].mail ? smtp_ext_parse_mail(&a, sv_of(rows[i].text), v)
                                               : smtp_ext_parse_rcpt(&a, sv_of(rows[i].text), r);
        if (reply.code != rows[i].code)
            fail_msg("%s: %d", rows[i].text, reply.code);
        assert_true(smtp_status_eq(reply.enhanced, SMTP_STATUS(5, 5, 4)));
        arena_deinit(&a);
    }
}

static void client_side(void **state)
{
    struct smtp_peer p = {0};
    struct smtp_envelope e;
    struct arena a;
    struct buf b;
    (void)state;
    smtp_ext_read_ehlo(&p, SV("size 1000"));
    smtp_ext_read_ehlo(&p, SV("AUTH=LOGIN"));
    assert_int_equal(p.exts, SMTP_EXT_BIT(SMTP_EXT_SIZE));
    smtp_ext_read_ehlo(&p, SV("AUTH plain  LOGIN "));
    smtp_ext_read_ehlo(&p, SV("X-UNKNOWN a b"));
    smtp_ext_read_ehlo(&p, SV(""));
    assert_int_equal(p.size, 1000);
    assert_string_equal(p.auth, "PLAIN LOGIN");
    assert_true(smtp_mechanism_listed(sv_of(p.auth), SV("login")));
    assert_false(smtp_mechanism_listed(sv_of(p.auth), SV("LOG")));
    assert_false(smtp_mechanism_listed(sv_of(p.auth), SV("")));

    arena_init(&a);
    buf_init(&b, 1000, 0);
    smtp_envelope_init(&e, &a);
    assert_int_equal(smtp_envelope_parse_mail(&e, SV("<> SIZE=9 BODY=8BITMIME RET=FULL")), 0);
    assert_int_equal(smtp_ext_write_mail(e.values, p.exts, &b), 0);
    assert_true(sv_eq(buf_view(&b), SV(" SIZE=9")));
    assert_int_equal(smtp_ext_missing(&p, &e), SMTP_EXT_BIT(SMTP_EXT_8BITMIME));
    smtp_ext_read_ehlo(&p, SV("8BITMIME"));
    assert_int_equal(smtp_ext_missing(&p, &e), 0);
    buf_deinit(&b);
    arena_deinit(&a);
}

static void long_mechanism_lists_are_cut_at_a_name(void **state)
{
    struct smtp_peer p = {0};
    struct buf b;
    (void)state;
    buf_init(&b, 10000, 0);
    assert_int_equal(buf_put(&b, SV("AUTH")), 0);
    for (int i = 0; i < 100; i++)
        assert_int_equal(buf_printf(&b, " MECHANISM-%d", i), 0);
    smtp_ext_read_ehlo(&p, buf_view(&b));
    struct sv names = sv_of(p.auth);
    assert_true(names.len < SMTP_PEER_AUTH_MAX && names.len > 200);
    while (names.len)
        assert_true(smtp_mechanism_listed(sv_skip(buf_view(&b), 5), sv_split(&names, ' ')));
    buf_deinit(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(offers), cmocka_unit_test(numbers),
                                       cmocka_unit_test(refusals), cmocka_unit_test(client_side),
                                       cmocka_unit_test(long_mechanism_lists_are_cut_at_a_name)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
