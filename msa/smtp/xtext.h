/*
 * xtext.h - xtext of RFC 3461 section 4: printable ASCII, the rest as "+HH".
 *
 * Any thread.
 */
#ifndef MSA_SMTP_XTEXT_H
#define MSA_SMTP_XTEXT_H

#include "msa/base/buf.h"

bool smtp_xtext_valid(struct sv text);
/* Valid, and what it stands for is printable ASCII (32 to 126): such a value can go into a report's
 * header without breaking out of its line. */
bool smtp_xtext_printable(struct sv text);
/* Appends the octets, which may be any (control characters too: the reader judges them);
 * ERR_SYNTAX, ERR_FULL; on an error out is as before. */
int smtp_xtext_decode(struct buf *out, struct sv text) MUST_CHECK;

#endif
