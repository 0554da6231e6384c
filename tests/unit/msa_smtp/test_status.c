#include "msa/smtp/status.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static void parsing(void **state)
{
    static const struct {
        const char *text, *code, *rest;
    } rows[] = {
        {"5.1.3 no", "5.1.3", "no"},    {"2.0.0", "2.0.0", ""},
        {"4.7.500  x", "4.7.500", "x"}, {"5.5.604 \tx", "5.5.604", "x"},
        {"3.1.1 x", NULL, NULL},        {"5.1 x", NULL, NULL},
        {"5.1.", NULL, NULL},           {"5.1.3x", NULL, NULL},
        {"5.1.3.4", NULL, NULL},        {"5.01.3", NULL, NULL},
        {"5.1.1000", NULL, NULL},       {"", NULL, NULL},
        {"05.1.1", NULL, NULL},         {" 5.1.1", NULL, NULL},
        {"5..1", NULL, NULL},           {"5.-1.1", NULL, NULL},
        {"22.1.1", NULL, NULL},         {"5,1,1", NULL, NULL},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char text[SMTP_STATUS_TEXT_MAX];
        struct smtp_status s = {0};
        struct sv rest;
        bool ok = smtp_status_parse(sv_of(rows[i].text), &s, &rest);
        if (ok != (rows[i].code != NULL))
            fail_msg("%s", rows[i].text);
        assert_string_equal(smtp_status_text(s, text), ok ? rows[i].code : "");
        if (ok)
            assert_true(sv_eq(rest, sv_of(rows[i].rest)));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(parsing)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
