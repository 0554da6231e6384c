/*
 * b64.h - base64 of RFC 4648 section 4, strict: full padding, no line ends, no stray bits.
 * Any thread.
 */
#ifndef MSA_BASE_B64_H
#define MSA_BASE_B64_H

#include "msa/base/buf.h"

/* Appends the encoded form; ERR_FULL as buf_append. */
int b64_encode(struct buf *out, struct sv bytes) MUST_CHECK;
/* Appends the bytes; ERR_SYNTAX if text is not base64 ("=" only at the end), ERR_FULL. On an
 * error out is as before. */
int b64_decode(struct buf *out, struct sv text) MUST_CHECK;

#endif
