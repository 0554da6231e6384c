/*
 * check.h - is this the user's password, and what does SCRAM prove itself against?
 *
 * The one place that turns a name and the database into a decision, at the same cost for every
 * outcome: a password is compared after exactly one key derivation, whether the user is known, is
 * unknown, belongs to a foreign realm or has a clear-text entry. SCRAM needs a derivation only for
 * clear-text entries; where the database holds any, every SCRAM exchange pays one.
 * Ownership: counted by nobody; outlives what uses it (the keeper's for its whole life). Any
 * thread, several at once, blocking.
 */
#ifndef AUTH_CHECK_H
#define AUTH_CHECK_H

#include "auth/options.h"
#include "auth/proven.h"
#include "auth/users.h"

struct auth_check;

struct auth_check *auth_check_new(void);
/* From now on salts for unknown names come from the secret beside this database (auth/salt.h);
 * where it cannot be had (logged) from one that lives as long as the object. */
void auth_check_follow(struct auth_check *c, const char *path);
void auth_check_free(struct auth_check *c);

/* 1: right, *login_out is filled; 0: no; negative: cannot be told now. */
int auth_check_password(struct auth_check *c, const struct auth_options *o, struct sv user,
                        struct sv password, struct auth_name *login_out) MUST_CHECK;
/* True if auth_check_password() would now find the answer in the cache, and it is yes: it neither
 * derives a key nor looks into the database then. */
bool auth_check_is_proven(struct auth_check *c, const struct auth_options *o, struct sv user,
                          struct sv password);
/* The verifier for a SCRAM exchange with this hash: the user's, or one made up of the secret, the
 * hash and the name, always the same for the same. *known_out: whether it is a user's. 0 or a
 * negative error. */
int auth_check_verifier(struct auth_check *c, const struct auth_options *o, struct sv user,
                        enum auth_scram_hash hash, struct auth_scram *out,
                        bool *known_out) MUST_CHECK;

#endif
