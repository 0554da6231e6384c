/* AUTH exchanges with passwords, with our own client side as the peer. */
#include "auth/login.h"
#include "tests/unit/auth/sasl_world.h"

#include <time.h>

struct outcome {
    enum auth_verdict verdict;
    unsigned steps; /* responses that the client sent */
    char login[AUTH_NAME_MAX + 1];
    char challenges[4][1024];
    uint64_t derivations;
};

/* One exchange: the client side drives mechanism until one side has enough. */
static struct outcome talk(struct auth_sasl *s, const char *mechanism, const char *user,
                           const char *password)
{
    struct outcome o = {0};
    struct auth_login_start ls = {.mechanisms = sv_of(mechanism),
                                  .host = SV("mail.example.net"),
                                  .user = sv_of(user),
                                  .password = sv_of(password),
                                  .tls = true};
    struct auth_sasl_start ss = {.mechanism = sv_of(mechanism), .tls = true};
    struct auth_login_result lr;
    struct auth_sasl_result sr;
    struct auth_login_exchange *login = auth_login_new(&ls, &lr);
    struct auth_exchange *x;
    uint64_t before = auth_scram_derivations();

    ss.has_initial = lr.data.ptr != NULL;
    ss.initial = lr.data;
    x = auth_exchange_new(s, &ss, &sr);
    while (sr.verdict == AUTH_CONTINUE && o.steps < 4) {
        assert_true(sr.data.len < sizeof(o.challenges[0]));
        memcpy(o.challenges[o.steps], sr.data.ptr, sr.data.len);
        auth_login_step(login, sr.data, &lr);
        /* a client that was refused a proof sends something all the same */
        auth_exchange_step(x, lr.data.ptr ? lr.data : SV(""), &sr);
        o.steps++;
    }
    o.verdict = sr.verdict;
    if (sr.verdict == AUTH_OK) {
        memcpy(o.login, sr.login.ptr, sr.login.len);
        assert_int_equal(lr.verdict, AUTH_OK);
    }
    o.derivations = auth_scram_derivations() - before;
    auth_login_free(login);
    auth_exchange_free(x);
    return o;
}

static struct outcome plain(struct auth_sasl *s, struct sv message)
{
    struct outcome o = {0};
    struct auth_sasl_start start = {
        .mechanism = SV("PLAIN"), .initial = message, .has_initial = true, .tls = true};
    struct auth_sasl_result r;
    uint64_t before = auth_scram_derivations();
    struct auth_exchange *x = auth_exchange_new(s, &start, &r);

    o.verdict = r.verdict;
    if (r.login.len)
        memcpy(o.login, r.login.ptr, r.login.len);
    o.derivations = auth_scram_derivations() - before;
    auth_exchange_free(x);
    return o;
}

static const char *mechanisms[] = {"PLAIN", "LOGIN", "SCRAM-SHA-256"};

static struct auth_sasl *make(const char *path)
{
    struct auth_options o = database_options(path);
    struct auth_sasl *s = auth_sasl_new(&o, SV("mail.example.net"), check);

    assert_null(auth_sasl_missing(s));
    return s;
}

/* Every mechanism, both forms of the name, right and wrong; verifier_only or clear text. */
static void all_mechanisms(struct auth_sasl *s)
{
    static const struct {
        const char *user, *password;
        enum auth_verdict verdict;
    } rows[] = {
        {"alice", "secret", AUTH_OK},
        {"alice@example.net", "secret", AUTH_OK},
        {"alice@EXAMPLE.net", "secret", AUTH_OK},
        {"alice", "Secret", AUTH_DENIED},
        {"alice", "secret ", AUTH_DENIED},
        {"alice@other.example", "secret", AUTH_DENIED},
        {"eve@other.example", "secret", AUTH_DENIED},
        {"nobody", "secret", AUTH_DENIED},
        {"bob", "secret", AUTH_DENIED},
        {"alice@example.net@example.net", "secret", AUTH_DENIED},
    };

    for (size_t m = 0; m < 3; m++) {
        struct outcome denied = {0};

        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
            struct outcome o = talk(s, mechanisms[m], rows[i].user, rows[i].password);

            if (o.verdict != rows[i].verdict)
                fail_msg("%s %s: verdict %d", mechanisms[m], rows[i].user, o.verdict);
            if (o.verdict == AUTH_OK) {
                assert_string_equal(o.login, "alice@example.net");
                continue;
            }
            if (denied.steps == 0 && denied.verdict == AUTH_CONTINUE)
                denied = o;
            if (o.steps != denied.steps || o.derivations != denied.derivations)
                fail_msg("%s %s: %u steps, %u derivations", mechanisms[m], rows[i].user, o.steps,
                         (unsigned)o.derivations);
        }
    }
}

static void verifier_only(void **state)
{
    const char *path = database_new();
    struct auth_sasl *s = make(path);

    (void)state;
    database_add(path, "alice", "secret");
    all_mechanisms(s);
    auth_sasl_unref(s);
    database_drop(path);
}

static void made_by_saslpasswd2(void **state)
{
    const char *path = database_new();
    struct auth_sasl *s = make(path);

    (void)state;
    database_saslpasswd2(path, "alice", "example.net", "secret");
    database_saslpasswd2(path, "eve", "other.example", "secret");
    all_mechanisms(s);
    auth_sasl_unref(s);
    database_drop(path);
}

static void both_kinds(void **state)
{
    const char *path = database_new();
    struct auth_sasl *s = make(path);

    (void)state;
    database_saslpasswd2(path, "carl", "example.net", "secret");
    database_saslpasswd2(path, "eve", "other.example", "secret");
    database_add(path, "alice", "secret");
    all_mechanisms(s);
    /* of two kinds of entry SCRAM costs the same */
    assert_int_equal(talk(s, "SCRAM-SHA-256", "alice", "x").derivations, 1);
    assert_int_equal(talk(s, "SCRAM-SHA-256", "carl", "x").derivations, 1);
    assert_int_equal(talk(s, "SCRAM-SHA-256", "nobody", "x").derivations, 1);
    auth_sasl_unref(s);
    database_drop(path);
}

/* An unknown user's salt and count look like a user's and stay the same. */
static void unknown_user_in_scram(void **state)
{
    const char *path = database_new();
    struct auth_sasl *s = make(path);
    struct outcome known, first, second, other;
    const char *a, *b, *c, *k;

    (void)state;
    database_add(path, "alice", "secret");
    known = talk(s, "SCRAM-SHA-256", "alice", "wrong");
    first = talk(s, "SCRAM-SHA-256", "nobody", "wrong");
    second = talk(s, "SCRAM-SHA-256", "nobody", "wrong");
    other = talk(s, "SCRAM-SHA-256", "nobody2", "wrong");
    k = strstr(known.challenges[0], ",s=");
    a = strstr(first.challenges[0], ",s=");
    b = strstr(second.challenges[0], ",s=");
    c = strstr(other.challenges[0], ",s=");
    assert_true(a && b && c && k);
    assert_string_equal(a, b);
    assert_string_not_equal(a, c);
    assert_int_equal(strlen(a), strlen(k));
    assert_int_equal(strlen(first.challenges[0]), strlen(known.challenges[0]));
    assert_string_equal(strstr(a, ",i="), strstr(k, ",i="));
    /* another keeper at the same database makes up the same */
    auth_check_follow(check, path, 0);
    first = talk(s, "SCRAM-SHA-256", "nobody", "wrong");
    auth_sasl_unref(s);
    auth_check_free(check);
    check = auth_check_new();
    auth_check_follow(check, path, 0);
    s = make(path);
    second = talk(s, "SCRAM-SHA-256", "nobody", "wrong");
    assert_string_equal(strstr(first.challenges[0], ",s="), strstr(second.challenges[0], ",s="));
    auth_sasl_unref(s);
    database_drop(path);
}

static void add_with_count(const char *path, const char *user, uint32_t iterations)
{
    struct auth_name name = database_name(user);
    struct auth_scram v;

    auth_scram_new(&v, AUTH_SCRAM_SHA256, SV("secret"));
    v.iterations = iterations;
    auth_scram_derive(&v, SV("secret"));
    assert_int_equal(auth_users_add(path, &name, &v, SV_NONE), 0);
}

enum { UNKNOWN = 200 };

/* What SCRAM says of names that are nobody's: salts, and how many have another count than ours. */
static unsigned ask_unknown(struct auth_sasl *s, char salts[UNKNOWN][64])
{
    unsigned others = 0;

    for (unsigned i = 0; i < UNKNOWN; i++) {
        char name[16];
        struct outcome o;

        snprintf(name, sizeof(name), "n%u", i);
        o = talk(s, "SCRAM-SHA-256", name, "wrong");
        snprintf(salts[i], sizeof(salts[i]), "%s", strstr(o.challenges[0], ",s="));
        others += strstr(salts[i], ",i=4096") == NULL;
    }
    return others;
}

/* Counts of unknown users are as frequent as those of users, in every mechanism that tells them or
 * takes their time; another count is another salt. */
static void unknown_users_counts(void **state)
{
    static char before[UNKNOWN][64], after[UNKNOWN][64];
    const char *path = database_new();
    struct auth_sasl *s = make(path);
    unsigned others;

    (void)state;
    auth_check_follow(check, path, 0);
    assert_int_equal(ask_unknown(s, before), 0); /* no users yet */
    add_with_count(path, "alice", 4096);
    add_with_count(path, "bob", 5000);
    add_with_count(path, "carol", 5000);
    usleep(1100000); /* it is looked at once a second */
    others = ask_unknown(s, after);
    assert_in_range(others, UNKNOWN * 2 / 3 - 30, UNKNOWN * 2 / 3 + 30);
    assert_non_null(strstr(talk(s, "SCRAM-SHA-256", "bob", "x").challenges[0], ",i=5000"));
    for (unsigned i = 0; i < UNKNOWN; i++) {
        size_t salt = strcspn(before[i] + 3, ",");

        assert_true((strncmp(before[i], after[i], 3 + salt) == 0) ==
                    (strstr(after[i], ",i=4096") != NULL));
    }
    memcpy(before, after, sizeof(before));
    assert_int_equal(ask_unknown(s, after), others); /* and they stay so */
    assert_memory_equal(before, after, sizeof(before));
    auth_sasl_unref(s);
    database_drop(path);
}

static void plain_messages(void **state)
{
    static const struct {
        struct sv message;
        enum auth_verdict verdict;
        unsigned derivations;
    } rows[] = {
        {{"\0alice\0secret", 13}, AUTH_OK, 1},
        {{"alice\0alice\0secret", 18}, AUTH_OK, 1},
        {{"alice@example.net\0alice\0secret", 30}, AUTH_OK, 1},
        {{"bob\0alice\0secret", 16}, AUTH_DENIED, 1},
        {{"alice@other.example\0alice\0secret", 32}, AUTH_DENIED, 1},
        {{"alice\0bob\0secret", 16}, AUTH_DENIED, 1},
        {{"\0alice\0secret\0", 14}, AUTH_DENIED, 0},
        {{"\0alice\0sec\0ret", 14}, AUTH_DENIED, 0},
        {{"\0alice\0", 7}, AUTH_DENIED, 0},
        {{"\0\0secret", 8}, AUTH_DENIED, 0},
        {{"alice", 5}, AUTH_DENIED, 0},
        {{"", 0}, AUTH_DENIED, 0},
        {{"\0al\nice\0secret", 14}, AUTH_DENIED, 1},
    };
    const char *path = database_new();

    (void)state;
    database_add(path, "alice", "secret");
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct auth_check *mine = check;
        struct auth_sasl *s;
        struct outcome o;

        check = auth_check_new(); /* no proven credentials of the row before */
        s = make(path);
        o = plain(s, rows[i].message);
        if (o.verdict != rows[i].verdict)
            fail_msg("row %zu: verdict %d", i, o.verdict);
        if (o.verdict == AUTH_OK)
            assert_int_equal(o.derivations, rows[i].derivations);
        auth_sasl_unref(s);
        auth_check_free(check);
        check = mine;
    }
    database_drop(path);
}

static bool quick(struct auth_sasl *s, const char *mechanism, struct sv initial)
{
    return auth_exchange_is_quick(s, &(struct auth_sasl_start){.mechanism = sv_of(mechanism),
                                                               .initial = initial,
                                                               .has_initial = initial.len > 0});
}

/* Only PLAIN with what was proved a moment ago costs nothing worth a thread. */
static void quick_is_proven_plain(void **state)
{
    static const struct {
        const char *mechanism;
        struct sv initial;
        bool quick;
    } rows[] = {
        {"PLAIN", SV("\0alice\0secret"), true},
        {"plain", SV("\0alice@example.net\0secret"), true},
        {"PLAIN", SV("\0alice\0secret2"), false},
        {"PLAIN", SV("\0alice\0"), false},
        {"PLAIN", SV("\0alice"), false},
        {"PLAIN", SV("\0\0secret"), false},
        {"PLAIN", SV("alice"), false},
        {"PLAIN", SV_NONE, false},
        {"LOGIN", SV("\0alice\0secret"), false},
        {"SCRAM-SHA-256", SV("\0alice\0secret"), false},
    };
    const char *path = database_new();
    struct auth_sasl *s = make(path);

    (void)state;
    database_add(path, "alice", "secret");
    nanosleep(&(struct timespec){.tv_nsec = 150000000}, NULL); /* the file counts as settled */
    assert_false(quick(s, "PLAIN", SV("\0alice\0secret")));
    assert_int_equal(talk(s, "PLAIN", "alice", "secret").verdict, AUTH_OK);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_int_equal(quick(s, rows[i].mechanism, rows[i].initial), rows[i].quick);
    database_passwd(path, "alice", "new one");
    assert_false(quick(s, "PLAIN", SV("\0alice\0secret")));
    auth_sasl_unref(s);
    database_drop(path);
}

/* A client that logs in for each message pays one derivation; any change of the database ends it.
 */
static void proven(void **state)
{
    const char *path = database_new();
    struct auth_sasl *s = make(path);

    (void)state;
    database_add(path, "alice", "secret");
    nanosleep(&(struct timespec){.tv_nsec = 150000000}, NULL); /* the file counts as settled */
    assert_int_equal(talk(s, "PLAIN", "alice", "secret").derivations, 1);
    assert_int_equal(talk(s, "PLAIN", "alice", "secret").derivations, 0);
    assert_int_equal(talk(s, "LOGIN", "alice@example.net", "secret").derivations, 0);
    assert_int_equal(talk(s, "PLAIN", "alice", "wrong").derivations, 1);
    database_passwd(path, "alice", "new one");
    assert_int_equal(talk(s, "PLAIN", "alice", "secret").verdict, AUTH_DENIED);
    assert_int_equal(talk(s, "PLAIN", "alice", "new one").verdict, AUTH_OK);
    database_delete(path, "alice");
    assert_int_equal(talk(s, "PLAIN", "alice", "new one").verdict, AUTH_DENIED);
    assert_int_equal(talk(s, "SCRAM-SHA-256", "alice", "new one").verdict, AUTH_DENIED);
    auth_sasl_unref(s);
    database_drop(path);
}

static void not_offered(void **state)
{
    static const char *names[] = {"CRAM-MD5", "DIGEST-MD5",         "SCRAM-SHA-1",
                                  "EXTERNAL", "ANONYMOUS",          "PLAIN ",
                                  "",         "SCRAM-SHA-512-PLUS", "GSSAPI"};
    const char *path = database_new();
    struct auth_sasl *s = make(path);
    struct auth_sasl_result r;

    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        auth_exchange_free(auth_exchange_new(
            s, &(struct auth_sasl_start){.mechanism = sv_of(names[i]), .tls = true}, &r));
        assert_int_equal(r.verdict, AUTH_NO_MECHANISM);
    }
    auth_exchange_free(
        auth_exchange_new(s, &(struct auth_sasl_start){.mechanism = SV("plain")}, &r));
    assert_int_equal(r.verdict, AUTH_NEEDS_TLS);
    auth_sasl_unref(s);
    database_drop(path);
}

/* Garbage, the longest message, and ten failures in a row leave nothing behind. */
static void bad_input(void **state)
{
    const char *path = database_new();
    struct auth_sasl *s = make(path);
    char *big = malloc(AUTH_WIRE_DATA_MAX);

    (void)state;
    database_add(path, "alice", "secret");
    for (unsigned round = 0; round < 10; round++) {
        for (size_t m = 0; m < 3; m++) {
            for (unsigned kind = 0; kind < 4; kind++) {
                struct auth_sasl_start start = {
                    .mechanism = sv_of(mechanisms[m]), .tls = true, .has_initial = true};
                struct auth_sasl_result r;
                struct auth_exchange *x;

                memset(big,
                       kind == 0   ? 'a'
                       : kind == 1 ? 0
                       : kind == 2 ? ','
                                   : 0xff,
                       AUTH_WIRE_DATA_MAX);
                start.initial = (struct sv){big, round % 2 ? 12288 : AUTH_WIRE_DATA_MAX};
                x = auth_exchange_new(s, &start, &r);
                for (unsigned step = 0; step < 5 && r.verdict == AUTH_CONTINUE; step++)
                    auth_exchange_step(x, start.initial, &r);
                if (r.verdict == AUTH_OK || r.verdict == AUTH_CONTINUE)
                    fail_msg("%s kind %u: verdict %d", mechanisms[m], kind, r.verdict);
                auth_exchange_free(x);
            }
        }
    }
    assert_int_equal(talk(s, "PLAIN", "alice", "secret").verdict, AUTH_OK);
    free(big);
    auth_sasl_unref(s);
    database_drop(path);
}

/* A database that cannot be read is no reason to refuse a user. */
static void unreadable(void **state)
{
    const char *path = database_new();
    struct auth_sasl *s = make(path);

    (void)state;
    database_garbage(path);
    for (size_t m = 0; m < 3; m++)
        assert_int_equal(talk(s, mechanisms[m], "alice", "secret").verdict, AUTH_TEMPORARY);
    auth_sasl_unref(s);
    database_drop(path);
}

/* LOGIN with nothing for the name or for the password, right away or later. */
static void empty_responses(void **state)
{
    static const struct auth_sasl_start starts[] = {
        {.mechanism = SV("LOGIN"), .tls = true},
        {.mechanism = SV("LOGIN"), .tls = true, .initial = SV("alice"), .has_initial = true},
    };
    static const struct auth_sasl_start nothing = {
        .mechanism = SV("LOGIN"), .tls = true, .initial = SV(""), .has_initial = true};
    const char *path = database_new();
    struct auth_sasl *s = make(path);

    (void)state;
    database_add(path, "alice", "secret");
    struct auth_sasl_result none;
    auth_exchange_free(auth_exchange_new(s, &nothing, &none));
    assert_int_equal(none.verdict, AUTH_DENIED);
    for (size_t i = 0; i < sizeof(starts) / sizeof(starts[0]); i++) {
        struct auth_sasl_result r;
        struct auth_exchange *x = auth_exchange_new(s, &starts[i], &r);

        assert_int_equal(r.verdict, AUTH_CONTINUE);
        auth_exchange_step(x, SV(""), &r);
        assert_int_equal(r.verdict, AUTH_DENIED);
        auth_exchange_free(x);
    }
    auth_sasl_unref(s);
    database_drop(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(verifier_only),
        T(made_by_saslpasswd2),
        T(both_kinds),
        T(unknown_users_counts),
        T(unknown_user_in_scram),
        T(plain_messages),
        T(proven),
        T(quick_is_proven_plain),
        T(not_offered),
        T(bad_input),
        T(empty_responses),
        T(unreadable),
    };

    return cmocka_run_group_tests(tests, start_all, stop_all);
}
