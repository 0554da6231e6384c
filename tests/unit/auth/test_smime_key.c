/*
 * What the keeper signs for S/MIME, checked by libcrypto's own reader.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "auth/smime_key.h"
#include "tests/unit/auth_tls/fixture.h"

#include <openssl/cms.h>
#include <openssl/sha.h>

#define CONTENT "Content-Type: text/plain\r\n\r\nhello\r\n"

static bool verify(struct sv der, const char *content, const struct cert *authority)
{
    const unsigned char *at = (const unsigned char *)der.ptr;
    CMS_ContentInfo *cms = d2i_CMS_ContentInfo(NULL, &at, (long)der.len);
    BIO *in = BIO_new_mem_buf(content, -1);
    X509_STORE *store = X509_STORE_new();
    assert_non_null(cms);
    assert_ptr_equal(at, der.ptr + der.len);
    assert_true(CMS_is_detached(cms) == 1);
    X509_STORE_add_cert(store, authority->x509);
    X509_STORE_set_purpose(store, X509_PURPOSE_ANY);
    bool good = CMS_verify(cms, NULL, store, in, NULL, CMS_BINARY) == 1;
    STACK_OF(CMS_SignerInfo) *signers = CMS_get0_SignerInfos(cms);
    assert_int_equal(sk_CMS_SignerInfo_num(signers), 1);
    CMS_SignerInfo *si = sk_CMS_SignerInfo_value(signers, 0);
    static const int attributes[] = {NID_pkcs9_contentType, NID_pkcs9_messageDigest,
                                     NID_pkcs9_signingTime, NID_SMIMECapabilities};
    assert_int_equal(CMS_signed_get_attr_count(si), 4);
    for (size_t i = 0; i < 4; i++)
        assert_true(CMS_signed_get_attr_by_NID(si, attributes[i], -1) >= 0);
    /* two ciphers of AES and nothing else: SEQUENCE of two times 13 bytes */
    const ASN1_STRING *caps =
        CMS_signed_get0_data_by_OBJ(si, OBJ_nid2obj(NID_SMIMECapabilities), -3, V_ASN1_SEQUENCE);
    assert_non_null(caps);
    assert_int_equal(ASN1_STRING_length(caps), 2 + 2 * 13);
    X509_STORE_free(store);
    BIO_free(in);
    CMS_ContentInfo_free(cms);
    return good;
}

static void check_signer(struct cert signer, const struct cert *authority)
{
    struct buf pem, why, der;
    STACK_OF(X509) *chain = NULL;
    char id[AUTH_SMIME_ID_LEN + 1];
    unsigned char hash[SHA256_DIGEST_LENGTH];
    buf_init(&pem, 1u << 16, 0);
    buf_init(&why, 1000, 0);
    buf_init(&der, AUTH_WIRE_DATA_MAX, 0);
    assert_int_equal(buf_printf(&pem, "%s%s", signer.pem, authority->pem), 0);
    assert_int_equal(auth_smime_chain(buf_view(&pem), signer.key, &chain, id, &why), 0);
    assert_int_equal(strlen(id), AUTH_SMIME_ID_LEN);
    SHA256((const unsigned char *)CONTENT, strlen(CONTENT), hash);
    struct sv input = {(const char *)hash, sizeof hash};
    assert_int_equal(auth_smime_sign(signer.key, chain, sv_first(input, 31), &der), AUTH_DENIED);
    assert_int_equal(buf_len(&der), 0);
    assert_int_equal(auth_smime_sign(signer.key, chain, input, &der), AUTH_OK);
    assert_true(verify(buf_view(&der), CONTENT, authority));
    assert_false(verify(buf_view(&der), CONTENT " ", authority));
    struct buf small;
    buf_init(&small, 100, 0);
    assert_int_equal(auth_smime_sign(signer.key, chain, input, &small), AUTH_TEMPORARY);
    buf_deinit(&small);
    sk_X509_pop_free(chain, X509_free);
    /* of another key */
    assert_int_equal(auth_smime_chain(sv_of(authority->pem), signer.key, &chain, id, &why),
                     ERR_TLS);
    assert_true(sv_starts(buf_view(&why), SV("the private key does not belong")));
    assert_int_equal(auth_smime_chain(SV("none"), signer.key, &chain, id, &why), ERR_TLS);
    free_cert(&signer);
    buf_deinit(&pem);
    buf_deinit(&why);
    buf_deinit(&der);
}

static void test_signatures(void **state)
{
    struct cert authority = ec_cert(NULL, NULL);
    (void)state;
    check_signer(ec_cert("email:a@example.net", &authority), &authority);
    check_signer(rsa_cert("email:a@example.net", &authority), &authority);
    free_cert(&authority);
}

static void test_kinds(void **state)
{
    struct cert odd =
        make_cert(EVP_PKEY_Q_keygen(NULL, NULL, "ED25519"), NULL, -DAY_S, DAY_S, NULL);
    struct buf why;
    STACK_OF(X509) *chain = NULL;
    char id[AUTH_SMIME_ID_LEN + 1];
    (void)state;
    buf_init(&why, 1000, 0);
    assert_int_equal(auth_smime_chain(sv_of(odd.pem), odd.key, &chain, id, &why), ERR_TLS);
    assert_true(sv_starts(buf_view(&why), SV("a key of kind")));
    buf_deinit(&why);
    free_cert(&odd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_signatures),
        cmocka_unit_test(test_kinds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
