/*
 * milter_internal.h - a milter connection's insides, shared by milter.c (commands) and
 * milter_answer.c. Nobody else includes it.
 */
#ifndef MSA_POLICY_MILTER_INTERNAL_H
#define MSA_POLICY_MILTER_INTERNAL_H

#include "msa/base/arena.h"
#include "msa/policy/milter.h"

#define MILTER_LENGTH_BYTES 4u

struct milter {
    struct buf in, out;
    struct arena arena; /* of asked */
    uint32_t actions, steps;
    /* what it has asked to be told before each command; ptr NULL: nothing asked */
    struct sv asked[MILTER_COMMAND_COUNT];
    enum milter_command command; /* the last */
    size_t used;                 /* bytes of in that the last event was made of */
    bool pending, immediate;
    bool skips_body;
    bool failed, told;
    const char *why;
};

/* Consumes what the last event was made of. */
void milter_drop_used(struct milter *m);

#endif
