#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "tests/unit/rewrite/mime_check.h"

#define M7     REWRITE_FORM_7BIT
#define LINES  REWRITE_FORM_LINES
#define HEADER REWRITE_FORM_ASCII_HEADER
#define UE     "\xc3\xbc"
#define SIGNED(what) \
    "Content-Type: multipart/signed; boundary=b\r\n\r\n--b\r\n\r\n" what "\r\n--b--\r\n"
#define PGP "-----BEGIN PGP SIGNED MESSAGE-----\r\n"

/* What cannot be done, and why; and what can, although it looks like it. */
static void test_unfit(void **state)
{
    (void)state;
    static const struct {
        unsigned form;
        const char *text;
        enum rewrite_unfit why;
    } rows[] = {
        {M7, SIGNED("ascii"), REWRITE_UNFIT_NONE},
        {LINES, SIGNED(UE), REWRITE_UNFIT_NONE},
        {M7, SIGNED(UE), REWRITE_UNFIT_SIGNED},
        {M7, "Content-Type: multipart/encrypted; boundary=b\r\n\r\n" UE, REWRITE_UNFIT_ENCRYPTED},
        {M7, "\r\n" PGP UE, REWRITE_UNFIT_PGP},
        {M7, "\r\n" UE "\r\n" PGP, REWRITE_UNFIT_PGP},
        {M7, "\r\n> " PGP UE, REWRITE_UNFIT_NONE},
        {M7, "\r\nx" PGP UE, REWRITE_UNFIT_NONE},
        {M7, "\r\n" PGP, REWRITE_UNFIT_NONE},
        {M7, "Content-Transfer-Encoding: quoted-printable\r\n\r\n" PGP UE, REWRITE_UNFIT_NONE},
        {M7, "Content-Type: message/partial; id=x\r\n\r\n" UE, REWRITE_UNFIT_FIXED},
        {M7, "Content-Type: message/delivery-status\r\n\r\n" UE, REWRITE_UNFIT_FIXED},
        {M7, "Content-Type: message/global-headers\r\n\r\n" UE, REWRITE_UNFIT_NONE},
        {M7, "Content-Type: application/octet-stream\r\n\r\n" PGP UE, REWRITE_UNFIT_NONE},
        {M7, "Content-Transfer-Encoding: x-y\r\n\r\n" UE, REWRITE_UNFIT_ENCODED},
        {M7, "Content-Transfer-Encoding: x-y\r\n\r\nascii", REWRITE_UNFIT_NONE},
        {M7, "From: " UE "@b.example\r\n\r\n", REWRITE_UNFIT_ADDRESS},
        {HEADER, "From: " UE "@b.example\r\n\r\n", REWRITE_UNFIT_ADDRESS},
        {LINES, "From: " UE "@b.example\r\n\r\n", REWRITE_UNFIT_NONE},
        {M7, "From: " UE " a@b.example\r\n\r\n", REWRITE_UNFIT_FIELD},
        {HEADER, "Content-Type: message/rfc822\r\n\r\nFrom: " UE "@b.example\r\n\r\n",
         REWRITE_UNFIT_NONE},
        {M7, "Content-Type: application/pkcs7-mime\r\n\r\n\xff", REWRITE_UNFIT_NONE},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct rewrite_plan plan;
        struct buf out;
        check_make(sv_of(rows[i].text), rows[i].form, 3, 5000, &plan, &out);
        assert_int_equal(plan.unfit, rows[i].why);
        buf_deinit(&out);
        rewrite_plan_deinit(&plan);
        check_mime_message(sv_of(rows[i].text), 5000);
    }
    for (unsigned why = REWRITE_UNFIT_SIGNED; why <= REWRITE_UNFIT_FIELD; why++) {
        struct smtp_reply r = rewrite_unfit_reply((enum rewrite_unfit)why);
        bool is_address = why == REWRITE_UNFIT_ADDRESS, is_field = why == REWRITE_UNFIT_FIELD;
        assert_int_equal(r.enhanced.subject, 6);
        assert_int_equal(r.enhanced.detail, is_address ? 7 : is_field ? 9 : 3);
        assert_int_equal(r.code, is_address ? 550 : 554);
        assert_true(r.text.len > 10);
    }
}

static void put_times(struct buf *out, const char *unit, size_t times)
{
    for (size_t i = 0; i < times; i++)
        check_put(out, sv_of(unit));
}

/* A header or structure that is too much for us goes on as it is, or not at all. */
static void test_limits(void **state)
{
    (void)state;
    static const struct {
        const char *begin, *unit;
        size_t times;
        const char *end;
        enum rewrite_unfit why;
    } rows[] = {
        {"X: y\r\n", "X: y\r\n", 2000, "\r\n" UE, REWRITE_UNFIT_REST},
        {"X: y\r\n", "X: y\r\n", 2000, "\r\nascii", REWRITE_UNFIT_NONE},
        {"Content-Type: multipart/mixed; boundary=b\r\n\r\n", "--b\r\n\r\n\r\n", 10100, UE,
         REWRITE_UNFIT_REST},
        {"Content-Type: multipart/mixed; boundary=b\r\n\r\n", "--b\r\n\r\n\r\n", 9000, UE,
         REWRITE_UNFIT_NONE},
        {"", "Content-Type: message/rfc822\r\n\r\n", 200, UE, REWRITE_UNFIT_DEEP},
        {"Content-Type: message/rfc822\r\n\r\nX: ", "xxxxxxxxxx", 90, "\r\n\r\n",
         REWRITE_UNFIT_NONE},
        {"Content-Type: message/rfc822\r\n\r\nX:", "xxxxxxxxxx", 120, "\r\n\r\n",
         REWRITE_UNFIT_LINE},
        /* the type that is renamed is too long for a line then */
        {"Content-Type:multipart/mixed;boundary=", "xxxxx", 191, "\r\n\r\n" UE "\r\n",
         REWRITE_UNFIT_NONE},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct rewrite_plan plan;
        struct buf text, out;
        buf_init(&text, SIZE_MAX, 0);
        put_times(&text, rows[i].begin, 1);
        put_times(&text, rows[i].unit, rows[i].times);
        put_times(&text, rows[i].end, 1);
        check_make(buf_view(&text), M7, 1000, 5000, &plan, &out);
        assert_int_equal(plan.unfit, rows[i].why);
        buf_deinit(&out);
        buf_deinit(&text);
        rewrite_plan_deinit(&plan);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_unfit),
        cmocka_unit_test(test_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
