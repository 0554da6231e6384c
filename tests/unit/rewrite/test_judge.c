#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "rewrite/judge.h"

#include "msa/base/buf.h"

#include <stdio.h>
#include <string.h>

static const struct rewrite_options refuse = {.header_errors = REWRITE_ERRORS_REFUSE};
static const struct rewrite_options accept = {.header_errors = REWRITE_ERRORS_ACCEPT};

/* want: the refusal, without "Header field " in front and the option's name behind; NULL: passes */
static const struct {
    struct sv section;
    const char *want;
} rows[] = {
    {SV(""), NULL},
    {SV("Subject: a@@b\r\n"), NULL},
    {SV("From: a@b.example\r\n"), NULL},
    {SV("From: A <a@b.example>, c@d.example\r\n"), NULL},
    {SV("From : a@b.example\r\n"), NULL},
    {SV("From:\r\n a@b.example\r\n"), NULL},
    {SV("From: a@b.example"), NULL},
    {SV("From: G: a@b.example;\r\n"), NULL},
    {SV("From: G:;, a@b.example\r\n"), NULL},
    {SV("From: J\374rgen <a@b.example>\r\n"), NULL},
    {SV("From: <@route.example:a . b@c . example>\r\n"), NULL},
    {SV("From: a@[192.0.2.1]\r\n"), NULL},

    /* From without one readable address */
    {SV("From:\r\n"), "From holds no address"},
    {SV("From: \r\n"), "From holds no address"},
    {SV("From: (me)\r\n"), "From holds no address"},
    {SV("From: ,,\r\n"), "From holds no address"},
    {SV("From: undisclosed:;\r\n"), "From holds no address"},
    {SV("From: G:;, H:;\r\n"), "From holds no address"},
    {SV("From: <>\r\n"), "From: an empty address at <>"},
    {SV("From: Me <>\r\n"), "From: an empty address at Me <>"},
    {SV("From: me\r\n"), "From: words that are no address at me"},

    /* more than one */
    {SV("From: a@b.example\r\nFrom: a@b.example\r\n"), "From stands there twice"},
    {SV("From: a@b.example\r\nX: y\r\nfrom : c@d.example\r\n"), "From stands there twice"},
    {SV("Sender: a@b.example\r\nSender: a@b.example\r\n"), "Sender stands there twice"},
    {SV("Sender: a@b.example, c@d.example\r\n"), "Sender holds more than one address"},
    {SV("Resent-Sender: a@b.example, c@d.example\r\n"),
     "Resent-Sender holds more than one address"},
    {SV("To: a@b.example\r\nTo: a@b.example\r\nCc:\r\nCc:\r\nReply-To: a@b.example\r\n"
        "Reply-To: a@b.example\r\nResent-From: a@b.example\r\nResent-From: a@b.example\r\n"
        "Resent-Sender: a@b.example\r\nResent-Sender: a@b.example\r\n"),
     NULL},

    /* what may be empty */
    {SV("Sender:\r\nReply-To: \r\nTo:\r\nCc:\r\nBcc:\r\nResent-From:\r\nResent-Sender:\r\n"
        "Resent-Reply-To:\r\nResent-To:\r\nResent-Cc:\r\nResent-Bcc:\r\n"),
     NULL},
    {SV("To: undisclosed-recipients:;\r\n"), NULL},
    {SV("Bcc: G: ;\r\n"), NULL},

    /* unreadable, in each field that is judged */
    {SV("Sender: a@@b\r\n"), "Sender: a second @ in one address at a@@b"},
    {SV("Reply-To: a@@b\r\n"), "Reply-To: a second @ in one address at a@@b"},
    {SV("To: a@@b\r\n"), "To: a second @ in one address at a@@b"},
    {SV("Cc: a@@b\r\n"), "Cc: a second @ in one address at a@@b"},
    {SV("BCC: a@@b\r\n"), "Bcc: a second @ in one address at a@@b"},
    {SV("Resent-From: a@@b\r\n"), "Resent-From: a second @ in one address at a@@b"},
    {SV("Resent-Sender: a@@b\r\n"), "Resent-Sender: a second @ in one address at a@@b"},
    {SV("Resent-Reply-To: a@@b\r\n"), "Resent-Reply-To: a second @ in one address at a@@b"},
    {SV("Resent-To: a@@b\r\n"), "Resent-To: a second @ in one address at a@@b"},
    {SV("Resent-Cc: a@@b\r\n"), "Resent-Cc: a second @ in one address at a@@b"},
    {SV("Resent-Bcc: a@@b\r\n"), "Resent-Bcc: a second @ in one address at a@@b"},
    {SV("To: bob@\r\n"), "To: an address without a domain at bob@"},
    {SV("To: a@b.example; c@d.example\r\n"),
     "To: a semicolon outside of a group at a@b.example; c@d.example"},
    {SV("To: a@b.example, bob\r\n"), "To: words that are no address at bob"},
    {SV("To: a@b.example, J\303\274r\r\n\tgen\r\n"), "To: words that are no address at J??r gen"},
    {SV("To: A <a@b.example\r\n"), "To: a < without its > at A <a@b.example"},
    {SV("To: G: a@b.example\r\n"), "To: a group without its semicolon at G: a@b.example"},
    {SV("To: A Very Long Name That Goes On And On For Ever <bob@>, a@b.example\r\n"),
     "To: an address without a domain at Goes On And On For Ever <bob@>, a@b.exam"},

    /* not qualified */
    {SV("From: a@sales\r\n"), "From: the domain sales is not fully qualified"},
    {SV("To: a@b.example, Bob <bob@sales> (x)\r\n"), "To: the domain sales is not fully qualified"},
    {SV("Cc: G: bob@sales;\r\n"), "Cc: the domain sales is not fully qualified"},
    {SV("To: bob@192.0.2.1\r\n"), "To: the domain 192.0.2.1 is not fully qualified"},
    {SV("To: bob@sales (x) . 1\r\n"), "To: the domain sales (x) . 1 is not fully qualified"},
    {SV("To: bob@squeaky.sales\r\n"), NULL}, /* nothing shows that it is incomplete */
    {SV("To: <@sales:bob@b.example>\r\n"), NULL},

    /* the first fault counts */
    {SV("X: y\r\nTo: a@@b\r\nCc: bob@sales\r\n"), "To: a second @ in one address at a@@b"},
    {SV("Cc: bob@sales\r\nTo: a@@b\r\n"), "Cc: the domain sales is not fully qualified"},
};

static bool judge(struct sv section, const struct rewrite_options *options,
                  struct rewrite_refusal *r)
{
    struct rewrite_judge j;
    struct rewrite_field f;
    size_t at = 0;
    bool good = true;
    rewrite_judge_init(&j, options, NULL);
    while (good && rewrite_fields_next(section, &at, &f))
        good = rewrite_judge_field(&j, section, &f, r);
    assert_true(j.walked <= 3 * section.len + 3);
    return good;
}

static void test_rows(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct rewrite_refusal r;
        char want[300];
        bool good = judge(rows[i].section, &refuse, &r);
        if (rows[i].want) {
            snprintf(want, sizeof(want), "Header field %s", rows[i].want);
            if (good || strcmp(r.text, want) != 0)
                fail_msg("row %zu: got %s\nwant %s", i, good ? "passed" : r.text, want);
            assert_int_equal(r.code, 554);
            assert_string_equal(r.status, "5.6.0");
            assert_string_equal(r.setting, "rewrite.header_errors");
        } else if (!good) {
            fail_msg("row %zu: got %s", i, r.text);
        }
        assert_true(judge(rows[i].section, &accept, &r));
    }
}

/* Mailboxes are counted over all fields of a section. */
static void test_count(void **state)
{
    (void)state;
    for (int extra = 0; extra < 2; extra++) {
        struct buf b;
        struct rewrite_refusal r;
        buf_init(&b, 1u << 20, 0);
        for (int i = 0; i < REWRITE_ADDRESSES_MAX / 2 + extra; i++)
            assert_int_equal(buf_put(&b, SV("To: a@b.example,\r\n c@d.example\r\n")), 0);
        bool good = judge(buf_view(&b), &refuse, &r);
        assert_int_equal(good, !extra);
        if (extra)
            assert_string_equal(r.text,
                                "Header field To: more addresses than this server accepts at "
                                "a@b.example, c@d.example");
        buf_deinit(&b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_rows), cmocka_unit_test(test_count)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
