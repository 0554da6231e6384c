/*
 * nobody.c - made-up secrets: a chain of HMACs over purpose, mechanism and name.
 */
#include "auth/nobody.h"

#include "auth/salt.h"
#include "msa/base/log.h"
#include "msa/base/mem.h"
#include "msa/base/require.h"
#include "msa/loop/clock.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAC_BYTES AUTH_SCRAM_KEY_MAX

struct auth_nobody {
    pthread_mutex_t lock; /* of the secret */
    uint8_t secret[AUTH_SALT_SECRET_BYTES];
};

struct auth_nobody *auth_nobody_new(void)
{
    struct auth_nobody *n = NEW(struct auth_nobody);

    random_fill(n->secret, sizeof(n->secret));
    REQUIRE(pthread_mutex_init(&n->lock, NULL) == 0);
    return n;
}

void auth_nobody_free(struct auth_nobody *n)
{
    if (n == NULL)
        return;
    pthread_mutex_destroy(&n->lock);
    mem_wipe(n, sizeof(*n));
    free(n);
}

void auth_nobody_follow(struct auth_nobody *n, const char *path)
{
    uint8_t secret[AUTH_SALT_SECRET_BYTES];
    int err = auth_salt_secret(path, secret);

    if (err < 0) {
        log_event(LOG_WARNING, "auth-salt", NULL, "%s.salt: %s; one for this run is used", path,
                  err_text(err));
        return;
    }
    pthread_mutex_lock(&n->lock);
    memcpy(n->secret, secret, sizeof(secret));
    pthread_mutex_unlock(&n->lock);
    mem_wipe(secret, sizeof(secret));
}

static void hmac(const uint8_t *key, size_t key_len, struct sv text, uint8_t out[MAC_BYTES])
{
    unsigned len = 0;

    REQUIRE(HMAC(EVP_sha512(), key, (int)key_len, (const unsigned char *)(text.ptr ? text.ptr : ""),
                 text.len, out, &len) != NULL &&
            len == MAC_BYTES);
}

static void made_up(struct auth_nobody *n, const char *purpose, const char *mechanism,
                    struct sv name, uint8_t out[MAC_BYTES])
{
    uint8_t first[MAC_BYTES], second[MAC_BYTES];

    pthread_mutex_lock(&n->lock);
    hmac(n->secret, sizeof(n->secret), sv_of(purpose), first);
    pthread_mutex_unlock(&n->lock);
    hmac(first, sizeof(first), sv_of(mechanism), second);
    hmac(second, sizeof(second), name, out);
}

void auth_nobody_salt(struct auth_nobody *n, enum auth_scram_hash hash, struct sv name,
                      struct auth_scram *out)
{
    uint8_t mac[MAC_BYTES];

    made_up(n, "salt", auth_scram_name(hash), name, mac);
    *out = (struct auth_scram){
        .hash = hash, .iterations = AUTH_SCRAM_ITERATIONS, .salt_len = AUTH_SCRAM_SALT_BYTES};
    memcpy(out->salt, mac, AUTH_SCRAM_SALT_BYTES);
}

void auth_nobody_verifier(struct auth_nobody *n, enum auth_scram_hash hash, struct sv name,
                          struct auth_scram *out)
{
    auth_nobody_salt(n, hash, name, out);
    made_up(n, "stored", auth_scram_name(hash), name, out->stored_key);
    made_up(n, "server", auth_scram_name(hash), name, out->server_key);
}

void auth_nobody_password(struct auth_nobody *n, struct sv name,
                          char out[AUTH_NOBODY_PASSWORD_BYTES + 1])
{
    uint8_t mac[MAC_BYTES];

    made_up(n, "password", "", name, mac);
    for (size_t i = 0; i < AUTH_NOBODY_PASSWORD_BYTES / 2; i++)
        snprintf(out + 2 * i, 3, "%02x", mac[i]);
    mem_wipe(mac, sizeof(mac));
}
