#include "relay/tls/txt_record.h"

#include <stdio.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#define LIT(s)              \
    {                       \
        "" s, sizeof(s) - 1 \
    }
#define L16 "aaaaaaaaaaaaaaaa"

static void test_found(void **state)
{
    static const struct {
        const char *what;
        struct sv texts[3];
        size_t n, found;
        const char *rest;
    } rows[] = {
        {"at once", {LIT("v=X1;a=b")}, 1, 1, "a=b"},
        {"white space before ;", {LIT("v=X1 \t; a=b")}, 1, 1, " a=b"},
        {"nothing behind", {LIT("v=X1;")}, 1, 1, ""},
        {"among others", {LIT("v=spf1 -all"), LIT("v=X1;q=1"), LIT("v=X10;")}, 3, 1, "q=1"},
        {"the first of two", {LIT("v=X1;1=1"), LIT(""), LIT("v=X1;2=2")}, 3, 2, "1=1"},
        {"no ;", {LIT("v=X1"), LIT("v=X1 "), LIT("v=X1 a;")}, 3, 0, ""},
        {"case", {LIT("v=x1;"), LIT("V=X1;"), LIT(" v=X1;")}, 3, 0, ""},
        {"none", {LIT("")}, 0, 0, ""},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct sv rest = SV("x");
        print_message("%s\n", rows[i].what);
        assert_int_equal(txt_record_find(rows[i].texts, rows[i].n, SV("v=X1"), &rest),
                         rows[i].found);
        assert_true(sv_eq(rest, sv_of(rows[i].rest)));
    }
}

/* Each field as "<name|value>"; "!" where the text is void. */
static void test_fields(void **state)
{
    static const struct {
        const char *rest, *fields;
    } rows[] = {
        {"", ""},
        {" \t ", ""},
        {"a=b", "<a|b>"},
        {"a=b;", "<a|b>"},
        {"a=b; ", "<a|b>"},
        {" a=b \t; c=d\t", "<a|b><c|d>"},
        {"a.b-c_9=x", "<a.b-c_9|x>"},
        {"a=", "<a|>"},
        {"a=b=c", "<a|b=c>"},
        {"a= b c", "<a| b c>"},
        {L16 L16 "=x", "<" L16 L16 "|x>"},
        {L16 L16 "a=x", "!"},
        {"a=b;;c=d", "<a|b>!"},
        {"a=b;;", "<a|b>!"},
        {";", "!"},
        {"a", "!"},
        {"=b", "!"},
        {"a =b", "!"},
        {"-a=b", "!"},
        {"a\x01=b", "!"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct sv rest = sv_of(rows[i].rest), name, value;
        char got[200] = "";
        int more;
        while ((more = txt_record_next(&rest, &name, &value)) > 0)
            snprintf(got + strlen(got), sizeof got - strlen(got), "<%.*s|%.*s>", SV_ARG(name),
                     SV_ARG(value));
        if (more < 0)
            strcat(got, "!");
        assert_true(more == 0 || more == ERR_SYNTAX);
        assert_string_equal(got, rows[i].fields);
    }
}

static void test_values(void **state)
{
    static const struct {
        struct sv text;
        bool good;
    } rows[] = {
        {LIT("a"), true},     {LIT("!~<>:,"), true},    {LIT(""), false},
        {LIT("a b"), false},  {LIT("a=b"), false},      {LIT("a;b"), false},
        {LIT("\x7f"), false}, {LIT("\xc3\xa4"), false}, {LIT("a\0"), false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (txt_record_is_value(rows[i].text) != rows[i].good)
            fail_msg("\"%.*s\"", SV_ARG(rows[i].text));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_found),
        cmocka_unit_test(test_fields),
        cmocka_unit_test(test_values),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
