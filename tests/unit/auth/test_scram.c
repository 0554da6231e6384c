/* SCRAM-SHA-256 verifiers. */
#include "msa/base/b64.h"
#include "tests/unit/auth/database.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>

/* The exchange of RFC 7677 3: the client's proof must fit our StoredKey, the server's signature our
 * ServerKey. */
static void rfc_example(void **state)
{
    static const char message[] =
        "n=user,r=rOprNGfwEbeRWgbNEkqO,"
        "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,"
        "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
    struct auth_scram v = {.iterations = 4096};
    struct buf salt, proof, signature;
    uint8_t mac[32], key[32], hash[32];
    unsigned len;

    (void)state;
    buf_init(&salt, 64, 0);
    buf_init(&proof, 64, 0);
    buf_init(&signature, 64, 0);
    assert_int_equal(b64_decode(&salt, SV("W22ZaJ0SNY7soEsUEjb6gQ==")), 0);
    assert_int_equal(b64_decode(&proof, SV("dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=")), 0);
    assert_int_equal(b64_decode(&signature, SV("6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=")), 0);
    v.salt_len = buf_len(&salt);
    memcpy(v.salt, buf_view(&salt).ptr, v.salt_len);
    auth_scram_derive(&v, SV("pencil"));
    HMAC(EVP_sha256(), v.stored_key, 32, (const unsigned char *)message, strlen(message), mac,
         &len);
    for (unsigned i = 0; i < 32; i++)
        key[i] = mac[i] ^ (uint8_t)buf_view(&proof).ptr[i];
    SHA256(key, 32, hash);
    assert_memory_equal(hash, v.stored_key, 32);
    HMAC(EVP_sha256(), v.server_key, 32, (const unsigned char *)message, strlen(message), mac,
         &len);
    assert_memory_equal(mac, buf_view(&signature).ptr, 32);
    buf_deinit(&salt);
    buf_deinit(&proof);
    buf_deinit(&signature);
}

static void round_trip(void **state)
{
    char text[AUTH_SCRAM_TEXT_MAX], again[AUTH_SCRAM_TEXT_MAX];
    struct auth_scram a, b;

    (void)state;
    auth_scram_new(&a, SV("secret"));
    auth_scram_write(&a, text);
    assert_true(sv_starts(sv_of(text), SV("SCRAM-SHA-256$4096:")));
    assert_int_equal(auth_scram_read(sv_of(text), &b), 0);
    auth_scram_write(&b, again);
    assert_string_equal(text, again);
    assert_true(auth_scram_matches(&b, SV("secret")));
    assert_false(auth_scram_matches(&b, SV("secret1")));
    assert_false(auth_scram_matches(&b, SV("")));
    auth_scram_new(&b, SV("secret")); /* another salt, another text */
    auth_scram_write(&b, again);
    assert_string_not_equal(text, again);
}

static void bad_texts(void **state)
{
#define KEY "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
    static const char *rows[] = {
        "",
        "secret",
        "SCRAM-SHA-1$4096:c2FsdA==$" KEY ":" KEY,
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
        cmocka_unit_test(rfc_example),
        cmocka_unit_test(round_trip),
        cmocka_unit_test(bad_texts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
