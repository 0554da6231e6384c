/* What a private key signs and what it does not. */
/* EMSA-PSS blocks are made with the one call of OpenSSL that gives them bare, which 3.0 deprecates.
 */
#define OPENSSL_SUPPRESS_DEPRECATED
#include "auth/keys.h"
#include "auth/smime_key.h"
#include "auth/tls/key.h"
#include "tests/unit/auth/database.h"
#include "tests/unit/auth_tls/fixture.h"

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

static EVP_PKEY *rsa, *ec, *dkim_rsa, *ed;
static struct auth_keys *set;
static char rsa_id[AUTH_TLS_KEY_ID_LEN + 1], ec_id[AUTH_TLS_KEY_ID_LEN + 1];
static char dkim_rsa_id[AUTH_TLS_KEY_ID_LEN + 1], ed_id[AUTH_TLS_KEY_ID_LEN + 1];

static int add(enum keeper_purpose purpose, EVP_PKEY *key, char *id)
{
    BIO *bio = BIO_new(BIO_s_mem());
    struct buf why;
    char *at;
    long len;
    int err;

    buf_init(&why, 512, 0);
    assert_int_equal(PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL), 1);
    len = BIO_get_mem_data(bio, &at);
    err = auth_keys_add(set, purpose, (struct sv){at, (size_t)len}, &why);
    assert_int_equal(buf_len(&why) > 0, err < 0);
    tls_key_id(key, id);
    BIO_free(bio);
    buf_deinit(&why);
    return err;
}

static int start_all(void **state)
{
    (void)state;
    set = auth_keys_new();
    rsa = EVP_RSA_gen(2048);
    ec = EVP_EC_gen("P-256");
    dkim_rsa = EVP_RSA_gen(1024);
    ed = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    assert_int_equal(add(KEEPER_TLS, rsa, rsa_id), 0);
    assert_int_equal(add(KEEPER_TLS, ec, ec_id), 0);
    assert_int_equal(add(KEEPER_DKIM, dkim_rsa, dkim_rsa_id), 0);
    assert_int_equal(add(KEEPER_DKIM, ed, ed_id), 0);
    assert_int_equal(add(KEEPER_DKIM, ed, ed_id), 0);            /* twice is once */
    assert_int_equal(add(KEEPER_DKIM, rsa, rsa_id), ERR_SYNTAX); /* one purpose each */
    assert_int_equal(add(KEEPER_TLS, dkim_rsa, dkim_rsa_id), ERR_SYNTAX);
    return 0;
}

static int stop_all(void **state)
{
    (void)state;
    EVP_PKEY_free(rsa);
    EVP_PKEY_free(ec);
    EVP_PKEY_free(dkim_rsa);
    EVP_PKEY_free(ed);
    auth_keys_free(set);
    return 0;
}

static enum auth_verdict sign(const char *id, enum auth_sign form, const void *bytes, size_t len,
                              struct buf *out)
{
    enum auth_verdict verdict = AUTH_TEMPORARY;

    buf_init(out, 4096, 0);
    assert_int_equal(auth_keys_sign(set, sv_of(id), form, (struct sv){bytes, len}, out, &verdict),
                     0);
    return verdict;
}

static bool verifies(EVP_PKEY *key, int padding, const uint8_t *digest, const struct buf *signature)
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(key, NULL);
    int rc;

    assert_int_equal(EVP_PKEY_verify_init(ctx), 1);
    if (padding) {
        assert_int_equal(EVP_PKEY_CTX_set_rsa_padding(ctx, padding), 1);
        assert_int_equal(EVP_PKEY_CTX_set_signature_md(ctx, EVP_sha256()), 1);
    }
    rc = EVP_PKEY_verify(ctx, (const unsigned char *)buf_view(signature).ptr, buf_len(signature),
                         digest, 32);
    EVP_PKEY_CTX_free(ctx);
    return rc == 1;
}

static void good(void **state)
{
    static const uint8_t prefix[19] = {0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01,
                                       0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00, 0x04, 0x20};
    uint8_t digest[32], info[51], block[256];
    struct buf out;
    RSA *key = EVP_PKEY_get1_RSA(rsa);

    (void)state;
    memset(digest, 7, sizeof(digest));
    memcpy(info, prefix, 19);
    memcpy(info + 19, digest, 32);
    assert_int_equal(sign(rsa_id, AUTH_SIGN_RSA_PKCS1, info, sizeof(info), &out), AUTH_OK);
    assert_true(verifies(rsa, RSA_PKCS1_PADDING, digest, &out));
    buf_deinit(&out);
    assert_int_equal(RSA_padding_add_PKCS1_PSS(key, block, digest, EVP_sha256(), 32), 1);
    assert_int_equal(sign(rsa_id, AUTH_SIGN_RSA_BLOCK, block, sizeof(block), &out), AUTH_OK);
    assert_true(verifies(rsa, RSA_PKCS1_PSS_PADDING, digest, &out));
    buf_deinit(&out);
    assert_int_equal(sign(ec_id, AUTH_SIGN_ECDSA, digest, sizeof(digest), &out), AUTH_OK);
    assert_true(verifies(ec, 0, digest, &out));
    buf_deinit(&out);
    RSA_free(key);
}

/* RFC 6376 3.3.3, RFC 8463 3. */
static void dkim(void **state)
{
    uint8_t hash[33];
    struct buf out;
    EVP_MD_CTX *md = EVP_MD_CTX_new();

    (void)state;
    memset(hash, 9, sizeof(hash));
    assert_int_equal(sign(dkim_rsa_id, AUTH_SIGN_DKIM, hash, 32, &out), AUTH_OK);
    assert_int_equal(buf_len(&out), 128);
    assert_true(verifies(dkim_rsa, RSA_PKCS1_PADDING, hash, &out));
    buf_deinit(&out);
    assert_int_equal(sign(ed_id, AUTH_SIGN_DKIM, hash, 32, &out), AUTH_OK);
    assert_int_equal(EVP_DigestVerifyInit(md, NULL, NULL, NULL, ed), 1);
    assert_int_equal(
        EVP_DigestVerify(md, (const unsigned char *)buf_view(&out).ptr, buf_len(&out), hash, 32),
        1);
    buf_deinit(&out);
    for (size_t len = 0; len < sizeof(hash) + 1; len++) {
        if (len == 32)
            continue;
        assert_int_equal(sign(ed_id, AUTH_SIGN_DKIM, hash, len, &out), AUTH_DENIED);
        buf_deinit(&out);
        assert_int_equal(sign(dkim_rsa_id, AUTH_SIGN_DKIM, hash, len, &out), AUTH_DENIED);
        buf_deinit(&out);
    }
    assert_true(auth_keys_is_quick(set, AUTH_SIGN_DKIM, sv_of(ed_id)));
    assert_false(auth_keys_is_quick(set, AUTH_SIGN_DKIM, sv_of(dkim_rsa_id)));
    assert_false(auth_keys_is_quick(set, AUTH_SIGN_DKIM, sv_of(ec_id)));
    EVP_MD_CTX_free(md);
}

/* No oracle: each input is one bit, one byte or one form away from what is signed. */
static void refused(void **state)
{
    uint8_t block[256], pss[256], digest[32] = {1}, info[51] = {0x30, 0x31};
    RSA *key = EVP_PKEY_get1_RSA(rsa);
    struct buf out;

    (void)state;
    assert_int_equal(RSA_padding_add_PKCS1_PSS(key, pss, digest, EVP_sha256(), 32), 1);
    for (unsigned bit = 0; bit < sizeof(pss) * 8; bit++) {
        unsigned at = bit / 8;

        /* a flip in the hidden salt still is some PSS block; all else is not one */
        if (at >= 256 - 1 - 32 - 32 && at < 256 - 1 - 32)
            continue;
        memcpy(block, pss, sizeof(block));
        block[at] ^= (uint8_t)(1u << (bit % 8));
        if (sign(rsa_id, AUTH_SIGN_RSA_BLOCK, block, sizeof(block), &out) != AUTH_DENIED)
            fail_msg("bit %u flipped and signed", bit);
        buf_deinit(&out);
    }
    memset(block, 0x41, sizeof(block));
    static const struct {
        enum auth_sign form;
        size_t len;
        bool on_ec;
    } rows[] = {
        {AUTH_SIGN_RSA_BLOCK, 256, false}, {AUTH_SIGN_RSA_BLOCK, 255, false},
        {AUTH_SIGN_RSA_BLOCK, 0, false},   {AUTH_SIGN_RSA_PKCS1, 51, false},
        {AUTH_SIGN_RSA_PKCS1, 32, false},  {AUTH_SIGN_RSA_PKCS1, 0, false},
        {AUTH_SIGN_ECDSA, 32, false},      {AUTH_SIGN_ECDSA, 31, true},
        {AUTH_SIGN_ECDSA, 0, true},        {AUTH_SIGN_RSA_PKCS1, 51, true},
        {AUTH_SIGN_RSA_BLOCK, 256, true},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (sign(rows[i].on_ec ? ec_id : rsa_id, rows[i].form, block, rows[i].len, &out) !=
            AUTH_DENIED)
            fail_msg("row %zu was signed", i);
        buf_deinit(&out);
    }
    assert_int_equal(sign(rsa_id, AUTH_SIGN_RSA_PKCS1, info, sizeof(info), &out), AUTH_DENIED);
    buf_deinit(&out);
    RSA_free(key);
}

/* One purpose a key, and no key by another name. */
static void purpose(void **state)
{
    static const struct {
        const char *id;
        enum auth_sign form;
    } rows[] = {
        {ec_id, AUTH_SIGN_DKIM},
        {rsa_id, AUTH_SIGN_DKIM},
        {ed_id, AUTH_SIGN_ECDSA},
        {dkim_rsa_id, AUTH_SIGN_RSA_PKCS1},
        {dkim_rsa_id, AUTH_SIGN_RSA_BLOCK},
        {"", AUTH_SIGN_ECDSA},
        {"", AUTH_SIGN_DKIM},
    };
    uint8_t digest[32] = {1};
    enum auth_verdict verdict;
    char id[AUTH_TLS_KEY_ID_LEN + 1];
    struct buf out;

    (void)state;
    buf_init(&out, 512, 0);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_int_equal(auth_keys_sign(set, sv_of(rows[i].id), rows[i].form,
                                        (struct sv){(char *)digest, 32}, &out, &verdict),
                         ERR_NOT_FOUND);
    assert_int_equal(add(KEEPER_DKIM, ec, id), ERR_SYNTAX); /* nobody verifies P-256 */
    assert_int_equal(auth_keys_add(set, KEEPER_TLS, SV("no key"), &out), ERR_SYNTAX);
    assert_true(buf_len(&out) > 0);
    buf_deinit(&out);
}

/* Known by its certificate, and good for S/MIME alone. */
static void smime(void **state)
{
    struct cert a = ec_cert("email:a@example.net", NULL), b = ec_cert("email:b@example.net", NULL);
    char id[AUTH_SMIME_ID_LEN + 1], key_id[AUTH_TLS_KEY_ID_LEN + 1];
    STACK_OF(X509) *chain = NULL;
    uint8_t hash[33] = {1};
    enum auth_verdict verdict;
    struct buf out;

    (void)state;
    buf_init(&out, 4096, 0);
    assert_int_equal(auth_keys_add_smime(set, sv_of(a.key_pem), sv_of(b.pem), &out), ERR_SYNTAX);
    assert_true(sv_starts(buf_view(&out), SV("the private key does not belong")));
    assert_int_equal(auth_keys_add_smime(set, SV("no key"), sv_of(b.pem), &out), ERR_SYNTAX);
    for (int twice = 0; twice < 2; twice++)
        assert_int_equal(auth_keys_add_smime(set, sv_of(a.key_pem), sv_of(a.pem), &out), 0);
    assert_int_equal(auth_smime_chain(sv_of(a.pem), a.key, &chain, id, &out), 0);
    sk_X509_pop_free(chain, X509_free);
    tls_key_id(a.key, key_id);
    buf_deinit(&out);
    assert_int_equal(sign(id, AUTH_SIGN_CMS, hash, 32, &out), AUTH_OK);
    assert_true(buf_len(&out) > 300);
    buf_deinit(&out);
    assert_int_equal(sign(id, AUTH_SIGN_CMS, hash, 33, &out), AUTH_DENIED);
    static const enum auth_sign others[] = {AUTH_SIGN_ECDSA, AUTH_SIGN_RSA_PKCS1, AUTH_SIGN_DKIM};
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        assert_int_equal(auth_keys_sign(set, sv_of(id), others[i], (struct sv){(char *)hash, 32},
                                        &out, &verdict),
                         ERR_NOT_FOUND);
        assert_int_equal(auth_keys_sign(set, sv_of(key_id), others[i],
                                        (struct sv){(char *)hash, 32}, &out, &verdict),
                         ERR_NOT_FOUND);
    }
    assert_int_equal(auth_keys_sign(set, sv_of(ec_id), AUTH_SIGN_CMS, (struct sv){(char *)hash, 32},
                                    &out, &verdict),
                     ERR_NOT_FOUND);
    assert_false(auth_keys_is_quick(set, AUTH_SIGN_CMS, sv_of(id)));
    buf_deinit(&out);
    free_cert(&a);
    free_cert(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good),    cmocka_unit_test(dkim),    cmocka_unit_test(smime),
        cmocka_unit_test(refused), cmocka_unit_test(purpose),
    };

    return cmocka_run_group_tests(tests, start_all, stop_all);
}
