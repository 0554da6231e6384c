/*
 * fault.h - the sentence that says what is wrong with a certificate, a key or a handshake.
 * Inside auth/tls only. Any thread.
 */
#ifndef AUTH_TLS_FAULT_H
#define AUTH_TLS_FAULT_H

#include "msa/base/buf.h"

/* Appends the sentence (what has no room is lost) and returns ERR_TLS; OpenSSL's queue of errors is
 * empty afterwards. */
int tls_fault(struct buf *why, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* OpenSSL's reason for the first error of its queue, in words; valid until the next call. */
const char *tls_fault_reason(void);

#endif
