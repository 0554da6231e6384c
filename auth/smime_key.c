#include "auth/smime_key.h"

#include "auth/tls/pem.h"
#include "msa/base/require.h"

#include <openssl/cms.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <stdio.h>

int auth_smime_chain(struct sv pem, const EVP_PKEY *key, STACK_OF(X509) * *out,
                     char id[AUTH_SMIME_ID_LEN + 1], struct buf *why)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned len = 0;
    int err = tls_pem_kind(key, why);
    if (err == 0)
        err = tls_pem_chain(pem, out, why);
    if (err < 0)
        return err;
    if (EVP_PKEY_eq(X509_get0_pubkey(sk_X509_value(*out, 0)), key) != 1) {
        sk_X509_pop_free(*out, X509_free);
        (void)!buf_put(why, SV("the private key does not belong to the first certificate"));
        return ERR_TLS;
    }
    REQUIRE(X509_digest(sk_X509_value(*out, 0), EVP_sha256(), digest, &len) == 1 &&
            2 * len == AUTH_SMIME_ID_LEN);
    for (unsigned i = 0; i < len; i++)
        snprintf(id + 2 * i, 3, "%02x", digest[i]);
    return 0;
}

/* What the author's programs are said to read: OpenSSL's own list has ciphers of forty bits. */
static bool add_capabilities(CMS_SignerInfo *signer)
{
    static const int ciphers[] = {NID_aes_256_cbc, NID_aes_128_cbc};
    STACK_OF(X509_ALGOR) *list = NULL;
    bool good = true;
    for (size_t i = 0; i < sizeof ciphers / sizeof ciphers[0] && good; i++)
        good = CMS_add_simple_smimecap(&list, ciphers[i], -1) == 1;
    good = good && CMS_add_smimecap(signer, list) == 1;
    sk_X509_ALGOR_pop_free(list, X509_ALGOR_free);
    return good;
}

/* What CMS_final() would add after it had read the content. */
static bool add_digest(CMS_SignerInfo *signer, struct sv hash)
{
    return CMS_signed_add1_attr_by_NID(signer, NID_pkcs9_contentType, V_ASN1_OBJECT,
                                       OBJ_nid2obj(NID_pkcs7_data), -1) == 1 &&
           CMS_signed_add1_attr_by_NID(signer, NID_pkcs9_messageDigest, V_ASN1_OCTET_STRING,
                                       hash.ptr, (int)hash.len) == 1;
}

static bool write_der(CMS_ContentInfo *cms, struct buf *out)
{
    unsigned char *der = NULL;
    int len = i2d_CMS_ContentInfo(cms, &der);
    bool good = len > 0 && buf_append(out, der, (size_t)len) == 0;
    OPENSSL_free(der);
    return good;
}

enum auth_verdict auth_smime_sign(EVP_PKEY *key, STACK_OF(X509) * chain, struct sv hash,
                                  struct buf *out)
{
    unsigned flags = CMS_PARTIAL | CMS_DETACHED | CMS_BINARY | CMS_NOSMIMECAP;
    CMS_ContentInfo *cms;
    CMS_SignerInfo *signer;
    bool good = true;
    if (hash.len != AUTH_SMIME_HASH_BYTES)
        return AUTH_DENIED;
    cms = CMS_sign(NULL, NULL, NULL, NULL, flags);
    for (int i = 1; cms && good && i < sk_X509_num(chain); i++)
        good = CMS_add1_cert(cms, sk_X509_value(chain, i)) == 1;
    /* the time is added with the signature */
    signer = cms && good ? CMS_add1_signer(cms, sk_X509_value(chain, 0), key, EVP_sha256(), flags)
                         : NULL;
    good = signer && add_capabilities(signer) && add_digest(signer, hash) &&
           CMS_SignerInfo_sign(signer) == 1 && write_der(cms, out);
    CMS_ContentInfo_free(cms);
    ERR_clear_error();
    return good ? AUTH_OK : AUTH_TEMPORARY;
}
