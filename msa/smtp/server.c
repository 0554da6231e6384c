/*
 * Design: feed() takes bytes until something must be acted on (an operation, a piece of content, a
 * full reply buffer); next() gives out, in this order: content, rollback, the new operation (but
 * START_TLS and RETURN behind the replies), the timer, replies, close. Replies wait until the input
 * runs dry or an operation is really pending, so that a run of pipelined commands is answered by
 * one SEND (RFC 2920 3.2).
 *
 *   START --EHLO--> READY --AUTH--> AUTH --> READY --MAIL--> MAIL --RCPT--> RCPT --DATA--> DATA --+
 *     ^               ^                                        +-----BDAT---> CHUNK <-> CHUNKS ---+
 *     +--STARTTLS     +--MAIL--> RESUMED --DATA, BDAT--> DATA, CHUNK                             |
 *                     +----------- end of content, RSET, EHLO -----------------------------------+
 *
 * Invariants: at most one operation is pending; bytes after STARTTLS are dropped before the
 * handshake; COMMIT is asked for only where OPEN_MESSAGE was answered OK and nothing was refused.
 */
#include "msa/smtp/server.h"
#include "msa/base/mem.h"
#include "msa/base/require.h"
#include "msa/smtp/session.h"

#include <stdlib.h>

#define OUT_MAX  (64u * 1024) /* octets of replies held at most */
#define OUT_FULL (4u * 1024)  /* octets of replies that are sent before more is read */
struct smtp_server *smtp_server_new(const struct smtp_server_setup *setup, struct sv id)
{
    struct smtp_server *s = NEW(struct smtp_server);
    s->setup = setup;
    s->id = id;
    s->tls = setup->tls_from_start;
    smtp_line_init(&s->line);
    buf_init(&s->out, OUT_MAX, 0);
    buf_init(&s->secret, SMTP_LINE_AUTH, BUF_SECRET);
    arena_init(&s->arena);
    smtp_envelope_init(&s->envelope, &s->arena);
    return s;
}

void smtp_server_free(struct smtp_server *s)
{
    if (!s)
        return;
    smtp_line_deinit(&s->line);
    buf_deinit(&s->out);
    buf_deinit(&s->secret);
    arena_deinit(&s->arena);
    free(s->helo);
    free(s->transid);
    free(s);
}

/* Bytes given out by SEND are not needed any more once the glue calls again. */
static void drop_sent(struct smtp_server *s)
{
    if (s->sent)
        buf_release(&s->out);
    s->sent = false;
}

void smtp_server_watch(struct smtp_server *s,
                       void (*on_refused)(void *arg, const struct smtp_refused *r), void *arg)
{
    s->on_refused = on_refused;
    s->on_refused_arg = arg;
}

void smtp_server_certify(struct smtp_server *s)
{
    REQUIRE(s->state == SESSION_NEW && s->tls);
    s->certified = true;
}

void smtp_server_operate(struct smtp_server *s)
{
    REQUIRE(s->state == SESSION_NEW);
    s->authenticated = s->operated = true;
}

void smtp_server_start(struct smtp_server *s, const struct smtp_reply *refusal)
{
    struct buf line;
    REQUIRE(s->state == SESSION_NEW);
    s->dry = true;
    if (refusal) {
        session_reply(s, refusal);
        session_close(s, "refused");
        return;
    }
    buf_init(&line, SMTP_DOMAIN_MAX + 16, 0);
    int err = buf_printf(&line, "%.*s ESMTP", SV_ARG(s->setup->hostname));
    REQUIRE(err == 0);
    session_say(s, SMTP_REPLY_PLAIN(220, buf_view(&line)));
    buf_deinit(&line);
    session_enter(s, SESSION_START);
}

static void on_line_event(struct smtp_server *s, enum smtp_line_event event, struct sv line)
{
    s->timer_due = s->timer_due || event != SMTP_LINE_MORE;
    switch (event) {
    case SMTP_LINE_MORE:
        return;
    case SMTP_LINE_READY:
        if (s->state == SESSION_AUTH)
            session_auth_response(s, line);
        else
            session_command(s, line);
        break;
    case SMTP_LINE_BAD:
        session_refuse(s,
                       SMTP_REPLY(500, 5, 5, 2, "Lines end with CR LF, and hold no CR, LF or NUL"));
        break;
    case SMTP_LINE_TOO_LONG:
        if (s->state == SESSION_AUTH)
            session_refuse(s, SMTP_REPLY(500, 5, 5, 6, "Line too long"));
        else
            session_refuse(s, SMTP_REPLY(500, 5, 5, 2, "Line too long"));
        break;
    case SMTP_LINE_ENDLESS:
        session_say(s, SMTP_REPLY(500, 5, 5, 2, "Line too long"));
        session_close(s, "endless line");
        break;
    }
    /* a refused line ends an exchange: the client's next line is a command */
    if (event != SMTP_LINE_READY && s->state == SESSION_AUTH) {
        s->cancel_due = true;
        session_enter(s, SESSION_READY);
    }
    smtp_line_release(&s->line);
}

static bool takes_bytes(const struct smtp_server *s)
{
    return s->op == 0 && s->body.len == 0 && s->state != SESSION_CLOSED &&
           s->state != SESSION_NEW && buf_len(&s->out) < OUT_FULL;
}

static size_t take(struct smtp_server *s, struct sv in)
{
    struct sv line = SV_NONE;
    size_t taken;
    if (s->state == SESSION_DATA || s->state == SESSION_CHUNK)
        return session_content(s, in);
    enum smtp_line_event event =
        smtp_line_feed(&s->line, in, s->state == SESSION_AUTH, &taken, &line);
    on_line_event(s, event, line);
    return taken;
}

size_t smtp_server_feed(struct smtp_server *s, struct sv bytes)
{
    size_t used = 0;
    drop_sent(s);
    while (used < bytes.len && takes_bytes(s))
        used += take(s, sv_skip(bytes, used));
    /* RFC 3207 4.2, CVE-2011-0411: nothing that came before the handshake survives it */
    if (s->op && s->op_type == SMTP_ACTION_START_TLS && s->op_new)
        used = bytes.len;
    s->dry = used == bytes.len;
    s->early = s->early && !s->dry;
    return used;
}

void smtp_server_set_time(struct smtp_server *s, int64_t now_s)
{
    s->now_s = now_s;
}

/* Parts of an action that depend on the operation. */
static void describe_op(const struct smtp_server *s, struct smtp_action *out)
{
    out->type = (enum smtp_action_type)s->op_type;
    out->op = s->op;
    switch (out->type) {
    case SMTP_ACTION_AUTH_STEP:
        out->bytes = buf_view(&s->secret);
        out->mechanism = (struct sv){s->mechanism, s->mechanism_len};
        out->has_response = s->has_response;
        break;
    case SMTP_ACTION_CHECK_PATH:
        out->envelope = &s->envelope;
        out->use = s->state == SESSION_READY ? SMTP_PATH_REVERSE : SMTP_PATH_FORWARD;
        out->path = out->use == SMTP_PATH_REVERSE
                        ? &s->envelope.reverse
                        : &s->envelope.recipients[s->envelope.count - 1].path;
        break;
    case SMTP_ACTION_RESUME:
    case SMTP_ACTION_OPEN_MESSAGE:
    case SMTP_ACTION_COMMIT:
        out->envelope = &s->envelope;
        out->offset = s->offset;
        out->binary = s->dot.mode == SMTP_DOT_BINARY && s->dot.seen;
        out->bare_newlines = s->dot.mode != SMTP_DOT_BINARY &&
                             (s->dot.seen & (SMTP_FAULT_BARE_CR | SMTP_FAULT_BARE_LF));
        break;
    default:
        break;
    }
}

static bool next_timer(struct smtp_server *s, struct smtp_action *out)
{
    const struct smtp_server_limits *limits = s->setup->limits;
    enum session_timer timer = session_states[s->state].timer;
    if (!s->timer_due || s->op || timer == SESSION_TIMER_NONE)
        return false;
    s->timer_due = false;
    out->type = SMTP_ACTION_SET_TIMER;
    out->renew = timer == SESSION_TIMER_DATA;
    out->ms = timer == SESSION_TIMER_DATA ? limits->data_timeout_ms : limits->command_timeout_ms;
    return true;
}

/* Content, rollback and the end of an exchange come before what follows them. */
static bool next_first(struct smtp_server *s, struct smtp_action *out)
{
    if (s->body.len) {
        out->type = SMTP_ACTION_BODY;
        out->bytes = s->body;
        out->bare_newlines = s->dot.mode != SMTP_DOT_BINARY && s->dot.seen & SMTP_FAULT_BARE_LF;
        s->body = s->tail;
        s->tail = SV_NONE;
    } else if (s->rollback_due) {
        out->type = SMTP_ACTION_ROLLBACK;
        s->rollback_due = false;
    } else if (s->leave_due) {
        out->type = SMTP_ACTION_LEAVE;
        out->forget = s->leave_forget;
        s->leave_due = false;
    } else if (s->cancel_due) {
        out->type = SMTP_ACTION_AUTH_STEP;
        out->cancel = true;
        s->cancel_due = false;
    } else {
        return false;
    }
    return true;
}

bool smtp_server_next(struct smtp_server *s, struct smtp_action *out)
{
    drop_sent(s);
    *out = (struct smtp_action){0};
    if (next_first(s, out))
        return true;
    bool after_replies =
        s->op && (s->op_type == SMTP_ACTION_START_TLS || s->op_type == SMTP_ACTION_RETURN);
    if (s->op_new && !(after_replies && buf_len(&s->out))) {
        s->op_new = false;
        describe_op(s, out);
        return true;
    }
    if (next_timer(s, out))
        return true;
    if (buf_len(&s->out) && (s->dry || s->op || s->close_due || buf_len(&s->out) >= OUT_FULL)) {
        out->type = SMTP_ACTION_SEND;
        out->bytes = buf_view(&s->out);
        s->sent = true;
        return true;
    }
    if (s->close_due) {
        out->type = SMTP_ACTION_CLOSE;
        out->why = s->close_why;
        s->close_due = false;
        return true;
    }
    return false;
}

/* A new session begins inside TLS: nothing is remembered (RFC 3207 4.2). */
static void on_tls_done(struct smtp_server *s, const struct smtp_result *r)
{
    if (r->outcome != SMTP_OK) {
        session_close(s, "TLS handshake failed");
        return;
    }
    session_reset(s);
    s->tls = true;
    s->certified = r->certified;
    s->authenticated = s->esmtp = false;
    free(s->helo);
    s->helo = NULL;
    session_enter(s, SESSION_START);
}

void smtp_server_done(struct smtp_server *s, uint32_t op, const struct smtp_result *r)
{
    drop_sent(s);
    if (op == 0 || op != s->op)
        return;
    REQUIRE(!s->op_new);
    REQUIRE(r->outcome != SMTP_FAILED || r->reply.code >= 400 ||
            s->op_type == SMTP_ACTION_START_TLS || s->op_type == SMTP_ACTION_RETURN);
    s->op = 0;
    s->timer_due = true;
    switch ((enum smtp_action_type)s->op_type) {
    case SMTP_ACTION_START_TLS:
        on_tls_done(s, r);
        break;
    case SMTP_ACTION_AUTH_STEP:
        session_auth_done(s, r);
        break;
    case SMTP_ACTION_CHECK_PATH:
        session_path_done(s, r);
        break;
    case SMTP_ACTION_RESUME:
        session_resume_done(s, r);
        break;
    case SMTP_ACTION_OPEN_MESSAGE:
        session_open_done(s, r);
        break;
    case SMTP_ACTION_COMMIT:
        session_commit_done(s, r);
        break;
    case SMTP_ACTION_RETURN:
        if (r->outcome != SMTP_OK)
            session_close(s, "a message could not be returned");
        break;
    default:
        REQUIRE(false); /* only operations have a number */
    }
}

void smtp_server_refuse_content(struct smtp_server *s, const struct smtp_reply *reply)
{
    drop_sent(s);
    session_refuse_content(s, reply);
}

void smtp_server_timeout(struct smtp_server *s)
{
    drop_sent(s);
    if (s->op || s->state == SESSION_CLOSED || s->state == SESSION_NEW)
        return;
    bool fake = s->state == SESSION_DATA && s->dot.fake_end;
    if (fake)
        session_say(
            s, SMTP_REPLY_SETTING(421, 4, 4, 2,
                                  "Timeout; only CR LF . CR LF ends data, a dot between bare line "
                                  "ends does not",
                                  "limits.data_timeout"));
    else if (session_states[s->state].timer == SESSION_TIMER_DATA)
        session_say(s, SMTP_REPLY_SETTING(421, 4, 4, 2, "Timeout: the message did not come on",
                                          "limits.data_timeout"));
    else
        session_say(s, SMTP_REPLY_SETTING(421, 4, 4, 2, "Timeout: no command came",
                                          "limits.command_timeout"));
    s->close_why = fake ? "timeout after a dot between bare line ends" : "timeout";
}

void smtp_server_peer_closed(struct smtp_server *s)
{
    drop_sent(s);
    buf_release(&s->out);
    session_close(s, "connection lost");
}

void smtp_server_end(struct smtp_server *s, const struct smtp_reply *reply, const char *why)
{
    drop_sent(s);
    if (s->state == SESSION_CLOSED)
        return;
    session_reply(s, reply);
    session_close(s, why);
    s->close_why = why;
}

bool smtp_server_is_receiving(const struct smtp_server *s)
{
    return s->state == SESSION_DATA || s->state == SESSION_CHUNK;
}

bool smtp_server_is_busy(const struct smtp_server *s)
{
    return s->message_open ||
           (s->op && (s->op_type == SMTP_ACTION_COMMIT || s->op_type == SMTP_ACTION_RETURN));
}

struct smtp_server_info smtp_server_info(const struct smtp_server *s)
{
    return (struct smtp_server_info){.helo = sv_of(s->helo),
                                     .esmtp = s->esmtp,
                                     .tls = s->tls,
                                     .authenticated = s->authenticated,
                                     .state = session_states[s->state].text,
                                     .messages = s->messages};
}
