#include "auth/tls/fault.h"
#include "auth/tls/inside.h"
#include "auth/tls/key.h"
#include "auth/tls/pem.h"
#include "msa/base/mem.h"
#include "msa/base/require.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include <stdlib.h>
#include <string.h>

/* Forward secrecy and AEAD only. AES-128 first: nothing is known that makes it weaker in use, and
 * the key schedule with SHA-256 is the cheapest. */
#define CIPHERS_1_2 "ECDHE+AESGCM+AES128:ECDHE+AESGCM:ECDHE+CHACHA20"
#define CIPHERS_1_3 "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256"
#define GROUPS      "X25519:P-256:P-384"

static bool name_matches(const char *pattern, struct sv host)
{
    if (pattern[0] == '*' && pattern[1] == '.')
        host = sv_skip(host, sv_find(host, '.')), pattern++;
    return host.len > 0 && sv_ieq(sv_of(pattern), host);
}

static struct tls_site *site_for(struct tls_ctx *ctx, struct sv host)
{
    for (int wildcard = 0; wildcard < 2; wildcard++)
        for (size_t i = 0; i < ctx->site_count; i++)
            for (size_t n = 0; n < ctx->sites[i].name_count; n++) {
                const char *pattern = ctx->sites[i].names[n];
                if ((*pattern == '*') == wildcard && name_matches(pattern, host))
                    return &ctx->sites[i];
            }
    return NULL;
}

/* RFC 6066 3. A name that we do not have gets the first certificate: many clients are configured
 * with an address or an alias, and their own check decides. */
static int on_sni(SSL *ssl, int *alert, void *arg)
{
    struct tls_ctx *ctx = arg;
    struct sv host = sv_of(SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name));
    (void)alert;
    if (host.len > 0 && host.ptr[host.len - 1] == '.')
        host.len--;
    struct tls_site *site = site_for(ctx, host);
    if (!site)
        return SSL_TLSEXT_ERR_NOACK;
    SSL_set_SSL_CTX(ssl, site->ssl);
    return SSL_TLSEXT_ERR_OK;
}

/* Submission has no protocol name of its own in ALPN: whoever asks for others ("h2") has been
 * steered here and is refused (RFC 7301 3.2; ALPACA). */
static int on_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_len,
                   const unsigned char *in, unsigned in_len, void *arg)
{
    static const unsigned char ours[] = "\004smtp";
    unsigned char *chosen;
    (void)ssl, (void)arg;
    if (SSL_select_next_proto(&chosen, out_len, ours, sizeof ours - 1, in, in_len) !=
        OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
}

static SSL_CTX *new_ssl(struct tls_ctx *ctx, enum tls_ctx_minimum minimum)
{
    SSL_CTX *ssl = SSL_CTX_new(TLS_server_method());
    REQUIRE(ssl);
    SSL_CTX_set_min_proto_version(ssl, minimum == AUTH_TLS_MINIMUM_1_3 ? TLS1_3_VERSION
                                                                       : TLS1_2_VERSION);
    SSL_CTX_set_options(ssl, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                 SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
    SSL_CTX_set_mode(ssl, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                              SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_max_early_data(ssl, 0);
    SSL_CTX_set_recv_max_early_data(ssl, 0);
    REQUIRE(SSL_CTX_set_cipher_list(ssl, CIPHERS_1_2) == 1);
    REQUIRE(SSL_CTX_set_ciphersuites(ssl, CIPHERS_1_3) == 1);
    REQUIRE(SSL_CTX_set1_groups_list(ssl, GROUPS) == 1);
    SSL_CTX_set_tlsext_servername_callback(ssl, on_sni);
    SSL_CTX_set_tlsext_servername_arg(ssl, ctx);
    SSL_CTX_set_alpn_select_cb(ssl, on_alpn, NULL);
    tls_tickets_use(ssl, ctx);
    tls_binding_use(ssl);
    return ssl;
}

static void add_name(struct tls_site *site, struct sv name)
{
    char *text = sv_dup(name);
    for (char *c = text; *c; c++)
        *c = ascii_lower(*c);
    site->names = mem_resize(site->names, site->name_count + 1, sizeof *site->names);
    site->names[site->name_count++] = text;
}

static void add_own_names(struct tls_site *site, X509 *cert)
{
    GENERAL_NAMES *all = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
    for (int i = 0; i < sk_GENERAL_NAME_num(all); i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(all, i);
        if (name->type != GEN_DNS)
            continue;
        const char *text = (const char *)ASN1_STRING_get0_data(name->d.dNSName);
        struct sv view = {text, (size_t)ASN1_STRING_length(name->d.dNSName)};
        if (sv_find(view, '\0') == view.len)
            add_name(site, view);
    }
    GENERAL_NAMES_free(all);
}

static bool same_names(const struct tls_site *a, const struct tls_site *b)
{
    if (a->name_count != b->name_count)
        return false;
    for (size_t i = 0; i < a->name_count; i++)
        if (strcmp(a->names[i], b->names[i]) != 0)
            return false;
    return true;
}

/* The place of one entry: an earlier site of the same names that lacks this kind of key, else a
 * new one. */
static struct tls_site *place(struct tls_ctx *ctx, const struct tls_ctx_cert *cert, X509 *own,
                              bool rsa, enum tls_ctx_minimum minimum)
{
    struct tls_site fresh = {0};
    for (size_t i = 0; i < cert->name_count; i++)
        add_name(&fresh, cert->names[i]);
    if (cert->name_count == 0)
        add_own_names(&fresh, own);
    struct tls_site *found = NULL;
    for (size_t i = 0; i < ctx->site_count && !found; i++) {
        struct tls_site *site = &ctx->sites[i];
        if (same_names(site, &fresh) && !(rsa ? site->has_rsa : site->has_ec))
            found = site;
    }
    if (found) {
        for (size_t i = 0; i < fresh.name_count; i++)
            free(fresh.names[i]);
        free(fresh.names);
    } else {
        fresh.ssl = new_ssl(ctx, minimum);
        ctx->sites = mem_resize(ctx->sites, ctx->site_count + 1, sizeof *ctx->sites);
        found = &ctx->sites[ctx->site_count++];
        *found = fresh;
    }
    *(rsa ? &found->has_rsa : &found->has_ec) = true;
    return found;
}

static int add_cert(struct tls_ctx *ctx, const struct tls_ctx_cert *cert,
                    enum tls_ctx_minimum minimum, struct buf *why)
{
    STACK_OF(X509) * chain;
    EVP_PKEY *key = NULL;
    int err = tls_pem_chain(cert->chain_pem, &chain, why);
    if (err < 0)
        return err;
    X509 *own = sk_X509_shift(chain);
    const EVP_PKEY *public_half = X509_get0_pubkey(own);
    if (!public_half)
        err = tls_fault(why, "the certificate's key cannot be used: %s", tls_fault_reason());
    else
        err = tls_key_new(public_half, &key, why);
    if (err == 0) {
        bool rsa = EVP_PKEY_get_base_id(key) == EVP_PKEY_RSA;
        struct tls_site *site = place(ctx, cert, own, rsa, minimum);
        if (SSL_CTX_use_cert_and_key(site->ssl, own, key, chain, 1) != 1)
            err = tls_fault(why, "the certificate cannot be used: %s", tls_fault_reason());
    }
    EVP_PKEY_free(key);
    X509_free(own);
    sk_X509_pop_free(chain, X509_free);
    return err;
}

int tls_ctx_server_new(const struct tls_ctx_server_options *options, struct tls_ctx **out,
                       struct buf *why)
{
    REQUIRE(options->cert_count > 0);
    struct tls_ctx *ctx = tls_ctx_alloc();
    ctx->tickets = options->tickets;
    for (size_t i = 0; i < options->cert_count; i++) {
        int err = add_cert(ctx, &options->certs[i], options->minimum, why);
        if (err < 0) {
            tls_ctx_drop(ctx);
            return err;
        }
    }
    for (size_t i = 0; i < ctx->site_count && options->client_ca_pem.len > 0; i++) {
        int err = tls_clients_use(ctx->sites[i].ssl, options->client_ca_pem,
                                  options->client_crl_pem, why);
        if (err < 0) {
            tls_ctx_drop(ctx);
            return err;
        }
    }
    ctx->ssl = ctx->sites[0].ssl;
    SSL_CTX_up_ref(ctx->ssl);
    *out = ctx;
    return 0;
}
