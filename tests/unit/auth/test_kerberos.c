/* What is read of a krb5.conf; tickets are e2e/test_kerberos.py's matter. */
#include "auth/kerberos.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void default_realms(void **state)
{
    static char too_long[2 * AUTH_KERBEROS_REALM_MAX] = "[libdefaults]\ndefault_realm = ";
    static const struct {
        const char *conf, *realm;
    } rows[] = {
        {"", ""},
        {"[libdefaults]\n\tdefault_realm = OUR.TEST\n", "OUR.TEST"},
        {"[libdefaults]\ndefault_realm=OUR.TEST", "OUR.TEST"},
        {"# default_realm = X\n[libdefaults]\n#default_realm = X\n default_realm  =  Y \n", "Y"},
        {"[libdefaults]\nrdns = false\ndefault_realm = A\ndefault_realm = B\n", "A"},
        {"[realms]\ndefault_realm = A\n[libdefaults]\n[realms]\ndefault_realm = B\n", ""},
        {"[realms]\nA = {\n kdc = b\n}\n [libdefaults]\ndefault_realm = C\n", "C"},
        {"default_realm = A\n", ""},
        {"[libdefaults]\ndefault_realm\ndefault_realm =\n", ""},
        {"[libdefaults]\ndefault_realms = A\nxdefault_realm = A\n", ""},
        {too_long, ""},
    };
    char realm[AUTH_KERBEROS_REALM_MAX];

    (void)state;
    memset(too_long + strlen(too_long), 'A', AUTH_KERBEROS_REALM_MAX);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        auth_kerberos_default_realm(sv_of(rows[i].conf), realm);
        assert_string_equal(realm, rows[i].realm);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(default_realms)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
