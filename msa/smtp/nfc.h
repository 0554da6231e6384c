/*
 * nfc.h - text in Unicode's normalization form C, in which what looks the same is the same (RFC
 * 6532 3.1 recommends it; RFC 6530 10.1 for local parts). By libunistring, which only computes. Any
 * thread.
 */
#ifndef MSA_SMTP_NFC_H
#define MSA_SMTP_NFC_H

#include "msa/base/sv.h"

/* text itself where it is ASCII, no UTF-8, or longer than max octets afterwards; else what was
 * written to out. */
struct sv smtp_nfc(struct sv text, char *out, size_t max);

#endif
