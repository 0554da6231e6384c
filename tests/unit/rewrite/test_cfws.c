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

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_skip)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
