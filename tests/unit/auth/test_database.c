/* Which database is asked, names where others keep the users, and what is said of faults. */
#include "tests/unit/auth/database.h"

#include "auth/database.h"

#include <errno.h>

static struct auth_options o;

static struct auth_options of_kind(enum auth_database kind)
{
    return (struct auth_options){
        .realms = database_realm_list, .database = kind, .path = "/nonexistent/db"};
}

static void names(void **state)
{
    static const char *const bad[] = {"o'brien", "al*", "a\\",      "a\"b", "a%u", "a,b",
                                      "a(b)",    "a;b", "\xc3\xa4", "a=b",  "a`b", "a&b"};
    struct auth_name name;

    (void)state;
    o = of_kind(AUTH_DATABASE_SQL);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(auth_database_name(&o, sv_of(bad[i]), &name), AUTH_NAME_FOREIGN);
    assert_int_equal(auth_database_name(&o, SV("A.b-c_d+e/f"), &name), AUTH_NAME_OK);
    assert_string_equal(name.text, "a.b-c_d+e/f@example.net");
    /* whom another authority names */
    assert_int_equal(auth_database_proven(&o, SV("Alice"), &name), AUTH_NAME_FOREIGN);
    assert_int_equal(auth_database_proven(&o, SV("alicE@example.net"), &name), AUTH_NAME_FOREIGN);
    assert_int_equal(auth_database_proven(&o, SV("al*"), &name), AUTH_NAME_FOREIGN);
    assert_int_equal(auth_database_proven(&o, SV("alice@EXAMPLE.NET"), &name), AUTH_NAME_OK);
    assert_string_equal(name.text, "alice@example.net");
    o.database = AUTH_DATABASE_SASLDB;
    assert_int_equal(auth_database_proven(&o, SV("Alice"), &name), AUTH_NAME_OK);
    assert_int_equal(auth_database_name(&o, SV("O'Brien"), &name), AUTH_NAME_OK);
    assert_string_equal(name.text, "O'Brien@example.net");
}

static void sasldb(void **state)
{
    const char *path = database_new();
    struct auth_users_identity before, after;
    struct auth_secret secret;
    struct auth_name alice = database_name("alice");
    bool yes;

    (void)state;
    o = of_kind(AUTH_DATABASE_SASLDB);
    o.path = path;
    assert_false(auth_database_is_foreign(&o));
    assert_null(auth_database_missing(&o));
    assert_int_equal(auth_database_start(&o, NULL, NULL), 0);
    assert_int_equal(auth_database_identity(&o, &before), 0);
    assert_int_equal(auth_database_exists(&o, &alice, &yes), 0);
    assert_false(yes);
    database_add(path, "alice", "secret");
    assert_int_equal(auth_database_exists(&o, &alice, &yes), 0);
    assert_true(yes);
    assert_int_equal(auth_database_secret(&o, &alice, AUTH_SCRAM_SHA1, &secret), 0);
    assert_int_equal(secret.kind, AUTH_SECRET_VERIFIER);
    assert_int_equal(auth_database_password(&o, &alice, SV("secret")), 0); /* not its way */
    assert_int_equal(auth_database_identity(&o, &after), 0);
    assert_false(auth_users_identity_eq(&before, &after));
    assert_int_equal(auth_database_probe(&o), 0);
    database_drop(path);
}

static void saslauthd(void **state)
{
    struct auth_secret secret;
    struct auth_name alice;
    struct buf why;
    bool yes;

    (void)state;
    o = of_kind(AUTH_DATABASE_SASLAUTHD);
    o.saslauthd = (struct auth_saslauthd_options){"/nonexistent/mux", "smtp"};
    assert_int_equal(auth_database_name(&o, SV("Alice"), &alice), AUTH_NAME_OK);
    assert_int_equal(auth_database_password(&o, &alice, SV("x")), ERR_KEEPER);
    buf_init(&why, 1024, 0);
    assert_int_equal(auth_database_start(&o, &(struct auth_foreign_files){.ca_path = ""}, &why), 0);
    assert_int_equal(auth_database_exists(&o, &alice, &yes), -ENOTSUP);
    assert_int_equal(auth_database_secret(&o, &alice, AUTH_SCRAM_SHA256, &secret), 0);
    assert_int_equal(secret.kind, AUTH_SECRET_ELSEWHERE);
    assert_int_equal(auth_database_password(&o, &alice, SV("x")), -EHOSTDOWN);
    auth_foreign_stop();
    buf_deinit(&why);
}

static void faults(void **state)
{
    char text[1024];

    (void)state;
    o = of_kind(AUTH_DATABASE_SASLDB);
    assert_string_equal(auth_database_fault(&o, ERR_CORRUPT, text),
                        "/nonexistent/db: stored data is damaged");
    o = of_kind(AUTH_DATABASE_LDAPDB);
    assert_string_equal(
        auth_database_fault(&o, ERR_KEEPER, text),
        "auth.database = \"ldapdb\": only msad itself asks it, and it is not running");
    assert_string_equal(auth_database_fault(&o, -ENOTSUP, text),
                        "auth.database = \"ldapdb\": it cannot say who exists");
}

static void plugins_that_are_missing(void **state)
{
    (void)state;
    setenv("SASL_PATH", "/nonexistent:/tmp", 1);
    o = of_kind(AUTH_DATABASE_SQL);
    assert_string_equal(auth_database_missing(&o), "libsasl2-modules-sql");
    o = of_kind(AUTH_DATABASE_LDAPDB);
    assert_string_equal(auth_database_missing(&o), "libsasl2-modules-ldap");
    o = of_kind(AUTH_DATABASE_SASLAUTHD);
    assert_null(auth_database_missing(&o));
    unsetenv("SASL_PATH");
    o = of_kind(AUTH_DATABASE_SQL);
    assert_null(auth_database_missing(&o));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names),
        cmocka_unit_test(sasldb),
        cmocka_unit_test(saslauthd),
        cmocka_unit_test(faults),
        cmocka_unit_test(plugins_that_are_missing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
