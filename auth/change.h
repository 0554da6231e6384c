/*
 * change.h - making, changing and removing users: what concerns both databases, in an order that a
 * crash at any point leaves safe.
 *
 * One changes at a time, whatever the process (auth/lock.h beside users.db); the user database has
 * its own lock below that. A database that others keep is asked before, never under the lock: it
 * may be slow, and a lockout (auth/lockout.h) must not wait for it. Verifiers that go with a new
 * main password are written before it and count from the moment on when it is there
 * (auth_accounts_main()); what belongs to the old one is dropped afterwards. A new user begins with
 * nothing that was left of an older one of that name.
 *
 *     auth_change_begin(&c, options);
 *     err = auth_change_passwd(&c, &name, password);
 *     auth_change_end(&c);
 *
 * One change between begin and end. Ownership: the caller's storage. One thread, blocking. Errors:
 * negative; c.in_lock and c.in_accounts tell that it was the lock or users.db that failed.
 */
#ifndef AUTH_CHANGE_H
#define AUTH_CHANGE_H

#include "auth/accounts.h"
#include "auth/options.h"

struct auth_change {
    const struct auth_options *options;
    struct auth_accounts *accounts;
    int lock_fd;
    bool in_lock, in_accounts;
    bool is_known; /* set after the beginning: others need not be asked whether he exists */
    bool unsure;   /* it was done, though nobody could say whether there is such a user */
};

void auth_change_begin(struct auth_change *c, const struct auth_options *o);
void auth_change_end(struct auth_change *c);

/* ERR_EXISTS; -EROFS: others keep the users (auth/database.h) */
int auth_change_add(struct auth_change *c, const struct auth_name *name,
                    struct sv password) MUST_CHECK;
/* ERR_NOT_FOUND, as all that follow; -EROFS. */
int auth_change_passwd(struct auth_change *c, const struct auth_name *name,
                       struct sv password) MUST_CHECK;
/* What is left of a user who does not exist goes, too. -EROFS: others keep the users, and he is
 * one, or they do not say. */
int auth_change_delete(struct auth_change *c, const struct auth_name *name) MUST_CHECK;
/* Gives the state from before; sets the new one if allowed_from has its bit (1 << state). */
int auth_change_state(struct auth_change *c, const struct auth_name *name, enum auth_state state,
                      unsigned allowed_from, struct sv reason,
                      struct auth_account *before_out) MUST_CHECK;
int auth_change_admin(struct auth_change *c, const struct auth_name *name, bool admin) MUST_CHECK;
/* The secret is made here; the caller shows and wipes it. ERR_EXISTS: the label is in use, or there
 * is a user of the name "user/LABEL"; ERR_LIMIT; -ENOTSUP: nobody says who exists, so that it would
 * outlive its user. */
int auth_change_app_add(struct auth_change *c, const struct auth_name *name, struct sv label,
                        char secret_out[AUTH_APP_SECRET_MAX]) MUST_CHECK;
/* *known_out: there is such a user. */
int auth_change_app_revoke(struct auth_change *c, const struct auth_name *name, struct sv label,
                           bool *known_out) MUST_CHECK;

#endif
