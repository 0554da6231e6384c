/*
 * Design. OpenSSL's own ticket keys live and die with one SSL_CTX; ours come from outside, so that
 * every worker and every later process opens them. A ticket made with the previous key is opened
 * and replaced. RFC 5077 4: key name, IV, encrypted state, MAC.
 */
#include "auth/tls/inside.h"
#include "msa/base/mem.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

#include <string.h>

#define NAME_BYTES 16
#define AES_BYTES  32
#define MAC_BYTES  32

enum { REFUSED = -1, UNKNOWN = 0, OPENED = 1, OPENED_REPLACE = 2 };

static bool start(EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac, const uint8_t *key,
                  const unsigned char *iv, bool seal)
{
    char digest[] = "SHA256";
    const OSSL_PARAM params[] = {OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
                                 OSSL_PARAM_END};
    const uint8_t *aes = key + NAME_BYTES;
    return EVP_CipherInit_ex(cipher, EVP_aes_256_cbc(), NULL, aes, iv, seal) == 1 &&
           EVP_MAC_init(mac, aes + AES_BYTES, MAC_BYTES, params) == 1;
}

static int on_ticket(SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher,
                     EVP_MAC_CTX *mac, int seal)
{
    struct tls_ctx *ctx = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
    struct tls_ticket_keys keys;
    int result = UNKNOWN;
    pthread_mutex_lock(&ctx->lock);
    keys = ctx->tickets;
    pthread_mutex_unlock(&ctx->lock);
    if (seal) {
        memcpy(name, keys.current, NAME_BYTES);
        if (RAND_bytes(iv, EVP_CIPHER_get_iv_length(EVP_aes_256_cbc())) != 1 ||
            !start(cipher, mac, keys.current, iv, true))
            result = REFUSED;
        else
            result = OPENED;
    } else if (memcmp(name, keys.current, NAME_BYTES) == 0) {
        /* TLS 1.3 clients use a ticket once, so they need another each time (RFC 8446 C.4). */
        result = SSL_version(ssl) == TLS1_3_VERSION ? OPENED_REPLACE : OPENED;
        if (!start(cipher, mac, keys.current, iv, false))
            result = REFUSED;
    } else if (memcmp(name, keys.previous, NAME_BYTES) == 0) {
        result = start(cipher, mac, keys.previous, iv, false) ? OPENED_REPLACE : REFUSED;
    }
    mem_wipe(&keys, sizeof keys);
    return result;
}

void tls_tickets_use(SSL_CTX *ssl, struct tls_ctx *ctx)
{
    static const unsigned char context[] = "submission";
    SSL_CTX_set_app_data(ssl, ctx);
    SSL_CTX_set_tlsext_ticket_key_evp_cb(ssl, on_ticket);
    SSL_CTX_set_session_id_context(ssl, context, sizeof context - 1);
    SSL_CTX_set_session_cache_mode(ssl, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_timeout(ssl, AUTH_TLS_TICKET_LIFE_S);
    SSL_CTX_set_num_tickets(ssl, 1);
}

void tls_ctx_set_tickets(struct tls_ctx *ctx, const struct tls_ticket_keys *keys)
{
    pthread_mutex_lock(&ctx->lock);
    ctx->tickets = *keys;
    pthread_mutex_unlock(&ctx->lock);
}
