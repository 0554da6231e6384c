/*
 * The session around the transactions: greeting, EHLO or HELO, STARTTLS, AUTH, QUIT.
 *
 *     GREETING -> EHLO -> [HELO] -> [STARTTLS -> HANDSHAKE -> EHLO] -> [AUTH] -> IDLE -> QUIT
 */
#include "msa/smtp/client_int.h"

#include "msa/base/b64.h"

#include <string.h>

typedef void reply_handler(struct smtp_client *c, const struct smtp_reply *r);

static void finish_reply(struct smtp_client *c, bool polite)
{
    struct smtp_client_result r = smtp_client_result_of(c, SMTP_END_REPLY);
    smtp_client_finish(c, &r, polite);
}

static void finish_end(struct smtp_client *c, enum smtp_end end)
{
    struct smtp_client_result r = smtp_client_result_of(c, end);
    smtp_client_finish(c, &r, true);
}

static void say_hello(struct smtp_client *c, struct sv verb, enum smtp_phase phase)
{
    smtp_client_put(c, verb);
    smtp_client_put(c, c->config.name);
    smtp_client_put(c, SV("\r\n"));
    smtp_client_enter(c, phase);
}

void smtp_client_ehlo(struct smtp_client *c)
{
    say_hello(c, c->config.lmtp ? SV("LHLO ") : SV("EHLO "), SMTP_PHASE_EHLO);
}

/* RFC 5321 4.3.1: the first word. Whoever greets otherwise has no name. */
static void take_name(struct smtp_client *c, struct sv text)
{
    struct sv line = sv_split(&text, '\n'), name = sv_split(&line, ' ');
    size_t n = 0;
    while (n < name.len && name.ptr[n] > ' ' && name.ptr[n] <= '~')
        n++;
    if (n < name.len || n > CLIENT_NAME_MAX)
        n = 0;
    memcpy(c->greeting, name.ptr, n);
    c->greeting[n] = '\0';
}

static void on_greeting(struct smtp_client *c, const struct smtp_reply *r)
{
    take_name(c, r->text);
    if (smtp_reply_is_ok(r))
        smtp_client_ehlo(c);
    else
        finish_reply(c, true);
}

static void on_ehlo(struct smtp_client *c, const struct smtp_reply *r)
{
    /* RFC 5321 3.2: who does not know EHLO may know HELO. 550 with an enhanced status (which
     * replies to EHLO do not have, RFC 2034 4) is from one who knows it, and refuses us. */
    if (smtp_reply_is_permanent(r) && !(r->code == 550 && r->enhanced.class) && !c->config.lmtp) {
        say_hello(c, SV("HELO "), SMTP_PHASE_HELO);
        return;
    }
    if (!smtp_reply_is_ok(r)) {
        finish_reply(c, true);
        return;
    }
    struct sv rest = r->text;
    sv_split(&rest, '\n'); /* the first line is the server's name */
    while (rest.len)
        smtp_ext_read_ehlo(&c->peer, sv_split(&rest, '\n'));
    c->peer.exts &= ~c->config.exts_off;
    if (c->config.lmtp) /* whose reply is whose behind a refused chunk is not to be told */
        c->peer.exts &= ~(SMTP_EXT_BIT(SMTP_EXT_CHUNKING) | SMTP_EXT_BIT(SMTP_EXT_BINARYMIME));
    smtp_client_after_ehlo(c);
}

static void on_helo(struct smtp_client *c, const struct smtp_reply *r)
{
    if (smtp_reply_is_ok(r))
        smtp_client_after_ehlo(c);
    else
        finish_reply(c, true);
}

void smtp_client_after_ehlo(struct smtp_client *c)
{
    if (!c->tls_active && c->config.tls != SMTP_CLIENT_TLS_NONE && !c->starttls_refused) {
        if (smtp_client_offers(c, SMTP_EXT_STARTTLS)) {
            smtp_client_put(c, SV("STARTTLS\r\n"));
            smtp_client_enter(c, SMTP_PHASE_STARTTLS);
            return;
        }
        if (c->config.tls == SMTP_CLIENT_TLS_REQUIRED) {
            finish_end(c, SMTP_END_NO_TLS);
            return;
        }
    }
    if (!c->config.login || c->logged_in) {
        smtp_client_enter(c, SMTP_PHASE_IDLE);
    } else if (!c->tls_active && c->config.tls != SMTP_CLIENT_TLS_NONE) {
        /* Somebody on the way can hide STARTTLS: that must not be worth a password. */
        finish_end(c, SMTP_END_NO_TLS);
    } else if (!smtp_client_offers(c, SMTP_EXT_AUTH) || !c->peer.auth[0]) {
        finish_end(c, SMTP_END_NO_AUTH);
    } else {
        c->auth_first = c->has_auth = true;
        smtp_client_enter(c, SMTP_PHASE_AUTH);
    }
}

static void on_starttls(struct smtp_client *c, const struct smtp_reply *r)
{
    if (r->code == 220) {
        smtp_client_enter(c, SMTP_PHASE_HANDSHAKE);
        c->has_starttls = true;
    } else if (r->code < 400) {
        smtp_client_protocol(c, "an unexpected reply to STARTTLS");
    } else if (c->config.tls == SMTP_CLIENT_TLS_REQUIRED) {
        finish_reply(c, true);
    } else {
        c->starttls_refused = true;
        smtp_client_after_ehlo(c);
    }
}

static void on_auth(struct smtp_client *c, const struct smtp_reply *r)
{
    if (r->code == 334) {
        buf_reset(&c->challenge);
        if (b64_decode(&c->challenge, sv_trim(r->text)) < 0) {
            smtp_client_protocol(c, "a challenge that is not base64");
            return;
        }
        c->auth_first = false;
        c->has_auth = true;
    } else if (smtp_reply_is_ok(r)) {
        c->logged_in = true;
        buf_release(&c->challenge);
        smtp_client_enter(c, SMTP_PHASE_IDLE);
    } else if (c->by_token && !c->token_tried && smtp_reply_is_permanent(r)) {
        /* It may have been withdrawn, and there may be a newer one: once more. A password that is
         * wrong stays wrong. */
        c->token_tried = true;
        c->auth_first = c->has_auth = true;
    } else {
        finish_reply(c, true);
    }
}

static void on_idle(struct smtp_client *c, const struct smtp_reply *r)
{
    (void)r;
    smtp_client_protocol(c, "a reply that nothing had asked for");
}

static void on_quit(struct smtp_client *c, const struct smtp_reply *r)
{
    (void)r;
    struct smtp_client_result end = smtp_client_result_of(c, SMTP_END_QUIT);
    smtp_client_finish(c, &end, false);
}

static reply_handler *const handlers[] = {
    [SMTP_PHASE_GREETING] = on_greeting,
    [SMTP_PHASE_EHLO] = on_ehlo,
    [SMTP_PHASE_HELO] = on_helo,
    [SMTP_PHASE_STARTTLS] = on_starttls,
    [SMTP_PHASE_AUTH] = on_auth,
    [SMTP_PHASE_IDLE] = on_idle,
    [SMTP_PHASE_RSET] = smtp_client_on_step,
    [SMTP_PHASE_MAIL] = smtp_client_on_step,
    [SMTP_PHASE_RCPT] = smtp_client_on_step,
    [SMTP_PHASE_DATA] = smtp_client_on_step,
    [SMTP_PHASE_BODY] = smtp_client_on_body,
    [SMTP_PHASE_END_OF_DATA] = smtp_client_on_end_of_data,
    [SMTP_PHASE_QUIT] = on_quit,
};

void smtp_client_on_reply(struct smtp_client *c)
{
    /* RFC 5321 3.8: 421 may answer anything, and means that the server closes. */
    if (c->parser.reply.code == 421 && c->phase != SMTP_PHASE_QUIT)
        finish_reply(c, false);
    else
        handlers[c->phase](c, &c->parser.reply);
}
