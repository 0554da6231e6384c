#include "msa/smtp/param.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static void cases(void **state)
{
    static const struct {
        const char *text;
        int count; /* -1: a syntax error somewhere */
        const char *last;
    } rows[] = {
        {"", 0, ""},
        {"   ", 0, ""},
        {" SIZE=1", 1, "1"},
        {" A B  C=d ", 3, "d"},
        {"A=b;c,<>+", 1, "b;c,<>+"},
        {" A-1=x", 1, "x"},
        {" 1A", 1, ""},
        {" A=", -1, 0},
        {" =b", -1, 0},
        {" -A=b", -1, 0},
        {" A=b=c", -1, 0},
        {" A_B=c", -1, 0},
        {" A=\x7f", -1, 0},
        {" A=\x01", -1, 0},
        {" A=b\tc", -1, 0},
        {" A=\xc3\xa9", 1, "\xc3\xa9"},
        {" A=\xc3", -1, 0},
        {" A=\xc2\x85", -1, 0},
        {" A=\xc0\xaf", -1, 0},
        {" \xc3\xa9=b", -1, 0},
        {" A;b", -1, 0},
        {" X Y=", -1, 0},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct sv rest = sv_of(rows[i].text);
        struct smtp_param p = {.value = SV("")};
        int n, count = 0;
        while ((n = smtp_param_next(&rest, &p)) == 1)
            count++;
        if ((n < 0 ? -1 : count) != rows[i].count)
            fail_msg("%s", rows[i].text);
        if (n == 0 && count)
            assert_true(sv_eq(p.value, sv_of(rows[i].last)));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(cases)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
