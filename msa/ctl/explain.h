/*
 * explain.h - "msactl sign" and "msactl explain": a message in a file, finished and given back, or
 * what would become of it. Both ask the running daemon (session.h).
 */
#ifndef MSA_CTL_EXPLAIN_H
#define MSA_CTL_EXPLAIN_H

#include "msa/server/options.h"

#include <jansson.h>

struct explain_command {
    const char *file;        /* "-": standard input */
    const char *user, *from; /* from NULL: the login */
    json_t *to;              /* empty: what the header names */
    bool milters;            /* explain: they are asked, too */
    bool json;
};

/* Exit code; what is to be said has been printed. */
int sign_run(const struct msa_options *o, const struct explain_command *c);
int explain_run(const struct msa_options *o, const struct explain_command *c);

#endif
