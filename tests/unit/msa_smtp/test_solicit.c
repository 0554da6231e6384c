#include "msa/smtp/solicit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static void lists(void **state)
{
    static const struct {
        const char *text;
        bool good;
    } rows[] = {
        {"net.example:ADV", true},
        {"org.example:ADV:ADLT", true},
        {"net.example:ADV,org.example:a-b_c.d1", true},
        {"ADV", false}, /* whose class? */
        {"", false},
        {",net.example:ADV", false},
        {"net.example:ADV,", false},
        {"net.example:ADV,,net.example:X", false},
        {"1net.example:ADV", false},
        {"net.example:A DV", false},
        {"net.example:ADV;X", false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (smtp_solicit_valid(sv_of(rows[i].text)) != rows[i].good)
            fail_msg("%s", rows[i].text);
}

static void common(void **state)
{
    (void)state;
    struct sv got = smtp_solicit_common(SV("a.b:X,net.example:adv"), SV("net.example:ADV,c.d:Y"));
    assert_true(sv_eq(got, SV("net.example:adv")));
    assert_int_equal(smtp_solicit_common(SV("a.b:X"), SV("a.b:XY")).len, 0);
    assert_int_equal(smtp_solicit_common(SV("a.b:X"), SV("")).len, 0);
    assert_int_equal(smtp_solicit_common(SV(""), SV("a.b:X")).len, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(lists), cmocka_unit_test(common)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
