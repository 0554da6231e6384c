/* What a client's first SCRAM message binds, and what is refused. */
#include "auth/bound.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static void judged(void **state)
{
    static const struct {
        const char *mechanism;
        bool offers_plus;
        const char *message;
        enum auth_bound verdict;
        enum auth_binding type;
    } rows[] = {
        {"SCRAM-SHA-256-PLUS", true, "p=tls-exporter,,n=a,r=x", AUTH_BOUND_TYPE,
         AUTH_BINDING_EXPORTER},
        {"scram-sha-1-plus", true, "p=tls-server-end-point,a=b,n=a,r=x", AUTH_BOUND_TYPE,
         AUTH_BINDING_END_POINT},
        /* TLS 1.3 has no tls-unique */
        {"SCRAM-SHA-256-PLUS", true, "p=tls-unique,,n=a,r=x", AUTH_BOUND_REFUSED, 0},
        {"SCRAM-SHA-256-PLUS", true, "p=tls-exporterx,,n=a,r=x", AUTH_BOUND_REFUSED, 0},
        {"SCRAM-SHA-256-PLUS", true, "p=tls-exporte,,n=a,r=x", AUTH_BOUND_REFUSED, 0},
        {"SCRAM-SHA-256-PLUS", true, "p=TLS-EXPORTER,,n=a,r=x", AUTH_BOUND_REFUSED, 0},
        {"SCRAM-SHA-256-PLUS", true, "p=,,n=a,r=x", AUTH_BOUND_REFUSED, 0},
        {"SCRAM-SHA-256-PLUS", true, "p,,n=a,r=x", AUTH_BOUND_REFUSED, 0},
        {"SCRAM-SHA-256-PLUS", true, "n,,n=a,r=x", AUTH_BOUND_REFUSED, 0},
        {"SCRAM-SHA-256-PLUS", true, "y,,n=a,r=x", AUTH_BOUND_REFUSED, 0},
        {"SCRAM-SHA-256-PLUS", true, "", AUTH_BOUND_REFUSED, 0},
        {"SCRAM-SHA-256", true, "n,,n=a,r=x", AUTH_BOUND_NOT, 0},
        {"SCRAM-SHA-256", true, "y,,n=a,r=x", AUTH_BOUND_REFUSED, 0}, /* it was offered -PLUS */
        {"SCRAM-SHA-256", false, "y,,n=a,r=x", AUTH_BOUND_NOT, 0},
        {"SCRAM-SHA-256", false, "p=tls-exporter,,n=a,r=x", AUTH_BOUND_REFUSED, 0},
        {"SCRAM-SHA-256", true, "p=tls-exporter,,n=a,r=x", AUTH_BOUND_REFUSED, 0},
        {"SCRAM-SHA-256", true, "x,,n=a,r=x", AUTH_BOUND_REFUSED, 0},
        {"SCRAM-SHA-256", true, "", AUTH_BOUND_REFUSED, 0},
    };
    struct auth_channel channel = {.certificate = SV_NONE};

    (void)state;
    channel.bindings[AUTH_BINDING_EXPORTER].len = 32;
    channel.bindings[AUTH_BINDING_END_POINT].len = 32;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        enum auth_binding type = AUTH_BINDINGS;
        enum auth_bound got = auth_bound_judge(sv_of(rows[i].mechanism), rows[i].offers_plus,
                                               sv_of(rows[i].message), &channel, &type);

        if (got != rows[i].verdict || (got == AUTH_BOUND_TYPE && type != rows[i].type))
            fail_msg("row %zu: %d", i, got);
    }
    assert_true(auth_bound_is_plus(SV("scram-sha-256-plus")));
    assert_false(auth_bound_is_plus(SV("SCRAM-SHA-256")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(judged)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
