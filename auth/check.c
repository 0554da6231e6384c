/*
 * check.c - names, database and derivations joined so that every outcome costs the same.
 *
 * A name that cannot be a user is replaced by a stand-in for the look-up, so that the disk is asked
 * as for any other; what is found then does not count.
 */
#include "auth/check.h"

#include "auth/salt.h"
#include "msa/base/log.h"
#include "msa/base/mem.h"
#include "msa/base/require.h"
#include "msa/loop/clock.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define RESCAN_MS      1000
#define UNSETTLED_MS   100 /* a file changed so lately may change again within its time stamp */
#define STAND_IN       "nobody"
#define PURPOSE_SALT   "salt"
#define PURPOSE_STORED "stored"
#define PURPOSE_SERVER "server"

struct auth_check {
    struct auth_proven *proven;
    pthread_mutex_t lock;                   /* of what follows */
    uint8_t secret[AUTH_SALT_SECRET_BYTES]; /* from which salts and made-up verifiers come */
    bool scanned, any_cleartext;
    struct auth_users_identity scanned_db;
    uint64_t scanned_ms;
};

struct auth_check *auth_check_new(void)
{
    struct auth_check *c = NEW(struct auth_check);

    c->proven = auth_proven_new();
    random_fill(c->secret, sizeof(c->secret));
    REQUIRE(pthread_mutex_init(&c->lock, NULL) == 0);
    return c;
}

void auth_check_follow(struct auth_check *c, const char *path)
{
    uint8_t secret[AUTH_SALT_SECRET_BYTES];
    int err = auth_salt_secret(path, secret);

    if (err < 0) {
        log_event(LOG_WARNING, "auth-salt", NULL, "%s.salt: %s; one for this run is used", path,
                  err_text(err));
        return;
    }
    pthread_mutex_lock(&c->lock);
    memcpy(c->secret, secret, sizeof(secret));
    pthread_mutex_unlock(&c->lock);
    mem_wipe(secret, sizeof(secret));
}

void auth_check_free(struct auth_check *c)
{
    if (c == NULL)
        return;
    auth_proven_free(c->proven);
    pthread_mutex_destroy(&c->lock);
    mem_wipe(c, sizeof(*c));
    free(c);
}

/* False for a name that is nobody's; *out is good for a look-up all the same. */
static bool name_of(const struct auth_options *o, struct sv user, struct auth_name *out)
{
    if (auth_name_parse(&o->realms, user, out) == AUTH_NAME_OK)
        return true;
    REQUIRE(auth_name_parse(&o->realms, SV(STAND_IN), out) == AUTH_NAME_OK);
    return false;
}

/* HMAC of purpose, mechanism and text under the secret. */
static void made_up(struct auth_check *c, const char *purpose, enum auth_scram_hash hash,
                    struct sv text, uint8_t out[AUTH_SCRAM_KEY_MAX])
{
    uint8_t first[AUTH_SCRAM_KEY_MAX], second[AUTH_SCRAM_KEY_MAX];
    const char *name = auth_scram_name(hash);
    unsigned len = 0;

    pthread_mutex_lock(&c->lock);
    REQUIRE(HMAC(EVP_sha512(), c->secret, sizeof(c->secret), (const unsigned char *)purpose,
                 strlen(purpose), first, &len) != NULL);
    pthread_mutex_unlock(&c->lock);
    REQUIRE(HMAC(EVP_sha512(), first, sizeof(first), (const unsigned char *)name, strlen(name),
                 second, &len) != NULL);
    REQUIRE(HMAC(EVP_sha512(), second, sizeof(second),
                 (const unsigned char *)(text.ptr ? text.ptr : ""), text.len, out, &len) != NULL);
    REQUIRE(len == AUTH_SCRAM_KEY_MAX);
}

static void salt_of(struct auth_check *c, enum auth_scram_hash hash, struct sv text,
                    struct auth_scram *v)
{
    uint8_t mac[AUTH_SCRAM_KEY_MAX];

    made_up(c, PURPOSE_SALT, hash, text, mac);
    *v = (struct auth_scram){
        .hash = hash, .iterations = AUTH_SCRAM_ITERATIONS, .salt_len = AUTH_SCRAM_SALT_BYTES};
    memcpy(v->salt, mac, AUTH_SCRAM_SALT_BYTES);
}

/* A verifier for which nobody knows a password. */
static void verifier_of_nobody(struct auth_check *c, enum auth_scram_hash hash, struct sv text,
                               struct auth_scram *v)
{
    salt_of(c, hash, text, v);
    made_up(c, PURPOSE_STORED, hash, text, v->stored_key);
    made_up(c, PURPOSE_SERVER, hash, text, v->server_key);
}

/* Compares whole arrays, so that the time tells nothing of the length. */
static bool cleartext_matches(const struct auth_secret *secret, struct sv password)
{
    char tried[AUTH_PASSWORD_MAX] = {0}, stored[AUTH_PASSWORD_MAX] = {0};
    bool same;

    memcpy(tried, password.ptr, password.len);
    memcpy(stored, secret->password, secret->password_len);
    same = mem_equal_ct(tried, stored, sizeof(stored)) & (password.len == secret->password_len);
    mem_wipe(tried, sizeof(tried));
    mem_wipe(stored, sizeof(stored));
    return same;
}

/* Exactly one derivation on each way. */
static bool secret_matches(struct auth_check *c, const struct auth_secret *secret, struct sv login,
                           struct sv password)
{
    struct auth_scram nobody;

    if (secret->kind == AUTH_SECRET_VERIFIER)
        return auth_scram_matches(&secret->verifier, password);
    verifier_of_nobody(c, AUTH_SCRAM_SHA256, login, &nobody);
    (void)auth_scram_matches(&nobody, password);
    return secret->kind == AUTH_SECRET_CLEARTEXT && cleartext_matches(secret, password);
}

/* A second change within the granularity of the time stamps would not be seen. */
static bool is_settled(const struct auth_users_identity *db)
{
    int64_t age_ms = clock_wall_ms() - db->ctime_ns / 1000000;

    return age_ms < 0 || age_ms > UNSETTLED_MS;
}

int auth_check_password(struct auth_check *c, const struct auth_options *o, struct sv user,
                        struct sv password, struct auth_name *login_out)
{
    struct auth_users_identity db;
    struct auth_secret secret;
    struct auth_name name;
    bool possible = name_of(o, user, &name);
    bool right;
    int err;

    if (password.len == 0 || password.len > AUTH_PASSWORD_MAX) {
        possible = false;
        password = password.len ? sv_first(password, AUTH_PASSWORD_MAX) : SV("-");
    }
    if ((err = auth_users_identity(o->path, &db)) < 0)
        return err;
    if (possible &&
        auth_proven_has(c->proven, &db, auth_name_view(&name), password, clock_mono_ms())) {
        *login_out = name;
        return 1;
    }
    if ((err = auth_users_secret(o->path, &name, &secret)) < 0)
        return err;
    right = secret_matches(c, &secret, auth_name_view(&name), password) && possible;
    mem_wipe(&secret, sizeof(secret));
    if (!right)
        return 0;
    if (is_settled(&db))
        auth_proven_put(c->proven, &db, auth_name_view(&name), password, clock_mono_ms());
    *login_out = name;
    return 1;
}

bool auth_check_is_proven(struct auth_check *c, const struct auth_options *o, struct sv user,
                          struct sv password)
{
    struct auth_users_identity db;
    struct auth_name name;

    return password.len > 0 && name_of(o, user, &name) && auth_users_identity(o->path, &db) == 0 &&
           auth_proven_has(c->proven, &db, auth_name_view(&name), password, clock_mono_ms());
}

/* Whether the database may have clear-text entries. It is looked through when it is another one, at
 * most once a second; until then the answer is yes, which only costs everybody a derivation. */
static int may_have_cleartext(struct auth_check *c, const struct auth_options *o, bool *out)
{
    struct auth_users_identity db;
    int err = auth_users_identity(o->path, &db);
    uint64_t now = clock_mono_ms();

    if (err < 0)
        return err;
    pthread_mutex_lock(&c->lock);
    if (c->scanned && auth_users_identity_eq(&db, &c->scanned_db)) {
        *out = c->any_cleartext;
    } else if (c->scanned && now - c->scanned_ms < RESCAN_MS) {
        *out = true;
    } else {
        err = auth_users_has_cleartext(o->path, &c->any_cleartext);
        c->scanned = err == 0;
        c->scanned_db = db;
        c->scanned_ms = now;
        *out = c->any_cleartext;
    }
    pthread_mutex_unlock(&c->lock);
    return err;
}

int auth_check_verifier(struct auth_check *c, const struct auth_options *o, struct sv user,
                        enum auth_scram_hash hash, struct auth_scram *out, bool *known_out)
{
    struct auth_secret secret;
    struct auth_name name;
    bool possible = name_of(o, user, &name);
    struct sv login = possible ? auth_name_view(&name) : user;
    bool derive = false;
    int err = may_have_cleartext(c, o, &derive);

    if (err == 0)
        err = auth_users_secret(o->path, &name, &secret);
    if (err < 0)
        return err;
    *known_out =
        possible && (secret.kind == AUTH_SECRET_CLEARTEXT ||
                     (secret.kind == AUTH_SECRET_VERIFIER && secret.verifier.hash == hash));
    if (*known_out && secret.kind == AUTH_SECRET_CLEARTEXT) {
        salt_of(c, hash, login, out);
        auth_scram_derive(out, (struct sv){secret.password, secret.password_len});
    } else {
        verifier_of_nobody(c, hash, login, out);
        if (derive)
            (void)auth_scram_matches(out, SV(STAND_IN));
        if (*known_out)
            *out = secret.verifier;
    }
    mem_wipe(&secret, sizeof(secret));
    return 0;
}
