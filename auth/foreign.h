/*
 * foreign.h - the database of users that others keep, opened and asked. Only database.c uses it;
 * the contract is there.
 */
#ifndef AUTH_FOREIGN_H
#define AUTH_FOREIGN_H

#include "auth/name.h"
#include "auth/options.h"
#include "auth/users.h"

#define AUTH_FOREIGN_WHY_MAX 512

/* What the options name as files. */
struct auth_foreign_files {
    struct sv password;  /* contents; the first line counts */
    const char *ca_path; /* PEM; "": none */
};

/* ERR_SYNTAX with a line appended to why. Once it is started the settings of that time count. */
int auth_foreign_start(const struct auth_options *o, const struct auth_foreign_files *files,
                       struct buf *why) MUST_CHECK;
void auth_foreign_stop(void);
/* ERR_KEEPER: not started; -EHOSTDOWN: nobody answers, or nobody did a moment ago; ERR_DB. */
int auth_foreign_secret(const struct auth_options *o, const struct auth_name *name,
                        enum auth_scram_hash hash, struct auth_secret *out) MUST_CHECK;
/* saslauthd: 1, 0, or such an error. */
int auth_foreign_password(const struct auth_name *name, struct sv password) MUST_CHECK;
int auth_foreign_identity(struct auth_users_identity *out) MUST_CHECK;
/* The reason of the last error, of whatever thread. */
void auth_foreign_why(char out[AUTH_FOREIGN_WHY_MAX]);

#endif
