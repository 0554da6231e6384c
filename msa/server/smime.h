/*
 * smime.h - signers and certificates of a generation, as rewrite/smime_set.h wants them.
 *
 * Any thread.
 */
#ifndef MSA_SERVER_SMIME_H
#define MSA_SERVER_SMIME_H

#include "msa/server/generation.h"
#include "rewrite/smime_set.h"

/* NULL: no row signs or encrypts, and nothing is wrong. now_s: for what is told to fault, which may
 * be NULL. */
struct rewrite_smime *smime_set(const struct generation *g, int64_t now_s,
                                void (*fault)(void *arg, bool warning, const char *key,
                                              const char *right, const char *wrong),
                                void *arg);

#endif
