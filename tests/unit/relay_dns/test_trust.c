/* What probes of a resolver come to. */
#include "relay/dns/trust.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

static void probes(void **state)
{
    /* N: no answer, S: secure, X: stripped */
    static const struct {
        const char *probes;
        bool validates;
        uint64_t next_ms;
    } rows[] = {
        {"N", true, 30000},     {"S", true, 600000},     {"X", false, 600000},
        {"XX", false, 600000},  {"XS", true, 600000},    {"SX", true, 5000},
        {"SXX", false, 600000}, {"SXS", true, 600000},   {"SXSX", true, 5000},
        {"SXN", true, 30000},   {"SXNX", false, 600000}, {"SXXSX", true, 5000},
        {"XN", false, 30000},   {"NX", false, 600000},   {"SXSXX", false, 600000},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct dns_trust t = {.validates = true};
        uint64_t next_ms = 0;
        print_message("%s\n", rows[i].probes);
        for (const char *p = rows[i].probes; *p; p++)
            next_ms = dns_trust_probed(&t, *p == 'N'   ? DNS_PROOF_NONE
                                           : *p == 'S' ? DNS_PROOF_SECURE
                                                       : DNS_PROOF_STRIPPED);
        assert_int_equal(t.validates, rows[i].validates);
        assert_int_equal(next_ms, rows[i].next_ms);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(probes)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
