/* Users in an SQLite table, by Cyrus' own plugin: what it finds, and that no fault of the database
 * is a user who does not exist. */
#include "auth/change.h"
#include "auth/check.h"
#include "auth/cyrus.h"
#include "auth/database.h"
#include "auth/lockout.h"
#include "tests/unit/auth/database.h"

#include <errno.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdatomic.h>

static char folder[64], file[96];
static struct auth_options o;

static void run(const char *sql)
{
    sqlite3 *db = NULL;

    assert_int_equal(sqlite3_open(file, &db), SQLITE_OK);
    if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
        fail_msg("%s: %s", sql, sqlite3_errmsg(db));
    sqlite3_close(db);
}

static int start(const char *select)
{
    struct buf why;
    int err;

    buf_init(&why, 1024, 0);
    o.sql.select = select;
    err = auth_database_start(&o, &(struct auth_foreign_files){.ca_path = ""}, &why);
    buf_deinit(&why);
    return err;
}

static int set_up(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/auth-test-XXXXXX");
    assert_non_null(mkdtemp(folder));
    snprintf(file, sizeof(file), "%s/users", folder);
    o = (struct auth_options){
        .realms = database_realm_list,
        .database = AUTH_DATABASE_SQL,
        .sql = {.engine = AUTH_SQL_SQLITE3, .user = "", .database = file},
        .ldapdb = {.uri = "", .id = "", .mech = ""},
        .saslauthd = {.socket = "", .service = ""},
    };
    assert_int_equal(auth_cyrus_init(), 0);
    run("CREATE TABLE u (name, realm, password);"
        "INSERT INTO u VALUES ('alice', 'example.net', '{PLAIN}secret'),"
        " ('null', 'example.net', NULL), ('empty', 'example.net', ''),"
        " ('bob', 'example.net', '$6$x$y'), ('Carol', 'example.net', 'capital'), ('dave', "
        "'example.net', 'secret'),"
        " ('eve', 'example.net', '!')");
    assert_int_equal(start("SELECT password FROM u WHERE name = '%u' AND realm = '%r'"), 0);
    return 0;
}

static int tear_down(void **state)
{
    char name[128];

    (void)state;
    auth_foreign_stop();
    auth_cyrus_done();
    for (unsigned i = 0; i < 10; i++) {
        static const char *const ends[] = {"",        "-journal", "-wal",     "-shm",     ".db",
                                           ".db-wal", ".db-shm",  ".db.lock", ".db.made", ".salt"};

        snprintf(name, sizeof(name), "%s%s", file, ends[i]);
        unlink(name);
    }
    assert_int_equal(rmdir(folder), 0);
    return 0;
}

/* The kind, or an error. */
static int kind(const char *user)
{
    struct auth_secret secret;
    struct auth_name name;
    enum auth_name_fault fault = auth_database_name(&o, sv_of(user), &name);
    int err;

    assert_int_equal(fault, AUTH_NAME_OK);
    err = auth_database_secret(&o, &name, AUTH_SCRAM_SHA256, &secret);
    return err < 0 ? err : (int)secret.kind;
}

static void look_ups(void **state)
{
    (void)state;
    assert_int_equal(kind("alice"), AUTH_SECRET_CLEARTEXT);
    assert_int_equal(kind("ALICE@Example.Net"), AUTH_SECRET_CLEARTEXT);
    assert_int_equal(kind("alice@sales.example.net"), AUTH_SECRET_NONE);
    assert_int_equal(kind("nobody"), AUTH_SECRET_NONE);
    assert_int_equal(kind("bob"), AUTH_SECRET_HASHED);
    /* the plugin gives "NULL", and an empty text */
    assert_int_equal(kind("null"), AUTH_SECRET_LOCKED);
    assert_int_equal(kind("empty"), AUTH_SECRET_LOCKED);
    /* bare ones: as the option says at this moment */
    assert_int_equal(kind("dave"), AUTH_SECRET_LOCKED);
    assert_int_equal(kind("eve"), AUTH_SECRET_LOCKED);
    o.sql.cleartext = true;
    assert_int_equal(kind("dave"), AUTH_SECRET_CLEARTEXT);
    assert_int_equal(kind("eve"), AUTH_SECRET_LOCKED);
    /* looked up in lower case */
    assert_int_equal(kind("Carol"), AUTH_SECRET_NONE);
}

static void faults_are_no_missing_users(void **state)
{
    char why[1024];

    (void)state;
    run("ALTER TABLE u RENAME TO v");
    assert_int_equal(kind("alice"), ERR_DB);
    assert_non_null(strstr(auth_database_fault(&o, ERR_DB, why), "no such table: u"));
    run("ALTER TABLE v RENAME TO u");
    assert_int_equal(kind("alice"), AUTH_SECRET_CLEARTEXT);
    unlink(file);
    assert_int_equal(kind("alice"), ERR_DB);
    assert_non_null(strstr(auth_database_fault(&o, ERR_DB, why), file));
    assert_int_equal(access(file, F_OK), -1); /* none was made */
    database_garbage(file);
    assert_int_equal(kind("alice"), ERR_DB);
    assert_non_null(strstr(auth_database_fault(&o, ERR_DB, why), "not a database"));
}

static void *write_for_a_while(void *arg)
{
    sqlite3 *db = arg;

    usleep(300000);
    assert_int_equal(sqlite3_exec(db, "COMMIT", NULL, NULL, NULL), SQLITE_OK);
    return NULL;
}

static void a_writer_is_waited_for(void **state)
{
    sqlite3 *db = NULL;
    pthread_t thread;

    (void)state;
    assert_int_equal(sqlite3_open(file, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "BEGIN EXCLUSIVE", NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(pthread_create(&thread, NULL, write_for_a_while, db), 0);
    assert_int_equal(kind("alice"), AUTH_SECRET_CLEARTEXT);
    pthread_join(thread, NULL);
    assert_int_equal(sqlite3_exec(db, "BEGIN EXCLUSIVE", NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(kind("alice"), ERR_DB); /* but not for ever */
    sqlite3_close(db);
    assert_int_equal(kind("alice"), AUTH_SECRET_CLEARTEXT);
}

static void changes_are_seen(void **state)
{
    struct auth_users_identity a, b;

    (void)state;
    assert_int_equal(auth_database_identity(&o, &a), 0);
    usleep(20000);
    run("UPDATE u SET password = 'other'");
    assert_int_equal(auth_database_identity(&o, &b), 0);
    assert_false(auth_users_identity_eq(&a, &b));
    run("PRAGMA journal_mode = WAL");
}

static void not_opened(void **state)
{
    char why[1024];
    bool exists;
    struct auth_name alice;

    (void)state;
    auth_foreign_stop();
    assert_int_equal(kind("alice"), ERR_KEEPER);
    assert_int_equal(auth_database_probe(&o), ERR_KEEPER);
    assert_non_null(strstr(auth_database_fault(&o, ERR_KEEPER, why), "not running"));
    assert_int_equal(start("SELECT password FROM u WHERE name = '%u'"), 0);
    assert_int_equal(auth_database_probe(&o), 0);
    assert_int_equal(auth_database_name(&o, SV("alice"), &alice), AUTH_NAME_OK);
    assert_int_equal(auth_database_exists(&o, &alice, &exists), 0);
    assert_true(exists);
}

static void a_password_that_cannot_be_handed_on(void **state)
{
    struct auth_foreign_files files = {.password = SV("it's\n"), .ca_path = ""};
    struct buf why;

    (void)state;
    auth_foreign_stop();
    o.sql.engine = AUTH_SQL_PGSQL;
    buf_init(&why, 1024, 0);
    assert_int_equal(auth_database_start(&o, &files, &why), ERR_SYNTAX);
    assert_true(sv_starts(buf_view(&why), SV("auth.database: the password in auth.sql.pass")));
    buf_deinit(&why);
}

static struct auth_sources sources(void)
{
    static char accounts[96];

    snprintf(accounts, sizeof(accounts), "%s/users.db", folder);
    o.accounts_path = accounts;
    return (struct auth_sources){&o, auth_accounts_new(accounts, 500)};
}

/* Nothing lets him in whose password was taken away where it is kept. */
static void no_password_is_disabled(void **state)
{
    static const struct {
        const char *value; /* SQL */
        int by_app, by_main;
    } rows[] = {
        {"'{PLAIN}secret'", 1, 1}, {"NULL", 0, 0}, {"''", 0, 0},           {"'!'", 0, 0},
        {"'*LK*'", 0, 0},          {"'x'", 0, 0},  {"'!{SSHA}AA'", 0, 0},  {"'{CRYPT}!'", 0, 0},
        {"'secret'", 0, 0},        {"''", 0, 0},   {"'{SASL}dave'", 1, 0}, {"'{MD5}AAAA'", 1, 0},
    };
    static const char *mechanisms[] = {"SCRAM-SHA-256"};
    struct auth_check *check = auth_check_new();
    struct auth_sources s = sources();
    char secret[AUTH_APP_SECRET_MAX], statement[128];
    struct auth_change change;
    struct auth_found found;
    struct auth_scram verifier;
    struct auth_name dave;
    bool known;

    (void)state;
    o.mechanisms = (struct conf_strings){mechanisms, 1};
    assert_int_equal(auth_accounts_make(o.accounts_path), 0);
    assert_int_equal(auth_database_name(&o, SV("dave"), &dave), AUTH_NAME_OK);
    auth_change_begin(&change, &o);
    assert_int_equal(auth_change_app_add(&change, &dave, SV("phone"), secret), 0);
    auth_change_end(&change);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        snprintf(statement, sizeof(statement), "UPDATE u SET password = %s WHERE name = 'dave'",
                 rows[i].value);
        run(statement);
        assert_int_equal(auth_check_password(check, &s, SV("dave"), SV("secret"), &found),
                         rows[i].by_main);
        assert_int_equal(auth_check_password(check, &s, SV("dave"), sv_of(secret), &found),
                         rows[i].by_app);
        assert_int_equal(auth_check_password(check, &s, SV("dave/phone"), sv_of(secret), &found),
                         rows[i].by_app);
        assert_int_equal(auth_check_verifier(check, &s, SV("dave/phone"), AUTH_SCRAM_SHA256,
                                             &verifier, &found, &known),
                         0);
        assert_int_equal(known, rows[i].by_app);
        assert_int_equal(auth_check_user(check, &s, &dave, &found), rows[i].by_app);
        assert_int_equal(strstr(found.why, "no password of the login") != NULL, !rows[i].by_app);
        usleep(5000); /* another time stamp */
    }
    auth_accounts_free(s.accounts);
    auth_check_free(check);
}

/* What is never asked for is no sign of life. */
static void a_password_that_saslauthd_does_not_take(void **state)
{
    char text[256];
    struct auth_name alice;
    static const struct sv nul = {"sec\0ret", 7};

    (void)state;
    auth_foreign_stop();
    memset(text, 'x', sizeof(text));
    o.database = AUTH_DATABASE_SASLAUTHD;
    o.saslauthd.socket = "/nonexistent/mux";
    assert_int_equal(start(""), 0);
    assert_int_equal(auth_database_name(&o, SV("alice"), &alice), AUTH_NAME_OK);
    assert_int_equal(auth_database_password(&o, &alice, SV("secret")), -EHOSTDOWN);
    assert_int_equal(auth_database_password(&o, &alice, (struct sv){text, sizeof(text)}), 0);
    assert_int_equal(auth_database_password(&o, &alice, nul), 0);
    assert_int_equal(auth_database_password(&o, &alice, SV("secret")), -EHOSTDOWN);
}

static atomic_bool is_disabled;

static void *disable_dave(void *arg)
{
    struct auth_account before;
    struct auth_change change;
    struct auth_name dave;

    (void)arg;
    assert_int_equal(auth_database_name(&o, SV("dave"), &dave), AUTH_NAME_OK);
    auth_change_begin(&change, &o);
    assert_int_equal(
        auth_change_state(&change, &dave, AUTH_STATE_DISABLED, ~0u, SV("why"), &before), 0);
    auth_change_end(&change);
    is_disabled = true;
    return NULL;
}

/* Neither asks the slow table nor waits for somebody who does. */
static void a_lockout_waits_for_no_table(void **state)
{
    struct auth_sources s = sources();
    struct auth_account account;
    sqlite3 *db = NULL;
    pthread_t thread;

    (void)state;
    assert_int_equal(auth_accounts_make(o.accounts_path), 0);
    assert_int_equal(sqlite3_open(file, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "BEGIN EXCLUSIVE", NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(pthread_create(&thread, NULL, disable_dave, NULL), 0);
    usleep(200000); /* it asks, for a second */
    assert_int_equal(auth_lockout(&o, SV("dave@example.net"), SV("sent too much")), AUTH_OK);
    assert_false(is_disabled);
    assert_int_equal(auth_accounts_get(s.accounts, SV("dave@example.net"), &account), 0);
    assert_int_equal(account.state, AUTH_STATE_LOCKED);
    sqlite3_close(db);
    pthread_join(thread, NULL);
    assert_int_equal(auth_accounts_get(s.accounts, SV("dave@example.net"), &account), 0);
    assert_int_equal(account.state, AUTH_STATE_DISABLED);
    auth_accounts_free(s.accounts);
}

/* Every name and password costs one derivation, whatever is stored. */
static void the_same_work(void **state)
{
    static const struct {
        const char *user;
        int right;
    } rows[] = {
        {"alice", 1}, {"alice@sales.example.net", 0}, {"nobody", 0}, {"null", 0}, {"bob", 0},
        {"al*", 0},   {"alice@else.net", 0}};
    struct auth_check *check = auth_check_new();
    struct auth_sources s = sources();
    struct auth_found found;
    struct auth_scram verifier;
    bool known;

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        uint64_t before = auth_scram_derivations();

        assert_int_equal(auth_check_password(check, &s, sv_of(rows[i].user), SV("secret"), &found),
                         rows[i].right);
        assert_int_equal(auth_scram_derivations() - before, 1);
        before = auth_scram_derivations();
        assert_int_equal(auth_check_verifier(check, &s, sv_of(rows[i].user), AUTH_SCRAM_SHA256,
                                             &verifier, &found, &known),
                         0);
        assert_int_equal(known, rows[i].right);
        assert_int_equal(verifier.iterations, AUTH_SCRAM_ITERATIONS);
        assert_int_equal(auth_scram_derivations() - before, 1);
    }
    auth_accounts_free(s.accounts);
    auth_check_free(check);
}

/* Who is nobody has the count that the settings give, and the same salt, whoever logs in. */
static void counts_of_the_table(void **state)
{
    static const char *const users[] = {"nobody", "alice", "nobody", "dave", "nobody"};
    struct auth_check *check = auth_check_new();
    struct auth_sources s = sources();
    struct auth_scram verifier = {.hash = AUTH_SCRAM_SHA256, .iterations = 10000, .salt_len = 16};
    struct auth_scram shown[5];
    char text[AUTH_SCRAM_TEXT_MAX], statement[512];
    struct auth_found found;
    bool known;

    (void)state;
    o.sql.scram_iterations = 7000;
    auth_check_follow(check, file, auth_options_iterations(&o));
    auth_scram_derive(&verifier, SV("secret"));
    auth_scram_write(&verifier, text);
    snprintf(statement, sizeof(statement), "UPDATE u SET password = '%s' WHERE name = 'alice'",
             text);
    run(statement);
    run("UPDATE u SET password = '{PLAIN}secret' WHERE name = 'dave'");
    for (unsigned i = 0; i < 5; i++) {
        assert_int_equal(auth_check_verifier(check, &s, sv_of(users[i]), AUTH_SCRAM_SHA256,
                                             &shown[i], &found, &known),
                         0);
        assert_int_equal(known, i % 2);
        assert_int_equal(shown[i].iterations, i == 1 ? 10000 : 7000);
    }
    assert_memory_equal(shown[0].salt, shown[2].salt, sizeof(shown[0].salt));
    assert_memory_equal(shown[0].salt, shown[4].salt, sizeof(shown[0].salt));
    auth_accounts_free(s.accounts);
    auth_check_free(check);
}

#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(look_ups),
        T(faults_are_no_missing_users),
        T(a_writer_is_waited_for),
        T(changes_are_seen),
        T(not_opened),
        T(the_same_work),
        T(no_password_is_disabled),
        T(a_password_that_saslauthd_does_not_take),
        T(a_lockout_waits_for_no_table),
        T(a_password_that_cannot_be_handed_on),
        T(counts_of_the_table),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
