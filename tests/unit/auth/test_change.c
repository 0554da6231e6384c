/* Changes of users in both databases, whole and broken off. */
#include "auth/change.h"
#include "tests/unit/auth/database.h"

#include <errno.h>
#include <signal.h>
#include <sys/stat.h>

static const char *path;
static struct auth_options o;
static const char *all_names[] = {"SCRAM-SHA-256", "SCRAM-SHA-512-PLUS", "SCRAM-SHA-1", "PLAIN"};

static int set_up(void **state)
{
    (void)state;
    path = database_new();
    o = database_options(path);
    o.mechanisms = (struct conf_strings){all_names, 4};
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    database_drop(path);
    return 0;
}

enum act { ADD, PASSWD, DELETE };

static int act(enum act what, const char *user, const char *password)
{
    struct auth_name name = database_name(user);
    struct auth_change c;
    int err;

    auth_change_begin(&c, &o);
    err = what == ADD      ? auth_change_add(&c, &name, sv_of(password))
          : what == PASSWD ? auth_change_passwd(&c, &name, sv_of(password))
                           : auth_change_delete(&c, &name);
    auth_change_end(&c);
    return err;
}

static int set_state(const char *user, enum auth_state state, unsigned from)
{
    struct auth_name name = database_name(user);
    struct auth_account before;
    struct auth_change c;
    int err;

    auth_change_begin(&c, &o);
    err = auth_change_state(&c, &name, state, from, SV("why"), &before);
    auth_change_end(&c);
    return err;
}

static int add_app(const char *user, const char *label, char secret[AUTH_APP_SECRET_MAX])
{
    struct auth_name name = database_name(user);
    struct auth_change c;
    int err;

    auth_change_begin(&c, &o);
    err = auth_change_app_add(&c, &name, sv_of(label), secret);
    auth_change_end(&c);
    return err;
}

/* Whether a password fits the verifier of a hash that now counts. */
static bool fits(const char *user, enum auth_scram_hash hash, const char *password)
{
    struct auth_accounts *a = auth_accounts_new(o.accounts_path, 100);
    struct auth_name name = database_name(user);
    uint8_t main[AUTH_MAIN_BYTES];
    struct auth_secret secret;
    struct auth_scram v;
    int err;

    assert_int_equal(auth_users_secret(path, &name, &secret), 0);
    v = secret.verifier;
    auth_accounts_main(&secret.verifier, main);
    err = hash == AUTH_SCRAM_SHA256
              ? 0
              : auth_accounts_verifier(a, auth_name_view(&name), hash, main, &v);
    auth_accounts_free(a);
    return err == 0 && secret.kind == AUTH_SECRET_VERIFIER &&
           auth_scram_matches(&v, sv_of(password));
}

static enum auth_state state_of(const char *user)
{
    struct auth_accounts *a = auth_accounts_new(o.accounts_path, 100);
    struct auth_name name = database_name(user);
    struct auth_account account;

    assert_int_equal(auth_accounts_get(a, auth_name_view(&name), &account), 0);
    auth_accounts_free(a);
    return account.state;
}

static void every_mechanism(void **state)
{
    (void)state;
    assert_int_equal(act(ADD, "alice", "one"), 0);
    for (unsigned h = 0; h < AUTH_SCRAM_HASHES; h++) {
        assert_true(fits("alice", (enum auth_scram_hash)h, "one"));
        assert_false(fits("alice", (enum auth_scram_hash)h, "two"));
    }
    assert_int_equal(act(ADD, "alice", "two"), ERR_EXISTS);
    assert_true(fits("alice", AUTH_SCRAM_SHA1, "one"));
    assert_int_equal(act(PASSWD, "alice", "two"), 0);
    for (unsigned h = 0; h < AUTH_SCRAM_HASHES; h++) {
        assert_true(fits("alice", (enum auth_scram_hash)h, "two"));
        assert_false(fits("alice", (enum auth_scram_hash)h, "one"));
    }
    /* one who changes the user database alone leaves no old password behind */
    database_passwd(path, "alice", "three");
    assert_true(fits("alice", AUTH_SCRAM_SHA256, "three"));
    assert_false(fits("alice", AUTH_SCRAM_SHA1, "two"));
    assert_int_equal(act(PASSWD, "bob", "x"), ERR_NOT_FOUND);
    assert_int_equal(act(DELETE, "bob", ""), ERR_NOT_FOUND);
}

/* A new user of an old name begins anew, however the old one went. */
static void nothing_is_inherited(void **state)
{
    char secret[AUTH_APP_SECRET_MAX];

    (void)state;
    for (unsigned by_hand = 0; by_hand < 2; by_hand++) {
        assert_int_equal(act(ADD, "alice", "one"), 0);
        assert_int_equal(add_app("alice", "phone", secret), 0);
        assert_int_equal(set_state("alice", AUTH_STATE_DISABLED, ~0u), 0);
        assert_int_equal(state_of("alice"), AUTH_STATE_DISABLED);
        if (by_hand)
            database_delete(path, "alice");
        else
            assert_int_equal(act(DELETE, "alice", ""), 0);
        assert_int_equal(act(ADD, "alice", "one"), 0);
        assert_int_equal(state_of("alice"), AUTH_STATE_ENABLED);
        assert_int_equal(add_app("alice", "phone", secret), 0); /* the label is free */
        assert_int_equal(act(DELETE, "alice", ""), 0);
    }
}

static void states(void **state)
{
    (void)state;
    assert_int_equal(set_state("alice", AUTH_STATE_DISABLED, ~0u), ERR_NOT_FOUND);
    assert_int_equal(act(ADD, "alice", "one"), 0);
    assert_int_equal(set_state("alice", AUTH_STATE_LOCKED, ~0u), 0);
    assert_int_equal(set_state("alice", AUTH_STATE_ENABLED, 1u << AUTH_STATE_DISABLED), 0);
    assert_int_equal(state_of("alice"), AUTH_STATE_LOCKED); /* not allowed from there */
    assert_int_equal(set_state("alice", AUTH_STATE_ENABLED, 1u << AUTH_STATE_LOCKED), 0);
    assert_int_equal(state_of("alice"), AUTH_STATE_ENABLED);
    /* a password does not enable */
    assert_int_equal(set_state("alice", AUTH_STATE_DISABLED, ~0u), 0);
    assert_int_equal(act(PASSWD, "alice", "two"), 0);
    assert_int_equal(state_of("alice"), AUTH_STATE_DISABLED);
}

/* "alice/phone" as a user of saslpasswd2 takes that name. */
static void app_labels(void **state)
{
    char secret[AUTH_APP_SECRET_MAX], longest[AUTH_LABEL_MAX + 1], user[AUTH_NAME_MAX];

    (void)state;
    assert_int_equal(add_app("alice", "phone", secret), ERR_NOT_FOUND);
    assert_int_equal(act(ADD, "alice", "one"), 0);
    database_add(path, "alice/phone", "other");
    assert_int_equal(add_app("alice", "phone", secret), ERR_EXISTS);
    assert_int_equal(secret[0], '\0');
    assert_int_equal(add_app("alice", "tablet", secret), 0);
    assert_int_equal(add_app("alice", "tablet", secret), ERR_EXISTS);
    memset(longest, 'l', sizeof(longest) - 1);
    longest[sizeof(longest) - 1] = '\0';
    memset(user, 'u', sizeof(user) - 1);
    user[AUTH_NAME_MAX - strlen("@example.net") - 10] = '\0';
    assert_int_equal(act(ADD, user, "one"), 0);
    assert_int_equal(add_app(user, longest, secret), ERR_LIMIT);
}

static void cleartext(void **state)
{
    struct auth_name name = database_name("alice");
    struct auth_secret secret;
    struct auth_users_survey all;

    (void)state;
    o.store_cleartext = true;
    assert_int_equal(act(ADD, "alice", "one"), 0);
    assert_int_equal(auth_users_secret(path, &name, &secret), 0);
    assert_int_equal(secret.kind, AUTH_SECRET_CLEARTEXT);
    assert_memory_equal(secret.password, "one", 3);
    o.store_cleartext = false;
    assert_int_equal(act(PASSWD, "alice", "two"), 0);
    assert_int_equal(auth_users_survey(path, &all), 0);
    assert_false(all.any_cleartext);
    assert_true(fits("alice", AUTH_SCRAM_SHA1, "two"));
}

/* A broken users.db stops what needs it, and nothing is half done; a password can still be
 * changed where no further mechanism is offered. */
static void broken_accounts(void **state)
{
    struct auth_name name = database_name("alice");
    struct auth_change c;
    bool exists;

    (void)state;
    assert_int_equal(act(ADD, "alice", "one"), 0);
    database_garbage(o.accounts_path);
    assert_int_equal(act(ADD, "bob", "one"), ERR_CORRUPT);
    assert_int_equal(auth_users_exists(path, &(struct auth_name){"bob@example.net", 3}, &exists),
                     0);
    assert_false(exists);
    assert_int_equal(act(PASSWD, "alice", "two"), ERR_CORRUPT);
    assert_true(fits("alice", AUTH_SCRAM_SHA256, "one"));
    auth_change_begin(&c, &o);
    assert_int_equal(auth_change_admin(&c, &name, true), ERR_CORRUPT);
    assert_true(c.in_accounts);
    auth_change_end(&c);
    o.mechanisms.count = 1;
    assert_int_equal(act(PASSWD, "alice", "two"), 0);
    assert_true(fits("alice", AUTH_SCRAM_SHA256, "two"));
    assert_int_equal(unlink(o.accounts_path), 0); /* gone, not: never made */
    assert_int_equal(act(ADD, "bob", "one"), -ENOENT);
}

enum { WRITERS = 5, EACH = 6 };

/* Killed at any moment: the user has the old password with all mechanisms, or the new one. */
static void killed(void **state)
{
    (void)state;
    assert_int_equal(act(ADD, "alice", "p0"), 0);
    for (unsigned i = 1; i <= 25; i++) {
        char password[16];
        unsigned holds = 0;
        pid_t pid = fork();

        snprintf(password, sizeof(password), "p%u", i);
        if (pid == 0)
            _exit(act(PASSWD, "alice", password) != 0);
        usleep(1000 * i);
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
        for (unsigned n = 0; n <= i; n++) {
            snprintf(password, sizeof(password), "p%u", n);
            if (!fits("alice", AUTH_SCRAM_SHA256, password))
                continue;
            holds++;
            assert_true(fits("alice", AUTH_SCRAM_SHA1, password));
            assert_true(fits("alice", AUTH_SCRAM_SHA512, password));
        }
        assert_int_equal(holds, 1);
    }
}

static void many_processes(void **state)
{
    (void)state;
    for (unsigned w = 0; w < WRITERS; w++) {
        if (fork() != 0)
            continue;
        for (unsigned i = 0; i < EACH; i++) {
            char user[32];

            snprintf(user, sizeof(user), "u%u-%u", w, i);
            if (act(ADD, user, "one") != 0 || act(PASSWD, user, "two") != 0)
                _exit(1);
        }
        _exit(0);
    }
    for (unsigned w = 0; w < WRITERS; w++) {
        int status;

        assert_true(wait(&status) > 0);
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
    for (unsigned w = 0; w < WRITERS; w++) {
        for (unsigned i = 0; i < EACH; i++) {
            char user[32];

            snprintf(user, sizeof(user), "u%u-%u", w, i);
            assert_true(fits(user, AUTH_SCRAM_SHA512, "two"));
        }
    }
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(every_mechanism), T(nothing_is_inherited), T(states), T(app_labels),
        T(cleartext),       T(broken_accounts),      T(killed), T(many_processes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
