/*
 * server.h - the server's side of an SMTP session, without sockets, clock or disk.
 *
 * RFC 5321, 6409, 2920, 3207, 4954, 2034, and the extensions of ext.h. Bytes and events go in,
 * actions come out; the glue (msa/server/conn.c) does them. Ownership: the setup and its limits
 * outlive the session. The session owns the envelope; views in an action are valid until the next
 * call on the session, BODY and a path's parts also only while the bytes given to
 * smtp_server_feed() are unchanged. One thread at a time; many sessions.
 *
 * Order of calls:
 *     smtp_server_new(), then smtp_server_start(); after each event the actions are taken out:
 *
 *     for (;;) {
 *         size_t n = smtp_server_feed(s, in);         // plain text bytes
 *         while (smtp_server_next(s, &a))
 *             act(&a);                                // may call smtp_server_done() at once
 *         if (n == 0) break;                          // wait for bytes, or for an operation
 *         in = sv_skip(in, n);
 *     }
 *
 * An action with an op other than 0 is an operation: its answer comes by smtp_server_done(op), at
 * once or later, and until then feed takes nothing (which is the back-pressure and keeps replies
 * in order). An answer to another op than the pending one is ignored: the session has moved on.
 * Replies of one run of input come as one SEND.
 *
 *     SEND          bytes for the peer, in this order
 *     START_TLS op  drop all input not yet given to the session, then hand the connection to TLS.
 *                   OK: the handshake is done (a new session without a greeting begins);
 *                   FAILED: the session ends.
 *     AUTH_STEP op  mechanism, response. MORE: challenge; OK: logged in; FAILED: reply (535 counts
 *                   as a failure, 454 not). With cancel (and without op): the exchange is over
 *     CHECK_PATH op use, path, values: may this path be used? OK (reply may replace the 250, and
 *                   address the path; it must where the path is unqualified) or FAILED with reply
 *     RESUME op     envelope: what is kept of the TRANSID of this MAIL (RFC 1845)? OK: it is new,
 *                   or resumed: 355 is the reply, the envelope is the one that was recorded, and
 *                   content continues at offset. Or FAILED with reply
 *     OPEN_MESSAGE op  envelope is complete, content will come. OK or FAILED with reply
 *     BODY          bytes of content: CRLF line ends, dots taken away
 *     COMMIT op     content is complete. OK with reply ("250 2.0.0 queued as ..."): it is on stable
 *                   storage; of a transaction with XRETURN with octets: so many will be returned.
 *                   FAILED with reply: it is rolled back
 *     RETURN op     the reply that announces the octets has gone: they follow it, then OK; FAILED:
 *                   the session ends. The bytes are no business of the session
 *     LEAVE         the transaction with TRANSID is over for this session, whatever was answered;
 *                   forget: the client knows how it ended, or has given it up. Once for each RESUME
 *                   that was answered OK, after the ROLLBACK
 *     ROLLBACK      the message opened (or being opened) is dropped. Not after COMMIT
 *     SET_TIMER     call smtp_server_timeout() after ms; renew: every byte read starts it again
 *     CLOSE         after what was sent has left; why is for the log. Nothing follows
 *
 * Errors: what the peer does wrong is a reply. The glue's failures come in as reply too.
 */
#ifndef MSA_SMTP_SERVER_H
#define MSA_SMTP_SERVER_H

#include "msa/smtp/ext.h"

struct smtp_server;

struct smtp_server_limits {
    uint64_t message_size;         /* octets; 0: none */
    uint32_t recipients;           /* of one message */
    uint32_t messages_per_session; /* 0: none */
    uint32_t auth_failures;        /* 421 at this one; 0: none */
    uint32_t bad_commands;         /* unknown, malformed, out of order: 421 at this one */
    uint32_t idle_commands;        /* NOOP, RSET, VRFY, HELP, EHLO between two messages, likewise */
    uint32_t command_timeout_ms, data_timeout_ms;
};

/* One for a listener and generation. */
struct smtp_server_setup {
    struct sv hostname;         /* greeting and EHLO */
    struct sv postmaster;       /* address that <Postmaster> stands for */
    struct sv mechanisms_tls;   /* SASL mechanisms under TLS, separated by spaces */
    struct sv mechanisms_cert;  /* the same for a client with a certificate; empty: as TLS */
    struct sv mechanisms_clear; /* and without; empty when auth.require_tls */
    bool tls_from_start;        /* implicit TLS */
    bool starttls;              /* a certificate is there */
    bool auth_required;
    /* Without a login one message to the postmaster may be given, where AUTH is offered; whose the
     * postmaster is, CHECK_PATH decides. */
    bool open_postmaster;
    bool reject_bare_newlines;
    bool strict_syntax;    /* what SMTP_TOLERATED lists is refused */
    bool complete_domains; /* paths of one label (unqualified) are checked, and completed there */
    struct smtp_ext_config ext;
    const struct smtp_server_limits *limits;
};

enum smtp_action_type {
    SMTP_ACTION_SEND = 1,
    SMTP_ACTION_START_TLS,
    SMTP_ACTION_AUTH_STEP,
    SMTP_ACTION_CHECK_PATH,
    SMTP_ACTION_RESUME,
    SMTP_ACTION_OPEN_MESSAGE,
    SMTP_ACTION_BODY,
    SMTP_ACTION_COMMIT,
    SMTP_ACTION_RETURN,
    SMTP_ACTION_ROLLBACK,
    SMTP_ACTION_LEAVE,
    SMTP_ACTION_SET_TIMER,
    SMTP_ACTION_CLOSE
};

struct smtp_action {
    enum smtp_action_type type;
    uint32_t op;                  /* 0: no answer is due */
    struct sv bytes;              /* SEND, BODY; AUTH_STEP: the response, decoded, secret */
    struct sv mechanism;          /* AUTH_STEP: upper case; empty for a further step */
    bool has_response;            /* AUTH_STEP: false: a first step without a response */
    bool cancel;                  /* AUTH_STEP: the exchange begun is over */
    enum smtp_path_use use;       /* CHECK_PATH */
    const struct smtp_path *path; /* CHECK_PATH */
    const struct smtp_envelope
        *envelope;   /* CHECK_PATH: so far, with it; RESUME, OPEN_MESSAGE, COMMIT */
    uint64_t offset; /* OPEN_MESSAGE: content continues there */
    bool forget;     /* LEAVE */
    bool binary;     /* COMMIT: the content cannot be sent as lines */
    /* COMMIT: some were put right; BODY: by now a bare LF was, so that the client has sent fewer
     * octets. Nothing is put right in binary content. */
    bool bare_newlines;
    uint32_t ms;     /* SET_TIMER */
    bool renew;      /* SET_TIMER */
    const char *why; /* CLOSE: static text */
};

/* What clients do against the letter and is taken all the same. Name, code and detail of the reply
 * where it is not (strict_syntax), and the rule in words. */
#define SMTP_TOLERATED(XX)                                              \
    XX(COLON_SPACE, 501, 4, "No space may stand behind FROM: or TO:")   \
    XX(END_SPACE, 501, 4, "No space may stand at the end of a command") \
    XX(SPACES, 501, 4, "Only one space may stand between the parts")    \
    XX(HELO_AUTH, 503, 1, "AUTH needs EHLO before it, not HELO")        \
    XX(LOGIN_INITIAL, 501, 4, "The mechanism LOGIN takes no initial response")

enum smtp_tolerated {
#define SMTP_TOLERATED_ENUM(name, code, detail, text) SMTP_TOLERATED_##name,
    SMTP_TOLERATED(SMTP_TOLERATED_ENUM)
#undef SMTP_TOLERATED_ENUM
        SMTP_TOLERATED_COUNT
};

enum smtp_outcome { SMTP_OK, SMTP_MORE, SMTP_FAILED };

struct smtp_result {
    enum smtp_outcome outcome;
    struct smtp_reply reply; /* code 0 with SMTP_OK: the usual one; needed with SMTP_FAILED */
    struct sv challenge;     /* SMTP_MORE: before base64 */
    bool certified;          /* START_TLS, OK: the client has shown a certificate that holds */
    uint64_t octets;         /* COMMIT, OK: that are returned (XRETURN) */
    struct sv address;       /* CHECK_PATH, OK: stands in the path's place, a qualified address */
    /* CHECK_PATH, OK, with address: what it was rewritten from, a qualified address; empty: the
     * address only completes the path. It is kept in the envelope, a recipient's as ORCPT where
     * none was given (RFC 3461 4.2). */
    struct sv original;
    /* RESUME, OK. */
    bool resumed;               /* it was interrupted, or finished, before */
    bool early;                 /* input waits behind it: what is in it knows nothing of the 355 */
    uint64_t offset;            /* octets of content that are there already */
    struct sv mail, recipients; /* text form (envelope.h), one recipient a line */
};

/* id stands in each refusal, for whoever looks for it in the log; empty: none. Kept by view. */
struct smtp_server *smtp_server_new(const struct smtp_server_setup *setup, struct sv id);
void smtp_server_free(struct smtp_server *s);

/* A refusal (4yz, 5yz) at the moment it is put among the replies. All views are valid during the
 * call only; what a peer said is unchecked. */
struct smtp_refused {
    const struct smtp_reply *reply; /* text as it leaves: with the session's id, and the setting
                                       where the client is told; setting: in any case */
    struct smtp_status status;      /* also where ENHANCEDSTATUSCODES is off */
    bool told;                      /* the text names the setting */
    struct sv reverse_path;         /* of the transaction, or what MAIL gave; without <> */
    struct sv recipient;            /* the one the refusal is about, likewise; empty: none */
    const struct smtp_envelope *envelope; /* so far */
};
/* A session that the operator's own tools have for a login: it is authenticated from the start, and
 * may ask what would become of a message. Before smtp_server_start(). */
void smtp_server_operate(struct smtp_server *s);
/* Before smtp_server_start(). The callback must not call the session. */
void smtp_server_watch(struct smtp_server *s,
                       void (*on_refused)(void *arg, const struct smtp_refused *r), void *arg);
/* Under implicit TLS the client has shown a certificate that holds; before smtp_server_start(). */
void smtp_server_certify(struct smtp_server *s);
/* Begins with the greeting; with a refusal (421, 554) that is sent instead and the session ends. */
void smtp_server_start(struct smtp_server *s, const struct smtp_reply *refusal);
/* The wall clock, seconds, before bytes are fed: extensions count by it. */
void smtp_server_set_time(struct smtp_server *s, int64_t now_s);
/* Returns the bytes consumed; 0 while an operation is pending and after the end. */
size_t smtp_server_feed(struct smtp_server *s, struct sv bytes);
bool smtp_server_next(struct smtp_server *s, struct smtp_action *out);
void smtp_server_done(struct smtp_server *s, uint32_t op, const struct smtp_result *r);
/* The content being received cannot be taken (header faults, disk full): the message is rolled
 * back, the rest of the content is read and dropped, then this reply is sent. reply's text is
 * copied. Ignored when no message is open. */
void smtp_server_refuse_content(struct smtp_server *s, const struct smtp_reply *reply);
/* The timer of SET_TIMER ran out. */
void smtp_server_timeout(struct smtp_server *s);
/* The peer is gone: ROLLBACK where due, then CLOSE; nothing more is sent. */
void smtp_server_peer_closed(struct smtp_server *s);
/* Ends the session at once with a reply (421): shutdown, a disabled user. */
void smtp_server_end(struct smtp_server *s, const struct smtp_reply *reply, const char *why);
/* The next bytes are content. */
bool smtp_server_is_receiving(const struct smtp_server *s);
/* Content is being received, committed or returned: what a shutdown waits for. */
bool smtp_server_is_busy(const struct smtp_server *s);

/* What was tolerated since the last call: bits (1 << enum smtp_tolerated). */
uint32_t smtp_server_take_tolerated(struct smtp_server *s);
const char *smtp_tolerated_text(enum smtp_tolerated what); /* the rule that was not kept */

/* For the Received field and the log. */
struct smtp_server_info {
    struct sv helo; /* the argument of HELO or EHLO; empty before */
    bool esmtp;     /* EHLO was used */
    bool tls, authenticated;
    const char *state; /* text of the state, for the log */
    uint32_t messages; /* committed in this session */
};
struct smtp_server_info smtp_server_info(const struct smtp_server *s);

#endif
