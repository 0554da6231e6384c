#include "auth/tls/tlsa.h"

#include <openssl/err.h>
#include <openssl/x509.h>

static bool is_certificate(struct sv data)
{
    const unsigned char *at = (const unsigned char *)data.ptr;
    X509 *x = d2i_X509(NULL, &at, (long)data.len);
    bool good = x && at == (const unsigned char *)data.ptr + data.len && X509_get0_pubkey(x);
    X509_free(x);
    return good;
}

static bool is_key(struct sv data)
{
    const unsigned char *at = (const unsigned char *)data.ptr;
    EVP_PKEY *key = d2i_PUBKEY(NULL, &at, (long)data.len);
    bool good = key && at == (const unsigned char *)data.ptr + data.len;
    EVP_PKEY_free(key);
    return good;
}

bool tls_tlsa_is_usable(const struct tls_stream_tlsa *r)
{
    static const size_t digest_bytes[] = {0, 32, 64}; /* by matching type: SHA-256, SHA-512 */
    if ((r->usage != TLSA_USAGE_DANE_TA && r->usage != TLSA_USAGE_DANE_EE) || r->selector > 1 ||
        r->matching > 2)
        return false;
    if (r->matching > 0)
        return r->data.len == digest_bytes[r->matching];
    bool usable = r->selector == 0 ? is_certificate(r->data) : is_key(r->data);
    ERR_clear_error();
    return usable;
}
