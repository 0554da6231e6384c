/*
 * load.h - makes a generation from the configuration file: reads, checks, and reads what it names.
 *
 * Only the master calls this (and msad --check): the other processes have lost the right to open
 * configured files. Blocking.
 */
#ifndef MSA_DAEMON_LOAD_H
#define MSA_DAEMON_LOAD_H

#include "msa/server/generation.h"

/* NULL if there is an error; all faults, warnings too, are in faults (text in arena). Ticket keys
 * are not set. */
struct generation *load_generation(const char *path, uint32_t number, struct arena *arena,
                                   struct conf_faults *faults);
/* The same, and a look at the users' databases: for --check. */
struct generation *load_review(const char *path, struct arena *arena, struct conf_faults *faults);
/* Whole file into out (up to its maximum); negative errno. */
int load_file(const char *path, struct buf *out) MUST_CHECK;

#endif
