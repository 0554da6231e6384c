#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "rewrite/domain.h"

#include <string.h>

#define LABEL "0123456789012345678901234567890123456789012345678901234567890123"

static const struct {
    const char *written, *made; /* NULL: none */
} rows[] = {
    {"example.net", "example.net"},
    {"Example.NET", "example.net"},
    {" example (x) . net (y)\r\n ", "example.net"},
    {"example\r\n\t.net", "example.net"},
    {"M\303\274ller.example", "xn--mller-kva.example"},
    {"(\374)xn--MLLER-kva.example", "xn--mller-kva.example"},
    {"net", "net"},
    {"", NULL},
    {"(x)", NULL},
    {".net", NULL},
    {"a..net", NULL},
    {"\374.net", NULL},
    {LABEL ".net", NULL},
    {LABEL "." LABEL "." LABEL "." LABEL, NULL},
};

static void test_make(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char out[SMTP_DOMAIN_MAX + 1];
        bool good = rewrite_domain_make(sv_of(rows[i].written), out);
        if (good != (rows[i].made != NULL) || (good && strcmp(out, rows[i].made) != 0))
            fail_msg("\"%s\": %s", rows[i].written, good ? out : "none");
    }
}

static void test_is_within(void **state)
{
    (void)state;
    assert_true(rewrite_domain_is_within(SV("Example.net"), SV("example.NET")));
    assert_true(rewrite_domain_is_within(SV("a.Example.net"), SV("example.NET")));
    assert_false(rewrite_domain_is_within(SV("aexample.net"), SV("example.net")));
    assert_false(rewrite_domain_is_within(SV("net"), SV("example.net")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_make),
                                       cmocka_unit_test(test_is_within)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
