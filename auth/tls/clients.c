/*
 * Certificates of clients. The chain is checked in the handshake, and what is wrong with it is
 * remembered there; the handshake goes on.
 */
#include "auth/tls/fault.h"
#include "auth/tls/inside.h"
#include "auth/tls/pem.h"
#include "auth/tls/stream.h"

#include <openssl/err.h>
#include <openssl/pem.h>

#define CHAIN_BYTES_MAX 32768 /* of what a client sends */
#define CHAIN_DEPTH_MAX 8

static int on_chain(X509_STORE_CTX *chain, void *arg)
{
    (void)arg;
    /* the verdict stands in the context's error, whence SSL_get_verify_result() has it */
    int good = X509_verify_cert(chain);
    if (good != 1 && X509_STORE_CTX_get_error(chain) == X509_V_OK)
        X509_STORE_CTX_set_error(chain, X509_V_ERR_UNSPECIFIED);
    ERR_clear_error();
    return 1;
}

static int add_authorities(SSL_CTX *ssl, struct sv pem, struct buf *why)
{
    STACK_OF(X509) * all;
    int err = tls_pem_chain(pem, &all, why);
    if (err < 0)
        return err;
    for (int i = 0; i < sk_X509_num(all) && err == 0; i++)
        if (X509_STORE_add_cert(SSL_CTX_get_cert_store(ssl), sk_X509_value(all, i)) != 1 ||
            SSL_CTX_add_client_CA(ssl, sk_X509_value(all, i)) != 1)
            err = tls_fault(why, "authority %d cannot be used: %s", i + 1, tls_fault_reason());
    sk_X509_pop_free(all, X509_free);
    return err;
}

static int add_revoked(SSL_CTX *ssl, struct sv pem, struct buf *why)
{
    STACK_OF(X509_CRL) * all;
    X509_STORE *store = SSL_CTX_get_cert_store(ssl);
    int err = tls_pem_crls(pem, &all, why);
    if (err < 0)
        return err;
    for (int i = 0; i < sk_X509_CRL_num(all) && err == 0; i++)
        if (X509_STORE_add_crl(store, sk_X509_CRL_value(all, i)) != 1)
            err =
                tls_fault(why, "revocation list %d cannot be used: %s", i + 1, tls_fault_reason());
    sk_X509_CRL_pop_free(all, X509_CRL_free);
    X509_STORE_set_flags(store, X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL);
    return err;
}

int tls_clients_use(SSL_CTX *ssl, struct sv ca_pem, struct sv crl_pem, struct buf *why)
{
    int err = add_authorities(ssl, ca_pem, why);
    if (err == 0 && crl_pem.len > 0)
        err = add_revoked(ssl, crl_pem, why);
    SSL_CTX_set_verify(ssl, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_verify_depth(ssl, CHAIN_DEPTH_MAX);
    SSL_CTX_set_max_cert_list(ssl, CHAIN_BYTES_MAX);
    SSL_CTX_set_cert_verify_callback(ssl, on_chain, NULL);
    return err;
}

enum tls_certificate tls_stream_certificate(const struct tls_stream *s, const char **why_out)
{
    const SSL *ssl = tls_stream_ssl(s);
    long verdict = SSL_get_verify_result(ssl);
    *why_out = "";
    if (!SSL_get0_peer_certificate(ssl))
        return AUTH_TLS_NO_CERTIFICATE;
    if (verdict == X509_V_OK)
        return AUTH_TLS_CERTIFICATE;
    *why_out = X509_verify_cert_error_string(verdict);
    return AUTH_TLS_BAD_CERTIFICATE;
}

int tls_stream_certificate_der(const struct tls_stream *s, struct buf *out)
{
    const char *why;
    unsigned char *der = NULL;
    if (tls_stream_certificate(s, &why) != AUTH_TLS_CERTIFICATE)
        return ERR_NOT_FOUND;
    int len = i2d_X509(SSL_get0_peer_certificate(tls_stream_ssl(s)), &der);
    if (len < 0)
        return ERR_TLS;
    int err = buf_append(out, der, (size_t)len);
    OPENSSL_free(der);
    return err;
}
