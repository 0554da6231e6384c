/*
 * copy.h - copies of configured files that a library insists on opening itself.
 *
 * The keeper may not open configured files and gets their bytes with each generation; where a
 * library takes a path only, a copy stands beside users.db, 0600. Any thread, one at a time for one
 * name.
 */
#ifndef AUTH_COPY_H
#define AUTH_COPY_H

#include "msa/base/err.h"
#include "msa/base/sv.h"

#include <limits.h>

/* The path of a copy, behind prefix ("FILE:", ""). accounts_path names the folder. */
void auth_copy_path(const char *accounts_path, const char *prefix, const char *name,
                    char out[PATH_MAX]);
/* Writes a copy, or removes it where bytes is empty. */
int auth_copy_keep(const char *accounts_path, const char *name, struct sv bytes) MUST_CHECK;

#endif
