/*
 * users_print.h - what "msactl user list|show|app list" print, for people and as JSON.
 */
#ifndef MSA_CTL_USERS_PRINT_H
#define MSA_CTL_USERS_PRINT_H

#include "auth/admin.h"

#include <jansson.h>

/* The lists of an answer; nothing for verbs that have none. rights: of the user that is shown, as
 * the server tells them; NULL: it does not run. */
void users_print(enum auth_admin_verb verb, const struct auth_admin_answer *a, json_t *rights,
                 bool json);
/* One line of JSON; takes the reference. */
void users_print_line(json_t *line);

#endif
