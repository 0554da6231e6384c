#include "msa/base/utf8.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

static void every_code_point_comes_back(void **state)
{
    (void)state;
    for (uint32_t point = 0; point <= 0x110000; point++) {
        char text[UTF8_MAX];
        size_t len = utf8_write(text, point);
        struct sv view = {text, len};
        bool good = point < 0xd800 || (point > 0xdfff && point <= 0x10ffff);
        bool shown = good && point >= 32 && (point < 127 || point > 0x9f);
        assert_int_equal(len > 0, good);
        assert_int_equal(len > 0 && utf8_is_printable(view), shown);
        if (!good)
            continue;
        assert_int_equal(utf8_length(view), len);
        assert_int_equal(utf8_point(view), point);
        assert_int_equal(utf8_non_ascii(view), shown && point > 127 ? len : 0);
        assert_int_equal(utf8_is_ascii(view), point < 128);
        view.len--; /* cut off */
        assert_int_equal(utf8_length(view), 0);
    }
}

/* All sequences of two octets, and those longer ones that a careless reader takes. */
static void what_is_not_utf8(void **state)
{
    static const char *const bad[] = {
        "\xc0\xaf",         "\xc1\xbf",
        "\xe0\x80\xaf",     "\xe0\x9f\xbf",
        "\xf0\x80\x80\xaf", "\xf0\x8f\xbf\xbf",
        "\xed\xa0\x80",     "\xed\xbf\xbf",
        "\xf4\x90\x80\x80", "\xf5\x80\x80\x80",
        "\xf8\x88\x80\x80", "\xfe\x80",
        "\xff\xff",         "\x80",
        "\xbf\x80",         "\xe2\x28\xa1",
        "\xe2\x82",         "\xe2\x82\x28",
        "\xf0\x28\x8c\xbc", "\xf0\x90\x28\xbc",
        "\xf0\x90\x8c\x28", "\xf0\x90\x8c",
        "\xc3\xc3",         "\xc3",
    };
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        if (utf8_length(sv_of(bad[i])) || utf8_non_ascii(sv_of(bad[i])) ||
            utf8_is_printable(sv_of(bad[i])) || utf8_is_ascii(sv_of(bad[i])))
            fail_msg("row %zu is taken", i);
    for (unsigned a = 0x80; a < 0x100; a++)
        for (unsigned b = 0; b < 0x100; b++) {
            char text[2] = {(char)a, (char)b};
            bool good = a >= 0xc2 && a <= 0xdf && b >= 0x80 && b <= 0xbf;
            assert_int_equal(utf8_length((struct sv){text, 2}), good ? 2 : 0);
        }
    assert_int_equal(utf8_length(SV_NONE), 0);
}

static void texts(void **state)
{
    (void)state;
    assert_true(utf8_is_printable(SV("a b\xc3\xa9 \xe4\xb8\xad \xf0\x9f\x98\x80")));
    assert_true(utf8_is_printable(SV_NONE) && utf8_is_ascii(SV_NONE));
    assert_false(utf8_is_printable(SV("\xc3\xa9\xc2\x85")));
    assert_false(utf8_is_printable(SV("\xc3\xa9\n")));
    assert_false(utf8_is_printable(SV("\xc3\xa9\xc3")));
    assert_false(utf8_is_ascii(SV("abc\xc3\xa9")));
    assert_true(utf8_is_ascii(SV("abc\x7f")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_code_point_comes_back),
        cmocka_unit_test(what_is_not_utf8),
        cmocka_unit_test(texts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
