#include "auth/tls/check.h"
#include "msa/base/ip.h"
#include "msa/base/mem.h"
#include "msa/base/require.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509v3.h>

#include <stdlib.h>

void tls_check_use(SSL_CTX *ssl)
{
    REQUIRE(SSL_CTX_dane_enable(ssl) == 1);
    SSL_CTX_dane_set_flags(ssl, DANE_FLAG_NO_DANE_EE_NAMECHECKS); /* RFC 7672 3.1.1 */
}

/* OpenSSL knows no trailing dot. The caller frees. */
static char *host_name(struct sv name)
{
    if (name.len > 1 && name.ptr[name.len - 1] == '.')
        name.len--;
    return sv_dup(name);
}

static bool is_ip(const char *name)
{
    struct ip ip;
    return ip_parse(sv_of(name), &ip);
}

/* RFC 7672 3.2.3: DANE alone looks at the subject, where subjectAltName has no DNS name. */
static void expect_names(SSL *ssl, const struct tls_stream_peer *peer, const char *name,
                         bool by_tlsa)
{
    X509_VERIFY_PARAM *param = SSL_get0_param(ssl);
    X509_VERIFY_PARAM_set_hostflags(
        param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS |
                   (by_tlsa ? 0u : (unsigned)X509_CHECK_FLAG_NEVER_CHECK_SUBJECT));
    if (peer->nnames == 1)
        name = peer->names[0];
    if (peer->nnames <= 1 && is_ip(name)) {
        REQUIRE(X509_VERIFY_PARAM_set1_ip_asc(param, name) == 1);
        return;
    }
    REQUIRE(X509_VERIFY_PARAM_set1_host(param, NULL, 0) == 1);
    for (size_t i = 0; i < peer->nnames || i == 0; i++) {
        char *host = host_name(peer->nnames ? sv_of(peer->names[i]) : sv_of(name));
        REQUIRE(X509_VERIFY_PARAM_add1_host(param, host, 0) == 1);
        free(host);
    }
}

/* Returns how many records can be used. */
static size_t add_tlsa(SSL *ssl, const struct tls_stream_peer *peer)
{
    size_t usable = 0;
    for (size_t i = 0; i < peer->ntlsa; i++) {
        const struct tls_stream_tlsa *r = &peer->tlsa[i];
        usable += tls_tlsa_is_usable(r) &&
                  SSL_dane_tlsa_add(ssl, r->usage, r->selector, r->matching,
                                    (const unsigned char *)r->data.ptr, r->data.len) == 1;
    }
    ERR_clear_error();
    return usable;
}

void tls_check_begin(SSL *ssl, const struct tls_stream_peer *peer, struct tls_check *out)
{
    REQUIRE(peer->trust == AUTH_TLS_TRUST_ANY || peer->name.len > 0);
    char *name = host_name(peer->name);
    bool by_tlsa = false;
    *out = (struct tls_check){.verifies = peer->trust != AUTH_TLS_TRUST_ANY,
                              .report_only = peer->report_only};
    if (*name && !is_ip(name))
        SSL_set_tlsext_host_name(ssl, name);
    if (peer->trust == AUTH_TLS_TRUST_DANE) {
        REQUIRE(SSL_dane_enable(ssl, NULL) == 1);
        by_tlsa = add_tlsa(ssl, peer) > 0;
        out->no_usable_tlsa = !by_tlsa;
        out->verifies = !out->no_usable_tlsa || peer->must_verify;
    }
    SSL_set_verify(ssl, out->verifies ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, NULL);
    if (out->verifies)
        expect_names(ssl, peer, name, by_tlsa);
    if (!out->verifies || out->report_only)
        SSL_set_security_level(ssl, 0); /* weak keys are still better than clear text */
    free(name);
}

bool tls_check_chain(const struct tls_check *c, X509_STORE_CTX *chain)
{
    /* OpenSSL would check every signature of the chain, then ignore the result. */
    if (!c->verifies)
        return true;
    bool holds = X509_verify_cert(chain) == 1;
    return holds || c->report_only;
}

static enum tls_failure failure_of(long verdict)
{
    switch (verdict) {
    case X509_V_OK:
        return AUTH_TLS_FAILURE_NONE;
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
        return AUTH_TLS_FAILURE_CERTIFICATE_HOST_MISMATCH;
    case X509_V_ERR_CERT_HAS_EXPIRED:
        return AUTH_TLS_FAILURE_CERTIFICATE_EXPIRED;
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_CERT_UNTRUSTED:
    case X509_V_ERR_CERT_REJECTED:
        return AUTH_TLS_FAILURE_CERTIFICATE_NOT_TRUSTED;
    default:
        return AUTH_TLS_FAILURE_VALIDATION_FAILURE;
    }
}

enum tls_failure tls_check_failure(const struct tls_check *c, const SSL *ssl)
{
    if (c->no_usable_tlsa && !c->verifies)
        return AUTH_TLS_FAILURE_TLSA_INVALID;
    return c->verifies ? failure_of(SSL_get_verify_result(ssl)) : AUTH_TLS_FAILURE_NONE;
}

static void digest_field(EVP_MD_CTX *md, struct sv field)
{
    uint64_t len = field.len;
    REQUIRE(EVP_DigestUpdate(md, &len, sizeof len) == 1);
    REQUIRE(EVP_DigestUpdate(md, field.ptr, field.len) == 1);
}

char *tls_check_session_name(const struct tls_stream_peer *peer)
{
    uint8_t digest[EVP_MAX_MD_SIZE];
    unsigned len = 0;
    if (peer->session_key.len == 0)
        return NULL;
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    REQUIRE(md && EVP_DigestInit_ex(md, EVP_sha256(), NULL) == 1);
    const uint8_t how[] = {(uint8_t)peer->trust, peer->report_only, peer->must_verify};
    digest_field(md, (struct sv){(const char *)how, sizeof how});
    digest_field(md, peer->name);
    digest_field(md, peer->session_key);
    for (size_t i = 0; i < peer->nnames; i++)
        digest_field(md, sv_of(peer->names[i]));
    digest_field(md, SV_NONE);
    for (size_t i = 0; i < peer->ntlsa; i++) {
        const struct tls_stream_tlsa *r = &peer->tlsa[i];
        const uint8_t kind[] = {r->usage, r->selector, r->matching};
        digest_field(md, (struct sv){(const char *)kind, sizeof kind});
        digest_field(md, r->data);
    }
    REQUIRE(EVP_DigestFinal_ex(md, digest, &len) == 1);
    EVP_MD_CTX_free(md);
    char *hex = mem_new(2 * len + 1, 1);
    for (unsigned i = 0; i < len; i++)
        snprintf(hex + 2 * i, 3, "%02x", digest[i]);
    return hex;
}

const char *tls_failure_text(enum tls_failure failure)
{
    static const char *const texts[] = {
#define TEXT(name, text) text,
        AUTH_TLS_FAILURES(TEXT)
#undef TEXT
    };
    REQUIRE((size_t)failure < sizeof texts / sizeof *texts);
    return texts[failure];
}
