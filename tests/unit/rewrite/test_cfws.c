#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "rewrite/cfws.h"

static const struct {
    const char *text, *behind;
    bool closed;
} rows[] = {
    {"", "", true},
    {"x (y)", "x (y)", true},
    {" \t x", "x", true},
    {"\r\n x", "x", true},
    {"(a)x", "x", true},
    {" (a (b) c)\r\n\t(d) x", "x", true},
    {"(a \\) b)x", "x", true},
    {"(a \\( b)x", "x", true},
    {"\\(x", "\\(x", true},
    {") x", ") x", true},
    {"(a))x", ")x", true},
    {"(a", "", false},
    {"(a (b)", "", false},
    {"(a\\", "", false},
    {" ", "", true},
};

static void test_skip(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct sv text = sv_of(rows[i].text);
        bool closed = rewrite_cfws_skip(&text);
        if (closed != rows[i].closed || !sv_eq(text, sv_of(rows[i].behind)))
            fail_msg("\"%s\"", rows[i].text);
    }
}

static const struct {
    const char *text, *plain; /* NULL: longer than 8 bytes */
} stripped[] = {
    {"", ""},
    {"a.b", "a.b"},
    {" a (x) . (y)\r\n\tb (z)", "a.b"},
    {"(a)", ""},
    {"(a", ""},
    {"\"a (b)\"", "\"a (b)\""},
    {"\"a\r\n b\"(c)", "\"a b\""},
    {"\"\\\"(\"(x)", "\"\\\"(\""},
    {"\"\\", "\"\\"},
    {"12345678 ", "12345678"},
    {"123456789", NULL},
    {"\"123456\\\"", NULL},
};

static void test_strip(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof stripped / sizeof *stripped; i++) {
        char out[9] = "";
        size_t n = 0;
        bool fits = rewrite_cfws_strip(sv_of(stripped[i].text), out, 8, &n);
        assert_int_equal(fits, stripped[i].plain != NULL);
        if (fits && !sv_eq((struct sv){out, n}, sv_of(stripped[i].plain)))
            fail_msg("\"%s\": \"%s\"", stripped[i].text, out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_skip), cmocka_unit_test(test_strip)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
