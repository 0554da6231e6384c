#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "tests/unit/rewrite/mime_check.h"

#define QP    REWRITE_TRANSFER_QUOTED_PRINTABLE
#define B64   REWRITE_TRANSFER_BASE64
#define QPA   REWRITE_TRANSFER_QUOTED_PRINTABLE_AGAIN
#define B64A  REWRITE_TRANSFER_BASE64_AGAIN
#define PLAIN REWRITE_TRANSFER_PLAIN
#define P8    REWRITE_TRANSFER_PLAIN_8BIT
#define TEN   "0123456789"
#define FIFTY TEN TEN TEN TEN TEN

static const struct {
    enum rewrite_transfer_form form;
    bool is_last;
    struct sv in;
    const char *out;
} rows[] = {
    {REWRITE_TRANSFER_KEEP, true, SV("a\xff\0\n"), NULL},
    {QP, false, SV(""), ""},
    {QP, false, SV("a=b\xc3\xbc\r\n"), "a=3Db=C3=BC\r\n"},
    {QP, false, SV("a \r\nb\t\r\n"), "a=20\r\nb=09\r\n"},
    {QP, false, SV("a  b "), "a  b=20"},
    {QP, true, SV("a "), "a=20=\r\n"},
    {QP, true, SV("a\r\n"), "a\r\n"},
    {QP, false, SV("a\rb\nc\0\x7f\r"), "a=0Db=0Ac=00=7F=0D"},
    {QP, false, SV("\r\r\n \r \r\n"), "=0D\r\n =0D=20\r\n"},
    {QP, false, SV("--b\r\n-- \r\n-\r\n"), "-=2Db\r\n-=2D=20\r\n-\r\n"},
    {QP, false, SV(FIFTY TEN TEN "12345"), FIFTY TEN TEN "12345"},
    {QP, false, SV(FIFTY TEN TEN "1234567"), FIFTY TEN TEN "12345=\r\n67"},
    {QP, false, SV(FIFTY TEN TEN "123\xfc"), FIFTY TEN TEN "123=\r\n=FC"},
    {QP, false, SV(FIFTY TEN TEN "12345--b"), FIFTY TEN TEN "12345=\r\n-=2Db"},
    {B64, false, SV(""), ""},
    {B64, true, SV(""), ""},
    {B64, false, SV("abc"), "YWJj"},
    {B64, true, SV("ab"), "YWI=\r\n"},
    {B64, false,
     SV(FIFTY "1234567"
              "x"),
     "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkxMjM0NTY3\r\neA=="},
    {QPA, false, SV("a=3Db=\r\nc=20\r\n"), "a=3Db=\r\nc=20\r\n"},
    {QPA, false, SV("\xc3\xbc=C3=BC\0"), "=C3=BC=C3=BC=00"},
    {QPA, false, SV("a\nb=\nc\rd"), "a=0A=\r\nb=\r\nc=0Dd"},
    {QPA, false, SV("--b\xff"), "-=2Db=FF"},
    {B64A, false, SV("QU\xa0JD\r\nRE\nVG\r\n"), "QUJD\r\nRE\r\nVG\r\n"},
    {B64A, false, SV("--b\xff\r\nQQ=="), "b\r\nQQ=="},
    {PLAIN, false, SV("f\xc3\xbcr\r\n--x\xff\r\na\nb\rc\0"), "f??r\r\n--x\x1a\r\na\r\nb?c?"},
    {P8, false, SV("f\xc3\xbcr\na"), "f\xc3\xbcr\r\na"},
};

static void run(enum rewrite_transfer_form form, bool is_last, struct sv in, size_t piece,
                struct buf *out)
{
    struct rewrite_transfer t;
    rewrite_transfer_init(&t, form);
    buf_init(out, SIZE_MAX, 0);
    for (; in.len; in = sv_skip(in, piece))
        rewrite_transfer_feed(&t, sv_first(in, piece), out);
    rewrite_transfer_end(&t, is_last, out);
}

static void test_rows(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        for (size_t piece = 1; piece < 100; piece += 7) {
            struct buf out;
            run(rows[i].form, rows[i].is_last, rows[i].in, piece, &out);
            assert_true(sv_eq(buf_view(&out), rows[i].out ? sv_of(rows[i].out) : rows[i].in));
            buf_deinit(&out);
        }
}

/* Long lines of all kinds: what decoders read is the same, and no line is too long. */
static void test_long_lines(void **state)
{
    (void)state;
    static const char *const units[] = {"x", "=C3=BC", "\xfc", "a ", "-", "=", "QUJD", "=\r\n"};
    for (size_t u = 0; u < sizeof units / sizeof units[0]; u++) {
        struct buf in;
        buf_init(&in, SIZE_MAX, 0);
        for (size_t i = 0; i < 1500; i++)
            check_put(&in, sv_of(units[u]));
        for (unsigned form = QP; form <= P8; form++) {
            struct buf out, before, after;
            run((enum rewrite_transfer_form)form, true, buf_view(&in), 100, &out);
            buf_init(&before, SIZE_MAX, 0);
            buf_init(&after, SIZE_MAX, 0);
            assert_true(check_is_lines(buf_view(&out)));
            if (form == B64 || form == QP)
                check_put(&before, buf_view(&in));
            if (form == B64)
                check_decode_base64(buf_view(&out), &after);
            if (form == QP || form == QPA)
                check_decode_qp(buf_view(&out), &after);
            if (form == QPA)
                check_decode_qp(buf_view(&in), &before);
            if (form == B64A) {
                check_decode_base64(buf_view(&in), &before);
                check_decode_base64(buf_view(&out), &after);
            }
            assert_true(sv_eq(buf_view(&before), buf_view(&after)));
            check_mime_message(buf_view(&out), 5000);
            buf_deinit(&out);
            buf_deinit(&before);
            buf_deinit(&after);
        }
        buf_deinit(&in);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_long_lines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
