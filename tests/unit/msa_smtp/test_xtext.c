#include "msa/smtp/xtext.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
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
        struct buf b;
        buf_init(&b, 100, 0);
        int err = smtp_xtext_decode(&b, sv_of(rows[i].text));
        assert_int_equal(err, rows[i].octets ? 0 : ERR_SYNTAX);
        assert_int_equal(smtp_xtext_valid(sv_of(rows[i].text)), rows[i].octets != NULL);
        assert_true(sv_eq(buf_view(&b), sv_of(rows[i].octets)));
        buf_deinit(&b);
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
    (void)state;
    for (int i = 0; i < 256; i++) {
        char text[4], octet = (char)i;
        struct buf b;
        snprintf(text, sizeof text, "+%02X", (unsigned)i);
        buf_init(&b, 100, 0);
        assert_int_equal(smtp_xtext_decode(&b, sv_of(text)), 0);
        assert_true(sv_eq(buf_view(&b), (struct sv){&octet, 1}));
        buf_deinit(&b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(cases), cmocka_unit_test(printable),
                                       cmocka_unit_test(all_octets)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
