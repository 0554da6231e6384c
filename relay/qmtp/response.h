/*
 * response.h - what a QMTP server says of one recipient.
 *
 * cr.yp.to/proto/qmtp.txt section 4: a netstring, whose first byte is K (taken), Z (not now) or D
 * (never); the rest is a description. The enhanced status (RFC 3463) is what the description begins
 * with, as "5.1.1" or, the class left out, ".1.1", else what stands behind a "#" in it, else x.0.0;
 * its class is always the letter's.
 * Kept are QMTP_DESCRIPTION_KEPT bytes, whose control and 8-bit bytes become "?", so that they can
 * go into logs and reports.
 * Ownership: the caller's struct, no heap; the reply is a view of it. Calls: init, then feed until
 * it is not NETSTRING_MORE; after NETSTRING_DONE init for the next one. Any thread.
 */
#ifndef RELAY_QMTP_RESPONSE_H
#define RELAY_QMTP_RESPONSE_H

#include "msa/base/netstring.h"
#include "msa/smtp/reply.h"

#define QMTP_DESCRIPTION_MAX  65535 /* bytes that are accepted */
#define QMTP_DESCRIPTION_KEPT 500

struct qmtp_response {
    struct netstring_reader netstring;
    const char *fault; /* NETSTRING_BAD: why, static */
    char letter;       /* 0: not yet */
    uint16_t len;
    char kept[QMTP_DESCRIPTION_KEPT];
};

void qmtp_response_init(struct qmtp_response *r);
/* Reads at most one response; *used_out: how many bytes it took. */
enum netstring_progress qmtp_response_feed(struct qmtp_response *r, struct sv bytes,
                                           size_t *used_out);
/* After NETSTRING_DONE: the letter as the reply code of SMTP that has the same meaning (250, 451,
 * 554), the status, and the description as it was given. */
struct smtp_reply qmtp_response_reply(const struct qmtp_response *r);

#endif
