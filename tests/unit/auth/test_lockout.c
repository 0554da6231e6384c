/* The server shuts a login, and can do no more than that. */
#include "auth/change.h"
#include "auth/lockout.h"
#include "tests/unit/auth/database.h"

#include <sys/stat.h>

static const char *path;
static struct auth_options o;

static int set_up(void **state)
{
    (void)state;
    path = database_new();
    o = database_options(path);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    database_drop(path);
    return 0;
}

static struct auth_account account_of(const char *login)
{
    struct auth_accounts *a = auth_accounts_new(o.accounts_path, 100);
    struct auth_account account;

    assert_int_equal(auth_accounts_get(a, sv_of(login), &account), 0);
    auth_accounts_free(a);
    return account;
}

static int set_state(const char *user, enum auth_state state, unsigned from)
{
    struct auth_name name;
    struct auth_account before;
    struct auth_change c;
    int err;

    assert_int_equal(auth_name_parse(&o.realms, sv_of(user), &name), AUTH_NAME_OK);
    auth_change_begin(&c, &o);
    err = auth_change_state(&c, &name, state, from, SV("by hand"), &before);
    auth_change_end(&c);
    return err;
}

static void locked_until_unlocked(void **state)
{
    (void)state;
    assert_int_equal(auth_accounts_make(o.accounts_path), 0);
    database_add(path, "alice", "secret");
    assert_int_equal(auth_lockout(&o, SV("alice@example.net"), SV("sent 11 messages")), AUTH_OK);
    assert_int_equal(account_of("alice@example.net").state, AUTH_STATE_LOCKED);
    assert_string_equal(account_of("alice@example.net").reason, "sent 11 messages");
    /* again, and while it is disabled: it is out, and stays what it is */
    assert_int_equal(auth_lockout(&o, SV("alice@example.net"), SV("more")), AUTH_OK);
    assert_string_equal(account_of("alice@example.net").reason, "sent 11 messages");
    assert_int_equal(set_state("alice", AUTH_STATE_DISABLED, ~0u), 0);
    assert_int_equal(auth_lockout(&o, SV("alice@example.net"), SV("more")), AUTH_OK);
    assert_int_equal(account_of("alice@example.net").state, AUTH_STATE_DISABLED);
}

static void nobody_and_nonsense(void **state)
{
    static const char *const names[] = {"nobody@example.net", "a@foreign.example", "", "@trusted",
                                        "a b@example.net"};
    (void)state;
    assert_int_equal(auth_accounts_make(o.accounts_path), 0);
    database_add(path, "alice", "secret");
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        assert_int_equal(auth_lockout(&o, sv_of(names[i]), SV("x")), AUTH_DENIED);
    char why[1000];
    memset(why, 'w', sizeof(why));
    assert_int_equal(auth_lockout(&o, SV("alice@example.net"), (struct sv){why, sizeof(why)}),
                     AUTH_OK);
    assert_int_equal(strlen(account_of("alice@example.net").reason), AUTH_REASON_MAX);
}

/* What cannot be written is said so, never taken as done. */
static void damaged(void **state)
{
    (void)state;
    assert_int_equal(auth_accounts_make(o.accounts_path), 0);
    database_add(path, "alice", "secret");
    FILE *f = fopen(o.accounts_path, "w");
    assert_non_null(f);
    fputs("this is no database, but it is as long as the header of one would be: "
          "0123456789012345678901234567890123456789",
          f);
    fclose(f);
    assert_int_equal(auth_lockout(&o, SV("alice@example.net"), SV("x")), AUTH_TEMPORARY);
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {T(locked_until_unlocked), T(nobody_and_nonsense),
                                       T(damaged)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
