#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "rewrite/downgrade.h"

#include <string.h>

#define UE "\xc3\xbc" /* u with dots */

static const struct {
    const char *field, *ascii; /* NULL: cannot be */
} rows[] = {
    /* text */
    {"Subject: Gr" UE "n\r\n", "Subject: =?utf-8?B?R3LDvG4=?=\r\n"},
    {"Subject:" UE "\r\n", "Subject:=?utf-8?B?w7w=?=\r\n"},
    {"X-Y: a " UE " b " UE " " UE " c\r\n", "X-Y: a =?utf-8?B?w7w=?= b =?utf-8?B?w7wgw7w=?= c\r\n"},
    {"Subject: =?utf-8?Q?a?= " UE " =?utf-8?Q?b?=\r\n",
     "Subject: =?utf-8?Q?a?= =?utf-8?Q?_=C3=BC_?= =?utf-8?Q?b?=\r\n"},
    {"Subject: a\r\n " UE "\r\n\tb\r\n", "Subject: a\r\n =?utf-8?B?w7w=?=\r\n\tb\r\n"},
    {"Subject: \xfc\r\n", "Subject: =?unknown-8bit?Q?=FC?=\r\n"},
    {"Subject: a long line before the word that would have to be folded here abc " UE "\r\n",
     "Subject: a long line before the word that would have to be folded here abc\r\n"
     " =?utf-8?B?w7w=?=\r\n"},
    /* addresses */
    {"From: " UE " <a@b.example>\r\n", "From: =?utf-8?B?w7w=?= <a@b.example>\r\n"},
    {"From: " UE "<a@b.example>\r\n", "From: =?utf-8?B?w7w=?= <a@b.example>\r\n"},
    {"From:" UE " <a@b.example>\r\n", "From: =?utf-8?B?w7w=?= <a@b.example>\r\n"},
    {"From: \"" UE ", x\" <a@b.example>\r\n", "From: =?utf-8?B?w7wsIHg=?= <a@b.example>\r\n"},
    {"From: A \"" UE "\\\"\" B <a@b.example>\r\n", "From: A =?utf-8?B?w7wi?= B <a@b.example>\r\n"},
    {"To: a@b.example, " UE " " UE " <c@d.example>,x@y.example\r\n",
     "To: a@b.example, =?utf-8?B?w7wgw7w=?= <c@d.example>,x@y.example\r\n"},
    {"To: a@b.example (" UE " (x " UE ") y)\r\n",
     "To: a@b.example (=?utf-8?B?w7w=?= (x =?utf-8?B?w7w=?=) y)\r\n"},
    {"Cc: G" UE ": a@b.example, c@d.example;\r\n",
     "Cc: =?utf-8?B?R8O8?= : a@b.example, c@d.example;\r\n"},
    {"To: a@b" UE "cher.example, <c@" UE ".x" UE ".example>\r\n",
     "To: a@xn--bcher-kva.example, <c@xn--tda.xn--x-eha.example>\r\n"},
    {"To: " UE "@b.example\r\n", NULL},
    {"To: x@y.example, \"" UE "\"@b.example\r\n", NULL},
    {"Disposition-Notification-To: " UE " <a@b.example>\r\n",
     "Disposition-Notification-To: =?utf-8?B?w7w=?= <a@b.example>\r\n"},
    {"To: <@r" UE ".example:a@b.example>\r\n", "To: <a@b.example>\r\n"},
    {"To: " UE " and no address\r\n", "Downgraded-To: =?utf-8?Q?=C3=BC_and_no_address?=\r\n"},
    /* comments around a local part are none of it */
    {"To: bob(B" UE "ro)@b.example\r\n", "To: bob(=?utf-8?B?QsO8cm8=?=)@b.example\r\n"},
    {"To: bob (" UE ") @b.example, \"a\" (" UE ") . b@c.example\r\n",
     "To: bob (=?utf-8?B?w7w=?=) @b.example, \"a\" (=?utf-8?B?w7w=?=) . b@c.example\r\n"},
    {"To: bob (x) \"" UE "\"@b.example\r\n",
     "Downgraded-To: =?utf-8?B?Ym9iICh4KSAiw7wiQGIuZXhhbXBsZQ==?=\r\n"},
    {"To: \"bob\" (x) . " UE "@b.example\r\n", NULL},
    /* no line with an encoded word is longer than 76 bytes (RFC 2047 2) */
    {"Subject: " UE " and a line that is longer than the seventy-six bytes that are allowed\r\n",
     "Subject: =?utf-8?B?w7w=?= and a line that is longer than the seventy-six\r\n"
     " bytes that are allowed\r\n"},
    {"To: " UE " <somebody.with.a.long.name@a.long.example>,  somebody.else@another.example\r\n",
     "To: =?utf-8?B?w7w=?= <somebody.with.a.long.name@a.long.example>, \r\n"
     " somebody.else@another.example\r\n"},
    {"To: x@a.example (" UE
     " and) , \"a quoted name with spaces in it \\\" aa bb\" <b@c.example>\r\n",
     "To: x@a.example (=?utf-8?B?w7w=?= and) ,\r\n"
     " \"a quoted name with spaces in it \\\" aa bb\" <b@c.example>\r\n"},
    {"X: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa(" UE ")\r\n",
     "X: =?utf-8?Q?aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa?=\r\n"
     " =?utf-8?B?YWFhYWFhYWFhYWEow7wp?=\r\n"},
    /* others */
    {"List-Id: \"L " UE "\" <a.b.example>\r\n", "List-Id: =?utf-8?Q?L_=C3=BC?= <a.b.example>\r\n"},
    {"Message-ID: <" UE "@b.example>\r\n",
     "Downgraded-Message-ID: =?utf-8?B?PMO8QGIuZXhhbXBsZT4=?=\r\n"},
    {"Message-ID: <a@b.example> (" UE ")\r\n", "Message-ID: <a@b.example> (=?utf-8?B?w7w=?=)\r\n"},
    {"References: <a(" UE ")@b.example>\r\n",
     "Downgraded-References: =?utf-8?B?PGEow7wpQGIuZXhhbXBsZT4=?=\r\n"},
    {"Date: Tue, 28 Jul 2026 10:11:12 +0200 (" UE "st)\r\n",
     "Date: Tue, 28 Jul 2026 10:11:12 +0200 (=?utf-8?Q?=C3=BCst?=)\r\n"},
    {"Received: from x (" UE ") by y; z\r\n", "Received: from x (=?utf-8?B?w7w=?=) by y; z\r\n"},
    {"Received: from " UE "\r\n", "Downgraded-Received: =?utf-8?Q?from_=C3=BC?=\r\n"},
    {"DKIM-Signature: i=" UE "\r\n", "Downgraded-DKIM-Signature: =?utf-8?B?aT3DvA==?=\r\n"},
};

static void test_rows(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct buf out;
        struct sv field = sv_of(rows[i].field);
        buf_init(&out, REWRITE_DOWNGRADE_GROWTH(field.len) + 6, 0);
        assert_int_equal(buf_put(&out, SV("before")), 0);
        assert_int_equal(rewrite_downgrade_field(field, false, &out),
                         rows[i].ascii ? REWRITE_DOWNGRADE_OK : REWRITE_DOWNGRADE_ADDRESS);
        assert_int_equal(buf_append(&out, "", 1), 0);
        assert_string_equal(buf_view(&out).ptr + 6, rows[i].ascii ? rows[i].ascii : "");
        buf_deinit(&out);
    }
}

/* What every message must have is not renamed. */
static void test_needed(void **state)
{
    (void)state;
    static const char *const fields[] = {"From: J" UE "rg joerg@example.net\r\n",
                                         "Date: " UE ", 28 Jul 2026 10:11:12 +0200\r\n"};
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        struct buf out;
        buf_init(&out, 2000, 0);
        assert_int_equal(rewrite_downgrade_field(sv_of(fields[i]), false, &out),
                         REWRITE_DOWNGRADE_FIELD);
        assert_int_equal(buf_len(&out), 0);
        assert_int_equal(rewrite_downgrade_field(sv_of(fields[i]), true, &out),
                         REWRITE_DOWNGRADE_OK);
        assert_true(sv_starts(buf_view(&out), SV("Downgraded-")));
        buf_deinit(&out);
    }
}

static void test_keep(void **state)
{
    (void)state;
    struct buf out;
    buf_init(&out, 1000, 0);
    assert_int_equal(rewrite_downgrade_field(SV("From: " UE "@b.example\r\n"), true, &out),
                     REWRITE_DOWNGRADE_OK);
    assert_true(sv_eq(buf_view(&out), SV("Downgraded-From: =?utf-8?B?w7xAYi5leGFtcGxl?=\r\n")));
    buf_deinit(&out);
}

/* The worst growths that are known stay within the room. */
static void test_growth(void **state)
{
    (void)state;
    static const struct {
        const char *name, *unit;
    } fields[] = {
        {"Subject:", "\xfc a "},
        {"Subject:", " =?\xfc\xfc\xfc?="},
        {"To:", " =?\xfc\xfc\xfc?="},
        {"To:", "\xfc,"},
        {"Keywords:", "\xfc,"},
        {"To:", "(\xfc)"},
        {"Subject:", "\xfc "},
        {"Content-Type: a/b", ";n=\xfc"},
        {"Content-Type: a/b; aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffff=",
         "\xfc"},
        {"Content-Type: a/b", "(\xfc)"},
        {"To: x@", "\xfc."},
        {"Received:", "\xfc("},
        {"Received:", "(\xfc)"},
        {"Subject: \xfc", " a"},
        {"Content-Type: a/b; n*0=\xfc", ";n*1=\xfc"},
    };
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        struct buf field, out;
        buf_init(&field, SIZE_MAX, 0);
        assert_int_equal(buf_put(&field, sv_of(fields[i].name)), 0);
        for (size_t k = 0; k < 20000; k++)
            assert_int_equal(buf_put(&field, sv_of(fields[i].unit)), 0);
        assert_int_equal(buf_put(&field, SV("\r\n")), 0);
        buf_init(&out, REWRITE_DOWNGRADE_GROWTH(buf_len(&field)), 0);
        assert_int_equal(rewrite_downgrade_field(buf_view(&field), true, &out),
                         REWRITE_DOWNGRADE_OK);
        buf_deinit(&out);
        buf_deinit(&field);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_needed),
        cmocka_unit_test(test_keep),
        cmocka_unit_test(test_growth),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
