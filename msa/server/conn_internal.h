/*
 * conn_internal.h - a connection's insides, shared by conn.c (life), conn_session.c (the SMTP
 * session's actions), conn_path.c (CHECK_PATH), conn_policy.c (filters), conn_resume.c (TRANSID),
 * conn_return.c (XRETURN), conn_operated.c
 * (msactl), conn_auth.c (AUTH) and conn_tls.c. Nobody else includes it.
 *
 *   stream --on_read--> [conn_tls_input] --plain--> conn_pump(): smtp_server_feed / next
 *      ^                                                |
 *      +----- stream_write() <-- [TLS] <---- SEND ------+--> AUTH_STEP          auth_client
 *                                                       +--> OPEN/BODY/COMMIT   submission
 *
 * Each callback translates one event and calls conn_pump(), which is the only place that acts. No
 * call here frees the connection: conn_close() lets the loop call on_closed later.
 */
#ifndef MSA_SERVER_CONN_INTERNAL_H
#define MSA_SERVER_CONN_INTERNAL_H

#include "auth/tls/stream.h"
#include "msa/base/log.h"
#include "msa/server/conn.h"
#include "msa/server/submission.h"

#include <uthash.h>

/* One read of the loop (64 KiB) and what TLS held back of the one before. Whatever waits stops the
 * reading, so this is never reached. */
#define CONN_WAIT_MAX        (128u << 10)
#define CONN_PROXY_MS        10000u
#define CONN_HANDSHAKE_MS    60000u
#define CONN_OPERATION_MS    100000u /* RFC 6409 5.3: everything is answered in under 2 minutes */
#define CONN_SESSION_CHARS   10
#define CONN_MECHANISM_CHARS 20 /* RFC 4422 3.1 */

enum conn_phase {
    CONN_PROXY,     /* waits for the PROXY header */
    CONN_QUOTA,     /* waits for the main thread's answer */
    CONN_HANDSHAKE, /* TLS */
    CONN_SESSION,
    CONN_LINGER, /* all is said; what still comes is dropped */
    CONN_CLOSED, /* waits for on_closed */
};

struct conn {
    UT_hash_handle hh; /* in worker->conns, by number */
    uint64_t number;
    struct worker *worker;
    struct service *service;
    struct stream *stream;
    struct tls_stream *tls;
    struct smtp_server *smtp;
    struct submission *submission;
    struct partial *partial; /* of the transaction with TRANSID; from MAIL to LEAVE */
    struct timer timer;
    uint64_t deadline_ms; /* the timer may fire before it: then it is armed again */
    uint64_t window_ms;   /* since then window_bytes have come while content is received */
    uint64_t window_bytes;
    uint64_t written_bytes; /* handed to the stream; of these left_bytes had left at left_ms */
    uint64_t left_bytes, left_ms;
    uint32_t timer_ms; /* of SET_TIMER */
    uint64_t auth_id;  /* of the exchange; 0: none */
    uint64_t sign_id;
    /* operations that are answered later; 0: none */
    uint32_t op_tls, op_auth, op_path, op_partial, op_budget, op_open, op_commit;
    uint32_t op_watched; /* one that must be answered within OPERATION_MS */
    uint32_t listen;
    struct smtp_reply refusal; /* under implicit TLS, told after the handshake; static text */
    uint8_t phase;
    bool renew; /* each read moves the deadline */
    bool reading, pumping;
    bool quota_held, memory_held; /* given back at the end */
    bool stop_soon;               /* ends when no content is in hand */
    bool login_gone;              /* ends at once, but after a commit that is under way */
    bool committing;              /* the submission goes on without us */
    bool eof;                     /* the peer sends nothing more, but may still read */
    bool unseen;        /* what the session reads was sent before its last answer could be seen */
    bool read_waits;    /* the next piece of what is kept, until the submission has room */
    bool partial_stays; /* it was misused: how it ended is not for this session to forget */
    bool partial_lost;  /* what was kept cannot be read any more */
    bool lost;          /* nothing can be written any more */
    bool blocked;       /* the submission takes no content; the timer is for that */
    bool operated;      /* of msactl, with its login from the start */
    bool unfiltered;    /* this transaction asks no filter: only for a verdict */
    bool trusted;       /* needs no login: auth.trusted_networks */
    bool certified;     /* the client has shown a certificate that holds */
    bool untold;        /* by a proxy: client is the proxy itself */
    bool told_rcpts;    /* to the filter, as they came */
    struct path_check *path; /* of op_path */
    struct filter *filter;   /* from the first MAIL on; while committing it is the submission's */
    const struct smtp_envelope *opening; /* of op_budget, op_open: the session's */
    struct spending_ticket *ticket;      /* of op_budget, until the submission has it */
    uint32_t told;                       /* of opening's recipients, to the filter */
    struct conn_return *returning;       /* from the end of content with XRETURN; NULL: none */
    uint32_t transactions;
    struct ip client; /* as told by a proxy, where one is used */
    char session[CONN_SESSION_CHARS + 1];
    char client_text[IP_TEXT_MAX];
    char mechanism[CONN_MECHANISM_CHARS + 1]; /* of the last AUTH, for the log */
    char *login;                              /* NULL: not logged in */
    char *app;          /* label of the app password by which it is; NULL: the main one */
    struct sv tried;    /* the name of a failed login while its reply is made */
    bool login_denied;  /* such a reply is made */
    bool login_blocked; /* its reason is auth.block */
    bool login_logged;  /* that failure is within the client's allowance */
    size_t behind;      /* bytes that wait behind what the session has read */
    struct buf in;      /* plain bytes that the session could not take yet; in CONN_PROXY all */
    struct buf cipher;  /* bytes that TLS cannot take before its signature */
};

/* conn.c */
struct conn *conn_new(struct worker *w, struct stream *s, uint32_t listen);
struct log_ctx conn_ctx(const struct conn *c);
bool conn_may_log(struct conn *c); /* within log.per_client_per_minute */
void conn_set_reading(struct conn *c, bool on);
void conn_arm(struct conn *c, uint64_t ms); /* the timer, from now */
void conn_begin_window(struct conn *c);     /* in which content must come at limits.data_rate */
/* The operation is pending: in CONN_OPERATION_MS conn_give_up_operation() is called, unless it has
 * been answered by conn_answer(). */
void conn_watch(struct conn *c, uint32_t op);
/* The timer, where it may come early: then it looks at the deadline. This costs no heap move. */
void conn_set_deadline(struct conn *c, uint64_t ms);
void conn_write(struct conn *c, struct sv bytes); /* as they are; lost if that fails */
/* Everything is said: sends what is pending, gives the peer a moment to read it, then closes. */
void conn_linger(struct conn *c);
void conn_close(struct conn *c); /* now; on_closed follows */

/* conn_session.c */
void conn_start_session(struct conn *c, const struct smtp_reply *refusal); /* NULL: welcome */
/* Feeds what waits, then in; keeps what cannot be taken. Nothing happens outside CONN_SESSION. */
void conn_pump(struct conn *c, struct sv in);
/* Answers the operation; reply is needed for SMTP_FAILED, else may be NULL. */
void conn_answer(struct conn *c, uint32_t op, enum smtp_outcome outcome,
                 const struct smtp_reply *reply);
/* OPEN_MESSAGE, once the submission is open and nobody objects. */
void conn_open_rest(struct conn *c, uint32_t op, const struct smtp_envelope *e);
void conn_give_up_submission(struct conn *c);
void conn_give_up_operation(struct conn *c);
void conn_give_up_content(struct conn *c); /* blocked for too long */

/* conn_path.c */
struct rights_holder conn_rights(const struct conn *c); /* of whoever it is now */
void conn_check_path(struct conn *c, const struct smtp_action *a);
void conn_path_cancel(struct conn *c); /* no answer comes any more */

/* conn_policy.c */
bool conn_policy_is_wanted(const struct conn *c);
/* The parameters of CHECK_PATH's path, as text. */
struct sv conn_policy_args(const struct smtp_action *a, struct arena *arena);
/* For op_path; done as filter.h has it. */
void conn_policy_path(struct conn *c, enum smtp_path_use use, struct sv path, struct sv args,
                      uint64_t size, filter_done *done, void *arg);
/* The submission is open: conn_open_rest() follows, or a refusal. */
void conn_policy_open(struct conn *c, uint32_t op, const struct smtp_envelope *e);
void conn_policy_cancel(struct conn *c); /* no answer comes any more */
void conn_policy_drop(struct conn *c);   /* and the filter is gone */

/* The message may be opened: what is left of OPEN_MESSAGE. */
void conn_open(struct conn *c, uint32_t op, const struct smtp_envelope *e);

/* conn_budget.c */
/* False: there is nothing to ask for. Else conn_open() follows, or a refusal. */
bool conn_budget_ask(struct conn *c, uint32_t op, const struct smtp_envelope *e);
void conn_budget_cancel(struct conn *c); /* nothing was taken */

/* conn_resume.c */
void conn_resume_begin(struct conn *c, const struct smtp_action *a); /* RESUME */
/* The submission is open. */
void conn_resume_open(struct conn *c, uint32_t op, const struct smtp_envelope *e);
bool conn_resume_finished(const struct conn *c); /* the message is in the queue already */
void conn_resume_commit(struct conn *c, uint32_t op);
void conn_resume_room(struct conn *c);
void conn_resume_pass(struct conn *c); /* to the submission, which goes on without us */
void conn_resume_leave(struct conn *c, bool forget); /* also where there is none */

/* conn_return.c */
/* A place for what will be returned; false: there is none. */
bool conn_return_begin(struct conn *c, struct smtp_reply *refusal);
void conn_return_drop(struct conn *c); /* also where there is none */
/* Takes over what is returned; how many octets they are. */
uint64_t conn_return_keep(struct conn *c, const struct submission_returned *what);
void conn_return_start(struct conn *c, uint32_t op); /* RETURN */
/* Octets are on their way: nothing else may be said. */
bool conn_return_is_on(const struct conn *c);
/* Goes on while there is room; true: it has come to the end, and is answered. */
bool conn_return_go(struct conn *c);
bool conn_return_is_slow(struct conn *c); /* at the timer; else a new window has begun */

/* conn_refused.c */
void conn_on_refused(void *arg, const struct smtp_refused *r); /* for smtp_server_watch() */
void conn_misfit(struct conn *c, enum misfit_kind kind, struct sv example);

/* conn_auth.c */
void conn_auth_step(struct conn *c, const struct smtp_action *a);
void conn_auth_cancel(struct conn *c);
void conn_forget_login(struct conn *c);

/* conn_tls.c */
void conn_tls_start(struct conn *c, uint32_t op); /* op: of STARTTLS, or 0 */
void conn_tls_input(struct conn *c, struct sv cipher);
void conn_tls_write(struct conn *c, struct sv plain);
void conn_tls_fail(struct conn *c, const char *why);
void conn_tls_finish(struct conn *c); /* close_notify; the signature asked for is forgotten */

#endif
