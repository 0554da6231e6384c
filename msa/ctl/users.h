/*
 * users.h - "msactl user ...": through the keeper's socket, or on the database itself when the
 * daemon is stopped.
 */
#ifndef MSA_CTL_USERS_H
#define MSA_CTL_USERS_H

#include "auth/admin.h"
#include "msa/server/options.h"

#include <jansson.h>

struct users_command {
    enum auth_admin_verb verb;
    const char *name; /* NULL only for LIST */
    const char *word; /* label, role or reason; may be NULL */
    bool password_stdin, json;
};

/* Exit code; what is to be said has been printed. */
int users_run(const struct msa_options *o, const struct users_command *c);
/* Words on standard error if nobody can log in as this user: there is none, or not any more. */
void users_warn(const struct msa_options *o, const char *login);
/* For "msactl status": a line that tells whether the keeper can read its databases. */
void users_health(const struct msa_options *o, void (*on_line)(void *arg, json_t *line), void *arg);

#endif
