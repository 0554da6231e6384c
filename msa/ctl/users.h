/*
 * users.h - "msactl user ...": through the keeper's socket, or on the database itself when the
 * daemon is stopped.
 */
#ifndef MSA_CTL_USERS_H
#define MSA_CTL_USERS_H

#include "auth/admin.h"
#include "msa/server/options.h"

struct users_command {
    enum auth_admin_verb verb;
    const char *name; /* NULL only for LIST */
    const char *word; /* label, role or reason; may be NULL */
    bool password_stdin, json;
};

/* Exit code; what is to be said has been printed. */
int users_run(const struct msa_options *o, const struct users_command *c);

#endif
