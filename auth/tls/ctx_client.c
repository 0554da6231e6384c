#include "auth/tls/check.h"
#include "auth/tls/fault.h"
#include "auth/tls/inside.h"
#include "auth/tls/pem.h"
#include "msa/base/require.h"

#include <openssl/x509v3.h>

/* Wider than the server's: the other side chooses, and where nobody verifies, old encryption is
 * better than none. Never without encryption or authentication. */
#define CIPHERS_1_2 "HIGH:!aNULL:!eNULL:!PSK:!SRP:!3DES"
#define GROUPS      "X25519:P-256:P-384:P-521"

static int add_authorities(SSL_CTX *ssl, struct sv pem, struct buf *why)
{
    STACK_OF(X509) * all;
    int err = tls_pem_chain(pem, &all, why);
    if (err < 0)
        return err;
    X509_STORE *store = SSL_CTX_get_cert_store(ssl);
    for (int i = 0; i < sk_X509_num(all) && err == 0; i++)
        if (X509_STORE_add_cert(store, sk_X509_value(all, i)) != 1)
            err = tls_fault(why, "authority %d cannot be used: %s", i + 1, tls_fault_reason());
    sk_X509_pop_free(all, X509_free);
    return err;
}

int tls_ctx_client_new(const struct tls_ctx_client_options *options, struct tls_ctx **out,
                       struct buf *why)
{
    struct tls_ctx *ctx = tls_ctx_alloc();
    SSL_CTX *ssl = ctx->ssl = SSL_CTX_new(TLS_client_method());
    REQUIRE(ssl);
    SSL_CTX_set_min_proto_version(ssl, TLS1_2_VERSION);
    SSL_CTX_set_options(ssl, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
    SSL_CTX_set_mode(ssl, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                              SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    REQUIRE(SSL_CTX_set_cipher_list(ssl, CIPHERS_1_2) == 1);
    REQUIRE(SSL_CTX_set1_groups_list(ssl, GROUPS) == 1);
    tls_check_use(ssl);
    SSL_CTX_set_cert_verify_callback(ssl, tls_stream_on_chain, NULL);
    if (options->session_count > 0) {
        ctx->sessions = tls_sessions_new(options->session_count);
        SSL_CTX_set_session_cache_mode(ssl, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
        SSL_CTX_sess_set_new_cb(ssl, tls_stream_on_session);
    }
    int err = options->ca_pem.len ? add_authorities(ssl, options->ca_pem, why) : 0;
    if (err < 0) {
        tls_ctx_drop(ctx);
        return err;
    }
    *out = ctx;
    return 0;
}
