/*
 * notice.h - messages of the server itself: their header, and their way into the queue.
 *
 * Reports (dsn.h) and the digest for the postmaster are written with it. RFC 3834 (Auto-Submitted),
 * RFC 5321 4.5.5 (null reverse-path). Texts become printable ASCII, so that none can end a line;
 * only the address in "to" may hold UTF-8. Any thread.
 */
#ifndef RELAY_NOTICE_H
#define RELAY_NOTICE_H

#include "msa/base/buf.h"
#include "relay/queue/message.h"

struct relay_notice {
    struct sv id;         /* queue id; with our host name the Message-ID */
    struct sv hostname;   /* ours */
    struct sv postmaster; /* the author */
    struct sv to;         /* without <> */
    struct sv subject;    /* fits a line */
    struct sv submitted;  /* "auto-generated", "auto-replied" */
    int64_t now_s;        /* wall time */
};

/* Appends the fields from From to MIME-Version; what describes the content comes behind them.
 * ERR_FULL. */
int relay_notice_header(struct buf *out, const struct relay_notice *n) MUST_CHECK;
/* Appends text; what is not printable ASCII becomes "?". ERR_FULL. */
int relay_notice_put(struct buf *out, struct sv text) MUST_CHECK;
/* A message of this text (taken over) for one recipient, with the null reverse-path; one reference
 * is the caller's. */
struct queue_message *relay_notice_message(struct buf *text, const char *id, struct sv to,
                                           struct queue_batch **rows_out);

struct relay_signer;
struct rewrite_dkim_keys;
/* Who signs them; both may be NULL. */
struct relay_notice_signer {
    struct relay_signer *signer; /* of this thread */
    struct rewrite_dkim_keys *keys;
};
/* Signs a message made so, in its prefix, where the domain of its From has a key. The keeper has a
 * few seconds for it; then the message goes without, even where a signature is required: a report
 * must not be lost. done may come from inside the call; until then nobody else has the message. */
void relay_notice_sign(struct relay_notice_signer by, struct queue_message *m,
                       void (*done)(void *arg), void *arg);

#endif
