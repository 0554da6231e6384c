/*
 * client.h - the QMTP client core: speaks QMTP to a next hop, without a socket or a clock.
 *
 * cr.yp.to/proto/qmtp.txt. Works like the client core of SMTP (msa/smtp/client.h), with its actions
 * and results, so that one owner drives either; what differs is said here.
 *
 * Order: new, on an open connection (with TLS already, for QMTPS): READY comes without a word of
 * the server. qmtp_client_send() writes one package, asks for the content by NEED_BODY, and waits
 * for a response a recipient; then READY comes again. qmtp_client_flushed() must be called whenever
 * all bytes that were given out are with the kernel: it tells a package that was sent whole from
 * one that was not. Timers: 75 s for each piece of the package, 600 s for each response; a session
 * ends within an hour, and begins no package in its last quarter.
 *
 * Results: RECIPIENT for each response, when all of them have come; reply.code is that of SMTP with
 * the meaning of K, Z or D (250, 451, 554), and qmtp is set. If fewer come, RECIPIENT only for K,
 * and MESSAGE for all others: a Z or D of such a package is not believed, because some servers give
 * one response whatever the number of recipients (qmtp_client_is_short() then). The phase of a
 * failure is SMTP_PHASE_BODY as long as the package cannot be whole at the server, which must drop
 * it then, and SMTP_PHASE_END_OF_DATA afterwards: the message may have been delivered all the same.
 * As a next hop a QMTP server has 8BITMIME and no other extension (ext.h decides what that means).
 *
 * Ownership and thread: as of the client core of SMTP. Memory: at most 64 KiB, and 1 KiB a
 * recipient, while a package is under way.
 */
#ifndef RELAY_QMTP_CLIENT_H
#define RELAY_QMTP_CLIENT_H

#include "msa/smtp/client.h"

#define QMTP_SESSION_MS     3600000
#define QMTP_RECIPIENTS_MAX 200 /* of one package */

struct qmtp_client_config {
    uint32_t recipients; /* of a package, at most; 1 to QMTP_RECIPIENTS_MAX */
    bool tls;            /* the connection is under TLS */
};

struct qmtp_client;

struct qmtp_client *qmtp_client_new(const struct qmtp_client_config *config, uint64_t now_ms);
void qmtp_client_free(struct qmtp_client *c);
bool qmtp_client_next(struct qmtp_client *c, struct smtp_client_action *out);

/* ---- events ---- */
/* Takes at most one response. */
size_t qmtp_client_feed(struct qmtp_client *c, struct sv bytes, uint64_t now_ms);
void qmtp_client_flushed(struct qmtp_client *c, uint64_t now_ms);
/* moves: since the timer was set the peer has taken some of what was given out. */
void qmtp_client_timeout(struct qmtp_client *c, bool moves, uint64_t now_ms);
void qmtp_client_lost(struct qmtp_client *c, int err, uint64_t now_ms);
/* Content that does not turn out as long as mail->lf_size says (lf.h) ends the connection, before
 * the end of the package. */
void qmtp_client_send(struct qmtp_client *c, const struct smtp_client_mail *mail, uint64_t now_ms);
void qmtp_client_body(struct qmtp_client *c, struct sv bytes, bool is_last, uint64_t now_ms);
void qmtp_client_body_fail(struct qmtp_client *c, int err, uint64_t now_ms);
void qmtp_client_quit(struct qmtp_client *c, uint64_t now_ms);

/* ---- facts ---- */
const struct smtp_peer *qmtp_client_peer(void);
/* As smtp_client_takes(): 0 when this session is too old for another package. */
uint32_t qmtp_client_takes(const struct qmtp_client *c);
/* As smtp_client_converts(). */
unsigned qmtp_client_converts(const struct qmtp_client *c, const struct smtp_client_mail *mail);
/* The last package ended with some responses, but fewer than recipients. */
bool qmtp_client_is_short(const struct qmtp_client *c);

#endif
