#include "auth/tls/inside.h"
#include "msa/base/mem.h"
#include "msa/base/require.h"

#include <stdlib.h>

void tls_ctx_library(void)
{
    REQUIRE(OPENSSL_init_ssl(OPENSSL_INIT_LOAD_CONFIG | OPENSSL_INIT_LOAD_SSL_STRINGS |
                                 OPENSSL_INIT_LOAD_CRYPTO_STRINGS,
                             NULL) == 1);
}

struct tls_ctx *tls_ctx_alloc(void)
{
    struct tls_ctx *ctx = NEW(struct tls_ctx);
    atomic_init(&ctx->refs, 1);
    pthread_mutex_init(&ctx->lock, NULL);
    return ctx;
}

struct tls_ctx *tls_ctx_keep(struct tls_ctx *ctx)
{
    atomic_fetch_add_explicit(&ctx->refs, 1, memory_order_relaxed);
    return ctx;
}

static void free_site(struct tls_site *site)
{
    for (size_t i = 0; i < site->name_count; i++)
        free(site->names[i]);
    free(site->names);
    SSL_CTX_free(site->ssl);
}

void tls_ctx_drop(struct tls_ctx *ctx)
{
    if (!ctx || atomic_fetch_sub_explicit(&ctx->refs, 1, memory_order_acq_rel) > 1)
        return;
    for (size_t i = 0; i < ctx->site_count; i++)
        free_site(&ctx->sites[i]);
    free(ctx->sites);
    SSL_CTX_free(ctx->ssl);
    tls_sessions_free(ctx->sessions);
    pthread_mutex_destroy(&ctx->lock);
    mem_wipe(&ctx->tickets, sizeof ctx->tickets);
    free(ctx);
}
