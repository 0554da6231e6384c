/*
 * check_database.h - cross checks of auth.database and the settings of what it names.
 *
 * Part of check_options(); any thread.
 */
#ifndef MSA_SERVER_CHECK_DATABASE_H
#define MSA_SERVER_CHECK_DATABASE_H

#include "auth/options.h"

void check_database(const struct auth_options *o, const struct conf_source *src,
                    struct conf_faults *faults);

#endif
