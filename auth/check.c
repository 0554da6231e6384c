/*
 * check.c - names, databases and derivations joined so that every outcome costs the same.
 *
 * A name that cannot be a user is replaced by a stand-in for the look-ups, so that the disk is
 * asked as for any other; what is found then does not count.
 */
#include "auth/check.h"

#include "auth/nobody.h"
#include "auth/proven.h"
#include "auth/stored.h"
#include "auth/survey.h"
#include "msa/base/log.h"
#include "msa/base/mem.h"
#include "msa/base/require.h"
#include "msa/loop/clock.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define UNSETTLED_MS 100 /* a file changed so lately may change again within its time stamp */
#define STAND_IN     "nobody"
#define CHANGES_KEPT 64
#define LOG_EACH_MS  1000

struct auth_check {
    struct auth_proven *proven;
    struct auth_survey *survey;
    struct auth_nobody *nobody;
    pthread_mutex_t lock; /* of what follows; the keeper's loop takes it, too: never for long */
    bool warned_of_count;
    uint64_t logged_ms;
    char logged[1024];                             /* the last fault that was */
    uint64_t changed;                              /* number of the last change */
    char changes[CHANGES_KEPT][AUTH_NAME_MAX + 1]; /* logins of the last ones, by number */
};

struct auth_check *auth_check_new(void)
{
    struct auth_check *c = NEW(struct auth_check);

    c->proven = auth_proven_new();
    c->survey = auth_survey_new();
    c->nobody = auth_nobody_new(c->survey);
    REQUIRE(pthread_mutex_init(&c->lock, NULL) == 0);
    return c;
}

void auth_check_follow(struct auth_check *c, const char *path, uint32_t iterations)
{
    auth_nobody_follow(c->nobody, path, iterations);
}

void auth_check_free(struct auth_check *c)
{
    if (c == NULL)
        return;
    auth_proven_free(c->proven);
    auth_nobody_free(c->nobody);
    auth_survey_free(c->survey);
    pthread_mutex_destroy(&c->lock);
    free(c);
}

/* --- faults --- */

/* Logs a fault, but not the same for each of many logins, and gives it back. */
static int fault(struct auth_check *c, const char *what, int err)
{
    uint64_t now = clock_mono_ms();
    bool tell;

    pthread_mutex_lock(&c->lock);
    tell = now - c->logged_ms >= LOG_EACH_MS || strcmp(what, c->logged) != 0;
    if (tell) {
        c->logged_ms = now;
        snprintf(c->logged, sizeof(c->logged), "%s", what);
    }
    pthread_mutex_unlock(&c->lock);
    if (tell)
        log_event(LOG_ERROR, "auth-database", NULL, "%s; logins are answered 454 until that ends",
                  what);
    return err;
}

static int users_fault(struct auth_check *c, const struct auth_sources *s, int err)
{
    char text[1024];

    return fault(c, auth_database_fault(s->options, err, text), err);
}

static int accounts_fault(struct auth_check *c, const struct auth_sources *s, int err)
{
    char text[1024];

    return fault(c, auth_accounts_fault(s->options->accounts_path, err, text), err);
}

/* --- names and what is stored of them --- */

/* A name as it was given, and what the user database has under it. */
struct claim {
    struct auth_found found;
    bool possible; /* the name can be a user's; the look-ups were made all the same */
    bool by_app;   /* the name has a label, found.app.label: only that app password counts */
    struct auth_secret secret; /* the main one of found.login */
};

/* Whether somebody is there whom anything can let in. */
static bool is_open(const struct auth_secret *secret)
{
    return secret->kind != AUTH_SECRET_NONE && secret->kind != AUTH_SECRET_LOCKED;
}

static void explain_lock(const struct auth_sources *s, const struct auth_secret *secret,
                         struct auth_found *found)
{
    const char *name = auth_options_database(s->options);

    if (secret->kind == AUTH_SECRET_LOCKED)
        snprintf(found->why, sizeof(found->why),
                 "the database has no password of the login, or a locked one (auth.%s)", name);
}

/* False for a name that is nobody's; *out is good for a look-up all the same. */
static bool name_of(const struct auth_sources *s, struct sv user, struct auth_name *out)
{
    if (auth_database_name(s->options, user, out) == AUTH_NAME_OK)
        return true;
    REQUIRE(auth_database_name(s->options, SV(STAND_IN), out) == AUTH_NAME_OK);
    return false;
}

/* "user/LABEL@realm": the second look-up is for the user. */
static int claim_app(struct claim *k, const struct auth_sources *s, enum auth_scram_hash hash)
{
    struct sv owner, label, realm = auth_name_realm(&k->found.claimed);
    char text[2 * AUTH_NAME_MAX];

    if (!auth_app_split(auth_name_user(&k->found.claimed), &owner, &label))
        return 0;
    snprintf(text, sizeof(text), "%.*s@%.*s", SV_ARG(owner), SV_ARG(realm));
    if (auth_database_name(s->options, sv_of(text), &k->found.login) != AUTH_NAME_OK)
        return 0;
    k->by_app = true;
    snprintf(k->found.app.label, sizeof(k->found.app.label), "%.*s", SV_ARG(label));
    return auth_database_secret(s->options, &k->found.login, hash, &k->secret);
}

/* The caller wipes *k. */
static int claim(struct auth_check *c, const struct auth_sources *s, struct sv user,
                 enum auth_scram_hash hash, struct claim *k)
{
    int err;

    memset(k, 0, sizeof(*k));
    k->possible = name_of(s, user, &k->found.claimed);
    k->found.login = k->found.claimed;
    err = auth_database_secret(s->options, &k->found.login, hash, &k->secret);
    if (err == 0 && k->secret.kind == AUTH_SECRET_NONE)
        err = claim_app(k, s, hash);
    explain_lock(s, &k->secret, &k->found);
    return err < 0 ? users_fault(c, s, err) : 0;
}

static struct sv login_of(const struct claim *k)
{
    return auth_name_view(&k->found.login);
}

int auth_check_user(struct auth_check *c, const struct auth_sources *s,
                    const struct auth_name *login, struct auth_found *out)
{
    struct auth_secret secret;
    int err = auth_database_secret(s->options, login, AUTH_SCRAM_SHA256, &secret);
    bool known = err == 0 && is_open(&secret) && secret.kind != AUTH_SECRET_ELSEWHERE;

    *out = (struct auth_found){.login = *login, .claimed = *login};
    explain_lock(s, &secret, out);
    mem_wipe(&secret, sizeof(secret));
    return err < 0 ? users_fault(c, s, err) : known;
}

/* --- PLAIN and LOGIN --- */

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
static bool secret_matches(struct auth_check *c, const struct claim *k, struct sv password)
{
    struct auth_scram nobody;

    if (auth_stored_matches(&k->secret, password))
        return true;
    if (k->secret.kind == AUTH_SECRET_VERIFIER)
        return auth_scram_matches(&k->secret.verifier, password);
    auth_nobody_verifier(c->nobody, AUTH_SCRAM_SHA256, login_of(k), &nobody);
    (void)auth_scram_matches(&nobody, password);
    return k->secret.kind == AUTH_SECRET_CLEARTEXT && cleartext_matches(&k->secret, password);
}

/* Exactly one look-up on each way: 1, 0 or an error. */
static int app_matches(struct auth_check *c, const struct auth_sources *s, struct claim *k,
                       struct sv password)
{
    uint8_t digest[AUTH_APP_DIGEST_BYTES];
    struct auth_app app;
    int err;

    auth_app_digest(login_of(k), password, digest);
    err = auth_accounts_app(s->accounts, digest, &app);
    mem_wipe(digest, sizeof(digest));
    if (err == ERR_NOT_FOUND)
        return 0;
    if (err < 0)
        return accounts_fault(c, s, err);
    if (k->by_app && strcmp(app.label, k->found.app.label) != 0)
        return 0;
    k->found.app = app;
    return 1;
}

/* A second change within the granularity of the time stamps would not be seen. */
static bool is_settled(const struct auth_users_identity *db)
{
    int64_t age_ms = clock_wall_ms() - db->ctime_ns / 1000000;

    return age_ms < 0 || age_ms > UNSETTLED_MS;
}

static int look(struct auth_check *c, const struct auth_sources *s, struct auth_proven_at *out)
{
    int err = auth_database_identity(s->options, &out->users);

    if (err < 0)
        return users_fault(c, s, err);
    err = auth_accounts_version(s->accounts, &out->accounts);
    return err < 0 ? accounts_fault(c, s, err) : 0;
}

/* Who it is that was proved before: no look-up is needed for that. */
static void recognize(const struct auth_sources *s, const struct auth_name *claimed,
                      const struct auth_app *app, struct auth_found *out)
{
    char text[2 * AUTH_NAME_MAX];
    struct sv owner, label;

    *out = (struct auth_found){.login = *claimed, .claimed = *claimed, .app = *app};
    if (app->id == 0 || !auth_app_split(auth_name_user(claimed), &owner, &label) ||
        !sv_eq(label, sv_of(app->label)))
        return;
    snprintf(text, sizeof(text), "%.*s@%.*s", SV_ARG(owner), SV_ARG(auth_name_realm(claimed)));
    REQUIRE(auth_database_name(s->options, sv_of(text), &out->login) == AUTH_NAME_OK);
}

static int compare(struct auth_check *c, const struct auth_sources *s, struct sv password,
                   struct claim *k)
{
    bool is_user = k->possible && is_open(&k->secret);
    bool is_main = false;
    int is_app;

    if (k->secret.kind == AUTH_SECRET_ELSEWHERE) {
        int right = auth_database_password(s->options, &k->found.login, password);

        return right < 0 ? users_fault(c, s, right) : right == 1 && is_user;
    }
    is_main = secret_matches(c, k, password) && !k->by_app;
    is_app = app_matches(c, s, k, password);

    if (is_app < 0)
        return is_app;
    return is_user && (is_main || is_app == 1);
}

int auth_check_password(struct auth_check *c, const struct auth_sources *s, struct sv user,
                        struct sv password, struct auth_found *out)
{
    bool possible = password.len > 0 && password.len <= AUTH_PASSWORD_MAX;
    struct auth_proven_at at;
    struct auth_app app;
    struct claim k;
    int right, admitted;

    if (!possible)
        password = password.len ? sv_first(password, AUTH_PASSWORD_MAX) : SV("-");
    right = look(c, s, &at);
    if (right < 0)
        return right;
    possible &= name_of(s, user, &k.found.claimed);
    if (possible && auth_proven_has(c->proven, &at, auth_name_view(&k.found.claimed), password,
                                    clock_mono_ms(), &app)) {
        recognize(s, &k.found.claimed, &app, out);
        return 1;
    }
    right = claim(c, s, user, AUTH_SCRAM_SHA256, &k);
    if (right == 0)
        right = compare(c, s, password, &k);
    if (right == 1 && !possible)
        right = 0;
    *out = k.found;
    mem_wipe(&k, sizeof(k));
    if (right < 0)
        return right;
    admitted = auth_check_admit(c, s, right == 1 ? out : NULL);
    if (right != 1 || admitted != 1)
        return admitted < 0 ? admitted : 0;
    if (is_settled(&at.users))
        auth_proven_put(c->proven, &at, auth_name_view(&out->claimed), password, clock_mono_ms(),
                        &out->app);
    return 1;
}

bool auth_check_is_proven(struct auth_check *c, const struct auth_sources *s, struct sv user,
                          struct sv password)
{
    struct auth_proven_at at;
    struct auth_name name;

    return password.len > 0 && name_of(s, user, &name) &&
           auth_database_identity(s->options, &at.users) == 0 &&
           auth_accounts_version_now(s->accounts, &at.accounts) == 0 &&
           auth_proven_has(c->proven, &at, auth_name_view(&name), password, clock_mono_ms(), NULL);
}

/* --- SCRAM, CRAM-MD5 --- */

/* Whether the database may have clear-text entries; a yes only costs everybody a derivation. */
static int may_have_cleartext(struct auth_check *c, const struct auth_sources *s, bool *out)
{
    struct auth_users_survey all;
    int err;

    *out = true;
    if (auth_database_is_foreign(s->options))
        return 0;
    err = auth_survey_get(c->survey, s->options->path, &all);
    *out = all.any_cleartext;
    return err < 0 ? users_fault(c, s, err) : 0;
}

/* What is stored for this hash, by one look-up on each way: 1, 0 or an error. */
static int stored_verifier(struct auth_check *c, const struct auth_sources *s, struct claim *k,
                           enum auth_scram_hash hash, struct auth_scram *out)
{
    uint8_t main[AUTH_MAIN_BYTES];
    struct auth_app app = {0};
    int err;

    auth_accounts_main(&k->secret.verifier, main);
    err = k->by_app ? auth_accounts_app_verifier(s->accounts, login_of(k),
                                                 sv_of(k->found.app.label), hash, &app, out)
                    : auth_accounts_verifier(s->accounts, login_of(k), hash, main, out);
    if (err < 0 && err != ERR_NOT_FOUND)
        return accounts_fault(c, s, err);
    if (!k->possible || !is_open(&k->secret))
        return 0;
    if (k->by_app) {
        k->found.app.id = app.id;
        return err == 0;
    }
    if (k->secret.kind == AUTH_SECRET_VERIFIER && hash == k->secret.verifier.hash) {
        *out = k->secret.verifier;
        return 1;
    }
    return err == 0 && k->secret.kind == AUTH_SECRET_VERIFIER;
}

/* Once a run. */
static void warn_of_count(struct auth_check *c, const struct auth_options *o, struct sv login,
                          uint32_t count)
{
    bool tell;

    pthread_mutex_lock(&c->lock);
    tell = !c->warned_of_count;
    c->warned_of_count = true;
    pthread_mutex_unlock(&c->lock);
    if (tell)
        log_event(LOG_WARNING, "auth-iterations", &(struct log_ctx){.login = login},
                  "the verifier has %u iterations and made-up ones %u: that tells users from "
                  "others (auth.%s.scram_iterations)",
                  (unsigned)count, (unsigned)auth_options_iterations(o), auth_options_database(o));
}

/* Of a user whom others keep. */
static void note_foreign(struct auth_check *c, const struct auth_options *o, struct claim *k,
                         int known, enum auth_scram_hash hash)
{
    uint32_t count = k->secret.verifier.iterations;

    if (known == 1 && k->secret.kind == AUTH_SECRET_VERIFIER && count != auth_options_iterations(o))
        warn_of_count(c, o, login_of(k), count);
    if (known == 0 && is_open(&k->secret))
        snprintf(k->found.why, sizeof(k->found.why),
                 "the database has nothing that %s can be checked against (auth.mechanisms)",
                 auth_scram_name(hash));
}

int auth_check_verifier(struct auth_check *c, const struct auth_sources *s, struct sv user,
                        enum auth_scram_hash hash, struct auth_scram *out,
                        struct auth_found *found_out, bool *known_out)
{
    struct auth_scram stored = {0};
    bool derive = false;
    struct claim k;
    struct sv name;
    int known = may_have_cleartext(c, s, &derive);

    if (known < 0)
        return known;
    known = claim(c, s, user, hash, &k);
    if (known == 0)
        known = stored_verifier(c, s, &k, hash, &stored);
    name = k.possible ? auth_name_view(&k.found.claimed) : user;
    if (known == 0 && k.possible && !k.by_app && k.secret.kind == AUTH_SECRET_CLEARTEXT) {
        auth_nobody_salt(c->nobody, hash, name, out);
        auth_scram_derive(out, (struct sv){k.secret.password, k.secret.password_len});
        known = 1;
    } else if (known >= 0) {
        auth_nobody_verifier(c->nobody, hash, name, out);
        if (derive)
            (void)auth_scram_matches(out, SV(STAND_IN));
        if (known == 1)
            *out = stored;
    }
    *known_out = known == 1;
    if (auth_database_is_foreign(s->options) && k.possible && !k.by_app)
        note_foreign(c, s->options, &k, known, hash);
    *found_out = k.found;
    mem_wipe(&stored, sizeof(stored));
    mem_wipe(&k, sizeof(k));
    return known < 0 ? known : 0;
}

int auth_check_cleartext(struct auth_check *c, const struct auth_sources *s, struct sv user,
                         char out[AUTH_PASSWORD_MAX + 1], struct auth_found *found_out,
                         bool *known_out)
{
    struct claim k;
    int err = claim(c, s, user, AUTH_SCRAM_HASHES, &k);

    *known_out = err == 0 && k.possible && !k.by_app && k.secret.kind == AUTH_SECRET_CLEARTEXT;
    *found_out = k.found;
    auth_nobody_password(c->nobody, user, out);
    if (*known_out) {
        memcpy(out, k.secret.password, k.secret.password_len);
        out[k.secret.password_len] = '\0';
    }
    mem_wipe(&k, sizeof(k));
    return err;
}

/* --- may he? --- */

static void explain(const struct auth_account *a, char out[AUTH_WHY_MAX])
{
    snprintf(out, AUTH_WHY_MAX, "the login is %s%s%s", auth_state_text(a->state),
             a->reason[0] ? ": " : "", a->reason);
}

int auth_check_admit(struct auth_check *c, const struct auth_sources *s, struct auth_found *found)
{
    struct auth_account account;
    int err = auth_accounts_get(s->accounts, found ? auth_name_view(&found->login) : SV(STAND_IN),
                                &account);

    if (err < 0)
        return accounts_fault(c, s, err);
    if (found == NULL || account.state == AUTH_STATE_ENABLED)
        return 1;
    explain(&account, found->why);
    return 0;
}

void auth_check_changed(struct auth_check *c, struct sv login)
{
    char *last;

    pthread_mutex_lock(&c->lock);
    last = c->changes[++c->changed % CHANGES_KEPT];
    snprintf(last, AUTH_NAME_MAX + 1, "%.*s", SV_ARG(login));
    pthread_mutex_unlock(&c->lock);
}

uint64_t auth_check_now(struct auth_check *c)
{
    uint64_t now;

    pthread_mutex_lock(&c->lock);
    now = c->changed;
    pthread_mutex_unlock(&c->lock);
    return now;
}

bool auth_check_changed_since(struct auth_check *c, struct sv login, uint64_t then)
{
    bool changed;

    pthread_mutex_lock(&c->lock);
    changed = c->changed - then > CHANGES_KEPT; /* it may be among those that were forgotten */
    for (uint64_t n = then + 1; !changed && n <= c->changed; n++)
        changed = sv_eq(sv_of(c->changes[n % CHANGES_KEPT]), login);
    pthread_mutex_unlock(&c->lock);
    return changed;
}

int auth_check_probe(const struct auth_sources *s, char why_out[1024])
{
    struct auth_account account;
    int err = auth_database_probe(s->options);

    why_out[0] = '\0';
    if (err < 0) {
        auth_database_fault(s->options, err, why_out);
        return err;
    }
    err = auth_accounts_get(s->accounts, SV(STAND_IN), &account);
    if (err < 0)
        auth_accounts_fault(s->options->accounts_path, err, why_out);
    return err;
}
