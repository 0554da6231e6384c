#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "rewrite/words.h"

#include <string.h>

static void test_rows(void **state)
{
    (void)state;
    static const struct {
        size_t column;
        const char *text, *words;
    } rows[] = {
        {10, "\xc3\xbc", "=?utf-8?B?w7w=?="},
        {10, "Gr\xc3\xbc\xc3\x9f", "=?utf-8?B?R3LDvMOf?="},
        {10, "Ein Wort \xc3\xbc", "=?utf-8?Q?Ein_Wort_=C3=BC?="},
        {10, "a_b\xc3\xbcxxxxxxxxxxxxx", "=?utf-8?Q?a=5Fb=C3=BCxxxxxxxxxxxxx?="},
        {10, "\xfc", "=?unknown-8bit?Q?=FC?="},
        {10, "plain", "=?us-ascii?Q?plain?="},
        {10, "a\tb\xc3\xbcxxxxxxxxxx", "=?utf-8?Q?a_b=C3=BCxxxxxxxxxx?="},
        /* at the end of a line a short one: the caller may fold before it */
        {70, "Ein Wort \xc3\xbc und noch mehr Worte",
         "=?utf-8?Q?Ein_Wort_=C3=BC_und_noch?=\r\n =?utf-8?Q?_mehr_Worte?="},
        /* a character is never cut, nor a line longer than 76 */
        {0,
         "\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc"
         "\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc"
         "\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc",
         "=?utf-8?B?w7zDvMO8w7zDvMO8w7zDvMO8w7zDvMO8w7zDvMO8w7zDvMO8w7zDvMO8w7w=?=\r\n "
         "=?utf-8?B?w7zDvA==?="},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct buf out;
        size_t column = rows[i].column;
        buf_init(&out, 1000, 0);
        assert_int_equal(rewrite_words_put(&out, &column, sv_of(rows[i].text)), 0);
        assert_int_equal(buf_append(&out, "", 1), 0);
        assert_string_equal(buf_view(&out).ptr, rows[i].words);
        const char *line = strrchr(rows[i].words, '\n');
        assert_int_equal(column, line ? strlen(line + 1) : rows[i].column + strlen(rows[i].words));
        buf_deinit(&out);
    }
}

static void test_fold(void **state)
{
    (void)state;
#define A10 "aaaaaaaaaa"
#define A60 A10 A10 A10 A10 A10 A10
    static const struct {
        bool has_quotes;
        const char *text, *folded;
    } rows[] = {
        {false, "X: " A60 " " A60 "\r\n", "X: " A60 " " A60 "\r\n"},
        {false, "X: =? " A60 "aaaaaaaaa b\r\n", "X: =? " A60 "aaaaaaaaa\r\n b\r\n"},
        {false, "X: =?aaa " A60 "aaa\r\n", "X: =?aaa " A60 "aaa\r\n"},
        {false, "X: =?aaaaaa " A60 "aaaaa\r\n", "X: =?aaaaaa\r\n " A60 "aaaaa\r\n"},
        {false, " =?" A60 A60 "\r\n b\r\n", " =?" A60 A60 "\r\n b\r\n"},
        {false, " =?" A60 A60 " b\r\n", " =?" A60 A60 "\r\n b\r\n"},
        {false, " =?" A60 A10 "aaa     \r\n", " =?" A60 A10 "aaa     \r\n"},
        {true, "=? \"" A60 " \\\" bbbbbbbbbb\"\r\n", "=?\r\n \"" A60 " \\\" bbbbbbbbbb\"\r\n"},
        {false, "=? \"" A60 " \\\" bbbbbbbbbb\"\r\n", "=? \"" A60 " \\\"\r\n bbbbbbbbbb\"\r\n"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct buf out;
        buf_init(&out, 1000, 0);
        assert_int_equal(buf_put(&out, SV("before")), 0);
        assert_int_equal(buf_put(&out, sv_of(rows[i].text)), 0);
        assert_int_equal(rewrite_words_fold(&out, 6, rows[i].has_quotes), 0);
        assert_int_equal(buf_append(&out, "", 1), 0);
        assert_string_equal(buf_view(&out).ptr + 6, rows[i].folded);
        buf_deinit(&out);
    }
}

static void test_room(void **state)
{
    (void)state;
    struct buf out;
    size_t column = 0;
    buf_init(&out, 10, 0);
    assert_int_equal(rewrite_words_put(&out, &column, SV("\xc3\xbc")), ERR_FULL);
    buf_deinit(&out);
}

static void test_is_encoded(void **state)
{
    (void)state;
    assert_true(rewrite_words_is_encoded(SV("=?utf-8?Q?x?=")));
    assert_false(rewrite_words_is_encoded(SV("=?utf-8?Q?x")));
    assert_false(rewrite_words_is_encoded(SV("x")));
    assert_false(rewrite_words_is_encoded(SV("=?=")));
    assert_false(rewrite_words_is_encoded(SV("=?\xfc\xfc\xfc?=")));
    assert_string_equal(rewrite_words_charset(SV("x")), "us-ascii");
    assert_string_equal(rewrite_words_charset(SV("\xc3\xbc")), "utf-8");
    assert_string_equal(rewrite_words_charset(SV("\xc3")), "unknown-8bit");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_fold),
        cmocka_unit_test(test_room),
        cmocka_unit_test(test_is_encoded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
