/*
 * accounts.h - what the keeper itself keeps of users: SQLite file <state>/auth/users.db, 0600.
 *
 * Which users exist and their main password is sasldb's matter (auth/users.h). Here stands what has
 * no place there: the state of a login, its roles, verifiers for SCRAM mechanisms beyond
 * SCRAM-SHA-256, app passwords, and when and from where a login was used. A login of which nothing
 * is stored is enabled and has no role.
 *
 * Nobody gets in because of a fault: every function that cannot read gives a negative error, and
 * the caller refuses for the time being. A file that was there once (its marker "<path>.made" is)
 * and is gone is such a fault too, else a lost file would enable who was disabled. The file is
 * looked for at each call; one that was put back is used at once.
 *
 * An object is one connection with a lock around it: any thread, several at once, blocking (disk,
 * and up to its waiting time another program's lock). Several objects and processes may have the
 * same file open. Ownership: auth_accounts_new/free. Errors: negative, err.h, in words by
 * auth_accounts_fault(); -ENOENT: the file is gone; -EAGAIN: another program holds a lock;
 * ERR_CORRUPT; -ENOTSUP: made by a newer version; -ENOSPC.
 */
#ifndef AUTH_ACCOUNTS_H
#define AUTH_ACCOUNTS_H

#include "auth/app.h"
#include "auth/name.h"
#include "auth/scram.h"
#include "msa/base/ip.h"

#define AUTH_REASON_MAX     200 /* bytes of why a login is disabled or locked */
#define AUTH_MAIN_BYTES     32  /* of what names a main verifier, auth_accounts_main() */
#define AUTH_APPS_MAX       100 /* app passwords of one login, revoked ones included */
#define AUTH_PLACES_MAX     20  /* last logins that are kept of one login */
#define AUTH_NETWORKS_MAX   500 /* client networks that are kept of one login */
#define AUTH_NETWORK_MAX    64  /* bytes of its text */
#define AUTH_NETWORK_DAYS   30
#define AUTH_LOGIN_WAIT_MS  500  /* for a lock, when somebody logs in */
#define AUTH_CHANGE_WAIT_MS 5000 /* for a lock, when something is written */

struct auth_accounts;

struct auth_accounts *auth_accounts_new(const char *path, unsigned wait_ms);
void auth_accounts_free(struct auth_accounts *a); /* NULL is allowed */
/* Makes the file if it never was there, owned by the folder's owner. */
int auth_accounts_make(const char *path) MUST_CHECK;
/* "<path>: what is wrong; what to do" for an error of these functions. */
const char *auth_accounts_fault(const char *path, int err, char out[1024]);

/* Equal versions: nothing that decides about a login has changed (uses do not count). */
struct auth_accounts_version {
    uint64_t dev, ino; /* 0: there is no file, and never was */
    int64_t changes;
};
int auth_accounts_version(struct auth_accounts *a, struct auth_accounts_version *out) MUST_CHECK;
/* The same without waiting for anybody, for a loop's thread: -EAGAIN where another thread or
 * program is in the way, or the file would have to be opened first. */
int auth_accounts_version_now(struct auth_accounts *a,
                              struct auth_accounts_version *out) MUST_CHECK;

enum auth_state { AUTH_STATE_ENABLED, AUTH_STATE_DISABLED, AUTH_STATE_LOCKED, AUTH_STATES };
/* "enabled", "disabled", "locked" */
const char *auth_state_text(enum auth_state state);

struct auth_account {
    enum auth_state state;
    bool admin;
    int64_t since_ms; /* of the state; 0: since ever */
    char reason[AUTH_REASON_MAX + 1];
};
int auth_accounts_get(struct auth_accounts *a, struct sv login,
                      struct auth_account *out) MUST_CHECK;

/* What names the main verifier to which further ones belong. If the main password is changed by
 * somebody who knows nothing of this file, they no longer count. */
void auth_accounts_main(const struct auth_scram *main, uint8_t out[AUTH_MAIN_BYTES]);
/* ERR_NOT_FOUND if there is none for this hash that belongs to this main verifier. */
int auth_accounts_verifier(struct auth_accounts *a, struct sv login, enum auth_scram_hash hash,
                           const uint8_t main[AUTH_MAIN_BYTES], struct auth_scram *out) MUST_CHECK;

/* An app password that was used. */
struct auth_app {
    int64_t id; /* never used twice; 0: the main password */
    char label[AUTH_LABEL_MAX + 1];
};
/* By what PLAIN brings: one look-up, however many there are. ERR_NOT_FOUND. */
int auth_accounts_app(struct auth_accounts *a, const uint8_t digest[AUTH_APP_DIGEST_BYTES],
                      struct auth_app *out) MUST_CHECK;
/* By what SCRAM brings. ERR_NOT_FOUND: no such label, revoked, or no verifier for this hash. */
int auth_accounts_app_verifier(struct auth_accounts *a, struct sv login, struct sv label,
                               enum auth_scram_hash hash, struct auth_app *app_out,
                               struct auth_scram *out) MUST_CHECK;

/* --- changes; each is one transaction, on the disk when it returns --- */

int auth_accounts_set_state(struct auth_accounts *a, struct sv login, enum auth_state state,
                            struct sv reason, int64_t now_ms) MUST_CHECK;
int auth_accounts_set_admin(struct auth_accounts *a, struct sv login, bool admin) MUST_CHECK;
/* Adds verifiers that belong to a main verifier; those of other main verifiers stay. */
int auth_accounts_put_verifiers(struct auth_accounts *a, struct sv login,
                                const uint8_t main[AUTH_MAIN_BYTES], const struct auth_scram *list,
                                size_t count) MUST_CHECK;
/* Drops the verifiers that belong to other main verifiers. */
int auth_accounts_settle(struct auth_accounts *a, struct sv login,
                         const uint8_t main[AUTH_MAIN_BYTES]) MUST_CHECK;
/* Drops all that is known of a login. */
int auth_accounts_forget(struct auth_accounts *a, struct sv login) MUST_CHECK;
/* ERR_EXISTS: this label is in use; ERR_LIMIT: AUTH_APPS_MAX. One that was revoked is replaced. */
int auth_accounts_app_add(struct auth_accounts *a, struct sv login, struct sv label,
                          const uint8_t digest[AUTH_APP_DIGEST_BYTES],
                          const struct auth_scram *list, size_t count, int64_t now_ms) MUST_CHECK;
/* ERR_NOT_FOUND: no such label, or revoked before. What it was checked against is wiped. */
int auth_accounts_app_revoke(struct auth_accounts *a, struct sv login, struct sv label,
                             int64_t now_ms) MUST_CHECK;

/* --- uses: not urgent, many in one transaction, may be lost in a crash --- */

struct auth_use {
    char login[AUTH_NAME_MAX + 1];
    char client[IP_TEXT_MAX]; /* "" if it is not known */
    char mechanism[32];
    struct auth_app app;
    int64_t last_ms;
    uint32_t count;
};
int auth_accounts_used(struct auth_accounts *a, const struct auth_use *list,
                       size_t count) MUST_CHECK;
/* Drops networks that are too old or too many. */
int auth_accounts_prune(struct auth_accounts *a, int64_t now_ms) MUST_CHECK;
/* The network of a client: an IPv4 address or an IPv6 /64; "" if client is no address. */
void auth_accounts_network(struct sv client, char out[AUTH_NETWORK_MAX]);
/* Whether this login succeeded from the client's network at or after since_ms. */
int auth_accounts_seen(struct auth_accounts *a, struct sv login, struct sv client, int64_t since_ms,
                       bool *out) MUST_CHECK;

/* --- lists; texts are valid during the callback, which may not call these functions --- */

struct auth_account_row {
    struct sv login;
    enum auth_state state;
    bool admin;
};
int auth_accounts_each(struct auth_accounts *a,
                       void (*each)(void *arg, const struct auth_account_row *row),
                       void *arg) MUST_CHECK;
struct auth_app_row {
    struct sv label, used_from;
    int64_t created_ms, used_ms, revoked_ms; /* 0: never */
};
int auth_accounts_each_app(struct auth_accounts *a, struct sv login,
                           void (*each)(void *arg, const struct auth_app_row *row),
                           void *arg) MUST_CHECK;
/* The networks of all logins that were used at or after since_ms, the oldest first. client: an
 * address, of an IPv6 /64 the first. */
int auth_accounts_each_network(struct auth_accounts *a, int64_t since_ms,
                               void (*each)(void *arg, struct sv login, const struct ip *client,
                                            int64_t last_ms),
                               void *arg) MUST_CHECK;
struct auth_place_row {
    struct sv client, mechanism, label;
    int64_t last_ms;
    int64_t count;
};
/* Newest first. */
int auth_accounts_each_place(struct auth_accounts *a, struct sv login,
                             void (*each)(void *arg, const struct auth_place_row *row),
                             void *arg) MUST_CHECK;

#endif
