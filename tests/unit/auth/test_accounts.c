/* users.db: what is kept, and every way in which the file can fail. */
#include "auth/accounts.h"
#include "auth/uses.h"
#include "msa/loop/clock.h"
#include "msa/sql/sql.h"
#include "tests/unit/auth/database.h"

#include <errno.h>
#include <sys/stat.h>
#include <time.h>

#define ALICE SV("alice@example.net")
#define BOB   SV("bob@example.net")

static struct auth_accounts *a;
static char path[80];
static const char *users;

static int set_up(void **state)
{
    (void)state;
    users = database_new();
    snprintf(path, sizeof(path), "%s", database_options(users).accounts_path);
    a = auth_accounts_new(path, 200);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    auth_accounts_free(a);
    database_drop(users);
    return 0;
}

static enum auth_state state_of(struct sv login)
{
    struct auth_account account;

    assert_int_equal(auth_accounts_get(a, login, &account), 0);
    return account.state;
}

static int64_t changes(void)
{
    struct auth_accounts_version v;

    assert_int_equal(auth_accounts_version(a, &v), 0);
    return v.changes;
}

/* Before it was ever made everybody is enabled; the first change makes it. */
static void states(void **state)
{
    struct auth_account account;
    struct stat st;
    int64_t before;

    (void)state;
    assert_int_equal(state_of(ALICE), AUTH_STATE_ENABLED);
    assert_int_equal(changes(), 0);
    assert_int_equal(stat(path, &st), -1);
    assert_int_equal(
        auth_accounts_set_state(a, ALICE, AUTH_STATE_DISABLED, SV("on leave"), 1234567), 0);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(auth_accounts_get(a, ALICE, &account), 0);
    assert_int_equal(account.state, AUTH_STATE_DISABLED);
    assert_int_equal(account.since_ms, 1234567);
    assert_string_equal(account.reason, "on leave");
    assert_false(account.admin);
    assert_int_equal(state_of(BOB), AUTH_STATE_ENABLED);
    before = changes();
    assert_int_equal(auth_accounts_set_admin(a, ALICE, true), 0);
    assert_int_equal(changes(), before + 1);
    assert_int_equal(auth_accounts_set_state(a, ALICE, AUTH_STATE_LOCKED, SV_NONE, 2), 0);
    assert_int_equal(auth_accounts_get(a, ALICE, &account), 0);
    assert_int_equal(account.state, AUTH_STATE_LOCKED);
    assert_true(account.admin);
    assert_string_equal(account.reason, "");
    assert_int_equal(auth_accounts_forget(a, ALICE), 0);
    assert_int_equal(state_of(ALICE), AUTH_STATE_ENABLED);
}

static void verifiers(void **state)
{
    uint8_t first[AUTH_MAIN_BYTES], second[AUTH_MAIN_BYTES];
    struct auth_scram main, list[2], got;

    (void)state;
    auth_scram_new(&main, AUTH_SCRAM_SHA256, SV("one"));
    auth_accounts_main(&main, first);
    auth_scram_new(&main, AUTH_SCRAM_SHA256, SV("one")); /* another salt: another verifier */
    auth_accounts_main(&main, second);
    assert_memory_not_equal(first, second, sizeof(first));
    auth_scram_new(&list[0], AUTH_SCRAM_SHA1, SV("one"));
    auth_scram_new(&list[1], AUTH_SCRAM_SHA512, SV("one"));
    assert_int_equal(auth_accounts_verifier(a, ALICE, AUTH_SCRAM_SHA1, first, &got), ERR_NOT_FOUND);
    assert_int_equal(auth_accounts_put_verifiers(a, ALICE, first, list, 2), 0);
    assert_int_equal(auth_accounts_verifier(a, ALICE, AUTH_SCRAM_SHA512, first, &got), 0);
    assert_true(auth_scram_matches(&got, SV("one")));
    assert_int_equal(auth_accounts_verifier(a, ALICE, AUTH_SCRAM_SHA512, second, &got),
                     ERR_NOT_FOUND);
    assert_int_equal(auth_accounts_verifier(a, BOB, AUTH_SCRAM_SHA512, first, &got), ERR_NOT_FOUND);
    /* the next password's stand beside them until it is there */
    auth_scram_new(&list[0], AUTH_SCRAM_SHA1, SV("two"));
    assert_int_equal(auth_accounts_put_verifiers(a, ALICE, second, list, 1), 0);
    assert_int_equal(auth_accounts_verifier(a, ALICE, AUTH_SCRAM_SHA1, first, &got), 0);
    assert_true(auth_scram_matches(&got, SV("one")));
    assert_int_equal(auth_accounts_settle(a, ALICE, second), 0);
    assert_int_equal(auth_accounts_verifier(a, ALICE, AUTH_SCRAM_SHA1, first, &got), ERR_NOT_FOUND);
    assert_int_equal(auth_accounts_verifier(a, ALICE, AUTH_SCRAM_SHA1, second, &got), 0);
    assert_true(auth_scram_matches(&got, SV("two")));
}

struct seen {
    char text[8192];
};

static void see_app(void *arg, const struct auth_app_row *r)
{
    struct seen *s = arg;
    size_t len = strlen(s->text);

    snprintf(s->text + len, sizeof(s->text) - len, "%.*s created %d used %d from %.*s revoked %d; ",
             SV_ARG(r->label), (int)r->created_ms, (int)r->used_ms, SV_ARG(r->used_from),
             (int)r->revoked_ms);
}

static void apps(void **state)
{
    uint8_t phone[AUTH_APP_DIGEST_BYTES] = {1}, tablet[AUTH_APP_DIGEST_BYTES] = {2};
    struct auth_app app, old;
    struct auth_scram v, got;
    struct auth_use use = {.login = "alice@example.net", .client = "192.0.2.7", .last_ms = 50};
    struct seen seen = {""};

    (void)state;
    auth_scram_new(&v, AUTH_SCRAM_SHA256, SV("secret"));
    assert_int_equal(auth_accounts_app(a, phone, &app), ERR_NOT_FOUND);
    assert_int_equal(auth_accounts_app_add(a, ALICE, SV("phone"), phone, &v, 1, 10), 0);
    assert_int_equal(auth_accounts_app_add(a, ALICE, SV("phone"), tablet, &v, 1, 10), ERR_EXISTS);
    assert_int_equal(auth_accounts_app_add(a, ALICE, SV("tablet"), tablet, &v, 1, 20), 0);
    assert_int_equal(auth_accounts_app(a, phone, &old), 0);
    assert_string_equal(old.label, "phone");
    assert_int_equal(
        auth_accounts_app_verifier(a, ALICE, SV("phone"), AUTH_SCRAM_SHA256, &app, &got), 0);
    assert_int_equal(app.id, old.id);
    assert_true(auth_scram_matches(&got, SV("secret")));
    assert_int_equal(auth_accounts_app_verifier(a, ALICE, SV("phone"), AUTH_SCRAM_SHA1, &app, &got),
                     ERR_NOT_FOUND);
    assert_int_equal(auth_accounts_app_verifier(a, BOB, SV("phone"), AUTH_SCRAM_SHA256, &app, &got),
                     ERR_NOT_FOUND);
    use.app = old;
    assert_int_equal(auth_accounts_used(a, &use, 1), 0);
    assert_int_equal(auth_accounts_app_revoke(a, ALICE, SV("phone"), 30), 0);
    assert_int_equal(auth_accounts_app_revoke(a, ALICE, SV("phone"), 31), ERR_NOT_FOUND);
    assert_int_equal(auth_accounts_app(a, phone, &app), ERR_NOT_FOUND);
    assert_int_equal(
        auth_accounts_app_verifier(a, ALICE, SV("phone"), AUTH_SCRAM_SHA256, &app, &got),
        ERR_NOT_FOUND);
    assert_int_equal(auth_accounts_each_app(a, ALICE, see_app, &seen), 0);
    assert_string_equal(seen.text, "phone created 10 used 50 from 192.0.2.7 revoked 30; "
                                   "tablet created 20 used 0 from  revoked 0; ");
    /* the label again: another password with another number */
    assert_int_equal(auth_accounts_app_add(a, ALICE, SV("phone"), phone, &v, 1, 40), 0);
    assert_int_equal(auth_accounts_app(a, phone, &app), 0);
    assert_true(app.id > old.id);
    assert_int_equal(auth_accounts_forget(a, ALICE), 0);
    assert_int_equal(auth_accounts_app(a, phone, &app), ERR_NOT_FOUND);
    assert_int_equal(auth_accounts_app(a, tablet, &app), ERR_NOT_FOUND);
}

static void too_many_apps(void **state)
{
    uint8_t digest[AUTH_APP_DIGEST_BYTES] = {0};
    char label[16];

    (void)state;
    for (unsigned i = 0; i <= AUTH_APPS_MAX; i++) {
        snprintf(label, sizeof(label), "l%u", i);
        digest[0] = (uint8_t)i;
        assert_int_equal(auth_accounts_app_add(a, ALICE, sv_of(label), digest, NULL, 0, 1),
                         i < AUTH_APPS_MAX ? 0 : ERR_LIMIT);
    }
    assert_int_equal(auth_accounts_app_add(a, BOB, SV("l"), digest, NULL, 0, 1), 0);
}

static void see_place(void *arg, const struct auth_place_row *r)
{
    struct seen *s = arg;
    size_t len = strlen(s->text);

    snprintf(s->text + len, sizeof(s->text) - len, "%.*s %.*s %.*s at %d, %d times; ",
             SV_ARG(r->client), SV_ARG(r->mechanism), SV_ARG(r->label), (int)r->last_ms,
             (int)r->count);
}

static struct auth_use use_of(const char *client, const char *label, int64_t at, uint32_t count)
{
    struct auth_use u = {
        .login = "alice@example.net", .mechanism = "PLAIN", .last_ms = at, .count = count};

    snprintf(u.client, sizeof(u.client), "%s", client);
    snprintf(u.app.label, sizeof(u.app.label), "%s", label);
    return u;
}

static void count_place(void *arg, const struct auth_place_row *r)
{
    (void)r;
    ++*(unsigned *)arg;
}

static void places(void **state)
{
    struct auth_use list[] = {use_of("192.0.2.1", "", 10, 1), use_of("2001:db8::1", "", 20, 2),
                              use_of("192.0.2.1", "", 30, 3), use_of("192.0.2.1", "phone", 25, 1)};
    struct seen seen = {""};
    unsigned count = 0;
    int64_t before;

    (void)state;
    before = changes();
    assert_int_equal(auth_accounts_used(a, list, 4), 0);
    assert_int_equal(auth_accounts_each_place(a, ALICE, see_place, &seen), 0);
    assert_string_equal(seen.text,
                        "192.0.2.1 PLAIN  at 30, 4 times; 192.0.2.1 PLAIN phone at 25, 1 times; "
                        "2001:db8::1 PLAIN  at 20, 2 times; ");
    assert_int_equal(changes(), before + 1); /* it was made, but uses do not count */
    before = changes();
    for (unsigned i = 0; i < 30; i++) {
        char client[32];

        snprintf(client, sizeof(client), "198.51.100.%u", i);
        list[0] = use_of(client, "", 100 + i, 1);
        assert_int_equal(auth_accounts_used(a, list, 1), 0);
    }
    assert_int_equal(changes(), before);
    assert_int_equal(auth_accounts_each_place(a, ALICE, count_place, &count), 0);
    assert_int_equal(count, AUTH_PLACES_MAX);
}

static bool seen_from(const char *client, int64_t since)
{
    bool seen;

    assert_int_equal(auth_accounts_seen(a, ALICE, sv_of(client), since, &seen), 0);
    return seen;
}

static void networks(void **state)
{
    static const struct {
        const char *client, *network;
    } rows[] = {
        {"192.0.2.1", "192.0.2.1"},
        {"2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"},
        {"", ""},
        {"mail.example.net", ""},
    };
    struct auth_use list[] = {use_of("192.0.2.1", "", 1000, 1),
                              use_of("2001:db8:1:2::9", "", 2000, 1), use_of("", "", 3000, 1)};
    char network[AUTH_NETWORK_MAX];

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        auth_accounts_network(sv_of(rows[i].client), network);
        assert_string_equal(network, rows[i].network);
    }
    assert_false(seen_from("192.0.2.1", 0));
    assert_int_equal(auth_accounts_used(a, list, 3), 0);
    assert_true(seen_from("192.0.2.1", 1000));
    assert_false(seen_from("192.0.2.1", 1001));
    assert_false(seen_from("192.0.2.2", 0));
    assert_true(seen_from("2001:db8:1:2:ffff::1", 2000));
    assert_false(seen_from("2001:db8:1:3::1", 0));
    assert_false(seen_from("", 0));
    assert_int_equal(auth_accounts_prune(a, (int64_t)AUTH_NETWORK_DAYS * 86400000 + 1500), 0);
    assert_false(seen_from("192.0.2.1", 0));
    assert_true(seen_from("2001:db8:1:2::", 0));
}

static void many_networks(void **state)
{
    struct auth_use *list = calloc(AUTH_NETWORKS_MAX + 10, sizeof(*list));

    (void)state;
    for (unsigned i = 0; i < AUTH_NETWORKS_MAX + 10; i++) {
        char client[32];

        snprintf(client, sizeof(client), "10.0.%u.%u", i / 256, i % 256);
        list[i] = use_of(client, "", 1000 + i, 1);
    }
    assert_int_equal(auth_accounts_used(a, list, AUTH_NETWORKS_MAX + 10), 0);
    assert_int_equal(auth_accounts_prune(a, 5000), 0);
    assert_false(seen_from("10.0.0.9", 0)); /* the oldest went */
    assert_true(seen_from("10.0.0.10", 0));
    free(list);
}

/* What a login asks, of a file that cannot be read; everything is the same error, none is "no". */
static void all_fail(int wanted)
{
    uint8_t bytes[32] = {0};
    struct auth_accounts_version version;
    struct auth_account account;
    struct auth_scram v;
    struct auth_app app;
    char text[1024];
    bool seen;

    assert_int_equal(auth_accounts_get(a, ALICE, &account), wanted);
    assert_int_equal(auth_accounts_version(a, &version), wanted);
    assert_int_equal(auth_accounts_verifier(a, ALICE, AUTH_SCRAM_SHA1, bytes, &v), wanted);
    assert_int_equal(auth_accounts_app(a, bytes, &app), wanted);
    assert_int_equal(auth_accounts_app_verifier(a, ALICE, SV("phone"), AUTH_SCRAM_SHA1, &app, &v),
                     wanted);
    assert_int_equal(auth_accounts_seen(a, ALICE, SV("192.0.2.1"), 0, &seen), wanted);
    assert_int_equal(auth_accounts_set_state(a, ALICE, AUTH_STATE_ENABLED, SV_NONE, 1), wanted);
    assert_non_null(strstr(auth_accounts_fault(path, wanted, text), path));
}

static void move(const char *from, const char *to)
{
    char x[120], y[120];

    snprintf(x, sizeof(x), "%s%s", path, from);
    snprintf(y, sizeof(y), "%s%s", path, to);
    assert_int_equal(rename(x, y), 0);
}

/* Gone, damaged, empty, of a newer version, locked: each ends as soon as the file is back. */
static void faults(void **state)
{
    struct auth_accounts_version version, same;
    struct sql db;
    uint64_t start;

    (void)state;
    assert_int_equal(auth_accounts_set_state(a, ALICE, AUTH_STATE_DISABLED, SV_NONE, 1), 0);
    auth_accounts_free(a); /* so that all is in the one file */
    a = auth_accounts_new(path, 50);
    move("", ".kept");
    all_fail(-ENOENT);
    assert_int_equal(auth_accounts_make(path), -ENOENT);
    database_garbage(path);
    all_fail(ERR_CORRUPT);
    assert_int_equal(truncate(path, 0), 0);
    all_fail(ERR_CORRUPT);
    move(".kept", "");
    assert_int_equal(state_of(ALICE), AUTH_STATE_DISABLED);

    assert_int_equal(sql_open(&db, path, NULL, SQL_CHANGE, NULL, 0, NULL), 0);
    assert_int_equal(sql_exec(&db, "PRAGMA user_version=2"), 0);
    auth_accounts_free(a);
    a = auth_accounts_new(path, 50);
    all_fail(-ENOTSUP);
    assert_int_equal(sql_exec(&db, "PRAGMA user_version=1"), 0);
    assert_int_equal(state_of(ALICE), AUTH_STATE_DISABLED);

    assert_int_equal(auth_accounts_version_now(a, &version), 0);
    assert_int_equal(auth_accounts_version(a, &same), 0);
    assert_memory_equal(&version, &same, sizeof(same));
    /* a writer's lock is not in the way of logins */
    assert_int_equal(sql_exec(&db, "BEGIN EXCLUSIVE"), 0);
    assert_int_equal(state_of(ALICE), AUTH_STATE_DISABLED);
    assert_int_equal(auth_accounts_set_state(a, ALICE, AUTH_STATE_ENABLED, SV_NONE, 1), -EAGAIN);
    assert_int_equal(sql_exec(&db, "COMMIT"), 0);
    sql_close(&db);
    auth_accounts_free(a);
    assert_int_equal(sql_open(&db, path, NULL, SQL_CHANGE, NULL, 0, NULL), 0);
    assert_int_equal(sql_exec(&db, "PRAGMA locking_mode=EXCLUSIVE; BEGIN EXCLUSIVE;"
                                   "UPDATE meta SET changes=changes; COMMIT"),
                     0);
    a = auth_accounts_new(path, 50);
    all_fail(-EAGAIN);
    start = clock_mono_ms();
    assert_int_equal(auth_accounts_version_now(a, &version), -EAGAIN);
    assert_true(clock_mono_ms() - start < 40); /* a waits 50 ms */
    sql_close(&db);
    assert_int_equal(state_of(ALICE), AUTH_STATE_DISABLED);
}

/* A page in the middle is damaged: an error where it is met, never "enabled". */
static void damaged_page(void **state)
{
    unsigned errors = 0;
    char login[32];
    int fd;

    (void)state;
    for (unsigned i = 0; i < 400; i++) {
        snprintf(login, sizeof(login), "u%u@example.net", i);
        assert_int_equal(auth_accounts_set_state(a, sv_of(login), AUTH_STATE_DISABLED,
                                                 SV("a reason that takes some room in the page"),
                                                 1),
                         0);
    }
    auth_accounts_free(a);
    fd = open(path, O_WRONLY);
    for (off_t at = 4096; at < lseek(fd, 0, SEEK_END); at += 4096)
        assert_int_equal(pwrite(fd, "\xff\xff\xff\xff\xff\xff\xff\xff", 8, at), 8);
    close(fd);
    a = auth_accounts_new(path, 50);
    for (unsigned i = 0; i < 400; i++) {
        struct auth_account account;
        int err;

        snprintf(login, sizeof(login), "u%u@example.net", i);
        err = auth_accounts_get(a, sv_of(login), &account);
        if (err == 0)
            assert_int_equal(account.state, AUTH_STATE_DISABLED);
        errors += err < 0;
    }
    assert_int_equal(errors, 400);
}

static void see_account(void *arg, const struct auth_account_row *row)
{
    struct seen *s = arg;
    size_t len = strlen(s->text);

    snprintf(s->text + len, sizeof(s->text) - len, "%.*s %s%s; ", SV_ARG(row->login),
             auth_state_text(row->state), row->admin ? " admin" : "");
}

static void listed(void **state)
{
    struct seen seen = {""};

    (void)state;
    assert_int_equal(auth_accounts_each(a, see_account, &seen), 0);
    assert_string_equal(seen.text, "");
    assert_int_equal(auth_accounts_set_admin(a, BOB, true), 0);
    assert_int_equal(auth_accounts_set_state(a, ALICE, AUTH_STATE_LOCKED, SV_NONE, 1), 0);
    assert_int_equal(auth_accounts_each(a, see_account, &seen), 0);
    assert_string_equal(seen.text, "alice@example.net locked; bob@example.net enabled admin; ");
}

/* Many processes make the file and change it at once: nothing is lost. */
static void many_processes(void **state)
{
    enum { PROCESSES = 8, EACH = 10 };
    struct seen seen = {""};
    unsigned count = 0;

    (void)state;
    for (unsigned p = 0; p < PROCESSES; p++) {
        if (fork() != 0)
            continue;
        struct auth_accounts *mine = auth_accounts_new(path, AUTH_CHANGE_WAIT_MS);
        for (unsigned i = 0; i < EACH; i++) {
            char login[32];

            snprintf(login, sizeof(login), "u%u-%u@example.net", p, i);
            if (auth_accounts_set_admin(mine, sv_of(login), true) != 0)
                _exit(1);
        }
        auth_accounts_free(mine);
        _exit(0);
    }
    for (unsigned p = 0; p < PROCESSES; p++) {
        int status;

        assert_true(wait(&status) > 0);
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
    assert_int_equal(auth_accounts_each(a, see_account, &seen), 0);
    for (const char *at = seen.text; (at = strstr(at, "admin")) != NULL; at++)
        count++;
    assert_int_equal(count, PROCESSES * EACH);
}

/* The batch thread: what is the same is added up, and stop writes what waits. */
static void uses(void **state)
{
    struct auth_uses *u;
    struct auth_use use = use_of("192.0.2.1", "", 0, 0);
    struct seen seen = {""};

    (void)state;
    u = auth_uses_start(path);
    for (unsigned i = 0; i < 1000; i++)
        auth_uses_add(u, &use);
    auth_uses_stop(u);
    assert_int_equal(auth_accounts_each_place(a, ALICE, see_place, &seen), 0);
    assert_non_null(strstr(seen.text, "192.0.2.1 PLAIN  at "));
    assert_non_null(strstr(seen.text, ", 1000 times; "));
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(states),       T(verifiers), T(apps),           T(too_many_apps),
        T(places),       T(networks),  T(many_networks),  T(faults),
        T(damaged_page), T(listed),    T(many_processes), T(uses),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
