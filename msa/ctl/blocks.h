/*
 * blocks.h - "msactl block ...": who is blocked for guessing passwords, asked of the keeper.
 */
#ifndef MSA_CTL_BLOCKS_H
#define MSA_CTL_BLOCKS_H

#include "msa/server/options.h"

/* what NULL: lists; else an address or a login whose block is removed. Exit code; what is to be
 * said has been printed. */
int blocks_run(const struct msa_options *o, const char *what, bool json);

#endif
