#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "rewrite/downgrade.h"

#define UE "\xc3\xbc" /* u with dots */

static void test_rows(void **state)
{
    (void)state;
    static const struct {
        const char *field, *ascii;
    } rows[] = {
        {"Content-Disposition: attachment; filename=\"" UE ".pdf\"; size=1\r\n",
         "Content-Disposition: attachment; filename*=utf-8''%C3%BC.pdf; size=1\r\n"},
        {"Content-Disposition: attachment; filename=" UE " x.pdf\r\n",
         "Content-Disposition: attachment; filename*=utf-8''%C3%BC%20x.pdf\r\n"},
        {"Content-Disposition: attachment; filename=\"" UE "\"; filename*=utf-8''%C3%BC\r\n",
         "Content-Disposition: attachment; filename*=utf-8''%C3%BC\r\n"},
        {"Content-Type: a/b; name*=utf-8''" UE "%20\r\n",
         "Content-Type: a/b; name*=utf-8''%C3%BC%20\r\n"},
        {"Content-Type: a/b; name*0=\"" UE "\"\r\n", "Content-Type: a/b; name*=utf-8''%C3%BC\r\n"},
        {"Content-Type: a/b; name*0=\"b\"; x=y; NAME*1=\"" UE ".pdf\"; name*2*=%41\r\n",
         "Content-Type: a/b; name*=utf-8''b%C3%BC.pdfA; x=y\r\n"},
        {"Content-Type: a/b; name*0=\"b\"; name*1=c; x*0=\"" UE "\"\r\n",
         "Content-Type: a/b; name*0=\"b\"; name*1=c; x*=utf-8''%C3%BC\r\n"},
        {"Content-Type: a/b; name*0*=utf-8''%41; name*1=\"" UE "\"\r\n",
         "Content-Type: a/b; name*0*=utf-8''%41; name*1*=%C3%BC\r\n"},
        {"Content-Type: a/b; name*1=\"" UE "\"; name*0=c\r\n",
         "Content-Type: a/b; name*1*=%C3%BC; name*0=c\r\n"},
        {"Content-Type: a/b; name=\"\xfc\"\r\n", "Content-Type: a/b; name*=unknown-8bit''%FC\r\n"},
        {"Content-Type: a/b (f" UE "r); x=y\r\n",
         "Content-Type: a/b (=?utf-8?Q?f=C3=BCr?=); x=y\r\n"},
        {"Content-Type: a/b; " UE "\r\n", "Content-Type: a/b; ??\r\n"},
        {"Content-Type: a/b; name=\"" UE UE UE UE UE UE UE UE UE UE UE UE "\"\r\n",
         "Content-Type: a/b;\r\n "
         "name*0*=utf-8''%C3%BC%C3%BC%C3%BC%C3%BC%C3%BC%C3%BC%C3%BC%C3%BC%C3%BC"
         "%C3%BC;\r\n name*1*=%C3%BC%C3%BC\r\n"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct buf out;
        struct sv field = sv_of(rows[i].field);
        buf_init(&out, REWRITE_DOWNGRADE_GROWTH(field.len), 0);
        assert_int_equal(rewrite_downgrade_field(field, false, &out), REWRITE_DOWNGRADE_OK);
        assert_int_equal(buf_append(&out, "", 1), 0);
        assert_string_equal(buf_view(&out).ptr, rows[i].ascii);
        buf_deinit(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_rows)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
