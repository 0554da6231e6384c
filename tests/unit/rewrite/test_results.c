#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "rewrite/results.h"

static const struct {
    const char *value;
    bool ours;
} rows[] = {
    {" mail.host.example; spf=pass", true},
    {" MAIL.Host.Example; spf=pass", true},
    {" example.net; none", true},
    {" mx.example.net; none", true},
    {" a.b.EXAMPLE.net 1; none", true},
    {" example.org/1; none", true},
    {"example.net", true},
    {" example.net.; none", true},
    {" \"example.net\"; none", true},
    {" \"mx.example.net\" 1; none", true},
    {" \"exa\\mple.net\"; none", true},
    {"\r\n example.net;\r\n spf=pass", true},
    {" (a comment (nested) \\) ) example.net; none", true},
    {" (a)\r\n\t(b)example.net(c); none", true},
    {" example.net...; none", true},
    {" b\303\274cher.example; none", true},
    {" \"mx.B\303\274cher.Example\" 1; none", true},
    {" xn--bcher-kva.example; none", true},
    {" b\374cher.example; none", false},
    {" host.example; none", false}, /* our name is below it */
    {" x.mail.host.example; none", false},
    {" notexample.net; none", false},
    {" example.net.evil.test; none", false},
    {" net; none", false},
    {" (example.net) other.test; none", false},
    {" other.test; spf=pass smtp.mailfrom=example.net", false},
    {" (example.net", false},
    {" \"\"; none", false},
    {" .; none", false},
    {" ;", false},
    {"\r\n", false},
    {"", false},
};

static void test_ours(void **state)
{
    static const struct sv domains[] = {SV("example.net"), SV("example.org"),
                                        SV("xn--bcher-kva.example")};
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (rewrite_results_are_ours(sv_of(rows[i].value), SV("mail.host.example"), domains, 3) !=
            rows[i].ours)
            fail_msg("\"%s\"", rows[i].value);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_ours)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
