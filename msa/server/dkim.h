/*
 * dkim.h - the signing keys of a generation, as rewrite/dkim_keys.h wants them.
 *
 * Any thread.
 */
#ifndef MSA_SERVER_DKIM_H
#define MSA_SERVER_DKIM_H

#include "msa/server/generation.h"
#include "rewrite/dkim_keys.h"

/* What is told of the key of one row, GENERATION_DKIM_KEYS. */
struct dkim_row {
    const struct rewrite_dkim_options *options;
    enum rewrite_dkim_algorithm algorithm;
    uint64_t bits;
    struct sv id, public_half; /* in the generation */
};

/* The rows in the order of their lines: calls each() for every one; returns false where a line is
 * none of ours. */
bool dkim_rows(const struct generation *g, void (*each)(void *arg, const struct dkim_row *row),
               void *arg) MUST_CHECK;
/* NULL: there are none. With words in why where they are damaged. */
struct rewrite_dkim_keys *dkim_keys(const struct generation *g, struct buf *why);

#endif
