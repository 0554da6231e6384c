/*
 * uses.h - writes down who logged in when and from where, without slowing logins.
 *
 * A thread of its own takes what has come, adds up what is the same, and writes it to users.db in
 * one transaction, at most once in AUTH_USES_EACH_MS; so a crash loses that much and no login waits
 * for the disk. What cannot be written (disk full, lock) is dropped and logged: it decides nothing.
 * Ownership: auth_uses_start/stop; stop writes what waits. auth_uses_add() from any thread.
 */
#ifndef AUTH_USES_H
#define AUTH_USES_H

#include "auth/accounts.h"

#define AUTH_USES_EACH_MS 2000
#define AUTH_USES_MAX     20000 /* that wait; further ones are dropped */

struct auth_uses;

struct auth_uses *auth_uses_start(const char *path);
void auth_uses_stop(struct auth_uses *u); /* NULL is allowed */
/* Copied; last_ms and count are filled here. */
void auth_uses_add(struct auth_uses *u, const struct auth_use *use);

#endif
