/*
 * review.h - what an operator should know of the databases of users: faults, and users who lack
 * what a mechanism needs. For msad --check, msactl check, and msactl user show.
 *
 * Blocking, any thread. Nothing is changed.
 */
#ifndef AUTH_REVIEW_H
#define AUTH_REVIEW_H

#include "auth/accounts.h"
#include "auth/database.h"

/* Whether what a mechanism checks against is stored: 1, 0 or an error of users.db; ERR_NOT_FOUND
 * for a mechanism that checks nothing that is stored. */
int auth_review_usable(struct auth_accounts *accounts, const struct auth_name *name,
                       const struct auth_secret *secret, const char *mechanism) MUST_CHECK;

/* Calls each() for every fault, with the key it belongs to. Databases that we may not read (who
 * checks is not root) are passed over. files: for a foreign database, which is asked once. */
void auth_review(const struct auth_options *o, const struct auth_foreign_files *files,
                 void (*each)(void *arg, const char *key, const char *wrong, const char *right),
                 void *arg);

#endif
