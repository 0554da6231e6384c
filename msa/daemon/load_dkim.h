/*
 * load_dkim.h - the keys of rewrite.dkim: their faults, and what the server is told of them.
 *
 * RFC 6376, RFC 8301. A part of load.h: the master's alone. Private keys stay in the generation's
 * secret files; the server gets GENERATION_DKIM_KEYS.
 */
#ifndef MSA_DAEMON_LOAD_DKIM_H
#define MSA_DAEMON_LOAD_DKIM_H

#include "msa/server/generation.h"

/* The key files have been read into g. now_s: wall time, for rows that are not in force yet. */
void load_dkim(struct generation *g, const struct conf_source *src, struct conf_faults *faults,
               int64_t now_s);

#endif
