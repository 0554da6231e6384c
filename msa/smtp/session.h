/*
 * session.h - the inside of the server's session: for server*.c only.
 *
 * server.c        the engine: bytes in, actions out, operations, timers, the end
 * server_steps.c  the steps that the commands share: state, replies, operations, ways to the end
 * server_verbs.c  the command table, its driver, and the short commands
 * server_mail.c   MAIL and RCPT
 * server_auth.c   AUTH
 * server_data.c   DATA and BDAT
 * server_tolerated.c  what is wrong by the letter
 */
#ifndef MSA_SMTP_SESSION_H
#define MSA_SMTP_SESSION_H

#include "msa/smtp/dot.h"
#include "msa/smtp/ext.h"
#include "msa/smtp/line.h"
#include "msa/smtp/server.h"

/* state, its timer (none, command, data), text for the log */
#define SMTP_SERVER_STATES(XX)                 \
    XX(NEW, NONE, "not started")               \
    XX(START, COMMAND, "before EHLO")          \
    XX(READY, COMMAND, "between transactions") \
    XX(AUTH, COMMAND, "authenticating")        \
    XX(MAIL, COMMAND, "after MAIL")            \
    XX(RCPT, COMMAND, "after RCPT")            \
    XX(RESUMED, COMMAND, "resumed")            \
    XX(DATA, DATA, "receiving data")           \
    XX(CHUNKS, COMMAND, "between chunks")      \
    XX(CHUNK, DATA, "receiving a chunk")       \
    XX(CLOSED, NONE, "closed")

enum session_state {
#define SESSION_ENUM(name, timer, text) SESSION_##name,
    SMTP_SERVER_STATES(SESSION_ENUM)
#undef SESSION_ENUM
};

enum session_timer { SESSION_TIMER_NONE, SESSION_TIMER_COMMAND, SESSION_TIMER_DATA };

/* Indexed by enum session_state. */
extern const struct session_state_row {
    enum session_timer timer;
    const char *text;
} session_states[];

#define SESSION_MECHANISM_MAX 20 /* RFC 4422 3.1 */

struct smtp_server {
    const struct smtp_server_setup *setup;
    struct sv id;
    void (*on_refused)(void *arg, const struct smtp_refused *r); /* may be NULL */
    void *on_refused_arg;
    struct sv about; /* path of the MAIL or RCPT being answered, for on_refused */
    int64_t now_s;   /* wall clock */
    struct smtp_line line;
    struct buf out;     /* replies not yet sent */
    struct buf secret;  /* a decoded response while its step is pending */
    struct arena arena; /* of the mail transaction */
    struct smtp_envelope envelope;
    struct smtp_dot dot;
    struct sv body;            /* a piece of content not yet taken out */
    struct sv tail;            /* what follows body at the very end; static text */
    uint64_t chunk_left;       /* octets of the chunk not yet read */
    struct smtp_reply late;    /* what the end of refused content is answered with */
    struct smtp_reply mail_ok; /* what MAIL is answered with if its path is good; code 0: usual */
    const char *close_why;
    char *helo;
    char *transid;        /* of the transaction that the glue holds; NULL: none */
    uint64_t offset;      /* where content begins: not 0 in a resumed transaction */
    uint32_t op, last_op; /* the pending one, 0: none; the last number given */
    uint32_t messages, auth_failures, bad_commands, idle_commands, rcpt_tried;
    uint32_t tolerated; /* bits of enum smtp_tolerated, not yet taken out */
    uint8_t op_type;    /* enum smtp_action_type of op */
    uint8_t state;      /* enum session_state */
    char mechanism[SESSION_MECHANISM_MAX];
    uint8_t mechanism_len;
    uint8_t chunk_back; /* enum session_state behind the chunk */
    bool esmtp, tls, certified, authenticated, operated;
    bool op_new;       /* op has not been taken out yet */
    bool has_response; /* of the AUTH step */
    bool message_open; /* opened or being opened, and neither committed nor rolled back */
    bool discarding;   /* content is read and dropped, then late is sent */
    bool chunk_last;
    bool sent;    /* out was handed to the glue */
    bool dry;     /* the last feed ran out of bytes */
    bool early;   /* what is read was sent before the 355 could be seen */
    bool unaware; /* the client has sent RCPT behind a 355 */
    bool leave_forget;
    bool timer_due, rollback_due, leave_due, cancel_due, close_due;
};

/* server_steps.c */
void session_enter(struct smtp_server *s, enum session_state to);
void session_reply(struct smtp_server *s, const struct smtp_reply *r); /* 421 also closes */
void session_say(struct smtp_server *s, struct smtp_reply r);
void session_operate(struct smtp_server *s, enum smtp_action_type type);
void session_rollback(struct smtp_server *s); /* where a message is open */
void session_close(struct smtp_server *s, const char *why);
/* Ends the transaction: rolls back, forgets the envelope, READY. */
void session_reset(struct smtp_server *s);
/* The same, but what has a TRANSID is not left: the client may not know yet how it ended. */
void session_clear(struct smtp_server *s);
/* The transaction with TRANSID, if there is one, is over for us. */
void session_leave(struct smtp_server *s, bool forget);
struct sv session_mechanisms(const struct smtp_server *s);
struct smtp_ext_offer session_offer(const struct smtp_server *s);

/* server_verbs.c */
void session_command(struct smtp_server *s, struct sv line);
/* A command that is refused for its form or its place: counted, 421 when there are too many. */
void session_refuse(struct smtp_server *s, struct smtp_reply r);
/* Code 0 if what needs a login may be done now; mail: MAIL and what follows it. */
struct smtp_reply session_need_login(const struct smtp_server *s, bool mail);
/* There is no login, but a message to the postmaster may be given (draft 6.4). */
bool session_is_open(const struct smtp_server *s);
/* Octets of the largest message that may be given now; 0: any. */
uint64_t session_message_size(const struct smtp_server *s);

/* server_tolerated.c: code 0 and a note, or the refusal by strict_syntax */
struct smtp_reply session_tolerate(struct smtp_server *s, enum smtp_tolerated what);

/* server_auth.c, server_mail.c, server_data.c: commands, and what an operation's result means */
void session_auth(struct smtp_server *s, struct sv args);
void session_auth_response(struct smtp_server *s, struct sv line);
void session_auth_done(struct smtp_server *s, const struct smtp_result *r);
void session_mail(struct smtp_server *s, struct sv args);
void session_rcpt(struct smtp_server *s, struct sv args);
void session_resume_done(struct smtp_server *s, const struct smtp_result *r);
void session_path_done(struct smtp_server *s, const struct smtp_result *r);
void session_data(struct smtp_server *s, struct sv args);
void session_bdat(struct smtp_server *s, struct sv args);
void session_open_done(struct smtp_server *s, const struct smtp_result *r);
void session_commit_done(struct smtp_server *s, const struct smtp_result *r);
/* Content bytes, states DATA and CHUNK; returns how many were taken. */
size_t session_content(struct smtp_server *s, struct sv in);
/* The glue cannot take a piece of the content. */
void session_refuse_content(struct smtp_server *s, const struct smtp_reply *r);

#endif
