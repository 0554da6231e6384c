/* The steps that the commands share: state, replies, operations, and ways to the end. */
#include "msa/base/require.h"
#include "msa/smtp/session.h"

#include <stdio.h>
#include <stdlib.h>

#define TEXT_MAX 2000u /* octets of one reply's text */

enum { REFUSAL_MAX = TEXT_MAX + 200 }; /* octets with the setting's name and the session's id */

const struct session_state_row session_states[] = {
#define ROW(name, timer, text) {SESSION_TIMER_##timer, text},
    SMTP_SERVER_STATES(ROW)
#undef ROW
};

/* The only writer of the state. */
void session_enter(struct smtp_server *s, enum session_state to)
{
    s->state = (uint8_t)to;
    s->timer_due = session_states[to].timer != SESSION_TIMER_NONE;
}

/* Strangers are not told which setting a refusal is about. */
static bool knows_setting(const struct smtp_server *s, const struct smtp_reply *r)
{
    return r->setting.len && (s->authenticated || !s->setup->auth_required);
}

/* A refusal's words: which setting it is about, for those who may know, and where to look. */
static struct sv refusal_text(const struct smtp_server *s, const struct smtp_reply *r,
                              char text[REFUSAL_MAX])
{
    bool knows = knows_setting(s, r);
    int len =
        snprintf(text, REFUSAL_MAX, "%.*s%s%.*s%s%s%.*s%s", SV_ARG(sv_first(r->text, TEXT_MAX)),
                 knows ? " (" : "", knows ? (int)r->setting.len : 0, r->setting.ptr,
                 knows ? ")" : "", s->id.len ? " [" : "", SV_ARG(s->id), s->id.len ? "]" : "");
    REQUIRE(len >= 0 && len < REFUSAL_MAX);
    return (struct sv){text, (size_t)len};
}

static void tell_refused(const struct smtp_server *s, const struct smtp_reply *full,
                         struct smtp_status status)
{
    bool of_mail = s->state == SESSION_READY;
    struct smtp_refused told = {
        .reply = full,
        .status = status,
        .told = knows_setting(s, full),
        .reverse_path = of_mail ? s->about : s->envelope.reverse.text,
        .recipient = of_mail ? SV_NONE : s->about,
        .envelope = &s->envelope,
    };
    s->on_refused(s->on_refused_arg, &told);
}

void session_reply(struct smtp_server *s, const struct smtp_reply *r)
{
    char text[REFUSAL_MAX];
    struct smtp_reply full = *r;
    full.text = r->code >= 400 ? refusal_text(s, r, text) : sv_first(r->text, TEXT_MAX);
    if (s->setup->ext.off & SMTP_EXT_BIT(SMTP_EXT_ENHANCEDSTATUSCODES))
        full.enhanced = SMTP_STATUS_NONE;
    int err = smtp_reply_write(&s->out, &full);
    REQUIRE(err == 0); /* feed() stops far below OUT_MAX */
    if (full.code >= 400 && s->on_refused)
        tell_refused(s, &full, r->enhanced);
    if (r->code == 421)
        session_close(s, "told to close");
}

void session_say(struct smtp_server *s, struct smtp_reply r)
{
    session_reply(s, &r);
}

void session_operate(struct smtp_server *s, enum smtp_action_type type)
{
    REQUIRE(s->op == 0);
    s->last_op = s->last_op == UINT32_MAX ? 1 : s->last_op + 1;
    s->op = s->last_op;
    s->op_type = (uint8_t)type;
    s->op_new = true;
}

void session_rollback(struct smtp_server *s)
{
    if (s->message_open)
        s->rollback_due = true;
    s->message_open = false;
    s->body = s->tail = SV_NONE;
}

void session_close(struct smtp_server *s, const char *why)
{
    if (s->state == SESSION_CLOSED)
        return;
    session_rollback(s);
    session_leave(s, false);
    s->cancel_due = s->cancel_due || s->state == SESSION_AUTH;
    s->op = 0;
    s->op_new = false;
    s->close_why = why;
    s->close_due = true;
    session_enter(s, SESSION_CLOSED);
}

void session_leave(struct smtp_server *s, bool forget)
{
    if (!s->transid)
        return;
    free(s->transid);
    s->transid = NULL;
    s->leave_due = true;
    s->leave_forget = forget;
}

void session_reset(struct smtp_server *s)
{
    session_leave(s, false);
    session_clear(s);
}

void session_clear(struct smtp_server *s)
{
    session_rollback(s);
    arena_reset(&s->arena);
    smtp_envelope_init(&s->envelope, &s->arena);
    s->late = s->mail_ok = SMTP_REPLY_NONE;
    s->discarding = false;
    s->rcpt_tried = 0;
    s->offset = 0;
    s->early = s->unaware = false;
    session_enter(s, SESSION_READY);
}

struct sv session_mechanisms(const struct smtp_server *s)
{
    if (s->certified && s->setup->mechanisms_cert.len)
        return s->setup->mechanisms_cert;
    return s->tls ? s->setup->mechanisms_tls : s->setup->mechanisms_clear;
}

struct smtp_ext_offer session_offer(const struct smtp_server *s)
{
    return (struct smtp_ext_offer){
        .config = s->setup->ext,
        .now_s = s->now_s,
        .tls = s->tls,
        .starttls = s->setup->starttls && !s->tls,
        .authenticated = s->authenticated,
        .operated = s->operated,
        .mechanisms = session_mechanisms(s),
        .message_size = s->setup->limits->message_size,
    };
}
