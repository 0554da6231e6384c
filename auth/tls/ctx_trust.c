#include "auth/tls/inside.h"

#include <openssl/x509v3.h>

/* A store of its own: others change what they are given, and ours is used by several threads. */
static X509_STORE *copy_store(X509_STORE *from)
{
    X509_STORE *store = X509_STORE_new();
    STACK_OF(X509) *all = X509_STORE_get1_all_certs(from);
    bool good = store && all;
    for (int i = 0; good && i < sk_X509_num(all); i++)
        good = X509_STORE_add_cert(store, sk_X509_value(all, i)) == 1;
    sk_X509_pop_free(all, X509_free);
    if (good)
        return store;
    X509_STORE_free(store);
    return NULL;
}

int tls_ctx_trust(const struct tls_ctx *ctx, void *ssl_ctx, const char *host)
{
    X509_VERIFY_PARAM *param = SSL_CTX_get0_param(ssl_ctx);
    X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NEVER_CHECK_SUBJECT |
                                               X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    if (X509_VERIFY_PARAM_set1_host(param, host, 0) != 1)
        return ERR_TLS;
    X509_STORE *store = copy_store(SSL_CTX_get_cert_store(ctx->ssl));
    if (!store)
        return ERR_TLS;
    SSL_CTX_set_cert_store(ssl_ctx, store); /* takes it */
    return 0;
}
