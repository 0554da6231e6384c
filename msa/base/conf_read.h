/*
 * conf_read.h - defaults of single rows, for the writer and the documents; private to conf_*.
 */
#ifndef MSA_BASE_CONF_READ_H
#define MSA_BASE_CONF_READ_H

#include "msa/base/conf.h"

/* Sets the default of a row, nested rows included. */
void conf_read_default(const struct conf_option *row, const char *state, struct arena *a,
                       void *field);
/* The value of the root row "state" in values, "" if there is none. */
const char *conf_read_state(const struct conf_option *rows, const void *values);

#endif
