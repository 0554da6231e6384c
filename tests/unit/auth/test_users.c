/* The user database: changes, what Cyrus' own tools make of it, and many processes at once. */
#include "auth/userdb.h"
#include "tests/unit/auth/database.h"

#include <errno.h>
#include <signal.h>
#include <sys/stat.h>
#include <time.h>

static enum auth_secret_kind kind_of(const char *path, const char *user)
{
    struct auth_name name = database_name(user);
    struct auth_secret secret;

    assert_int_equal(auth_users_secret(path, &name, &secret), 0);
    return secret.kind;
}

struct seen {
    char text[4096];
};

static void see(void *arg, const struct auth_users_entry *e)
{
    struct seen *s = arg;
    size_t len = strlen(s->text);

    snprintf(s->text + len, sizeof(s->text) - len, "%.*s%s%s ", SV_ARG(e->login),
             e->cleartext ? "+clear" : "", e->verifier ? "+verifier" : "");
}

static void changes(void **state)
{
    const char *path = database_new();
    struct auth_name alice = database_name("alice"), bob = database_name("bob");
    struct auth_secret secret;
    struct seen seen = {""};
    struct stat st;

    (void)state;
    assert_int_equal(database_put(path, false, &alice, "x"), ERR_NOT_FOUND);
    assert_int_equal(auth_users_delete(path, &alice), ERR_NOT_FOUND);
    assert_int_equal(auth_users_list(path, see, &seen), 0);
    assert_string_equal(seen.text, "");
    assert_int_equal(database_put(path, true, &alice, "secret"), 0);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(database_put(path, true, &alice, "other"), ERR_EXISTS);
    assert_int_equal(auth_users_secret(path, &alice, &secret), 0);
    assert_int_equal(secret.kind, AUTH_SECRET_VERIFIER);
    assert_true(auth_scram_matches(&secret.verifier, SV("secret")));
    assert_int_equal(database_put(path, true, &bob, "b"), 0);
    assert_int_equal(database_put(path, false, &alice, "new"), 0);
    assert_int_equal(auth_users_secret(path, &alice, &secret), 0);
    assert_true(auth_scram_matches(&secret.verifier, SV("new")));
    assert_false(auth_scram_matches(&secret.verifier, SV("secret")));
    assert_int_equal(auth_users_list(path, see, &seen), 0);
    assert_string_equal(seen.text, "alice@example.net+verifier bob@example.net+verifier ");
    assert_int_equal(auth_users_delete(path, &alice), 0);
    assert_int_equal(kind_of(path, "alice"), AUTH_SECRET_NONE);
    assert_int_equal(kind_of(path, "bob"), AUTH_SECRET_VERIFIER);
    database_drop(path);
}

/* No clear text: neither as a property nor as bytes anywhere in the files. */
static void no_cleartext(void **state)
{
    static const char password[] = "correct horse battery staple";
    const char *path = database_new();
    char bytes[65536];
    size_t len;
    FILE *f;

    (void)state;
    database_saslpasswd2(path, "alice", "example.net", password);
    assert_int_equal(kind_of(path, "alice"), AUTH_SECRET_CLEARTEXT);
    database_delete(path, "alice");
    database_drop(path);
    path = database_new();
    database_add(path, "alice", password);
    database_passwd(path, "alice", password);
    f = fopen(path, "rb");
    len = fread(bytes, 1, sizeof(bytes), f);
    fclose(f);
    assert_true(len > 0);
    assert_null(memmem(bytes, len, "horse", 5));
    assert_null(memmem(bytes, len, "userPassword", 12));
    database_drop(path);
}

/* A database of saslpasswd2: read, converted by passwd, deleted with all properties. */
static void saslpasswd2(void **state)
{
    const char *path = database_new();
    struct auth_name name = database_name("alice");
    struct auth_secret secret;
    struct seen seen = {""};
    char left[16];
    size_t len;
    struct auth_users_survey all;
    struct auth_userdb *u;

    (void)state;
    database_saslpasswd2(path, "alice", "example.net", "secret");
    database_saslpasswd2(path, "eve", "other.example", "secret");
    assert_int_equal(auth_users_secret(path, &name, &secret), 0);
    assert_int_equal(secret.kind, AUTH_SECRET_CLEARTEXT);
    assert_memory_equal(secret.password, "secret", 6);
    assert_int_equal(secret.password_len, 6);
    database_add(path, "bob", "b");
    assert_int_equal(auth_users_list(path, see, &seen), 0);
    assert_string_equal(seen.text, "alice@example.net+clear bob@example.net+verifier "
                                   "eve@other.example+clear ");
    database_passwd(path, "alice", "new");
    assert_int_equal(kind_of(path, "alice"), AUTH_SECRET_VERIFIER);
    /* saslpasswd2 again: it changes userPassword alone, which then counts */
    database_saslpasswd2(path, "alice", "example.net", "again");
    assert_int_equal(auth_users_secret(path, &name, &secret), 0);
    assert_int_equal(secret.kind, AUTH_SECRET_CLEARTEXT);
    assert_int_equal(auth_users_survey(path, &all), 0);
    assert_true(all.any_cleartext);
    database_delete(path, "alice");
    assert_int_equal(auth_userdb_open(path, AUTH_USERDB_READ, &u), 0);
    assert_int_equal(auth_userdb_get(u, &name, "userPassword", left, sizeof(left), &len),
                     ERR_NOT_FOUND);
    assert_int_equal(auth_userdb_get(u, &name, "authPassword", left, sizeof(left), &len),
                     ERR_NOT_FOUND);
    auth_userdb_close(u);
    database_drop(path);
}

static void run(void (*child)(const char *path, unsigned n), const char *path, unsigned processes,
                pid_t *pids)
{
    for (unsigned i = 0; i < processes; i++) {
        pids[i] = fork();
        if (pids[i] == 0) {
            child(path, i);
            _exit(0);
        }
    }
}

static void join(const pid_t *pids, unsigned processes)
{
    for (unsigned i = 0; i < processes; i++) {
        int status;

        assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
}

enum { WRITERS = 6, USERS = 25 };

static void add_many(const char *path, unsigned n)
{
    struct auth_name name;
    char text[64];

    for (unsigned i = 0; i < USERS; i++) {
        snprintf(text, sizeof(text), "user-%u-%u", n, i);
        if (auth_name_parse(&database_realm_list, sv_of(text), &name) != AUTH_NAME_OK ||
            database_put(path, true, &name, "pw") != 0)
            _exit(1);
    }
}

/* Reads an existing user all the time: he is always there. */
static void read_many(const char *path, unsigned n)
{
    struct auth_name name;
    struct auth_secret secret;

    (void)n;
    if (auth_name_parse(&database_realm_list, SV("alice"), &name) != AUTH_NAME_OK)
        _exit(1);
    for (unsigned i = 0; i < 3000; i++) {
        if (auth_users_secret(path, &name, &secret) != 0 || secret.kind != AUTH_SECRET_VERIFIER)
            _exit(2);
    }
}

static void count_user(void *arg, const struct auth_users_entry *e)
{
    (void)e;
    ++*(unsigned *)arg;
}

static void many_processes(void **state)
{
    const char *path = database_new();
    pid_t writers[WRITERS], readers[2];
    unsigned count = 0;

    (void)state;
    database_add(path, "alice", "secret");
    run(read_many, path, 2, readers);
    run(add_many, path, WRITERS, writers);
    join(writers, WRITERS);
    join(readers, 2);
    assert_int_equal(auth_users_list(path, count_user, &count), 0);
    assert_int_equal(count, WRITERS * USERS + 1);
    database_drop(path);
}

/* A writer that is killed leaves the old file whole, and the next one goes on. */
static void killed_writer(void **state)
{
    const char *path = database_new();
    struct auth_name name = database_name("after");

    (void)state;
    database_add(path, "alice", "secret");
    for (unsigned i = 0; i < 20; i++) {
        pid_t pid;

        run(add_many, path, 1, &pid);
        nanosleep(&(struct timespec){.tv_nsec = 3000000 + 1700000 * (long)i}, NULL);
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
        assert_int_equal(kind_of(path, "alice"), AUTH_SECRET_VERIFIER);
        assert_int_equal(database_put(path, true, &name, "x"), 0);
        assert_int_equal(kind_of(path, "after"), AUTH_SECRET_VERIFIER);
        assert_int_equal(auth_users_delete(path, &name), 0);
        for (unsigned u = 0; u < USERS; u++) {
            char text[64];
            struct auth_name old;

            snprintf(text, sizeof(text), "user-0-%u", u);
            old = database_name(text);
            if (auth_users_delete(path, &old) == ERR_NOT_FOUND)
                break;
        }
    }
    database_drop(path);
}

static void damaged(void **state)
{
    const char *path = database_new();
    struct auth_name name = database_name("alice");
    struct auth_secret secret;
    struct seen seen = {""};

    (void)state;
    database_garbage(path);
    assert_int_equal(auth_users_secret(path, &name, &secret), ERR_CORRUPT);
    assert_int_equal(database_put(path, true, &name, "x"), ERR_CORRUPT);
    assert_int_equal(auth_users_list(path, see, &seen), ERR_CORRUPT);
    assert_int_equal(access(path, F_OK), 0); /* left as it was */
    database_drop(path);
    assert_int_equal(database_put("/nonexistent/sasldb2", true, &name, "x"), -ENOENT);
}

static void counts(void **state)
{
    const char *path = database_new();
    struct auth_users_survey c;

    (void)state;
    assert_int_equal(auth_users_survey(path, &c), 0); /* no file */
    assert_int_equal(c.count, 0);
    for (uint32_t i = 0; i < 12; i++) {
        char user[16];
        struct auth_scram v;
        struct auth_name name;

        snprintf(user, sizeof(user), "u%u", i);
        name = database_name(user);
        auth_scram_new(&v, AUTH_SCRAM_SHA256, SV("secret"));
        v.iterations = i < 10 ? 5000 - i : 4995;
        assert_int_equal(auth_users_add(path, &name, &v, SV_NONE), 0);
    }
    database_saslpasswd2(path, "carl", "example.net", "secret"); /* has none */
    assert_int_equal(auth_users_survey(path, &c), 0);
    assert_int_equal(c.count, AUTH_USERS_COUNTS_MAX);
    for (size_t i = 0; i < c.count; i++) {
        assert_true(i == 0 || c.at[i].iterations > c.at[i - 1].iterations);
        assert_true(c.at[i].users == (c.at[i].iterations == 4995 ? 3 : 1));
    }
    database_garbage(path);
    assert_int_equal(auth_users_survey(path, &c), ERR_CORRUPT);
    database_drop(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(changes),       cmocka_unit_test(no_cleartext),
        cmocka_unit_test(saslpasswd2),   cmocka_unit_test(many_processes),
        cmocka_unit_test(killed_writer), cmocka_unit_test(damaged),
        cmocka_unit_test(counts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
