/*
 * Design: every event changes the struct and leaves actions as flags; smtp_client_next() hands
 * them out in one fixed order, results first, then bytes, then what waits for an answer. So there
 * is no queue of actions, and no memory that a peer could fill.
 */
#include "msa/smtp/client_int.h"

#include "msa/base/b64.h"
#include "msa/base/mem.h"
#include "msa/base/require.h"

#include <stdlib.h>

static const struct {
    uint32_t timeout_s;
    const char *name, *text;
} phases[] = {
#define PHASE_ROW(name, timeout_s, text) [SMTP_PHASE_##name] = {timeout_s, #name, text},
    SMTP_PHASES(PHASE_ROW)
#undef PHASE_ROW
};

static const char *const ends[] = {
#define END_ROW(name, text) [SMTP_END_##name] = text,
    SMTP_ENDS(END_ROW)
#undef END_ROW
};

const char *smtp_phase_text(enum smtp_phase phase)
{
    return phases[phase].text;
}

const char *smtp_phase_name(enum smtp_phase phase)
{
    return phases[phase].name;
}

const char *smtp_end_text(enum smtp_end end)
{
    return ends[end];
}

struct smtp_client *smtp_client_new(const struct smtp_client_config *config, uint64_t now_ms)
{
    struct smtp_client *c = NEW(struct smtp_client);
    c->config = *config;
    c->tls_active = config->tls_active;
    c->now_ms = now_ms;
    buf_init(&c->out, CLIENT_OUT_MAX, 0);
    buf_init(&c->secret, CLIENT_SECRET_MAX, BUF_SECRET);
    buf_init(&c->challenge, CLIENT_SECRET_MAX, BUF_SECRET);
    buf_init(&c->domains, CLIENT_DOMAINS_MAX, 0);
    smtp_reply_parse_init(&c->parser);
    smtp_client_enter(c, SMTP_PHASE_GREETING);
    return c;
}

void smtp_client_free(struct smtp_client *c)
{
    if (!c)
        return;
    buf_deinit(&c->out);
    buf_deinit(&c->secret);
    buf_deinit(&c->challenge);
    buf_deinit(&c->domains);
    free(c->takers);
    free(c);
}

const char *smtp_client_greeting(const struct smtp_client *c)
{
    return c->greeting;
}

const struct smtp_peer *smtp_client_peer(const struct smtp_client *c)
{
    return &c->peer;
}

/* ---- shared inside ---- */

static void drop_sent(struct smtp_client *c)
{
    if (!c->was_sent)
        return;
    buf_reset(&c->out);
    buf_reset(&c->secret);
    c->was_sent = false;
}

void smtp_client_event(struct smtp_client *c, uint64_t now_ms)
{
    c->now_ms = now_ms;
    drop_sent(c);
}

void smtp_client_enter(struct smtp_client *c, enum smtp_phase phase)
{
    c->phase = phase;
    c->phase_began_ms = c->now_ms;
    c->timeout_ms = (uint64_t)phases[phase].timeout_s * 1000;
    c->has_timer = true;
    if (phase == SMTP_PHASE_IDLE) {
        c->in_mail = false;
        c->has_ready = true;
    }
}

bool smtp_client_offers(const struct smtp_client *c, enum smtp_ext_id id)
{
    return (c->peer.exts & SMTP_EXT_BIT(id)) != 0;
}

void smtp_client_put(struct smtp_client *c, struct sv text)
{
    int err = buf_put(&c->out, text);
    REQUIRE(!err);
}

struct smtp_client_result smtp_client_result_of(const struct smtp_client *c, enum smtp_end end)
{
    return (struct smtp_client_result){
        .end = end,
        .phase = c->phase,
        .reply = end == SMTP_END_REPLY ? c->parser.reply : SMTP_REPLY_NONE,
        .elapsed_ms = c->now_ms - c->phase_began_ms,
    };
}

void smtp_client_finish(struct smtp_client *c, const struct smtp_client_result *r, bool polite)
{
    if (c->in_mail && !c->decided && c->refused < c->mail.envelope->count) {
        c->message = *r;
        c->has_message = true;
    }
    c->in_mail = c->in_piece = false;
    c->body = SV_NONE;
    buf_reset(&c->out);
    buf_reset(&c->secret);
    c->has_starttls = c->has_auth = c->has_body = c->has_ready = false;
    if (polite)
        smtp_client_put(c, SV("QUIT\r\n"));
    c->closed = *r;
    c->has_closed = true;
    smtp_client_enter(c, SMTP_PHASE_CLOSED);
}

void smtp_client_protocol(struct smtp_client *c, const char *detail)
{
    struct smtp_client_result r = smtp_client_result_of(c, SMTP_END_PROTOCOL);
    r.detail = detail;
    smtp_client_finish(c, &r, false);
}

static void finish_err(struct smtp_client *c, enum smtp_end end, int err, bool polite)
{
    struct smtp_client_result r = smtp_client_result_of(c, end);
    r.err = err;
    smtp_client_finish(c, &r, polite);
}

/* ---- events ---- */

static bool has_actions(const struct smtp_client *c)
{
    return c->has_recipient || c->has_message || c->has_starttls || c->has_auth || c->has_closed;
}

/* Whether the server still owes a reply to what was given out. */
static bool is_owed(const struct smtp_client *c)
{
    switch (c->phase) {
    case SMTP_PHASE_RSET:
    case SMTP_PHASE_MAIL:
    case SMTP_PHASE_RCPT:
    case SMTP_PHASE_DATA:
        return c->step_replied != c->step_sent;
    case SMTP_PHASE_BODY:
        return smtp_client_awaits_chunk(c);
    case SMTP_PHASE_END_OF_DATA:
        return smtp_client_awaits_chunk(c) || (c->config.lmtp && !c->discards);
    default:
        return false;
    }
}

/* What comes ahead of our next word is no answer to it, and must not be counted as one (RFC 2920
 * 3.1). In the content it may be a refusal; behind 220 to STARTTLS it is not the server's (RFC 3207
 * and CVE-2021-38371). */
static void look_behind(struct smtp_client *c, bool is_more)
{
    c->early = c->phase == SMTP_PHASE_BODY && is_more && !is_owed(c);
    if (!is_more || c->early || c->phase == SMTP_PHASE_CLOSED || is_owed(c))
        return;
    smtp_client_protocol(c, c->phase == SMTP_PHASE_HANDSHAKE ? "data behind the reply to STARTTLS"
                                                             : "a reply ahead of the command");
}

size_t smtp_client_feed(struct smtp_client *c, struct sv bytes, uint64_t now_ms)
{
    size_t used = 0;
    smtp_client_event(c, now_ms);
    if (c->phase == SMTP_PHASE_CLOSED)
        return bytes.len;
    if (!bytes.len || has_actions(c) || c->auth_waiting || c->phase == SMTP_PHASE_HANDSHAKE)
        return 0;
    switch (smtp_reply_parse_feed(&c->parser, bytes, &used)) {
    case SMTP_REPLY_MORE:
        c->early = c->phase == SMTP_PHASE_BODY && !is_owed(c);
        break;
    case SMTP_REPLY_BAD:
        smtp_client_protocol(c, smtp_reply_fault_text(c->parser.fault));
        break;
    case SMTP_REPLY_DONE:
        smtp_client_on_reply(c);
        look_behind(c, used < bytes.len);
        break;
    }
    return used;
}

void smtp_client_timeout(struct smtp_client *c, uint64_t now_ms)
{
    smtp_client_event(c, now_ms);
    if (c->auth_waiting) /* for the owner, which the server has nothing to do with */
        smtp_client_auth_fail(c, ERR_TIMEOUT, now_ms);
    else if (c->phase != SMTP_PHASE_CLOSED && c->phase != SMTP_PHASE_IDLE)
        finish_err(c, c->phase == SMTP_PHASE_QUIT ? SMTP_END_QUIT : SMTP_END_TIMEOUT, 0, false);
}

void smtp_client_lost(struct smtp_client *c, int err, uint64_t now_ms)
{
    smtp_client_event(c, now_ms);
    if (c->phase != SMTP_PHASE_CLOSED)
        finish_err(c, c->phase == SMTP_PHASE_QUIT ? SMTP_END_QUIT : SMTP_END_LOST, err, false);
}

void smtp_client_tls_done(struct smtp_client *c, int err, uint64_t now_ms)
{
    smtp_client_event(c, now_ms);
    if (c->phase != SMTP_PHASE_HANDSHAKE)
        return;
    if (err < 0) {
        finish_err(c, SMTP_END_TLS, err, false);
        return;
    }
    /* RFC 3207 4.2: forget everything from before. */
    c->tls_active = true;
    c->peer = (struct smtp_peer){0};
    smtp_reply_parse_init(&c->parser);
    smtp_client_ehlo(c);
}

/* "AUTH MECHANISM initial" or a line of the exchange, RFC 4954 4. */
static int put_auth(struct smtp_client *c, struct sv mechanism, struct sv response)
{
    int err = 0;
    if (c->auth_first) {
        c->by_token = sv_ieq(mechanism, SV("OAUTHBEARER")) || sv_ieq(mechanism, SV("XOAUTH2"));
        if ((err = buf_put(&c->secret, SV("AUTH "))) < 0 ||
            (err = buf_put(&c->secret, mechanism)) < 0)
            return err;
        if (response.ptr)
            err = buf_put(&c->secret, response.len ? SV(" ") : SV(" ="));
    }
    if (!err && response.len)
        err = b64_encode(&c->secret, response);
    return err < 0 ? err : buf_put(&c->secret, SV("\r\n"));
}

void smtp_client_auth(struct smtp_client *c, struct sv mechanism, struct sv response,
                      uint64_t now_ms)
{
    smtp_client_event(c, now_ms);
    if (!c->auth_waiting)
        return;
    c->auth_waiting = false;
    int err = put_auth(c, mechanism, response);
    if (err < 0)
        finish_err(c, SMTP_END_CREDENTIALS, err, true);
    else
        smtp_client_enter(c, SMTP_PHASE_AUTH);
}

void smtp_client_auth_fail(struct smtp_client *c, int err, uint64_t now_ms)
{
    smtp_client_event(c, now_ms);
    if (!c->auth_waiting)
        return;
    c->auth_waiting = false;
    finish_err(c, SMTP_END_CREDENTIALS, err, c->auth_first);
}

void smtp_client_body_fail(struct smtp_client *c, int err, uint64_t now_ms)
{
    smtp_client_event(c, now_ms);
    if (c->phase == SMTP_PHASE_BODY && !c->decided)
        finish_err(c, SMTP_END_CONTENT, err, false);
}

void smtp_client_quit(struct smtp_client *c, uint64_t now_ms)
{
    smtp_client_event(c, now_ms);
    if (c->phase == SMTP_PHASE_CLOSED)
        return;
    REQUIRE(c->phase == SMTP_PHASE_IDLE);
    c->has_ready = false;
    smtp_client_put(c, SV("QUIT\r\n"));
    smtp_client_enter(c, SMTP_PHASE_QUIT);
}

/* ---- actions ---- */

bool smtp_client_give(struct smtp_client_action *out, enum smtp_client_action_kind kind, bool *flag)
{
    if (!*flag)
        return false;
    *flag = false;
    *out = (struct smtp_client_action){.kind = kind};
    return true;
}

static bool give_result(struct smtp_client *c, struct smtp_client_action *out)
{
    if (smtp_client_give(out, SMTP_CLIENT_RECIPIENT, &c->has_recipient)) {
        out->index = c->recipient_index;
        out->result = c->recipient;
        if (c->recipient.end == SMTP_END_UNSUPPORTED)
            smtp_client_next_kept_back(c, out->index + 1);
        return true;
    }
    if (smtp_client_give(out, SMTP_CLIENT_MESSAGE, &c->has_message)) {
        out->result = c->message;
        return true;
    }
    return false;
}

static bool give_bytes(struct smtp_client *c, struct smtp_client_action *out)
{
    struct sv run = SV_NONE;
    drop_sent(c);
    if (c->early)
        return false;
    if (buf_len(&c->secret)) {
        run = buf_view(&c->secret);
    } else {
        smtp_client_fill(c);
        run = smtp_client_fill_body(c);
        if (buf_len(&c->out))
            run = buf_view(&c->out);
    }
    if (!run.len)
        return false;
    /* A run that is a view of the body leaves both buffers empty: resetting them does nothing. */
    c->was_sent = c->in_flight = true;
    *out = (struct smtp_client_action){.kind = SMTP_CLIENT_SEND, .bytes = run};
    return true;
}

bool smtp_client_next(struct smtp_client *c, struct smtp_client_action *out)
{
    if (give_result(c, out) || give_bytes(c, out))
        return true;
    if (smtp_client_give(out, SMTP_CLIENT_SET_TIMER, &c->has_timer)) {
        out->timeout_ms = c->timeout_ms;
        return true;
    }
    if (smtp_client_give(out, SMTP_CLIENT_START_TLS, &c->has_starttls))
        return true;
    if (smtp_client_give(out, SMTP_CLIENT_AUTH, &c->has_auth)) {
        c->auth_waiting = true;
        out->is_first = c->auth_first;
        out->bytes = c->auth_first ? sv_of(c->peer.auth) : buf_view(&c->challenge);
        return true;
    }
    if (smtp_client_give(out, SMTP_CLIENT_NEED_BODY, &c->has_body)) {
        c->body_asked = true;
        return true;
    }
    if (smtp_client_give(out, SMTP_CLIENT_READY, &c->has_ready))
        return true;
    if (smtp_client_give(out, SMTP_CLIENT_CLOSED, &c->has_closed)) {
        out->result = c->closed;
        return true;
    }
    return false;
}
