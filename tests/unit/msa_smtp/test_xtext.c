#include "msa/smtp/xtext.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static void cases(void **state)
{
    static const struct {
        const char *text, *octets; /* octets NULL: not xtext */
    } rows[] = {
        {"abc", "abc"}, {"a+20b", "a b"}, {"+2B+3D", "+="}, {"", ""},           {"+0D+0A", "\r\n"},
        {"a b", NULL},  {"a=b", NULL},    {"+2b", NULL},    {"+", NULL},        {"+2", NULL},
        {"a+G0", NULL}, {"a\tb", NULL},   {"a\x7f", NULL},  {"\xc3\xa9", NULL}, {"++", NULL},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct buf b, back;
        buf_init(&b, 100, 0);
        buf_init(&back, 100, 0);
        int err = smtp_xtext_decode(&b, sv_of(rows[i].text));
        assert_int_equal(err, rows[i].octets ? 0 : ERR_SYNTAX);
        assert_int_equal(smtp_xtext_valid(sv_of(rows[i].text)), rows[i].octets != NULL);
        assert_true(sv_eq(buf_view(&b), sv_of(rows[i].octets)));
        assert_int_equal(smtp_xtext_encode(&back, buf_view(&b)), 0);
        if (rows[i].octets)
            assert_true(sv_eq(buf_view(&back), sv_of(rows[i].text)));
        buf_deinit(&b);
        buf_deinit(&back);
    }
}

static void printable(void **state)
{
    (void)state;
    assert_true(smtp_xtext_printable(SV("a+20+2B")));
    assert_true(smtp_xtext_printable(SV("")));
    assert_false(smtp_xtext_printable(SV("a+0Ab")));
    assert_false(smtp_xtext_printable(SV("+7F")));
    assert_false(smtp_xtext_printable(SV("+80")));
    assert_false(smtp_xtext_printable(SV("a=")));
}

static void all_octets(void **state)
{
    struct buf b, back;
    char c[256];
    (void)state;
    for (int i = 0; i < 256; i++)
        c[i] = (char)i;
    buf_init(&b, 1000, 0);
    buf_init(&back, 1000, 0);
    assert_int_equal(smtp_xtext_encode(&b, (struct sv){c, 256}), 0);
    assert_int_equal(smtp_xtext_decode(&back, buf_view(&b)), 0);
    assert_true(sv_eq(buf_view(&back), (struct sv){c, 256}));
    buf_deinit(&b);
    buf_deinit(&back);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(cases), cmocka_unit_test(printable),
                                       cmocka_unit_test(all_octets)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
