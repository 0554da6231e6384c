/*
 * sasl_world.h - AUTH exchanges against a real database: set_up and tear_down for the tests of
 * their themes.
 */
#ifndef TESTS_UNIT_AUTH_SASL_WORLD_H
#define TESTS_UNIT_AUTH_SASL_WORLD_H

#include "auth/sasl.h"
#include "tests/unit/auth/database.h"

static struct auth_check *check;

static inline int start_all(void **state)
{
    (void)state;
    return auth_sasl_init();
}

static inline int stop_all(void **state)
{
    (void)state;
    auth_sasl_done();
    return 0;
}

static inline int set_up(void **state)
{
    (void)state;
    check = auth_check_new();
    return 0;
}

static inline int tear_down(void **state)
{
    (void)state;
    auth_check_free(check);
    return 0;
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

#endif
