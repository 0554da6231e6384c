/*
 * admin_inside.h - what the two halves of a request share: changes (admin.c) and questions
 * (admin_tell.c). Nobody else includes it.
 */
#ifndef AUTH_ADMIN_INSIDE_H
#define AUTH_ADMIN_INSIDE_H

#include "auth/admin.h"

/* "who: what" as the answer's text, and its error. who may be "". */
void admin_say(struct auth_admin_answer *out, int err, const char *who, const char *what);
/* Likewise for a fault of a database. */
void admin_say_fault(struct auth_admin_answer *out, int err, const struct auth_options *o,
                     bool in_accounts);

/* PROBE: whether the databases can be read. */
void admin_tell_health(const struct auth_options *o, struct auth_admin_answer *out);
/* LIST, and SHOW and APP_LIST of a name. */
void admin_tell_all(const struct auth_options *o, struct auth_admin_answer *out);
void admin_tell_one(const struct auth_options *o, const struct auth_name *name, bool apps_only,
                    struct auth_admin_answer *out);

#endif
