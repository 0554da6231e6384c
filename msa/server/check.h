/*
 * check.h - faults that show only when several options are seen together.
 *
 * Called by options_read() after derived defaults are set. Adds to faults, with the line where the
 * key was written; changes nothing. Any thread.
 */
#ifndef MSA_SERVER_CHECK_H
#define MSA_SERVER_CHECK_H

#include "msa/server/options.h"

void check_options(const struct msa_options *o, const struct conf_source *src,
                   struct conf_faults *faults);
/* A part of it: rewrite.dkim (check_dkim.c). */
void check_dkim(const struct msa_options *o, const struct conf_source *src,
                struct conf_faults *faults);

#endif
