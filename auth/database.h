/*
 * database.h - where the users are: the one door to what auth.database names.
 *
 * "sasldb" is ours (auth/users.h). The others are asked and never written: "sql" and "ldapdb" by
 * Cyrus' plugins (auth/auxprop.h), which give what is stored (auth/stored.h); "saslauthd"
 * (auth/saslauthd.h) only says whether a password is right.
 *
 * What is asked is one a process, opened by the first generation (auth_database_start()); sasldb
 * needs no opening. A process that has not opened it, such as msactl while msad is stopped, gets
 * ERR_KEEPER. Errors are negative and always mean that it cannot be told now; in words by
 * auth_database_fault(). Where nobody answers (-EHOSTDOWN) nobody is asked again for a second, so
 * that those who wait do not wait one after the other. Start and stop: the loop's thread, while
 * nobody asks; all else: any thread, blocking, for sql and ldapdb as long as the plugin does.
 *
 * Names: a directory or table may take "ALICE" or "al*" for alice, who would then be somebody else
 * for states, rights and budgets. So where others keep the users, names are brought to lower case
 * and have ASCII letters, digits and "-._+/" only; the slash stands before the label of an app
 * password.
 */
#ifndef AUTH_DATABASE_H
#define AUTH_DATABASE_H

#include "auth/foreign.h"

/* Whether others keep the users, so that msad writes neither them nor their passwords. */
bool auth_database_is_foreign(const struct auth_options *o);
/* NULL, or the package that is missing for it. */
const char *auth_database_missing(const struct auth_options *o);
/* Before anything is asked; auth_foreign_stop() afterwards. ERR_SYNTAX with a line appended to why.
 * Once it is started the settings of that time count. */
int auth_database_start(const struct auth_options *o, const struct auth_foreign_files *files,
                        struct buf *why) MUST_CHECK;

/* As auth_name_parse(), with what a foreign database needs of a name. */
enum auth_name_fault auth_database_name(const struct auth_options *o, struct sv text,
                                        struct auth_name *out);

/* The same for a name that another authority has proved (a Kerberos principal, a token's login),
 * where Alice may be somebody else than alice: it has to be in lower case already. */
enum auth_name_fault auth_database_proven(const struct auth_options *o, struct sv text,
                                          struct auth_name *out);

/* What is stored of a user; of several values the best for SCRAM with this hash (or
 * AUTH_SCRAM_HASHES: a password in clear text). Kind NONE: no such user. The caller wipes *out. */
int auth_database_secret(const struct auth_options *o, const struct auth_name *name,
                         enum auth_scram_hash hash, struct auth_secret *out) MUST_CHECK;
/* For AUTH_SECRET_ELSEWHERE: 1: this is the user's password; 0: it is not. */
int auth_database_password(const struct auth_options *o, const struct auth_name *name,
                           struct sv password) MUST_CHECK;
/* -ENOTSUP: it cannot say. */
int auth_database_exists(const struct auth_options *o, const struct auth_name *name,
                         bool *out) MUST_CHECK;
/* Equal identities: unchanged, as far as can be seen from here at once. */
int auth_database_identity(const struct auth_options *o,
                           struct auth_users_identity *out) MUST_CHECK;
/* Whether it answers: 0 or the error. */
int auth_database_probe(const struct auth_options *o) MUST_CHECK;

/* "what: the reason", for an error of these functions. */
const char *auth_database_fault(const struct auth_options *o, int err, char out[1024]);

#endif
