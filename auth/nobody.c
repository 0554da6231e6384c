/*
 * nobody.c - made-up secrets: a chain of HMACs over purpose, mechanism and name.
 *
 * A name stands somewhere between 0 and 1, for ever; the counts of the database share that room
 * between them in ascending order. So another user moves few names to another count.
 */
#include "auth/nobody.h"

#include "auth/app.h"
#include "auth/salt.h"
#include "auth/users.h"
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
    struct auth_survey *survey; /* the caller's */
    pthread_mutex_t lock;       /* of all that follows */
    uint8_t secret[AUTH_SALT_SECRET_BYTES];
    char *path;     /* NULL: none is followed yet */
    uint32_t fixed; /* count of all names; 0: those of the database */
};

struct auth_nobody *auth_nobody_new(struct auth_survey *survey)
{
    struct auth_nobody *n = NEW(struct auth_nobody);

    n->survey = survey;
    random_fill(n->secret, sizeof(n->secret));
    REQUIRE(pthread_mutex_init(&n->lock, NULL) == 0);
    return n;
}

void auth_nobody_free(struct auth_nobody *n)
{
    if (n == NULL)
        return;
    pthread_mutex_destroy(&n->lock);
    free(n->path);
    mem_wipe(n, sizeof(*n));
    free(n);
}

void auth_nobody_follow(struct auth_nobody *n, const char *path, uint32_t iterations)
{
    uint8_t secret[AUTH_SALT_SECRET_BYTES];
    int err = auth_salt_secret(path, secret);

    pthread_mutex_lock(&n->lock);
    free(n->path);
    n->path = mem_str(path);
    n->fixed = iterations;
    pthread_mutex_unlock(&n->lock);
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

/* What cannot be read leaves the counts as they were. */
static void look_at_counts(struct auth_nobody *n, struct auth_users_survey *out)
{
    char *path;

    *out = (struct auth_users_survey){.count = 0};
    pthread_mutex_lock(&n->lock);
    path = n->path ? mem_str(n->path) : NULL;
    pthread_mutex_unlock(&n->lock);
    if (path != NULL) {
        int err = auth_survey_get(n->survey, path, out);

        (void)err;
    }
    free(path);
}

/* An app password's. */
static bool has_label(struct sv name)
{
    struct sv owner, label;

    return auth_app_split(sv_first(name, sv_find(name, '@')), &owner, &label);
}

static uint32_t iterations_of(struct auth_nobody *n, enum auth_scram_hash hash, struct sv name)
{
    uint32_t iterations = AUTH_SCRAM_ITERATIONS, place, fixed;
    struct auth_users_survey all;
    size_t users = 0, below = 0;
    uint8_t mac[MAC_BYTES];

    pthread_mutex_lock(&n->lock);
    fixed = n->fixed;
    pthread_mutex_unlock(&n->lock);
    if (fixed != 0 && !has_label(name))
        return fixed;
    /* the verifiers that we keep elsewhere, of app passwords and of other hashes, are all ours */
    if (hash != AUTH_SCRAM_SHA256 || has_label(name))
        return iterations;
    made_up(n, "count", auth_scram_name(hash), name, mac);
    memcpy(&place, mac, sizeof(place));
    look_at_counts(n, &all);
    for (size_t i = 0; i < all.count; i++)
        users += all.at[i].users;
    for (size_t i = 0; i < all.count && below <= (uint64_t)place * users >> 32; i++) {
        iterations = all.at[i].iterations;
        below += all.at[i].users;
    }
    return iterations;
}

void auth_nobody_salt(struct auth_nobody *n, enum auth_scram_hash hash, struct sv name,
                      struct auth_scram *out)
{
    uint32_t iterations = iterations_of(n, hash, name);
    char purpose[32] = "salt";
    uint8_t mac[MAC_BYTES];

    if (iterations != AUTH_SCRAM_ITERATIONS)
        snprintf(purpose, sizeof(purpose), "salt %u", (unsigned)iterations);
    made_up(n, purpose, auth_scram_name(hash), name, mac);
    *out = (struct auth_scram){
        .hash = hash, .iterations = iterations, .salt_len = AUTH_SCRAM_SALT_BYTES};
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
