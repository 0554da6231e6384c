/* Cyrus' plugins, hosted: those that are there, that are not, that do not take their settings, and
 * nobody at the other end. */
#include "auth/auxprop.h"

#include "auth/cyrus.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char *const properties[] = {"*userPassword", NULL};
static char why[AUTH_AUXPROP_WHY_MAX];

static int set_up(void **state)
{
    (void)state;
    assert_int_equal(auth_cyrus_init(), 0);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    auth_cyrus_done();
    return 0;
}

static void none(void *arg, struct sv value)
{
    (void)arg;
    (void)value;
    fail();
}

static void what_is_missing(void **state)
{
    struct auth_auxprop *a = NULL;

    (void)state;
    assert_true(auth_auxprop_installed("sql"));
    assert_true(auth_auxprop_installed("ldapdb"));
    assert_false(auth_auxprop_installed("magic"));
    assert_int_equal(auth_auxprop_open("magic", NULL, 0, why, &a), ERR_NOT_FOUND);
    assert_string_equal(why, "Cyrus' plugin magic is not installed");
    /* a plugin of another kind, and one without its settings */
    assert_int_equal(auth_auxprop_open("plain", NULL, 0, why, &a), ERR_NOT_FOUND);
    assert_non_null(strstr(why, "plain_auxprop_plug_init"));
    assert_int_equal(auth_auxprop_open("ldapdb", NULL, 0, why, &a), ERR_NOT_FOUND);
    assert_non_null(strstr(why, "does not take its settings"));
}

static void nobody_answers(void **state)
{
    static const struct auth_auxprop_setting ldap[] = {
        {"ldapdb_uri", "ldap://127.0.0.1:1"}, {"ldapdb_id", "x"},        {"ldapdb_pw", "x"},
        {"ldapdb_mech", "SCRAM-SHA-256"},     {"ldapdb_starttls", NULL},
    };
    struct auth_auxprop *a = NULL;

    (void)state;
    for (unsigned n = 0; n < 2; n++) { /* ldapdb keeps its settings in static memory */
        assert_int_equal(auth_auxprop_open("ldapdb", ldap, 5, why, &a), 0);
        assert_int_equal(auth_auxprop_ask(a, "alice@x", properties, none, NULL, why), -EHOSTDOWN);
        assert_non_null(strstr(why, "cannot be reached"));
        assert_non_null(auth_auxprop_function(a, "ldap_initialize"));
        assert_null(auth_auxprop_function(a, "no_such_function"));
        auth_auxprop_close(a);
    }
    auth_auxprop_close(NULL);
}

#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {T(what_is_missing), T(nobody_answers)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
