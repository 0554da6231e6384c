/*
 * package.h - a QMTP package: a message, its sender and its recipients.
 *
 * cr.yp.to/proto/qmtp.txt sections 3 and 6: three netstrings, of which the third holds one a
 * recipient. Addresses go bare: no brackets, local parts without the quoting of SMTP (RFC 5321
 * 4.1.2); a null sender is empty. The message itself lies between begin and end.
 * Appending beyond the buffer's maximum aborts: the owner makes room. Any thread.
 *
 *     "19:" "\n"  Subject: hi\n\nbody\n  "," "13:a@example.org," "34:13:b@example.net,..." ","
 *     `- begin -'                        `- end
 */
#ifndef RELAY_QMTP_PACKAGE_H
#define RELAY_QMTP_PACKAGE_H

#include "msa/base/netstring.h"
#include "msa/smtp/envelope.h"

#define QMTP_MESSAGE_MAX (NETSTRING_LENGTH_MAX - 1) /* bytes with LF line ends */

/* Room for what stands around the message. */
size_t qmtp_package_room(uint32_t recipients);
/* message_bytes: with LF line ends, without the LF before them. */
void qmtp_package_begin(struct buf *out, uint64_t message_bytes);
/* The recipients that takes() says yes to, in their order. */
void qmtp_package_end(struct buf *out, const struct smtp_envelope *e,
                      bool (*takes)(const void *arg, uint32_t index), const void *arg);

#endif
