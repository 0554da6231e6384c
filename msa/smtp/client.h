/*
 * client.h - the client session core: speaks SMTP to a next hop, without a socket or a clock.
 *
 * RFC 5321 (3.1, 4.5.3.2 timeouts), 2920 (pipelining), 3030 (BDAT), 3207 (STARTTLS), 4954 (AUTH),
 * 1870 (SIZE), 9422 (LIMITS); what else a server is told, or must have, comes from the extension
 * table (ext.h). Bytes and events go in, actions come out; one transaction at a time, any number
 * one after the other. MAIL, RCPT and DATA go out in one piece where PIPELINING is offered, one by
 * one elsewhere; a small body and its end go out in one piece. Where CHUNKING is offered content
 * goes by BDAT, a chunk for each piece that the owner hands in, and by DATA elsewhere.
 * LMTP (RFC 2033) is the same with LHLO, always by DATA, and with a reply to the end of data for
 * each recipient.
 *
 * Order: new; then, in any order, events and smtp_client_next() until it returns false, after
 * every event. smtp_client_feed() takes at most one reply and nothing while START_TLS or AUTH
 * waits for its answer: what it leaves is offered again when next() has returned false.
 * After READY: smtp_client_send() or smtp_client_quit(). After CLOSED: only free.
 *
 *     START_TLS -> smtp_client_tls_done()     AUTH      -> smtp_client_auth() or _auth_fail()
 *     NEED_BODY -> smtp_client_body()/_body_fail()     SET_TIMER -> smtp_client_timeout() when due
 *
 * smtp_client_flushed() must be called whenever all bytes that were given out are with the kernel:
 * only then can the server have the end of data, and only what it says afterwards is its verdict.
 * An answer that comes before its question breaks the protocol; 4yz or 5yz while content is on its
 * way is believed.
 *
 * Results: RECIPIENT, at once, for each recipient that the server refuses, and before a word is
 * said for each that must not go to this server (UNSUPPORTED); MESSAGE, at most once, for all that
 * have no result by then; in LMTP RECIPIENT, good or not, for each, at the end of data. When READY
 * or CLOSED comes, each recipient has a result. A MESSAGE whose phase is SMTP_PHASE_END_OF_DATA and
 * whose end is TIMEOUT, LOST or PROTOCOL may have been delivered all the same.
 *
 * Ownership: bytes and replies in an action are valid until the next call. The mail and its
 * envelope stay untouched until READY or CLOSED, body bytes until the next NEED_BODY, MESSAGE or
 * CLOSED. Time is a monotonic clock in milliseconds, given with each event. One thread at a time.
 * Memory: about 5 KiB, and up to 40 KiB of commands or content while they are sent.
 */
#ifndef MSA_SMTP_CLIENT_H
#define MSA_SMTP_CLIENT_H

#include "msa/smtp/ext.h"

/* name, timeout in seconds (RFC 5321 4.5.3.2), what was being done. CONNECT is the owner's. */
#define SMTP_PHASES(XX)                                              \
    XX(CONNECT, 30, "connecting")                                    \
    XX(GREETING, 300, "waiting for the greeting")                    \
    XX(EHLO, 300, "waiting for the reply to EHLO")                   \
    XX(HELO, 300, "waiting for the reply to HELO")                   \
    XX(STARTTLS, 120, "waiting for the reply to STARTTLS")           \
    XX(HANDSHAKE, 60, "in the TLS handshake")                        \
    XX(AUTH, 120, "in AUTH")                                         \
    XX(IDLE, 0, "between transactions")                              \
    XX(RSET, 60, "waiting for the reply to RSET")                    \
    XX(MAIL, 300, "waiting for the reply to MAIL")                   \
    XX(RCPT, 300, "waiting for the reply to RCPT")                   \
    XX(DATA, 120, "waiting for the reply to DATA")                   \
    XX(BODY, 180, "sending the content")                             \
    XX(END_OF_DATA, 600, "waiting for the reply to the end of data") \
    XX(QUIT, 5, "waiting for the reply to QUIT")                     \
    XX(CLOSED, 0, "after the end of the session")

enum smtp_phase {
#define SMTP_PHASE_ENUM(name, timeout_s, text) SMTP_PHASE_##name,
    SMTP_PHASES(SMTP_PHASE_ENUM)
#undef SMTP_PHASE_ENUM
};

/* How a recipient, a message or the session ended: name, words */
#define SMTP_ENDS(XX)                                                       \
    XX(REPLY, "the server replied")                                         \
    XX(TIMEOUT, "timed out")                                                \
    XX(LOST, "connection lost")                                             \
    XX(PROTOCOL, "the server broke the protocol")                           \
    XX(NO_TLS, "TLS is required here, but the server does not offer it")    \
    XX(TLS, "TLS failed")                                                   \
    XX(NO_AUTH, "a login is required here, but the server offers no AUTH")  \
    XX(CREDENTIALS, "no usable credentials for this server")                \
    XX(UNSUPPORTED, "the server lacks an extension that the message needs") \
    XX(DEMANDS, "the server demands an extension that is not spoken here")  \
    XX(TOO_BIG, "the message is larger than the server accepts")            \
    XX(CONTENT, "the content could not be read")                            \
    XX(QUIT, "the session was ended")

enum smtp_end {
#define SMTP_END_ENUM(name, text) SMTP_END_##name,
    SMTP_ENDS(SMTP_END_ENUM)
#undef SMTP_END_ENUM
};

struct smtp_client_result {
    enum smtp_end end;
    enum smtp_phase phase;
    /* REPLY: what the server said; UNSUPPORTED: what we say in its place (static text); else code
     * 0 */
    struct smtp_reply reply;
    int err;             /* LOST, TLS, CREDENTIALS, CONTENT: environment error, or 0 */
    const char *detail;  /* PROTOCOL, UNSUPPORTED, DEMANDS: what exactly (static); else NULL, unless
                            the owner of the session knows more */
    uint64_t elapsed_ms; /* since the phase began */
    bool qmtp;           /* the session is by QMTP (relay/qmtp/client.h) */
};

enum smtp_client_action_kind {
    SMTP_CLIENT_SEND,      /* bytes */
    SMTP_CLIENT_START_TLS, /* handshake now; nothing that was read before may be used */
    SMTP_CLIENT_AUTH,      /* bytes: at first (is_first) the mechanisms offered, else a challenge;
                              is_first a second time: the token was refused, another one may do */
    SMTP_CLIENT_NEED_BODY, /* the next piece of the content */
    SMTP_CLIENT_RECIPIENT, /* index in the envelope, result */
    SMTP_CLIENT_MESSAGE,   /* result */
    SMTP_CLIENT_SET_TIMER, /* timeout_ms from now, in place of the one before; 0: none */
    SMTP_CLIENT_READY,     /* idle: the next transaction may come */
    SMTP_CLIENT_CLOSED,    /* close the connection; result says why */
};

struct smtp_client_action {
    enum smtp_client_action_kind kind;
    struct sv bytes;
    bool is_first;
    uint32_t index;
    uint64_t timeout_ms;
    struct smtp_client_result result;
};

enum smtp_client_tls { SMTP_CLIENT_TLS_NONE, SMTP_CLIENT_TLS_OFFERED, SMTP_CLIENT_TLS_REQUIRED };

struct smtp_client_config {
    struct sv name;           /* our name for EHLO; lives as long as the client */
    enum smtp_client_tls tls; /* STARTTLS: never, if offered, or always */
    bool tls_active;          /* TLS from the first byte */
    bool login;               /* AUTH before the first transaction; in clear only with TLS_NONE */
    bool lmtp;
    uint32_t exts_off; /* SMTP_EXT_BIT()s that are not used, whatever the server offers */
};

struct smtp_client_mail {
    const struct smtp_envelope *envelope; /* at least one recipient */
    uint64_t size;                        /* octets of content */
    uint64_t lf_size;                     /* the same with LF line ends; for QMTP only */
    bool eight_bit;                       /* content holds bytes above 127 */
    bool binary;                          /* content cannot be sent as lines: BDAT only */
    bool utf8_header;                     /* the header section needs SMTPUTF8 */
    int64_t received_s, now_s;            /* wall clock: of the message, of this attempt */
};

struct smtp_client;

struct smtp_client *smtp_client_new(const struct smtp_client_config *config, uint64_t now_ms);
void smtp_client_free(struct smtp_client *c);
bool smtp_client_next(struct smtp_client *c, struct smtp_client_action *out);

/* ---- events ---- */
size_t smtp_client_feed(struct smtp_client *c, struct sv bytes, uint64_t now_ms);
void smtp_client_flushed(struct smtp_client *c, uint64_t now_ms);
void smtp_client_timeout(struct smtp_client *c, uint64_t now_ms);
/* The peer closed (err ERR_EOF) or the connection failed. */
void smtp_client_lost(struct smtp_client *c, int err, uint64_t now_ms);
void smtp_client_tls_done(struct smtp_client *c, int err, uint64_t now_ms); /* 0: established */
/* Answer to AUTH, unencoded. mechanism: with the first answer only. response.ptr NULL: no initial
 * response. */
void smtp_client_auth(struct smtp_client *c, struct sv mechanism, struct sv response,
                      uint64_t now_ms);
void smtp_client_auth_fail(struct smtp_client *c, int err, uint64_t now_ms);
void smtp_client_send(struct smtp_client *c, const struct smtp_client_mail *mail, uint64_t now_ms);
void smtp_client_body(struct smtp_client *c, struct sv bytes, bool is_last, uint64_t now_ms);
/* The content cannot be read: the connection is closed before the end of data. */
void smtp_client_body_fail(struct smtp_client *c, int err, uint64_t now_ms);
void smtp_client_quit(struct smtp_client *c, uint64_t now_ms);

/* ---- facts ---- */
/* The name in the greeting, as the server wrote it, printable; "" before, or where there is none.
 */
const char *smtp_client_greeting(const struct smtp_client *c);
const struct smtp_peer *smtp_client_peer(const struct smtp_client *c); /* of the last EHLO */
/* By the server's LIMITS: how many recipients of this domain the next transaction may have.
 * UINT32_MAX: nothing was said; 0: none, this session has had all that it may have. */
uint32_t smtp_client_takes(const struct smtp_client *c, struct sv domain);
/* What the content needs before it may be sent (smtp_ext_convert_mail()); when READY. */
unsigned smtp_client_converts(const struct smtp_client *c, const struct smtp_client_mail *mail);
const char *smtp_phase_text(enum smtp_phase phase); /* words: "in AUTH" */
const char *smtp_phase_name(enum smtp_phase phase); /* one word: "AUTH" */
const char *smtp_end_text(enum smtp_end end);

/* ---- for cores of other protocols that give such actions (relay/core.h) ---- */
/* An action without contents, if the flag is set, which is cleared. */
bool smtp_client_give(struct smtp_client_action *out, enum smtp_client_action_kind kind,
                      bool *flag);

#endif
