/*
 * survey.h - what was last found in the whole user database, looked through again when it has
 * changed, at most once a second.
 *
 * Ownership: auth_survey_new/free. Any thread; blocking (disk) for the one that looks it through,
 * without a lock: the others go on with what was known.
 */
#ifndef AUTH_SURVEY_H
#define AUTH_SURVEY_H

#include "auth/users.h"

struct auth_survey;

struct auth_survey *auth_survey_new(void);
void auth_survey_free(struct auth_survey *s); /* NULL is allowed */
/* Of the database at path; where it has changed and is not looked through now, what was known, with
 * any_cleartext true. After an error, too, *out is what was known (at first: nothing). */
int auth_survey_get(struct auth_survey *s, const char *path,
                    struct auth_users_survey *out) MUST_CHECK;

#endif
