/*
 * cyrus.h - the process-wide side of Cyrus SASL: start, plugins, locks, and our auxprop plugin.
 *
 * Nothing of the system's configuration is read: every option is answered here, the folder for
 * configuration files does not exist, and of the plugins only PLAIN, LOGIN, SCRAM, CRAM-MD5 and
 * GSSAPI are loaded (auth/auxprop.h loads those for databases).
 * auth_cyrus_init() and auth_cyrus_done() from the main thread, around everything else.
 */
#ifndef AUTH_CYRUS_H
#define AUTH_CYRUS_H

#include "msa/base/err.h"
#include "msa/base/sv.h"

#define AUTH_CYRUS_VALUE_MAX 1100 /* bytes of what is served, NUL included */

/* How a mechanism gets what it checks against: called on the thread that runs the step of an
 * exchange. 0, or a negative error: the exchange fails. */
struct auth_cyrus_source {
    const char *property; /* "*authPassword": a SCRAM verifier; "*userPassword": the password */
    int (*serve)(void *arg, struct sv user, char out[AUTH_CYRUS_VALUE_MAX]);
    void *arg;
};

int auth_cyrus_init(void) MUST_CHECK;
void auth_cyrus_done(void);
/* Around each call into Cyrus that may look a user up; NULL afterwards. This thread's only. */
void auth_cyrus_serve(const struct auth_cyrus_source *source);
/* What Cyrus gives its plugins; NULL before auth_cyrus_init(). */
const struct sasl_utils *auth_cyrus_utils(void);
/* SASL_CB_GETOPT for one connection; context: its mech_list, a C string. */
int auth_cyrus_getopt(void *context, const char *plugin, const char *option, const char **result,
                      unsigned *len);

#endif
