/*
 * userdb.h - the Berkeley DB file of users, opened: read, change, walk.
 *
 * Key "user \0 realm \0 property", value the property's bytes, no terminators; type hash, no
 * environment, as Cyrus' sasldb plugin has it. Errors: ERR_CORRUPT where the file is no such
 * database, negative errno, ERR_DB. One thread for one open database, blocking.
 */
#ifndef AUTH_USERDB_H
#define AUTH_USERDB_H

#include "auth/name.h"

#define AUTH_USERDB_CLEARTEXT "userPassword"
#define AUTH_USERDB_VERIFIER  "authPassword"

struct auth_userdb;

enum auth_userdb_mode {
    AUTH_USERDB_READ,
    AUTH_USERDB_CHANGE,
    AUTH_USERDB_CREATE, /* makes the file, mode 0600 */
};
/* -ENOENT if there is no file. */
int auth_userdb_open(const char *path, enum auth_userdb_mode mode,
                     struct auth_userdb **out) MUST_CHECK;
/* Writes what is changed to the file (not synced to the disk). */
int auth_userdb_flush(struct auth_userdb *u) MUST_CHECK;
void auth_userdb_close(
    struct auth_userdb *u); /* NULL is allowed; without a flush changes are lost */

/* ERR_NOT_FOUND; a value longer than max is as if it were not there. */
int auth_userdb_get(struct auth_userdb *u, const struct auth_name *name, const char *property,
                    char *out, size_t max, size_t *len_out) MUST_CHECK;
int auth_userdb_put(struct auth_userdb *u, const struct auth_name *name, const char *property,
                    struct sv value) MUST_CHECK;
/* Removes every property of the user; *count_out is how many there were. */
int auth_userdb_remove(struct auth_userdb *u, const struct auth_name *name,
                       size_t *count_out) MUST_CHECK;

struct auth_userdb_row {
    struct sv user, realm, property, value; /* valid during the callback */
};
/* In no order. Rows of another form are left out. */
int auth_userdb_each(struct auth_userdb *u,
                     void (*each)(void *arg, const struct auth_userdb_row *row),
                     void *arg) MUST_CHECK;

#endif
