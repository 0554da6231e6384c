/* Who gets in by which secret and mechanism, against both databases, with Cyrus' client as peer. */
#include "auth/change.h"
#include "auth/sasl.h"
#include "tests/unit/auth/database.h"

#include <sasl/sasl.h>
#include <time.h>

static const char *names[] = {"SCRAM-SHA-256", "SCRAM-SHA-1", "SCRAM-SHA-512",
                              "PLAIN",         "LOGIN",       "CRAM-MD5"};
enum { MECHANISMS = 6, SCRAMS = 3, PLAIN = 3, LOGIN, CRAM_MD5 };

static const char *path;
static struct auth_options o;
static struct auth_check *check;
static struct auth_sasl *s;

static void restart(void)
{
    auth_sasl_unref(s);
    s = auth_sasl_new(&o, SV("mail.example.net"), check);
    assert_null(auth_sasl_missing(s));
}

static int set_up(void **state)
{
    (void)state;
    path = database_new();
    o = database_options(path);
    o.mechanisms = (struct conf_strings){names, MECHANISMS};
    check = auth_check_new();
    s = NULL;
    restart();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    auth_sasl_unref(s);
    auth_check_free(check);
    database_drop(path);
    return 0;
}

/* --- the client --- */

struct outcome {
    enum auth_verdict verdict;
    char login[AUTH_NAME_MAX + 1], label[AUTH_LABEL_MAX + 1], why[AUTH_WHY_MAX];
    unsigned steps;
    uint64_t derivations;
    bool outdated;
};

typedef int callback(void);

struct client {
    const char *user;
    sasl_secret_t *secret;
};

static int on_name(void *context, int id, const char **result, unsigned *len)
{
    *result = id == SASL_CB_AUTHNAME ? ((struct client *)context)->user : "";
    if (len)
        *len = strlen(*result);
    return SASL_OK;
}

static int on_secret(sasl_conn_t *conn, void *context, int id, sasl_secret_t **secret)
{
    (void)conn;
    (void)id;
    *secret = ((struct client *)context)->secret;
    return SASL_OK;
}

static void (*between)(void); /* called once the exchange has begun */

static struct outcome try(unsigned mechanism, const char *user, const char *password)
{
    struct client c = {user, calloc(1, sizeof(sasl_secret_t) + strlen(password) + 1)};
    sasl_callback_t callbacks[] = {{SASL_CB_USER, (callback *)(uintptr_t)on_name, &c},
                                   {SASL_CB_AUTHNAME, (callback *)(uintptr_t)on_name, &c},
                                   {SASL_CB_PASS, (callback *)(uintptr_t)on_secret, &c},
                                   {SASL_CB_LIST_END, NULL, NULL}};
    struct auth_sasl_start start = {.mechanism = sv_of(names[mechanism]), .tls = true};
    struct outcome out = {0};
    struct auth_sasl_result r;
    struct auth_exchange *x;
    sasl_conn_t *conn;
    const char *data = NULL;
    unsigned len = 0;
    int rc;

    c.secret->len = strlen(password);
    memcpy(c.secret->data, password, c.secret->len);
    assert_int_equal(sasl_client_new("smtp", "mail.example.net", NULL, NULL, callbacks, 0, &conn),
                     SASL_OK);
    rc = sasl_client_start(conn, names[mechanism], NULL, &data, &len, NULL);
    assert_true(rc == SASL_OK || rc == SASL_CONTINUE);
    out.derivations = auth_scram_derivations();
    start.has_initial = data != NULL;
    start.initial = (struct sv){data, len};
    x = auth_exchange_new(s, &start, &r);
    if (between)
        between();
    while (r.verdict == AUTH_CONTINUE && out.steps < 5) {
        rc = sasl_client_step(conn, r.data.ptr, r.data.len, NULL, &data, &len);
        out.steps++;
        /* a client that was refused a proof sends something all the same */
        auth_exchange_step(
            x, rc == SASL_OK || rc == SASL_CONTINUE ? (struct sv){data, len} : SV("x"), &r);
    }
    out.derivations = auth_scram_derivations() - out.derivations;
    out.verdict = r.verdict;
    out.outdated = auth_exchange_is_outdated(x);
    snprintf(out.login, sizeof(out.login), "%.*s", SV_ARG(r.login));
    if (r.verdict == AUTH_OK)
        snprintf(out.label, sizeof(out.label), "%s", auth_exchange_app(x)->label);
    snprintf(out.why, sizeof(out.why), "%s", auth_exchange_why(x));
    auth_exchange_free(x);
    sasl_dispose(&conn);
    free(c.secret);
    return out;
}

static void expect(unsigned mechanism, const char *user, const char *password,
                   enum auth_verdict verdict)
{
    struct outcome got = try(mechanism, user, password);

    if (got.verdict != verdict)
        fail_msg("%s %s %s: verdict %d", names[mechanism], user, password, got.verdict);
}

/* --- changes --- */

static void user_add(const char *user, const char *password)
{
    struct auth_name name = database_name(user);
    struct auth_change c;

    auth_change_begin(&c, &o);
    assert_int_equal(auth_change_add(&c, &name, sv_of(password)), 0);
    auth_change_end(&c);
}

static void user_state(const char *user, enum auth_state to, const char *reason)
{
    struct auth_name name = database_name(user);
    struct auth_account before;
    struct auth_change c;

    auth_change_begin(&c, &o);
    assert_int_equal(auth_change_state(&c, &name, to, ~0u, sv_of(reason), &before), 0);
    auth_change_end(&c);
}

static const char *app_add(const char *user, const char *label)
{
    static char secrets[4][AUTH_APP_SECRET_MAX];
    static unsigned next;
    struct auth_name name = database_name(user);
    struct auth_change c;
    char *secret = secrets[next++ % 4];

    auth_change_begin(&c, &o);
    assert_int_equal(auth_change_app_add(&c, &name, sv_of(label), secret), 0);
    auth_change_end(&c);
    return secret;
}

static void app_revoke(const char *user, const char *label)
{
    struct auth_name name = database_name(user);
    struct auth_change c;
    bool known;

    auth_change_begin(&c, &o);
    assert_int_equal(auth_change_app_revoke(&c, &name, sv_of(label), &known), 0);
    auth_change_end(&c);
}

/* The file counts as settled, so that what is proved is remembered. */
static void settle(void)
{
    nanosleep(&(struct timespec){.tv_nsec = 150000000}, NULL);
}

/* --- tests --- */

/* Names that fail, whose steps and derivations must be those of a wrong password. */
static void same_as_wrong(unsigned mechanism, const char *const *users, const char *password)
{
    struct outcome wrong = try(mechanism, "alice", "wrong");

    assert_int_equal(wrong.verdict, AUTH_DENIED);
    for (size_t i = 0; users[i] != NULL; i++) {
        struct outcome got = try(mechanism, users[i], password);

        if (got.verdict != AUTH_DENIED || got.steps != wrong.steps ||
            got.derivations != wrong.derivations)
            fail_msg("%s %s: verdict %d, %u steps, %u derivations", names[mechanism], users[i],
                     got.verdict, got.steps, (unsigned)got.derivations);
    }
}

static const char *const nobodies[] = {"nobody", "nobody/phone", "alice/phone", "alice@other.test",
                                       "alice/", "/alice",       "a@b@c",       NULL};

static void every_mechanism(void **state)
{
    (void)state;
    o.store_cleartext = true;
    user_add("alice", "secret");
    o.store_cleartext = false;
    user_add("carol", "secret");
    for (unsigned m = 0; m < MECHANISMS; m++) {
        struct outcome got = try(m, "alice@EXAMPLE.net", "secret");

        assert_int_equal(got.verdict, AUTH_OK);
        assert_string_equal(got.login, "alice@example.net");
        assert_string_equal(got.label, "");
        expect(m, "alice", "Secret", AUTH_DENIED);
        expect(m, "carol", "secret", m == CRAM_MD5 ? AUTH_DENIED : AUTH_OK);
        same_as_wrong(m, nobodies, "secret");
    }
}

/* A mechanism that was named after the password was set: as wrong as any. */
static void no_verifier_yet(void **state)
{
    static const char *const late[] = {"bob", NULL};

    (void)state;
    user_add("alice", "secret");
    o.mechanisms.count = 1;
    user_add("bob", "secret");
    o.mechanisms.count = MECHANISMS;
    expect(0, "bob", "secret", AUTH_OK);
    expect(PLAIN, "bob", "secret", AUTH_OK);
    for (unsigned m = 1; m < SCRAMS; m++)
        same_as_wrong(m, late, "secret");
    same_as_wrong(CRAM_MD5, late, "secret");
}

/* saslpasswd2 changes the main password: no older one is left with any mechanism. */
static void changed_by_others(void **state)
{
    (void)state;
    user_add("alice", "old");
    database_saslpasswd2(path, "alice", "example.net", "new");
    for (unsigned m = 0; m < MECHANISMS; m++) {
        expect(m, "alice", "new", AUTH_OK);
        expect(m, "alice", "old", AUTH_DENIED);
    }
    database_passwd(path, "alice", "newer");
    for (unsigned m = 1; m < SCRAMS; m++)
        expect(m, "alice", "old", AUTH_DENIED);
    expect(0, "alice", "newer", AUTH_OK);
}

static void app_passwords(void **state)
{
    const char *phone, *tablet, *bobs;

    (void)state;
    user_add("alice", "secret");
    user_add("bob", "secret");
    phone = app_add("alice", "phone");
    tablet = app_add("alice", "tablet");
    bobs = app_add("bob", "phone");
    for (unsigned m = PLAIN; m <= LOGIN; m++) {
        struct outcome got = try(m, "alice", tablet);

        assert_int_equal(got.verdict, AUTH_OK);
        assert_string_equal(got.login, "alice@example.net");
        assert_string_equal(got.label, "tablet");
        expect(m, "alice", "secret", AUTH_OK);
        expect(m, "alice", bobs, AUTH_DENIED);
        expect(m, "bob", phone, AUTH_DENIED);
        expect(m, "nobody", phone, AUTH_DENIED);
    }
    for (unsigned m = 0; m <= LOGIN; m++) {
        struct outcome got = try(m, "alice/phone@example.net", phone);

        assert_int_equal(got.verdict, AUTH_OK);
        assert_string_equal(got.login, "alice@example.net");
        assert_string_equal(got.label, "phone");
        expect(m, "alice/phone", tablet, AUTH_DENIED);
        expect(m, "alice/phone", "secret", AUTH_DENIED); /* only that one */
        expect(m, "bob/phone", phone, AUTH_DENIED);
        same_as_wrong(m, (const char *const[]){"alice/none", "bob/tablet", NULL}, tablet);
        if (m < SCRAMS)
            expect(m, "alice", phone, AUTH_DENIED); /* the salt is the main password's */
    }
    app_revoke("alice", "phone");
    for (unsigned m = 0; m <= LOGIN; m++) {
        expect(m, "alice/phone", phone, AUTH_DENIED);
        expect(m, "alice", phone, AUTH_DENIED);
        expect(m, "alice/tablet", tablet, AUTH_OK);
    }
    /* they need the user */
    database_delete(path, "alice");
    for (unsigned m = 0; m <= LOGIN; m++)
        expect(m, "alice/tablet", tablet, AUTH_DENIED);
    expect(PLAIN, "alice", tablet, AUTH_DENIED);
}

/* A user who is gone by saslpasswd2 -d does not get in by what is left of him in users.db; made
 * again by msactl he begins anew, made again by saslpasswd2 -c he has it again (msactl(8)). */
static void gone_by_saslpasswd2(void **state)
{
    const char *phone;

    (void)state;
    database_saslpasswd2(path, "alice", "example.net", "secret");
    phone = app_add("alice", "phone");
    settle();
    for (unsigned m = 0; m <= LOGIN; m++)
        expect(m, "alice/phone", phone, AUTH_OK);
    expect(PLAIN, "alice", phone, AUTH_OK);
    database_saslpasswd2(path, "alice", "example.net", NULL);
    for (unsigned m = 0; m <= LOGIN; m++) {
        expect(m, "alice/phone", phone, AUTH_DENIED);
        expect(m, "alice", m < PLAIN ? "secret" : phone, AUTH_DENIED);
    }
    database_saslpasswd2(path, "alice", "example.net", "other");
    expect(PLAIN, "alice", phone, AUTH_OK);
    database_saslpasswd2(path, "alice", "example.net", NULL);
    user_add("alice", "third");
    for (unsigned m = 0; m <= LOGIN; m++)
        expect(m, "alice/phone", phone, AUTH_DENIED);
    expect(PLAIN, "alice", phone, AUTH_DENIED);
}

/* However many: one derivation, right or wrong; they outlive a new main password. */
static void cost_of_many(void **state)
{
    const char *last = NULL;
    struct auth_name name = database_name("alice");
    struct auth_change c;

    (void)state;
    user_add("alice", "secret");
    for (unsigned i = 0; i < 20; i++) {
        char label[16];

        snprintf(label, sizeof(label), "l%u", i);
        last = app_add("alice", label);
    }
    assert_int_equal(try(PLAIN, "alice", "wrong").derivations, 1);
    assert_int_equal(try(PLAIN, "alice", last).derivations, 1);
    assert_int_equal(try(PLAIN, "alice/l3", last).derivations, 1);
    assert_int_equal(try(PLAIN, "nobody", last).derivations, 1);
    auth_change_begin(&c, &o);
    assert_int_equal(auth_change_passwd(&c, &name, SV("other")), 0);
    auth_change_end(&c);
    expect(PLAIN, "alice", last, AUTH_OK);
    for (unsigned m = 0; m < SCRAMS; m++)
        expect(m, "alice/l19", last, AUTH_OK);
}

/* Two labels of one user may hold no secret in common, but a proven one must keep its label. */
static void proven_apps(void **state)
{
    const char *phone;

    (void)state;
    user_add("alice", "secret");
    phone = app_add("alice", "phone");
    settle();
    assert_int_equal(try(PLAIN, "alice", phone).derivations, 1);
    assert_int_equal(try(PLAIN, "alice", phone).derivations, 0);
    assert_string_equal(try(PLAIN, "alice", phone).label, "phone");
    assert_int_equal(try(LOGIN, "alice/phone", phone).derivations, 1);
    assert_int_equal(try(LOGIN, "alice/phone", phone).derivations, 0);
    assert_string_equal(try(LOGIN, "alice/phone", phone).login, "alice@example.net");
    assert_string_equal(try(PLAIN, "alice", phone).label, "phone");
    expect(PLAIN, "alice", "secret", AUTH_OK);
    assert_int_equal(try(PLAIN, "alice", "secret").derivations, 0);
    assert_string_equal(try(PLAIN, "alice", "secret").label, "");
    app_revoke("alice", "phone");
    expect(PLAIN, "alice", phone, AUTH_DENIED);
    expect(PLAIN, "alice/phone", phone, AUTH_DENIED);
    expect(PLAIN, "alice", "secret", AUTH_OK);
    user_state("alice", AUTH_STATE_DISABLED, "");
    expect(PLAIN, "alice", "secret", AUTH_DENIED); /* at once, though it was proved */
}

static void disabled(void **state)
{
    static const char *const alice[] = {"alice", NULL}, *const label[] = {"alice/phone", NULL};
    const char *phone;

    (void)state;
    o.store_cleartext = true;
    user_add("alice", "secret");
    phone = app_add("alice", "phone");
    for (unsigned to = AUTH_STATE_DISABLED; to < AUTH_STATES; to++) {
        user_state("alice", (enum auth_state)to, "spam on Monday");
        for (unsigned m = 0; m < MECHANISMS; m++) {
            struct outcome got = try(m, "alice", "secret");

            assert_int_equal(got.verdict, AUTH_DENIED);
            assert_non_null(strstr(got.why, auth_state_text((enum auth_state)to)));
            assert_non_null(strstr(got.why, ": spam on Monday"));
            assert_string_equal(try(m, "alice", "wrong").why, "");
            same_as_wrong(m, alice, "secret");
            if (m != CRAM_MD5)
                same_as_wrong(m, label, phone);
        }
    }
    user_state("alice", AUTH_STATE_ENABLED, "");
    for (unsigned m = 0; m < MECHANISMS; m++)
        expect(m, "alice", "secret", AUTH_OK);
}

static void change_alice(void)
{
    auth_check_changed(check, SV("alice@example.net"));
}

static void change_many(void)
{
    for (unsigned i = 0; i < 70; i++)
        auth_check_changed(check, SV("carol@example.net"));
}

/* A change while the exchange is under way is noticed at its end. */
static void outdated(void **state)
{
    (void)state;
    user_add("alice", "secret");
    user_add("bob", "secret");
    change_alice();
    assert_false(try(0, "alice", "secret").outdated);
    between = change_alice;
    assert_true(try(0, "alice", "secret").outdated);
    assert_true(try(PLAIN, "alice", "secret").outdated);
    assert_false(try(0, "bob", "secret").outdated);
    between = change_many;
    assert_true(try(0, "bob", "secret").outdated); /* more changes than are remembered */
    between = NULL;
    assert_false(try(0, "bob", "secret").outdated);
}

/* users.db that cannot be read: nobody gets in, and it is nobody's fault. */
static void no_accounts(void **state)
{
    static const char *const users[] = {"alice", "bob", "nobody", "alice/phone"};
    char kept[120], why[1024];

    (void)state;
    o.store_cleartext = true;
    user_add("alice", "secret");
    user_add("bob", "secret");
    user_state("bob", AUTH_STATE_DISABLED, "");
    settle();
    expect(PLAIN, "alice", "secret", AUTH_OK); /* proven */
    assert_int_equal(auth_check_probe(auth_sasl_sources(s), why), 0);
    snprintf(kept, sizeof(kept), "%s.kept", o.accounts_path);
    for (unsigned kind = 0; kind < 2; kind++) {
        assert_int_equal(rename(o.accounts_path, kept), 0);
        if (kind == 1)
            database_garbage(o.accounts_path);
        restart();
        for (unsigned m = 0; m < MECHANISMS; m++)
            for (unsigned u = 0; u < 4; u++)
                expect(m, users[u], "secret", AUTH_TEMPORARY);
        assert_true(auth_check_probe(auth_sasl_sources(s), why) < 0);
        assert_non_null(strstr(why, o.accounts_path));
        assert_int_equal(rename(kept, o.accounts_path), 0);
        for (unsigned m = 0; m < MECHANISMS; m++) {
            expect(m, "alice", "secret", AUTH_OK);
            expect(m, "bob", "secret", AUTH_DENIED);
        }
    }
}

static int start_all(void **state)
{
    (void)state;
    return auth_sasl_init();
}

static int stop_all(void **state)
{
    (void)state;
    auth_sasl_done();
    return 0;
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(every_mechanism), T(no_verifier_yet),     T(changed_by_others), T(app_passwords),
        T(cost_of_many),    T(gone_by_saslpasswd2), T(proven_apps),       T(disabled),
        T(outdated),        T(no_accounts),
    };

    return cmocka_run_group_tests(tests, start_all, stop_all);
}
