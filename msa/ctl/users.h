/*
 * users.h - "msactl user ...": through the keeper's socket, or on the database itself when the
 * daemon is stopped.
 */
#ifndef MSA_CTL_USERS_H
#define MSA_CTL_USERS_H

#include "auth/admin.h"
#include "msa/server/options.h"

/* Exit code; what is to be said has been printed. name NULL only for LIST. */
int users_run(const struct msa_options *o, enum auth_admin_verb verb, const char *name,
              bool password_stdin, bool json);

#endif
