/*
 * received.h - the trace field that this server puts on top of each message.
 *
 * RFC 5321 4.4 (clauses and their order), RFC 3848 ("with ESMTPSA"), RFC 8314 4.3 (tls clause), RFC
 * 3865 2.6 (comment with the solicitation keywords), RFC 6710 7 (PRIORITY clause).
 * When the client is hidden the from clause, which RFC 5321 demands, names our own host: neither
 * the client's address nor the name it gave appears anywhere in the field.
 * Every value is filtered on its way out, so that no peer can end the line, open a comment or add
 * a clause. Any thread.
 *
 *     Received: from [192.0.2.7] (client.example) by mail.example.net
 *             with ESMTPSA id 0123456789abcdef for <b@example.org>
 *             tls TLS_AES_256_GCM_SHA384; Tue, 28 Jul 2026 10:11:12 +0000
 */
#ifndef REWRITE_RECEIVED_H
#define REWRITE_RECEIVED_H

#include "msa/base/buf.h"

#define REWRITE_RECEIVED_MAX 4096 /* no field is longer, bytes */

struct rewrite_received {
    struct sv helo;     /* argument of EHLO or HELO; may be empty */
    struct sv address;  /* client address as text, without brackets; may be empty */
    bool hide_client;   /* neither of the two is written */
    struct sv by;       /* our host name */
    struct sv protocol; /* "ESMTPSA", "ESMTPA", ... (RFC 3848) */
    struct sv id;       /* queue id */
    struct sv tls;      /* IANA name of the cipher suite; empty without TLS */
    struct sv for_path; /* mailbox of the only recipient, without <>; empty: no for clause */
    struct sv
        solicit; /* keywords of SOLICIT; empty: no comment; what makes the line too long goes */
    bool has_priority; /* there is a PRIORITY clause, with */
    int priority;      /* -9 to 9 */
    int64_t wall_s;
};

/* Appends the whole field with its CRLF. ERR_FULL as buf_append. */
int rewrite_received_write(struct buf *out, const struct rewrite_received *r) MUST_CHECK;

#endif
