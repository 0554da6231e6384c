#include "msa/smtp/envelope.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>

static void text_form(void **state)
{
    static const struct {
        bool mail;
        const char *in, *out; /* out NULL: damaged */
    } rows[] = {
        {true, "<>", "<>"},
        {true, "<a@B.example> ret=full envid=a+20b size=5",
         "<a@b.example> SIZE=5 RET=FULL ENVID=a+20b"},
        {true, "<\"a b\"@b.example> BODY=8bitmime AUTH=x",
         "<\"a b\"@b.example> BODY=8BITMIME AUTH=<>"},
        {true, "<a@host>", NULL},
        {true, "<a@b.example> FOO=1", NULL},
        {true, "<a@b.example>\nX", NULL},
        {true, "a@b.example", NULL},
        {true, "<a@b.example> NOTIFY=NEVER", NULL},
        {false, "<b@c.example> ORCPT=rfc822;x NOTIFY=DELAY,FAILURE",
         "<b@c.example> NOTIFY=DELAY,FAILURE ORCPT=rfc822;x"},
        {false, "<postMaster>", "<Postmaster>"},
        {false, "<>", NULL},
        {false, "<b@c.example> SIZE=1", NULL},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct smtp_envelope e;
        struct arena a;
        struct buf b;
        arena_init(&a);
        buf_init(&b, 1000, 0);
        smtp_envelope_init(&e, &a);
        struct sv in = sv_of(rows[i].in);
        int err =
            rows[i].mail ? smtp_envelope_parse_mail(&e, in) : smtp_envelope_parse_rcpt(&e, in);
        assert_int_equal(err, rows[i].out ? 0 : ERR_SYNTAX);
        if (err == 0) {
            err = rows[i].mail ? smtp_envelope_write_mail(&e, &b)
                               : smtp_envelope_write_rcpt(&e.recipients[0], &b);
            assert_int_equal(err, 0);
            if (!sv_eq(buf_view(&b), sv_of(rows[i].out)))
                fail_msg("%s: %.*s", rows[i].in, SV_ARG(buf_view(&b)));
        } else {
            assert_int_equal(e.count, 0);
        }
        buf_deinit(&b);
        arena_deinit(&a);
    }
}

static void growing(void **state)
{
    struct smtp_envelope e;
    struct arena a;
    char text[40];
    (void)state;
    arena_init(&a);
    smtp_envelope_init(&e, &a);
    for (int i = 0; i < 1000; i++) {
        snprintf(text, sizeof text, "<u%d@example.org>%s", i, i % 2 ? " NOTIFY=NEVER" : "");
        assert_int_equal(smtp_envelope_parse_rcpt(&e, sv_of(text)), 0);
    }
    smtp_envelope_drop_last(&e);
    assert_int_equal(e.count, 999);
    for (int i = 0; i < 999; i++) {
        snprintf(text, sizeof text, "u%d@example.org", i);
        assert_true(sv_eq(e.recipients[i].path.text, sv_of(text)));
        assert_int_equal(smtp_envelope_notify(&e.recipients[i]),
                         i % 2 ? SMTP_NOTIFY_NEVER : SMTP_NOTIFY_FAILURE | SMTP_NOTIFY_DELAY);
    }
    arena_deinit(&a);
}

static void full_buffer(void **state)
{
    struct smtp_envelope e;
    struct arena a;
    struct buf b;
    (void)state;
    arena_init(&a);
    buf_init(&b, 20, 0);
    smtp_envelope_init(&e, &a);
    assert_int_equal(smtp_envelope_parse_mail(&e, SV("<a@b.example> RET=FULL")), 0);
    assert_int_equal(smtp_envelope_write_mail(&e, &b), ERR_FULL);
    assert_int_equal(buf_len(&b), 0);
    buf_deinit(&b);
    arena_deinit(&a);
}

/* The original recipient, in the form that the queue and the next hop read. */
static void original(void **state)
{
    (void)state;
    static const struct {
        const char *rcpt, *address, *text;
    } rows[] = {
        {"<new@a.example>", "old@a.example", "<new@a.example> ORCPT=rfc822;old@a.example"},
        {"<new@a.example>", "o+l=d@a.example", "<new@a.example> ORCPT=rfc822;o+2Bl+3Dd@a.example"},
        {"<new@a.example>", "\"o d\"@a.example",
         "<new@a.example> ORCPT=rfc822;\"o+20d\"@a.example"},
        {"<new@a.example>", "j\303\266@a.example",
         "<new@a.example> ORCPT=utf-8;j\\x{F6}@a.example"},
        {"<new@a.example> ORCPT=rfc822;first@x.example", "old@a.example",
         "<new@a.example> ORCPT=rfc822;first@x.example"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct arena a;
        struct smtp_envelope e;
        struct buf out;
        arena_init(&a);
        buf_init(&out, 1000, 0);
        smtp_envelope_init(&e, &a);
        assert_int_equal(smtp_envelope_parse_rcpt(&e, sv_of(rows[i].rcpt)), 0);
        smtp_envelope_keep_original(&e, &e.recipients[0], sv_of(rows[i].address));
        assert_int_equal(smtp_envelope_write_rcpt(&e.recipients[0], &out), 0);
        if (!sv_eq(buf_view(&out), sv_of(rows[i].text)))
            fail_msg("%s: %.*s", rows[i].address, SV_ARG(buf_view(&out)));
        assert_int_equal(smtp_envelope_parse_rcpt(&e, buf_view(&out)), 0);
        buf_deinit(&out);
        arena_deinit(&a);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(text_form), cmocka_unit_test(growing),
                                       cmocka_unit_test(full_buffer), cmocka_unit_test(original)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
