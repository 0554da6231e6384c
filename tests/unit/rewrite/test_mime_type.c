#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "rewrite/mime_type.h"

static void test_types(void **state)
{
    (void)state;
    static const struct {
        const char *value, *type, *subtype;
        size_t end;
    } rows[] = {
        {" (a)text / plain ; x", "text", "plain", 16},
        {" text ; x", "text", "", 5},
        {"text(c (d))/\r\n\t(e)html (f)", "text", "html", 22},
        {"text/", "text", "", 5},
        {"/plain", "", "plain", 6},
        {"", "", "", 0},
        {"(open text/plain", "", "", 16},
        {"gr\xc3\xbcn/x", "gr", "", 2},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct sv type, subtype;
        size_t end = rewrite_mime_type_read(sv_of(rows[i].value), &type, &subtype);
        if (end != rows[i].end || !sv_eq(type, sv_of(rows[i].type)) ||
            !sv_eq(subtype, sv_of(rows[i].subtype)))
            fail_msg("\"%s\"", rows[i].value);
    }
}

static void test_parameters(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *names[3], *values[3];
    } rows[] = {
        {"text/plain", {0}, {0}},
        {"x; a=b", {"a"}, {"b"}},
        {"x ;A = \"b;c\" ; d=e (f)", {"A", "d"}, {"b;c", "e"}},
        {"x; a=\"b\\\"c\"; d*0*=e", {"a", "d*0*"}, {"b\\\"c", "e"}},
        {"x; (y; z=1) a (b) = (c) d", {"a"}, {"d"}},
        {"x; flowed; a=b", {"a"}, {"b"}},
        {"x;; a=b; ;", {"a"}, {"b"}},
        {"x y \"; n=1\"; a=b", {"a"}, {"b"}},
        {"x; a=b/c d; e=", {"a", "e"}, {"b/c", ""}},
        {"x; a=\"open; b=c", {"a"}, {"open; b=c"}},
        {"x; a", {0}, {0}},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct sv text = sv_of(rows[i].text);
        struct rewrite_mime_param p;
        size_t at = 0, n = 0;
        while (rewrite_mime_param_next(text, &at, &p)) {
            if (n == 3 || !rows[i].names[n] || !sv_eq(p.name, sv_of(rows[i].names[n])) ||
                !sv_eq(rewrite_mime_param_text(text, &p), sv_of(rows[i].values[n])))
                fail_msg("\"%s\", parameter %zu", rows[i].text, n);
            assert_int_equal(text.ptr[p.start], ';');
            assert_true(p.value_end == p.end && at == p.end);
            n++;
        }
        if (n < 3 && rows[i].names[n])
            fail_msg("\"%s\": %zu parameters", rows[i].text, n);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_types),
        cmocka_unit_test(test_parameters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
