#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "tests/unit/rewrite/mime_check.h"

#define TOP    "From: a@b.example\r\n"
#define M7     REWRITE_FORM_7BIT
#define LINES  REWRITE_FORM_LINES
#define HEADER REWRITE_FORM_ASCII_HEADER
#define UE     "\xc3\xbc"
#define CTE    "Content-Transfer-Encoding: "
#define TEXT   "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
#define MULTI  "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n"
#define T100                                                                           \
    "xxxxxxxxx xxxxxxxxx xxxxxxxxx xxxxxxxxx xxxxxxxxx xxxxxxxxx xxxxxxxxx xxxxxxxxx " \
    "xxxxxxxxx xxxxxxxxx "
#define LONG T100 T100 T100 T100 T100 T100 T100 T100 T100 T100

static const struct {
    unsigned form;
    struct sv in;
    const char *out; /* NULL: as it is */
} rows[] = {
    {M7, SV(TOP "\r\nascii\r\n"), NULL},
    {LINES, SV(TOP "Subject: " UE "\r\n\r\n" UE "\r\n"), NULL},
    {HEADER, SV(TOP "\r\n" UE "\r\n"), NULL},
    /* no MIME fields: they are put in, and say what the bytes are */
    {M7, SV(TOP "\r\n" UE " and some more words\r\n"),
     TOP TEXT CTE "quoted-printable\r\n\r\n=C3=BC and some more words\r\n"},
    {M7, SV(TOP "\r\n\xfc and some more words\r\n"),
     TOP "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=unknown-8bit\r\n" CTE
         "quoted-printable\r\n\r\n=FC and some more words\r\n"},
    {M7, SV(TOP TEXT CTE "8bit\r\n\r\n" UE " and some more words\r\n"),
     TOP TEXT CTE "quoted-printable\r\n\r\n=C3=BC and some more words\r\n"},
    /* base64 where it is shorter, and for what is no text */
    {M7, SV(TOP TEXT CTE "8bit\r\n\r\n" UE UE UE UE UE UE UE UE UE UE UE UE "\r\n"),
     TOP TEXT CTE "base64\r\n\r\nw7zDvMO8w7zDvMO8w7zDvMO8w7zDvMO8DQo=\r\n"},
    {M7, SV(TOP "MIME-Version: 1.0\r\nContent-Type: image/x\r\n\r\nabc\xff\r\n"),
     TOP "MIME-Version: 1.0\r\nContent-Type: image/x\r\n" CTE "base64\r\n\r\nYWJj/w0K\r\n"},
    /* one leaf of two, and what is around it */
    {M7,
     SV(TOP MULTI CTE "8bit\r\n\r\n" UE "\r\n--b\r\n\r\nascii\r\n--b\r\nContent-Type: "
                      "text/plain; charset=utf-8\r\n\r\n" UE " and some more words\r\n--b--\r\n"),
     TOP MULTI CTE "7bit\r\n\r\n??\r\n--b\r\n\r\nascii\r\n--b\r\nContent-Type: text/plain; "
                   "charset=utf-8\r\n" CTE
                   "quoted-printable\r\n\r\n=C3=BC and some more words\r\n--b--\r\n"},
    {LINES,
     SV(TOP MULTI CTE "binary\r\n\r\n--b\r\nContent-Type: x/y\r\n\r\na\0b\r\n--b\r\n\r\n" UE
                      "\r\n--b--\r\n"),
     TOP MULTI CTE "8bit\r\n\r\n--b\r\nContent-Type: x/y\r\n" CTE "base64\r\n\r\nYQBi\r\n--b\r\n"
                   "\r\n" UE "\r\n--b--\r\n"},
    /* a message inside gets MIME fields, too */
    {M7,
     SV(TOP "MIME-Version: 1.0\r\nContent-Type: message/rfc822\r\n" CTE "8bit\r\n\r\n"
            "To: x\r\n\r\n" UE " and some more words\r\n"),
     TOP "MIME-Version: 1.0\r\nContent-Type: message/rfc822\r\n" CTE "7bit\r\n\r\n"
         "To: x\r\n" TEXT CTE "quoted-printable\r\n\r\n=C3=BC and some more words\r\n"},
    /* never twice */
    {M7, SV(TOP TEXT CTE "quoted-printable\r\n\r\n=C3=BC" UE "\r\n"),
     TOP TEXT CTE "quoted-printable\r\n\r\n=C3=BC=C3=BC\r\n"},
    {M7, SV(TOP TEXT CTE "base64\r\n\r\nw7w\xa0=\r\n"), TOP TEXT CTE "base64\r\n\r\nw7w=\r\n"},
    /* lines */
    {LINES, SV(TOP "\r\n" LONG "\r\n"), TOP "MIME-Version: 1.0\r\n" CTE "quoted-printable\r\n\r\n"},
    {HEADER, SV("Subject: " UE "\r\n" TEXT CTE "8bit\r\n\r\n" UE "\r\n"),
     "Subject: =?utf-8?B?w7w=?=\r\n" TEXT CTE "8bit\r\n\r\n" UE "\r\n"},
    /* what is no line of text */
    {LINES, SV(TOP TEXT "\r\na\nb\r\n"), TOP TEXT CTE "quoted-printable\r\n\r\na=0Ab\r\n"},
    {LINES, SV(TOP TEXT "\r\na\rb\r\n"), TOP TEXT CTE "quoted-printable\r\n\r\na=0Db\r\n"},
    {LINES, SV(TOP TEXT "\r\na\0b\r\n"), TOP TEXT CTE "quoted-printable\r\n\r\na=00b\r\n"},
    {LINES, SV(TOP TEXT "\r\nab\r"), TOP TEXT CTE "quoted-printable\r\n\r\nab=0D=\r\n"},
    /* a MIME-Version where only a part was encoded, and a charset where plain text has none */
    {M7,
     SV(TOP "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain; "
            "x=y\r\n\r\n" UE " and some more words\r\n--b--\r\n"),
     TOP "Content-Type: multipart/mixed; boundary=b\r\nMIME-Version: 1.0\r\n\r\n--b\r\n"
         "Content-Type: text/plain; charset=utf-8; x=y\r\n" CTE
         "quoted-printable\r\n\r\n=C3=BC and some more words\r\n--b--\r\n"},
    {M7, SV(TOP "MIME-Version: 1.0\r\nContent-Type: text/html\r\n\r\n" UE " and some more\r\n"),
     TOP "MIME-Version: 1.0\r\nContent-Type: text/html\r\n" CTE
         "quoted-printable\r\n\r\n=C3=BC and some more\r\n"},
    {M7, SV("Subject: " UE "\r\n\r\nascii\r\n"), "Subject: =?utf-8?B?w7w=?=\r\n\r\nascii\r\n"},
    /* of a digest: a message, which no text is made of */
    {M7,
     SV(TOP "MIME-Version: 1.0\r\nContent-Type: multipart/digest; boundary=b\r\n\r\n--b\r\n" CTE
            "quoted-printable\r\n\r\n" UE "\r\n--b--\r\n"),
     TOP "MIME-Version: 1.0\r\nContent-Type: multipart/digest; boundary=b\r\n\r\n--b\r\n" CTE
         "quoted-printable\r\n\r\n=C3=BC\r\n--b--\r\n"},
    /* labels that say more than is left */
    {M7,
     SV(TOP MULTI CTE "8bit\r\n\r\n--b\r\n" CTE "8bit\r\n\r\nascii\r\n--b\r\n" CTE
                      "binary\r\nContent-Type: x/y\r\n\r\n\xff\r\n--b--\r\n"),
     TOP MULTI CTE "7bit\r\n\r\n--b\r\n" CTE "7bit\r\n\r\nascii\r\n--b\r\n" CTE
                   "base64\r\nContent-Type: x/y\r\n\r\n/w==\r\n--b--\r\n"},
    {M7, SV(TOP TEXT CTE "8bit\r\n\r\nascii\r\n"), NULL},
    {LINES, SV(TOP TEXT CTE "binary\r\n\r\n" UE "\r\n"), TOP TEXT CTE "8bit\r\n\r\n" UE "\r\n"},
    {M7, SV(TOP TEXT CTE "binary\r\n\r\nascii\r\n"), TOP TEXT CTE "7bit\r\n\r\nascii\r\n"},
    {HEADER, SV(TOP TEXT CTE "binary\r\n\r\nascii\r\n"), NULL},
    /* a multipart that nobody can read */
    {M7,
     SV(TOP "MIME-Version: 1.0\r\nContent-Type: multipart/mixed\r\n\r\n--b\r\n" UE
            " and some more\r\n"),
     TOP "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
         "X-Original-Content-Type: multipart/mixed\r\n" CTE "quoted-printable\r\n\r\n"
         "-=2Db\r\n=C3=BC and some more\r\n"},
    {M7, SV(TOP MULTI "\r\n" UE " and no part\r\n--b--\r\nx\r\n"),
     TOP "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
         "X-Original-Content-Type: multipart/mixed; boundary=b\r\n" CTE "quoted-printable\r\n\r\n"
         "=C3=BC and no part\r\n-=2Db--\r\nx\r\n"},
};

static void test_rows(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct rewrite_plan plan;
        struct buf out;
        check_make(rows[i].in, rows[i].form, 7, 5000, &plan, &out);
        assert_int_equal(plan.unfit, REWRITE_UNFIT_NONE);
        assert_int_equal(plan.changes, rows[i].out != NULL);
        struct sv want = rows[i].out ? sv_of(rows[i].out) : rows[i].in;
        bool begins = want.len > 4 && sv_iends(want, SV("\r\n\r\n")); /* the rest is long */
        assert_true(begins ? sv_starts(buf_view(&out), want) : sv_eq(buf_view(&out), want));
        buf_deinit(&out);
        rewrite_plan_deinit(&plan);
        check_mime_message(rows[i].in, 5000);
    }
}

static void test_corpus(void **state)
{
    (void)state; /* tests/corpus/test_peers.py runs the rest of it, with readers of other make */
    check_mime_message(SV(TOP MULTI "\r\n--b\r\n\r\n" LONG "\r\n--b--"), 5000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_corpus),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
