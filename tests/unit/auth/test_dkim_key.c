/* Keys for DKIM: which are taken, and what is told of them. */
#include "auth/dkim_key.h"
#include "auth/tls/key.h"
#include "msa/base/b64.h"
#include "tests/unit/auth/database.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

static void put_pem(EVP_PKEY *pkey, struct buf *out)
{
    BIO *bio = BIO_new(BIO_s_mem());
    char *at;
    long len;

    assert_int_equal(PEM_write_bio_PrivateKey(bio, pkey, NULL, NULL, 0, NULL, NULL), 1);
    len = BIO_get_mem_data(bio, &at);
    assert_int_equal(buf_append(out, at, (size_t)len), 0);
    BIO_free(bio);
    EVP_PKEY_free(pkey);
}

static void made_and_read(void **state)
{
    static const char *const kinds[] = {AUTH_DKIM_KIND_RSA, AUTH_DKIM_KIND_ED};
    static const int bits[] = {2048, 256};
    struct auth_dkim_key key, again;
    struct buf pem, why, public_half;

    (void)state;
    buf_init(&pem, 8192, BUF_SECRET);
    buf_init(&why, 512, 0);
    buf_init(&public_half, 4096, 0);
    for (size_t i = 0; i < 2; i++) {
        const unsigned char *at;
        EVP_PKEY *pkey;
        char id[AUTH_TLS_KEY_ID_LEN + 1];

        buf_reset(&pem);
        buf_reset(&public_half);
        assert_int_equal(auth_dkim_key_make(kinds[i], &pem), 0);
        assert_true(sv_starts(buf_view(&pem), SV("-----BEGIN PRIVATE KEY-----\n")));
        assert_int_equal(auth_dkim_key_read(buf_view(&pem), &key, &why), 0);
        assert_string_equal(key.kind, kinds[i]);
        assert_int_equal(key.bits, bits[i]);
        assert_int_equal(b64_decode(&public_half, sv_of(key.public_half)), 0);
        at = (const unsigned char *)buf_view(&public_half).ptr;
        pkey = i == 0
                   ? d2i_PUBKEY(NULL, &at, (long)buf_len(&public_half))
                   : EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, at, buf_len(&public_half));
        assert_non_null(pkey);
        tls_key_id(pkey, id);
        assert_string_equal(key.id, id);
        EVP_PKEY_free(pkey);
        /* no two keys are the same */
        buf_reset(&pem);
        assert_int_equal(auth_dkim_key_make(kinds[i], &pem), 0);
        assert_int_equal(auth_dkim_key_read(buf_view(&pem), &again, &why), 0);
        assert_string_not_equal(key.id, again.id);
        assert_string_not_equal(key.public_half, again.public_half);
    }
    buf_deinit(&pem);
    buf_deinit(&why);
    buf_deinit(&public_half);
}

static void refused(void **state)
{
    struct auth_dkim_key key;
    struct buf pem, why;

    (void)state;
    buf_init(&pem, 16384, 0);
    buf_init(&why, 512, 0);
    const struct {
        EVP_PKEY *pkey; /* NULL: this text */
        const char *text, *why;
    } rows[] = {
        {NULL, "", "the key file is empty"},
        {NULL, "no key", "no PEM private key"},
        {NULL, "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "is damaged"},
        {EVP_RSA_gen(768), NULL, "an RSA key of 768 bits; for DKIM it must have 1024 to 8192"},
        {EVP_EC_gen("P-256"), NULL, "a key of kind id-ecPublicKey; DKIM is signed with RSA or"},
        {EVP_PKEY_Q_keygen(NULL, NULL, "ED448"), NULL, "a key of kind ED448"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        buf_reset(&pem);
        buf_reset(&why);
        if (rows[i].pkey != NULL)
            put_pem(rows[i].pkey, &pem);
        else
            assert_int_equal(buf_put(&pem, sv_of(rows[i].text)), 0);
        assert_int_equal(auth_dkim_key_read(buf_view(&pem), &key, &why), ERR_SYNTAX);
        assert_int_equal(buf_append(&why, "", 1), 0);
        if (strstr(buf_view(&why).ptr, rows[i].why) == NULL)
            fail_msg("row %zu: %s", i, buf_view(&why).ptr);
    }
    buf_deinit(&pem);
    buf_deinit(&why);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(made_and_read),
        cmocka_unit_test(refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
