/*
 * lockout.h - what the server may do to a login: lock it, never more.
 *
 * Draft 6.3: an account that sends too much (permissions[].lock_auth) is shut for new logins until
 * an operator opens it again ("msactl user unlock"). A server that has been taken over could lock
 * everybody, but let nobody in. Blocking (disk and locks); any thread.
 */
#ifndef AUTH_LOCKOUT_H
#define AUTH_LOCKOUT_H

#include "auth/client/wire.h"
#include "auth/options.h"

/* AUTH_OK: it is locked, or was locked or disabled before; AUTH_DENIED: there is no such user
 * (where others keep the users they are not asked, so any name can be locked);
 * AUTH_TEMPORARY: it could not be written, which is logged. */
enum auth_verdict auth_lockout(const struct auth_options *o, struct sv login, struct sv reason);

#endif
