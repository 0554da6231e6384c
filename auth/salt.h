/*
 * salt.h - the secret from which salts are made for names that are not in the database.
 *
 * It is kept beside the database in "<path>.salt", so that an unknown user's salt stays the same
 * over restarts, as a real one's does; otherwise two tries a day apart would tell the two kinds
 * apart. Blocking, any thread.
 */
#ifndef AUTH_SALT_H
#define AUTH_SALT_H

#include "msa/base/err.h"

#include <stdint.h>

#define AUTH_SALT_SECRET_BYTES 32

/* Reads the secret; makes it if there is none. On an error out is as before. */
int auth_salt_secret(const char *path, uint8_t out[AUTH_SALT_SECRET_BYTES]) MUST_CHECK;

#endif
