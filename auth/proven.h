/*
 * proven.h - credentials that were proved a moment ago, so that a client that logs in with PLAIN
 * for each message does not pay a key derivation each time.
 *
 * Kept is an HMAC-SHA-256 of login and password under a key made at random for this cache, never
 * the password. An entry lives AUTH_PROVEN_MS; all are dropped as soon as the database file is
 * another one. The number of entries is fixed; a new one takes the place of the oldest of its
 * group. Ownership: auth_proven_new/free. Any thread, several at once.
 */
#ifndef AUTH_PROVEN_H
#define AUTH_PROVEN_H

#include "auth/users.h"

#define AUTH_PROVEN_MS      60000
#define AUTH_PROVEN_ENTRIES 4096

struct auth_proven;

struct auth_proven *auth_proven_new(void);
void auth_proven_free(struct auth_proven *p);
/* True if these credentials were proved under this identity of the database. */
bool auth_proven_has(struct auth_proven *p, const struct auth_users_identity *db, struct sv login,
                     struct sv password, uint64_t now_ms);
/* db: the identity from before the check, so that a change during the check is not missed. */
void auth_proven_put(struct auth_proven *p, const struct auth_users_identity *db, struct sv login,
                     struct sv password, uint64_t now_ms);

#endif
