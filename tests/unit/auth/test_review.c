/* What --check says of the databases. */
#include "auth/review.h"
#include "auth/change.h"
#include "tests/unit/auth/database.h"

static char said[4096];

static void say(void *arg, const char *key, const char *wrong, const char *right)
{
    size_t len = strlen(said);

    (void)arg;
    snprintf(said + len, sizeof(said) - len, "%s: %s; %s\n", key, wrong, right);
}

static const char *review(const struct auth_options *o)
{
    said[0] = '\0';
    auth_review(o, &(struct auth_foreign_files){.ca_path = ""}, say, NULL);
    return said;
}

static void user_add(const struct auth_options *o, const char *user)
{
    struct auth_name name = database_name(user);
    struct auth_change c;

    auth_change_begin(&c, o);
    assert_int_equal(auth_change_add(&c, &name, SV("secret")), 0);
    auth_change_end(&c);
}

static void lacking(void **state)
{
    static const char *names[] = {"SCRAM-SHA-256", "SCRAM-SHA-512-PLUS", "PLAIN", "CRAM-MD5",
                                  "EXTERNAL"};
    const char *path = database_new();
    struct auth_options o = database_options(path);

    (void)state;
    assert_string_equal(review(&o), ""); /* there is nothing yet */
    user_add(&o, "alice");
    assert_string_equal(review(&o), "");
    o.mechanisms = (struct conf_strings){names, 5};
    database_saslpasswd2(path, "eve", "other.example", "secret"); /* not our realm */
    user_add(&o, "bob");
    assert_string_equal(
        review(&o),
        "auth.mechanisms[1]: 1 login cannot use SCRAM-SHA-512-PLUS: nothing is stored for it; "
        "a new password: msactl user passwd alice@example.net\n"
        "auth.mechanisms[3]: 2 logins cannot use CRAM-MD5: nothing is stored for it; "
        "a new password: msactl user passwd alice@example.net, and so on\n");
    database_saslpasswd2(path, "alice", "example.net", "secret");
    assert_string_equal(
        review(&o), "auth.mechanisms[3]: 1 login cannot use CRAM-MD5: nothing is stored for it; "
                    "a new password: msactl user passwd bob@example.net\n");
    database_drop(path);
}

static void faults(void **state)
{
    const char *path = database_new();
    struct auth_options o = database_options(path);

    (void)state;
    user_add(&o, "alice");
    database_garbage(o.accounts_path);
    assert_non_null(strstr(review(&o), "state: "));
    assert_non_null(strstr(said, "users.db: stored data is damaged; restore it; until then"));
    assert_int_equal(unlink(o.accounts_path), 0);
    assert_non_null(strstr(review(&o), "users.db: it is gone"));
    database_garbage(path);
    assert_string_equal(review(&o), "auth.path: stored data is damaged; a database of Cyrus SASL; "
                                    "restore it\n");
    database_drop(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lacking),
        cmocka_unit_test(faults),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
