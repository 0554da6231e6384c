/*
 * check.h - is this the user's password, what does SCRAM prove itself against, and may he log in?
 *
 * The one place that turns a name and the databases into a decision, at the same cost for every
 * outcome: a password is compared after exactly one key derivation and one look-up of app
 * passwords, whether the user is known, is unknown, belongs to a foreign realm or has a clear-text
 * entry; of databases that others keep, whose hashes are of several kinds, see auth/stored.h. SCRAM
 * needs a derivation only for clear-text entries; where the database holds any, every SCRAM
 * exchange pays one. Where saslauthd judges the password, it is asked once for every name. Whatever
 * the mechanism, auth_check_admit() has the last word.
 *
 * Names: "user@realm" is a login; "user/LABEL@realm" is that login by its app password LABEL, where
 * no login of the whole name exists. PLAIN and LOGIN take any app password under the plain name,
 * too.
 *
 * A fault of a database is logged here, at most once a second, and is a negative result: nobody is
 * let in because of it. Ownership: counted by nobody; outlives what uses it (the keeper's for its
 * whole life). Any thread, several at once, blocking.
 */
#ifndef AUTH_CHECK_H
#define AUTH_CHECK_H

#include "auth/accounts.h"
#include "auth/database.h"

#define AUTH_WHY_MAX (AUTH_REASON_MAX + 64)

struct auth_check;

struct auth_check *auth_check_new(void);
/* From now on what is made up for unknown names comes from the secret beside this database;
 * iterations: auth/nobody.h. */
void auth_check_follow(struct auth_check *c, const char *path, uint32_t iterations);
void auth_check_free(struct auth_check *c);

/* Where to look: options of a generation, and its connection to users.db. */
struct auth_sources {
    const struct auth_options *options;
    struct auth_accounts *accounts;
};

/* Whose credentials they are. */
struct auth_found {
    struct auth_name login;   /* who acts */
    struct auth_name claimed; /* the name as it was given, with its realm */
    struct auth_app app;      /* id 0: by the main password */
    char why[AUTH_WHY_MAX];   /* not empty: why he is not admitted though it was right */
};

/* 1: right, and he is admitted; *out is filled; 0: no; negative: cannot be told now. */
int auth_check_password(struct auth_check *c, const struct auth_sources *s, struct sv user,
                        struct sv password, struct auth_found *out) MUST_CHECK;
/* True if auth_check_password() would now find the answer in the cache, and it is yes: it neither
 * derives a key nor looks into the database of users then. Waits for nobody: where users.db cannot
 * be asked at once it is false. */
bool auth_check_is_proven(struct auth_check *c, const struct auth_sources *s, struct sv user,
                          struct sv password);
/* The verifier for a SCRAM exchange with this hash: the user's, or one that is made up, always the
 * same for the same name. *known_out: whether it is a user's, then *found_out is filled. 0 or a
 * negative error. */
int auth_check_verifier(struct auth_check *c, const struct auth_sources *s, struct sv user,
                        enum auth_scram_hash hash, struct auth_scram *out,
                        struct auth_found *found_out, bool *known_out) MUST_CHECK;
/* The same for mechanisms that need the password itself (CRAM-MD5). The caller wipes out. */
int auth_check_cleartext(struct auth_check *c, const struct auth_sources *s, struct sv user,
                         char out[AUTH_PASSWORD_MAX + 1], struct auth_found *found_out,
                         bool *known_out) MUST_CHECK;

/* For who has proved himself otherwise, by a certificate or a token: 1: there is such a user, *out
 * is filled; 0: there is none, or he is locked where he is kept (out->why); negative: cannot be
 * told now. */
int auth_check_user(struct auth_check *c, const struct auth_sources *s,
                    const struct auth_name *login, struct auth_found *out) MUST_CHECK;

/* At the end of every exchange, also of those that failed (found NULL), so that all cost the same;
 * auth_check_password() has done it. 1: he may log in; 0: no, found->why is filled; negative:
 * cannot be told now. */
int auth_check_admit(struct auth_check *c, const struct auth_sources *s,
                     struct auth_found *found) MUST_CHECK;

/* Counts changes of users, so that a login that was decided before one does not begin after it: an
 * exchange remembers auth_check_now() from its beginning. */
void auth_check_changed(struct auth_check *c, struct sv login);
uint64_t auth_check_now(struct auth_check *c);
bool auth_check_changed_since(struct auth_check *c, struct sv login, uint64_t then);

/* Looks whether both databases can be read: 0, or the fault with a sentence. */
int auth_check_probe(const struct auth_sources *s, char why_out[1024]) MUST_CHECK;

#endif
