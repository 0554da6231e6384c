/*
 * smime_found.h - the certificate of a recipient out of what a directory has answered.
 *
 * Draft 8.6. What it says is bytes of strangers: the newest certificate that can be used, names the
 * address and, where authorities are configured, is vouched for by one of them, is taken; all
 * others are forgotten. Pure; linear; any thread.
 */
#ifndef REWRITE_SMIME_FOUND_H
#define REWRITE_SMIME_FOUND_H

#include "rewrite/smime_set.h"

struct rewrite_smime_found {
    struct rewrite_smime_cert *cert; /* NULL: none; owned */
    enum rewrite_smime_fault fault;  /* of one that cannot be used */
};

/* packed: certificates in DER, each with its length before it (msa/base/pack.h). address: as
 * rewrite_smime_key() writes it. */
void rewrite_smime_found_read(const struct rewrite_smime *set, struct sv packed, struct sv address,
                              int64_t now_s, struct rewrite_smime_found *out);
void rewrite_smime_found_free(struct rewrite_smime_found *f); /* what it owns */

#endif
