/*
 * nobody.h - what stands in for the secrets of users who do not exist.
 *
 * Salts, verifiers and passwords are made up of a secret, a mechanism and a name, always the same
 * for the same, so that a name that is nobody's answers as one that is somebody's, today and
 * tomorrow. The secret comes from auth/salt.h. The iteration counts of made-up SCRAM-SHA-256
 * verifiers are as frequent as in the user database, whose users may have come from elsewhere: else
 * a name that shows, or costs, another count than most were somebody's. Where such a count changes,
 * because the database has, the salt does too, as with a new password. Ownership:
 * auth_nobody_new/free. Any thread; blocking (disk) where the database has changed, at most once a
 * second.
 */
#ifndef AUTH_NOBODY_H
#define AUTH_NOBODY_H

#include "auth/scram.h"
#include "auth/survey.h"

#define AUTH_NOBODY_PASSWORD_BYTES 32

struct auth_nobody;

/* With a secret that lives as long as the object; the survey outlives it. */
struct auth_nobody *auth_nobody_new(struct auth_survey *survey);
void auth_nobody_free(struct auth_nobody *n); /* NULL is allowed */
/* From now on with the secret beside this user database, and its counts; where the secret cannot be
 * had (logged) it does not change. iterations: of a database of users that cannot be looked
 * through, for every name but those of app passwords; else 0. */
void auth_nobody_follow(struct auth_nobody *n, const char *path, uint32_t iterations);

/* Hash, iterations and salt; the keys are zero. */
void auth_nobody_salt(struct auth_nobody *n, enum auth_scram_hash hash, struct sv name,
                      struct auth_scram *out);
/* A verifier for which nobody knows a password. */
void auth_nobody_verifier(struct auth_nobody *n, enum auth_scram_hash hash, struct sv name,
                          struct auth_scram *out);
/* A password that nobody knows. */
void auth_nobody_password(struct auth_nobody *n, struct sv name,
                          char out[AUTH_NOBODY_PASSWORD_BYTES + 1]);

#endif
