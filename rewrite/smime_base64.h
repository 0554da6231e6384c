/*
 * smime_base64.h - base64 as a body: lines of 76 characters (RFC 2045 6.8), out of pieces.
 *
 * The struct begins zeroed. Any thread.
 */
#ifndef REWRITE_SMIME_BASE64_H
#define REWRITE_SMIME_BASE64_H

#include "msa/base/buf.h"

#define REWRITE_SMIME_LINE_BYTES 57 /* that make a line */

struct rewrite_smime_base64 {
    char kept[REWRITE_SMIME_LINE_BYTES]; /* of a line that is not full */
    size_t count;
};

int rewrite_smime_base64_feed(struct rewrite_smime_base64 *b, struct sv bytes,
                              struct buf *out) MUST_CHECK;
int rewrite_smime_base64_end(struct rewrite_smime_base64 *b, struct buf *out) MUST_CHECK;

#endif
