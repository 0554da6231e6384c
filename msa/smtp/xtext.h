/*
 * xtext.h - encodings of parameter values.
 *
 * xtext, RFC 3461 section 4: printable ASCII, the rest as "+HH".
 * unitext, RFC 6533 section 3, what follows "utf-8;" in an address: printable ASCII, UTF-8, the
 * rest as "\x{HEX}" with the code point; its 7-bit form (utf-8-addr-xtext) has no UTF-8 of its own,
 * so that a server without SMTPUTF8 takes it.
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
/* Appends octets as xtext; ERR_FULL, out is as before. */
int smtp_xtext_write(struct buf *out, struct sv octets) MUST_CHECK;

/* Valid unitext, and what it stands for is printable: neither it nor its meaning has a control
 * character. */
bool smtp_unitext_printable(struct sv text);
/* Appends what a printable unitext stands for; ERR_SYNTAX, ERR_FULL; on an error out is as before.
 */
int smtp_unitext_decode(struct buf *out, struct sv text) MUST_CHECK;
/* Appends the 7-bit form of an address; ERR_SYNTAX: it is not printable; ERR_FULL; on an error out
 * is as before. */
int smtp_unitext_write(struct buf *out, struct sv address) MUST_CHECK;

#endif
