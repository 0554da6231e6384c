/* SCRAM verifiers. */
#include "msa/base/b64.h"
#include "tests/unit/auth/database.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

/* The exchanges of RFC 5802 5 and RFC 7677 3; for SHA-512 the words of the former and what Python's
 * hashlib makes of them. */
static const struct example {
    enum auth_scram_hash hash;
    const EVP_MD *(*digest)(void);
    const char *salt, *message, *proof, *signature;
} examples[] = {
    {AUTH_SCRAM_SHA256, EVP_sha256, "W22ZaJ0SNY7soEsUEjb6gQ==",
     "n=user,r=rOprNGfwEbeRWgbNEkqO,"
     "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,"
     "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0",
     "dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
     "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="},
#define MESSAGE                                                                       \
    "n=user,r=fyko+d2lbbFgONRv9qkxdawL,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j," \
    "s=QSXCR+Q6sek8bf92,i=4096,c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j"
    {AUTH_SCRAM_SHA1, EVP_sha1, "QSXCR+Q6sek8bf92", MESSAGE,
     "v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=", "rmF9pqV8S7suAoZWja4dJRkFsKQ="},
    {AUTH_SCRAM_SHA512, EVP_sha512, "QSXCR+Q6sek8bf92", MESSAGE,
     "VdS8LkrURiej1tG6iX+fqCXQfUnBb//d9llXYaH+ylUbDwBUz9geyR9fC4TewskRUM2tlYSalhAT4Aay1Q5dTA==",
     "14PAAuavk9hxBEkgB0brDxUhvWu+N16meYk+qxVNFqchR8QPohM09Y4Z6WaTCuX4C6nqMB9KIJTDm6RpSM990g=="},
};

/* The client's proof must fit our StoredKey, the server's signature our ServerKey. */
static void check_example(const struct example *e)
{
    struct auth_scram v = {.hash = e->hash, .iterations = 4096};
    size_t bytes = auth_scram_key_bytes(e->hash);
    struct buf salt, proof, signature;
    uint8_t mac[64], key[64], hash[64];
    unsigned len;

    buf_init(&salt, 64, 0);
    buf_init(&proof, 64, 0);
    buf_init(&signature, 64, 0);
    assert_int_equal(b64_decode(&salt, sv_of(e->salt)), 0);
    assert_int_equal(b64_decode(&proof, sv_of(e->proof)), 0);
    assert_int_equal(b64_decode(&signature, sv_of(e->signature)), 0);
    assert_int_equal(buf_len(&proof), bytes);
    v.salt_len = buf_len(&salt);
    memcpy(v.salt, buf_view(&salt).ptr, v.salt_len);
    auth_scram_derive(&v, SV("pencil"));
    HMAC(e->digest(), v.stored_key, (int)bytes, (const unsigned char *)e->message,
         strlen(e->message), mac, &len);
    for (size_t i = 0; i < bytes; i++)
        key[i] = mac[i] ^ (uint8_t)buf_view(&proof).ptr[i];
    EVP_Digest(key, bytes, hash, NULL, e->digest(), NULL);
    assert_memory_equal(hash, v.stored_key, bytes);
    HMAC(e->digest(), v.server_key, (int)bytes, (const unsigned char *)e->message,
         strlen(e->message), mac, &len);
    assert_memory_equal(mac, buf_view(&signature).ptr, bytes);
    buf_deinit(&salt);
    buf_deinit(&proof);
    buf_deinit(&signature);
}

static void published_exchanges(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(examples) / sizeof(examples[0]); i++)
        check_example(&examples[i]);
}

static void names(void **state)
{
    static const struct {
        const char *mechanism;
        bool known;
        enum auth_scram_hash hash;
    } rows[] = {
        {"SCRAM-SHA-1", true, AUTH_SCRAM_SHA1},
        {"scram-sha-256", true, AUTH_SCRAM_SHA256},
        {"SCRAM-SHA-256-PLUS", true, AUTH_SCRAM_SHA256},
        {"SCRAM-SHA-512", true, AUTH_SCRAM_SHA512},
        {"SCRAM-SHA-1-PLUS", true, AUTH_SCRAM_SHA1},
        {"SCRAM-SHA-384", false, 0},
        {"SCRAM-SHA-2", false, 0},
        {"SCRAM-SHA-2560", false, 0},
        {"-PLUS", false, 0},
        {"PLAIN", false, 0},
        {"", false, 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        enum auth_scram_hash hash = 0;

        if (auth_scram_hash_of(sv_of(rows[i].mechanism), &hash) != rows[i].known ||
            hash != rows[i].hash)
            fail_msg("%s", rows[i].mechanism);
    }
}

static void round_trip(void **state)
{
    char text[AUTH_SCRAM_TEXT_MAX], again[AUTH_SCRAM_TEXT_MAX], start[64];
    struct auth_scram a, b;

    (void)state;
    for (unsigned hash = 0; hash < AUTH_SCRAM_HASHES; hash++) {
        auth_scram_new(&a, (enum auth_scram_hash)hash, SV("secret"));
        auth_scram_write(&a, text);
        snprintf(start, sizeof(start), "%s$4096:", auth_scram_name((enum auth_scram_hash)hash));
        assert_true(sv_starts(sv_of(text), sv_of(start)));
        assert_int_equal(auth_scram_read(sv_of(text), &b), 0);
        assert_int_equal(b.hash, hash);
        auth_scram_write(&b, again);
        assert_string_equal(text, again);
        assert_true(auth_scram_matches(&b, SV("secret")));
        assert_false(auth_scram_matches(&b, SV("secret1")));
        assert_false(auth_scram_matches(&b, SV("")));
        auth_scram_new(&b, (enum auth_scram_hash)hash, SV("secret")); /* another salt and text */
        auth_scram_write(&b, again);
        assert_string_not_equal(text, again);
    }
}

static void bad_texts(void **state)
{
#define KEY "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
    static const char *rows[] = {
        "",
        "secret",
        "SCRAM-SHA-1$4096:c2FsdA==$" KEY ":" KEY,
        "SCRAM-SHA-512$4096:c2FsdA==$" KEY ":" KEY,
        "SCRAM-SHA-384$4096:c2FsdA==$" KEY ":" KEY,
        "scram-sha-256$4096:c2FsdA==$" KEY ":" KEY,
        "SCRAM-SHA-256-PLUS$4096:c2FsdA==$" KEY ":" KEY,
        "SCRAM-SHA-256$0:c2FsdA==$" KEY ":" KEY,
        "SCRAM-SHA-256$99999999999:c2FsdA==$" KEY ":" KEY,
        "SCRAM-SHA-256$4096:$" KEY ":" KEY,
        "SCRAM-SHA-256$4096:c2FsdA==$" KEY,
        "SCRAM-SHA-256$4096:c2FsdA==$" KEY ":" KEY "x",
        "SCRAM-SHA-256$4096:c2FsdA==$AAAA:" KEY,
        "SCRAM-SHA-256$4096:!!!!$" KEY ":" KEY,
        "SCRAM-SHA-256$-1:c2FsdA==$" KEY ":" KEY,
    };
    struct auth_scram v;

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (auth_scram_read(sv_of(rows[i]), &v) != ERR_SYNTAX)
            fail_msg("row %zu was taken", i);
    }
    assert_int_equal(auth_scram_read(SV("SCRAM-SHA-256$4096:c2FsdA==$" KEY ":" KEY), &v), 0);
    assert_int_equal(v.salt_len, 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(published_exchanges),
        cmocka_unit_test(names),
        cmocka_unit_test(round_trip),
        cmocka_unit_test(bad_texts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
