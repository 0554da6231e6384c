/* What a foreign database has of a user: every form, and what is no password. */
#include "auth/stored.h"

#include <crypt.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#define VERIFIER                                                                               \
    "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=" \
    ":wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=" /* RFC 7677 3: "pencil" */

static bool bare = true;

static struct auth_secret take(enum auth_scram_hash hash, const char *first, const char *second)
{
    struct auth_secret secret = {0};

    auth_stored_take(&secret, sv_of(first), hash, bare);
    if (second != NULL)
        auth_stored_take(&secret, sv_of(second), hash, bare);
    return secret;
}

static void forms(void **state)
{
    static const struct {
        const char *value;
        enum auth_secret_kind kind; /* where bare values are passwords; else only of {PLAIN} */
    } rows[] = {
        {"pencil", AUTH_SECRET_CLEARTEXT},
        {"DES/crypt.abc", AUTH_SECRET_CLEARTEXT}, /* cannot be told */
        {"5f4dcc3b5aa765d61d8327deb882cf99", AUTH_SECRET_CLEARTEXT},
        {"_J9..rasmBYk8r9AiWNc", AUTH_SECRET_CLEARTEXT},
        {"{CRYPT}!", AUTH_SECRET_LOCKED},
        {"{SSHA}*", AUTH_SECRET_LOCKED},
        {"{MD5}", AUTH_SECRET_LOCKED},
        {"{SASL}alice", AUTH_SECRET_UNUSABLE},
        {"!", AUTH_SECRET_LOCKED},
        {"!!", AUTH_SECRET_LOCKED},
        {"*", AUTH_SECRET_LOCKED},
        {"x", AUTH_SECRET_LOCKED},
        {"*LK*", AUTH_SECRET_LOCKED},
        {"!$6$salt$x", AUTH_SECRET_LOCKED},
        {"!{PLAIN}pencil", AUTH_SECRET_LOCKED},
        {"!pencil", AUTH_SECRET_LOCKED},
        {"{PLAIN}!pencil", AUTH_SECRET_CLEARTEXT},
        {"{PLAIN}pencil", AUTH_SECRET_CLEARTEXT},
        {"{cleartext}pencil", AUTH_SECRET_CLEARTEXT},
        {"{not a scheme}", AUTH_SECRET_CLEARTEXT},
        {"$5", AUTH_SECRET_CLEARTEXT},
        {"$$$", AUTH_SECRET_CLEARTEXT},
        {VERIFIER, AUTH_SECRET_VERIFIER},
        {"$6$salt$x", AUTH_SECRET_HASHED},
        {"$2y$10$x", AUTH_SECRET_HASHED},
        {"$P$Bx", AUTH_SECRET_HASHED},
        {"{CRYPT}$6$salt$x", AUTH_SECRET_HASHED},
        {"{BLF-CRYPT}$2y$10$x", AUTH_SECRET_HASHED},
        {"{SSHA}AA", AUTH_SECRET_HASHED},
        {"{ssha512}AA", AUTH_SECRET_HASHED},
        {"{MD5}AA", AUTH_SECRET_UNUSABLE},
        {"{ARGON2}$argon2id$x", AUTH_SECRET_UNUSABLE},
        {"{PLAIN}", AUTH_SECRET_LOCKED},
        {"", AUTH_SECRET_LOCKED},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct auth_secret secret = take(AUTH_SCRAM_SHA256, rows[i].value, NULL);

        if (secret.kind != rows[i].kind)
            fail_msg("%s: %d", rows[i].value, secret.kind);
    }
    bare = false;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct auth_secret secret = take(AUTH_SCRAM_SHA256, rows[i].value, NULL);
        bool named = sv_istarts(sv_of(rows[i].value), SV("{PLAIN}")) ||
                     sv_istarts(sv_of(rows[i].value), SV("{CLEARTEXT}"));

        if (secret.kind !=
            (rows[i].kind == AUTH_SECRET_CLEARTEXT && !named ? AUTH_SECRET_LOCKED : rows[i].kind))
            fail_msg("%s, bare: %d", rows[i].value, secret.kind);
    }
    bare = true;
}

static void the_best_of_several(void **state)
{
    struct auth_secret secret = take(AUTH_SCRAM_SHA256, "pencil", VERIFIER);

    (void)state;
    assert_int_equal(secret.kind, AUTH_SECRET_VERIFIER);
    secret = take(AUTH_SCRAM_SHA256, VERIFIER, "pencil");
    assert_int_equal(secret.kind, AUTH_SECRET_VERIFIER);
    secret = take(AUTH_SCRAM_SHA512, VERIFIER, "pencil");
    assert_int_equal(secret.kind, AUTH_SECRET_CLEARTEXT);
    secret = take(AUTH_SCRAM_HASHES, VERIFIER, "pencil");
    assert_int_equal(secret.kind, AUTH_SECRET_CLEARTEXT);
    secret = take(AUTH_SCRAM_SHA256, "{MD5}AA", "{SSHA}AA");
    assert_int_equal(secret.kind, AUTH_SECRET_HASHED);
    secret = take(AUTH_SCRAM_SHA256, "$6$x$x", "{MD5}AA");
    assert_int_equal(secret.kind, AUTH_SECRET_HASHED);
    secret = take(AUTH_SCRAM_SHA256, "!", "{SASL}alice");
    assert_int_equal(secret.kind, AUTH_SECRET_UNUSABLE);
    secret = take(AUTH_SCRAM_SHA256, "!", "{SSHA}AA");
    assert_int_equal(secret.kind, AUTH_SECRET_HASHED);
}

static void hashes(void **state)
{
    struct crypt_data data = {0};
    char value[512];

    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        static const char *const settings[] = {"$6$saltsalt", "$5$saltsalt",
                                               "$2y$04$abcdefghijklmnopqrstuu"};
        struct auth_secret secret;

        snprintf(value, sizeof(value), "%s%s", i ? "" : "{CRYPT}",
                 crypt_r("pencil", settings[i], &data));
        secret = take(AUTH_SCRAM_SHA256, value, NULL);
        assert_true(auth_stored_matches(&secret, SV("pencil")));
        assert_false(auth_stored_matches(&secret, SV("pencil ")));
        assert_false(auth_stored_matches(&secret, SV("pencil\0x")));
        assert_false(auth_stored_matches(&secret, sv_of(value)));
    }
}

/* Made by slappasswd, and by Python's hashlib with the salt "salt". */
static void digests(void **state)
{
    static const char *const values[] = {
        "{SSHA}WtYsJIHWAVGp08JxvSa18fFsTVdFROPD",
        "{sha}0vxRJJChUDZGC1SJQBQ51tpUB/o=",
        "{SSHA256}IYelL73vS+N1Dkg7GnOUyJVYF5JifvEjClIz+j2xsMtzYWx0",
        "{SHA256}E4CWaPtDY4Zwb2fcsFLtWEoEuhaowCoX1m00ww/O2iE=",
        "{SSHA512}i+D5SE7oOTxtkWXKlKHrQFnLB6mUMJx0OsVpWYhRi1RnUIQeI+9gQr+ANhi3p4fmzzh6sx3Lx4cvamio"
        "Ip/8sXNhbHQ=",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        struct auth_secret secret = take(AUTH_SCRAM_SHA256, values[i], NULL);

        assert_true(auth_stored_matches(&secret, SV("pencil")));
        assert_false(auth_stored_matches(&secret, SV("Pencil")));
        assert_false(auth_stored_matches(&secret, sv_of(values[i])));
    }
    for (unsigned i = 0; i < 3; i++) {
        static const char *const broken[] = {"{SSHA}", "{SSHA}AAAA", "{SHA256}!"};
        struct auth_secret secret = take(AUTH_SCRAM_SHA256, broken[i], NULL);

        assert_false(auth_stored_matches(&secret, SV("pencil")));
    }
}

/* Time of the processor for one comparison, the least of three. */
static uint64_t cost_ns(const struct auth_secret *secret)
{
    uint64_t least = UINT64_MAX;

    for (unsigned i = 0; i < 3; i++) {
        struct timespec from, to;
        uint64_t ns;

        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &from);
        (void)auth_stored_matches(secret, SV("wrong"));
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &to);
        ns = (uint64_t)(to.tv_sec - from.tv_sec) * 1000000000 + (uint64_t)to.tv_nsec -
             (uint64_t)from.tv_nsec;
        least = ns < least ? ns : least;
    }
    return least;
}

static struct auth_secret hashed(const char *setting)
{
    struct crypt_data data = {0};
    char value[512];

    snprintf(value, sizeof(value), "{CRYPT}%s", crypt_r("pencil", setting, &data));
    return take(AUTH_SCRAM_SHA256, value, NULL);
}

/* Nobody, what is no hash of crypt and one of another kind cost what the costliest does. */
static void who_has_no_hash_costs_the_same(void **state)
{
    static const char *const others[] = {"{CRYPT}zz", "$unknown$x$y", "{CRYPT}*0", "{SSHA}AAAA"};
    struct auth_secret nobody = {0}, costly = hashed("$6$rounds=50000$saltsalt"),
                       cheap = hashed("$5$rounds=1000$saltsalt");
    uint64_t much;

    (void)state;
    auth_stored_forget();
    much = cost_ns(&costly);
    assert_true(cost_ns(&nobody) > much / 2);
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        struct auth_secret other = take(AUTH_SCRAM_SHA256, others[i], NULL);

        assert_true(cost_ns(&other) > much / 2);
        assert_true(cost_ns(&nobody) > much / 2);
    }
    assert_true(cost_ns(&cheap) < much / 2);
    assert_true(cost_ns(&nobody) > much / 2);
    auth_stored_forget();
    assert_true(cost_ns(&nobody) < much / 2);
}

/* A setting that crypt takes, with no hash behind it, says nothing about the others. */
static void what_has_no_digest_is_not_remembered(void **state)
{
    struct auth_secret nobody = {0}, cheap = hashed("$5$rounds=5000$saltsalt");
    struct auth_secret costly = take(AUTH_SCRAM_SHA256, "{CRYPT}$7$CU..../....saltsalt", NULL);
    uint64_t little;

    (void)state;
    auth_stored_forget();
    little = cost_ns(&cheap);
    assert_true(cost_ns(&costly) > 2 * little);
    assert_true(cost_ns(&nobody) > little / 2);
    auth_stored_forget();
}

/* What is remembered of a hash is enough for its method. */
static void every_method_is_remembered(void **state)
{
    static const char *const prefixes[] = {"$y$", "$7$", "$2b$", "$6$", "$5$", "$md5", "$1$", "_"};
    struct auth_secret nobody = {0};

    (void)state;
    for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++) {
        char setting[CRYPT_GENSALT_OUTPUT_SIZE];
        struct auth_secret secret;
        uint64_t much;

        assert_non_null(crypt_gensalt_rn(prefixes[i], 0, NULL, 0, setting, sizeof(setting)));
        secret = hashed(setting);
        auth_stored_forget();
        assert_true(auth_stored_matches(&secret, SV("pencil")));
        much = cost_ns(&secret);
        if (cost_ns(&nobody) < much / 2)
            fail_msg("%s", prefixes[i]);
    }
    auth_stored_forget();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(forms),
        cmocka_unit_test(the_best_of_several),
        cmocka_unit_test(hashes),
        cmocka_unit_test(digests),
        cmocka_unit_test(who_has_no_hash_costs_the_same),
        cmocka_unit_test(what_has_no_digest_is_not_remembered),
        cmocka_unit_test(every_method_is_remembered),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
