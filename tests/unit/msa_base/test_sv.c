#include "msa/base/sv.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#define SAME(view, text) assert_true(sv_eq(view, SV(text)))

static void compare(void **state)
{
    (void)state;
    static const struct {
        struct sv a, b;
        bool eq, ieq;
    } rows[] = {
        {{"abc", 3}, {"abc", 3}, true, true},   {{"abc", 3}, {"ABC", 3}, false, true},
        {{"abc", 3}, {"abd", 3}, false, false}, {{"ab", 2}, {"abc", 3}, false, false},
        {{NULL, 0}, {"", 0}, true, true},       {{"a\0b", 3}, {"a\0c", 3}, false, false},
        {{"@", 1}, {"`", 1}, false, false},     {{"\xff", 1}, {"a", 1}, false, false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_int_equal(sv_eq(rows[i].a, rows[i].b), rows[i].eq);
        assert_int_equal(sv_ieq(rows[i].a, rows[i].b), rows[i].ieq);
    }
}

static void starts_and_ends(void **state)
{
    (void)state;
    assert_true(sv_starts(SV("MAIL FROM"), SV("MAIL")));
    assert_false(sv_starts(SV("mail"), SV("MAIL")));
    assert_true(sv_istarts(SV("mail"), SV("MAIL")));
    assert_false(sv_istarts(SV("mai"), SV("MAIL")));
    assert_true(sv_starts(SV("x"), SV("")));
    assert_true(sv_iends(SV("a.EXAMPLE"), SV(".example")));
    assert_false(sv_iends(SV("example"), SV(".example")));
    assert_true(sv_starts(SV_NONE, SV_NONE));
}

static void parts(void **state)
{
    (void)state;
    struct sv text = SV("a:b::c"), none = SV_NONE;
    assert_int_equal(sv_find(text, ':'), 1);
    assert_int_equal(sv_rfind(text, ':'), 4);
    assert_int_equal(sv_find(text, 'x'), 6);
    assert_int_equal(sv_rfind(text, 'x'), 6);
    assert_int_equal(sv_find(none, 'x'), 0);
    SAME(sv_skip(text, 2), "b::c");
    SAME(sv_skip(text, 99), "");
    SAME(sv_first(text, 3), "a:b");
    SAME(sv_first(text, 99), "a:b::c");
    SAME(sv_trim(SV(" \t a b\t ")), "a b");
    SAME(sv_trim(SV(" \t")), "");
    SAME(sv_trim(SV("\r\n")), "\r\n");
    assert_int_equal(sv_of(NULL).len, 0);
    SAME(sv_of("abc"), "abc");
    SAME(sv_range(text.ptr + 2, text.ptr + 3), "b");
}

static void split(void **state)
{
    (void)state;
    static const char *const want[] = {"a", "b", "", "c", "", ""};
    struct sv text = SV("a:b::c");
    for (size_t i = 0; i < 6; i++)
        assert_true(sv_eq(sv_split(&text, ':'), sv_of(want[i])));
}

static void numbers(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t max;
        bool good;
        uint64_t value;
    } rows[] = {
        {"0", 10, true, 0},
        {"10", 10, true, 10},
        {"11", 10, false, 0},
        {"007", 10, true, 7},
        {"", 10, false, 0},
        {"-1", 10, false, 0},
        {"+1", 10, false, 0},
        {" 1", 10, false, 0},
        {"1x", 100, false, 0},
        {"18446744073709551615", UINT64_MAX, true, UINT64_MAX},
        {"18446744073709551616", UINT64_MAX, false, 0},
        {"99999999999999999999", UINT64_MAX, false, 0},
        {"000000000000000000001", UINT64_MAX, false, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        uint64_t value = 42;
        assert_int_equal(sv_u64(sv_of(rows[i].text), rows[i].max, &value), rows[i].good);
        assert_true(value == (rows[i].good ? rows[i].value : 42));
    }
}

static void dup_and_classes(void **state)
{
    (void)state;
    char *copy = sv_dup(sv_first(SV("abcdef"), 3));
    assert_string_equal(copy, "abc");
    free(copy);
    copy = sv_dup(SV_NONE);
    assert_string_equal(copy, "");
    free(copy);
    for (int c = 0; c < 256; c++) {
        assert_int_equal(ascii_digit((char)c), c >= '0' && c <= '9');
        assert_int_equal(ascii_alpha((char)c), (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'));
        assert_int_equal(ascii_lower((char)c), (char)(c >= 'A' && c <= 'Z' ? c + 32 : c));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(compare), cmocka_unit_test(starts_and_ends),
        cmocka_unit_test(parts),   cmocka_unit_test(split),
        cmocka_unit_test(numbers), cmocka_unit_test(dup_and_classes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
