#include "rewrite/smime_trust.h"

#include "msa/base/mem.h"
#include "msa/base/require.h"

#include <openssl/err.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>
#include <stdlib.h>

struct rewrite_smime_trust {
    X509_STORE *store;
};

struct rewrite_smime_trust *rewrite_smime_trust_new(struct sv pem, struct buf *why)
{
    struct rewrite_smime_cert **certs;
    size_t count;
    if (rewrite_smime_certs_read(pem, &certs, &count, why) < 0)
        return NULL;
    struct rewrite_smime_trust *t = NEW(struct rewrite_smime_trust);
    t->store = X509_STORE_new();
    REQUIRE(t->store);
    for (size_t i = 0; i < count; i++) {
        REQUIRE(X509_STORE_add_cert(t->store, certs[i]->x509) == 1);
        rewrite_smime_cert_free(certs[i]);
    }
    free(certs);
    return t;
}

void rewrite_smime_trust_free(struct rewrite_smime_trust *t)
{
    if (t)
        X509_STORE_free(t->store);
    free(t);
}

bool rewrite_smime_trust_holds(const struct rewrite_smime_trust *t,
                               const struct rewrite_smime_cert *c, int64_t now_s)
{
    X509_STORE_CTX *ctx = X509_STORE_CTX_new();
    REQUIRE(ctx && X509_STORE_CTX_init(ctx, t->store, c->x509, NULL) == 1);
    X509_VERIFY_PARAM *param = X509_STORE_CTX_get0_param(ctx);
    X509_VERIFY_PARAM_set_purpose(param, X509_PURPOSE_SMIME_ENCRYPT);
    X509_VERIFY_PARAM_set_time(param, (time_t)now_s);
    X509_VERIFY_PARAM_set_flags(param, X509_V_FLAG_PARTIAL_CHAIN); /* who is listed is trusted */
    bool holds = X509_verify_cert(ctx) == 1;
    X509_STORE_CTX_free(ctx);
    ERR_clear_error();
    return holds;
}
