/*
 * auxprop.h - Cyrus' plugins for databases of users ("sql", "ldapdb"), hosted: loaded here, asked
 * here, with settings and a log of ours.
 *
 * Cyrus itself would load such a plugin at its start, with the settings of that moment, and takes
 * a query that failed for a user who does not exist: a database that is locked or has lost its
 * table would refuse right passwords. Here only what the plugin says outright counts: a user is
 * unknown if it logs that the query gave no row, or the directory answers that there is no such
 * entry; all else is an error with its reason.
 *
 * One plugin a process at a time: ldapdb has its settings in static memory. Ownership:
 * auth_auxprop_open/close. auth_auxprop_ask(): any thread, several at once, blocking for as long as
 * the plugin does.
 */
#ifndef AUTH_AUXPROP_H
#define AUTH_AUXPROP_H

#include "msa/base/buf.h"
#include "msa/base/err.h"

#define AUTH_AUXPROP_WHY_MAX 512

struct auth_auxprop;

/* An option of the plugin, by the name that Cyrus' documentation gives it. */
struct auth_auxprop_setting {
    const char *name;
    const char *value; /* NULL: not set */
};

/* Whether the plugin is installed. */
bool auth_auxprop_installed(const char *plugin);
/* settings are copied. 0, or ERR_NOT_FOUND with the reason. auth_cyrus_init() comes first. */
int auth_auxprop_open(const char *plugin, const struct auth_auxprop_setting *settings, size_t count,
                      char why_out[AUTH_AUXPROP_WHY_MAX], struct auth_auxprop **out) MUST_CHECK;
void auth_auxprop_close(struct auth_auxprop *a); /* NULL is allowed */

/* A function of the plugin or of a library that it uses; NULL: there is none. */
void *auth_auxprop_function(struct auth_auxprop *a, const char *name);

/* Calls each() for every value of these properties ("*userPassword"; ended by NULL), whose bytes
 * are wiped afterwards. 1: there is such a user, perhaps without a value; 0: there is none. Errors,
 * with the reason: -EHOSTDOWN: nobody answers; -EACCES: the directory refuses us this user, as it
 * does for one whom it does not know; ERR_DB: another fault. */
int auth_auxprop_ask(struct auth_auxprop *a, const char *user, const char *const *properties,
                     void (*each)(void *arg, struct sv value), void *arg,
                     char why_out[AUTH_AUXPROP_WHY_MAX]) MUST_CHECK;

#endif
