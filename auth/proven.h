/*
 * proven.h - credentials that were proved a moment ago, so that a client that logs in with PLAIN
 * for each message does not pay a key derivation each time.
 *
 * Kept is an HMAC-SHA-256 of name and password under a key made at random for this cache, never
 * the password, and which app password it was. An entry lives AUTH_PROVEN_MS; all are dropped as
 * soon as one of the databases is another: any change of a password, an app password or the state
 * of a login ends them. The number of entries is fixed; a new one takes the place of the oldest of
 * its group. Ownership: auth_proven_new/free. Any thread, several at once.
 */
#ifndef AUTH_PROVEN_H
#define AUTH_PROVEN_H

#include "auth/accounts.h"
#include "auth/users.h"

#define AUTH_PROVEN_MS      60000
#define AUTH_PROVEN_ENTRIES 4096

struct auth_proven;

/* What the databases were when something was proved. */
struct auth_proven_at {
    struct auth_users_identity users;
    struct auth_accounts_version accounts;
};

struct auth_proven *auth_proven_new(void);
void auth_proven_free(struct auth_proven *p);
/* True if these credentials were proved under these databases; *app_out (may be NULL) is filled. */
bool auth_proven_has(struct auth_proven *p, const struct auth_proven_at *at, struct sv name,
                     struct sv password, uint64_t now_ms, struct auth_app *app_out);
/* at: from before the check, so that a change during the check is not missed. */
void auth_proven_put(struct auth_proven *p, const struct auth_proven_at *at, struct sv name,
                     struct sv password, uint64_t now_ms, const struct auth_app *app);

#endif
