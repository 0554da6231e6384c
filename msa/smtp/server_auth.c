/*
 * AUTH, RFC 4954: this side knows base64 and the order of lines; what a response means is decided
 * by whoever answers AUTH_STEP.
 */
#include "msa/base/b64.h"
#include "msa/smtp/session.h"

static void forget_response(struct smtp_server *s)
{
    buf_release(&s->secret);
    s->mechanism_len = 0;
}

/* Decodes into the secret buffer; "=" is the empty initial response (RFC 4954 4). */
static bool decode(struct smtp_server *s, struct sv text, bool initial)
{
    buf_reset(&s->secret);
    if (initial && sv_eq(text, SV("=")))
        return true;
    return b64_decode(&s->secret, text) == 0;
}

static struct smtp_reply mechanism_unknown(void)
{
    return SMTP_REPLY_SETTING(504, 5, 5, 4, "Mechanism not supported; EHLO lists those that are",
                              "auth.mechanisms");
}

/* Under TLS the form of SCRAM that binds to it is there whether or not EHLO names it. */
static bool is_accepted(const struct smtp_server *s, struct sv name)
{
    struct sv plus = SV("-PLUS");
    return smtp_mechanism_listed(session_mechanisms(s), name) ||
           (s->tls && sv_istarts(name, SV("SCRAM-")) && sv_iends(name, plus) &&
            smtp_mechanism_listed(session_mechanisms(s), sv_first(name, name.len - plus.len)));
}

static struct smtp_reply refuse_mechanism(const struct smtp_server *s, struct sv name)
{
    if (is_accepted(s, name))
        return SMTP_REPLY_NONE;
    /* a mechanism that binds to TLS does not exist without it; the others only need protection */
    if (!s->tls && s->setup->starttls && !sv_iends(name, SV("-PLUS")) &&
        smtp_mechanism_listed(s->setup->mechanisms_tls, name))
        return SMTP_REPLY_SETTING(538, 5, 7, 11, "Encryption is needed: use STARTTLS",
                                  "auth.require_tls");
    return mechanism_unknown();
}

/* RFC 4954 4: AUTH is an extension's verb, and the server speaks first in LOGIN. */
static struct smtp_reply judge_form(struct smtp_server *s, struct sv name, bool has_initial)
{
    struct smtp_reply r = SMTP_REPLY_NONE;
    if (!s->esmtp)
        r = session_tolerate(s, SMTP_TOLERATED_HELO_AUTH);
    if (r.code == 0 && has_initial && sv_ieq(name, SV("LOGIN")))
        r = session_tolerate(s, SMTP_TOLERATED_LOGIN_INITIAL);
    return r;
}

void session_auth(struct smtp_server *s, struct sv args)
{
    struct sv initial = args;
    struct sv name = sv_split(&initial, ' ');
    bool has_initial = name.len < args.len;
    if (s->authenticated) {
        session_refuse(s, SMTP_REPLY(503, 5, 5, 1, "Authenticated already"));
        return;
    }
    if (s->setup->mechanisms_tls.len == 0 && s->setup->mechanisms_cert.len == 0 &&
        session_mechanisms(s).len == 0) {
        session_refuse(s, SMTP_REPLY_SETTING(502, 5, 5, 1, "Authentication is not available",
                                             "auth.mechanisms"));
        return;
    }
    struct smtp_reply refusal = refuse_mechanism(s, name);
    if (refusal.code == 0 && name.len > SESSION_MECHANISM_MAX)
        refusal = mechanism_unknown();
    if (refusal.code == 0)
        refusal = judge_form(s, name, has_initial);
    if (refusal.code) {
        session_refuse(s, refusal);
        return;
    }
    if (has_initial && !decode(s, initial, true)) {
        session_refuse(s, SMTP_REPLY(501, 5, 5, 2, "Cannot decode base64"));
        return;
    }
    for (size_t i = 0; i < name.len; i++)
        s->mechanism[i] =
            name.ptr[i] >= 'a' && name.ptr[i] <= 'z' ? (char)(name.ptr[i] - 32) : name.ptr[i];
    s->mechanism_len = (uint8_t)name.len;
    s->has_response = has_initial;
    session_enter(s, SESSION_AUTH);
    session_operate(s, SMTP_ACTION_AUTH_STEP);
}

/* Refuses a response line; the exchange is over. */
static void break_off(struct smtp_server *s, struct smtp_reply r)
{
    forget_response(s);
    s->cancel_due = true;
    session_enter(s, SESSION_READY);
    session_refuse(s, r);
}

void session_auth_response(struct smtp_server *s, struct sv line)
{
    if (sv_eq(line, SV("*"))) {
        break_off(s, SMTP_REPLY(501, 5, 7, 0, "Authentication cancelled"));
        return;
    }
    if (!decode(s, line, false)) {
        break_off(s, SMTP_REPLY(501, 5, 5, 2, "Cannot decode base64"));
        return;
    }
    s->has_response = true;
    session_operate(s, SMTP_ACTION_AUTH_STEP);
}

/* "334 " and base64, which is not split whatever its length; the space stays when it is empty. */
static void send_challenge(struct smtp_server *s, struct sv challenge)
{
    size_t before = buf_len(&s->out);
    int err = buf_put(&s->out, SV("334 "));
    if (err == 0)
        err = b64_encode(&s->out, challenge);
    if (err == 0)
        err = buf_put(&s->out, SV("\r\n"));
    if (err == 0)
        return;
    buf_truncate(&s->out, before);
    break_off(s, SMTP_REPLY(454, 4, 7, 0, "The challenge is too long, try another mechanism"));
}

static void count_failure(struct smtp_server *s, const struct smtp_reply *r)
{
    uint32_t limit = s->setup->limits->auth_failures;
    if (r->code == 535 && ++s->auth_failures >= limit && limit) {
        session_say(
            s, SMTP_REPLY_SETTING(421, 4, 7, 0, "Too many failed logins", "auth.max_failures"));
        s->close_why = "too many failed logins";
        return;
    }
    session_reply(s, r);
}

void session_auth_done(struct smtp_server *s, const struct smtp_result *r)
{
    forget_response(s);
    if (r->outcome == SMTP_MORE) {
        send_challenge(s, r->challenge);
        return;
    }
    session_enter(s, SESSION_READY);
    if (r->outcome == SMTP_FAILED) {
        count_failure(s, &r->reply);
        return;
    }
    s->authenticated = true;
    s->bad_commands = s->idle_commands = 0;
    session_say(s, r->reply.code ? r->reply : SMTP_REPLY(235, 2, 7, 0, "Authenticated"));
}
