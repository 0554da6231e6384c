/*
 * One transaction: the commands of its envelope, their replies by count, and the content.
 *
 *     IDLE -> [RSET] -> MAIL -> RCPT... -> DATA -> BODY -> END_OF_DATA -> IDLE
 *
 * With PIPELINING all commands go out at once and the phase follows the replies. When MAIL or all
 * RCPT are refused and DATA, already sent, is granted with 354, a lone dot ends an empty message
 * that the server must not deliver (RFC 2920 3.1).
 */
#include "msa/smtp/client_int.h"

#include "msa/base/require.h"

static bool offers(const struct smtp_client *c, enum smtp_ext_id id)
{
    return (c->peer.exts & SMTP_EXT_BIT(id)) != 0;
}

static void decide(struct smtp_client *c, const struct smtp_client_result *r)
{
    c->message = *r;
    c->has_message = true;
    c->decided = true;
}

static void decide_reply(struct smtp_client *c)
{
    struct smtp_client_result r = smtp_client_result_of(c, SMTP_END_REPLY);
    decide(c, &r);
}

static enum smtp_phase phase_of(const struct smtp_client *c, uint32_t step)
{
    return step == STEP_RSET      ? SMTP_PHASE_RSET
           : step == STEP_MAIL    ? SMTP_PHASE_MAIL
           : step == c->step_data ? SMTP_PHASE_DATA
                                  : SMTP_PHASE_RCPT;
}

/* ---- beginning ---- */

static struct smtp_hop hop_of(const struct smtp_client *c)
{
    return (struct smtp_hop){
        .peer = &c->peer,
        .envelope = c->mail.envelope,
        .received_s = c->mail.received_s,
        .now_s = c->mail.now_s,
        .tls = c->tls_active,
        .logged_in = c->logged_in,
        .eight_bit = c->mail.eight_bit,
        .binary = c->mail.binary,
        .utf8_header = c->mail.utf8_header,
    };
}

void smtp_client_send(struct smtp_client *c, const struct smtp_client_mail *mail, uint64_t now_ms)
{
    REQUIRE(c->phase == SMTP_PHASE_IDLE && !c->in_mail && mail->envelope->count);
    smtp_client_event(c, now_ms);
    c->mail = *mail;
    c->has_ready = c->decided = c->discards = c->body_last = c->body_asked = false;
    c->in_mail = true;
    c->body = SV_NONE;
    c->accepted = c->refused = 0;
    c->step_data = STEP_RCPT + mail->envelope->count;
    c->step_sent = c->step_replied = c->need_rset ? STEP_RSET : STEP_MAIL;
    smtp_client_enter(c, phase_of(c, c->step_sent));

    /* what keeps this mail from this server is found before a word is said */
    struct smtp_hop hop = hop_of(c);
    struct smtp_reply refusal = smtp_ext_refuse_mail(&hop);
    bool too_big = c->peer.size && mail->size > c->peer.size;
    if (!refusal.code && !too_big)
        return;
    smtp_client_enter(c, SMTP_PHASE_MAIL);
    struct smtp_client_result r =
        smtp_client_result_of(c, too_big ? SMTP_END_TOO_BIG : SMTP_END_UNSUPPORTED);
    if (!too_big)
        r.reply = refusal;
    decide(c, &r);
    smtp_client_enter(c, SMTP_PHASE_IDLE);
}

/* ---- commands ---- */

static void put_mail(struct smtp_client *c)
{
    struct smtp_hop hop = hop_of(c);
    smtp_client_put(c, SV("MAIL FROM:<"));
    smtp_client_put(c, c->mail.envelope->reverse.text);
    smtp_client_put(c, SV(">"));
    int err = 0;
    /* The real size counts here, not what the submitting client announced. */
    if (offers(c, SMTP_EXT_SIZE))
        err = buf_printf(&c->out, " SIZE=%llu", (unsigned long long)c->mail.size);
    if (!err)
        err = smtp_ext_hop_mail(&hop, &c->out);
    REQUIRE(!err); /* CLIENT_OUT_MAX leaves room for the longest command */
    smtp_client_put(c, SV("\r\n"));
}

static void put_rcpt(struct smtp_client *c, const struct smtp_recipient *r)
{
    struct smtp_hop hop = hop_of(c);
    smtp_client_put(c, SV("RCPT TO:<"));
    smtp_client_put(c, r->path.text);
    smtp_client_put(c, SV(">"));
    int err = smtp_ext_hop_rcpt(&hop, r, &c->out);
    REQUIRE(!err);
    smtp_client_put(c, SV("\r\n"));
}

static void put_step(struct smtp_client *c, uint32_t step)
{
    if (step == STEP_RSET)
        smtp_client_put(c, SV("RSET\r\n"));
    else if (step == STEP_MAIL)
        put_mail(c);
    else if (step == c->step_data)
        smtp_client_put(c, SV("DATA\r\n"));
    else
        put_rcpt(c, &c->mail.envelope->recipients[step - STEP_RCPT]);
}

/* Whether the next command is of use and may go out before the replies that are missing. */
static bool may_send(const struct smtp_client *c)
{
    if (!c->in_mail || c->decided || c->step_sent > c->step_data)
        return false;
    return c->step_sent == c->step_replied || offers(c, SMTP_EXT_PIPELINING);
}

void smtp_client_fill(struct smtp_client *c)
{
    while (may_send(c) && buf_len(&c->out) < CLIENT_OUT_FULL)
        put_step(c, c->step_sent++);
}

/* ---- replies ---- */

static void take_rcpt(struct smtp_client *c, const struct smtp_reply *r, uint32_t index)
{
    if (c->decided)
        return;
    if (smtp_reply_is_ok(r)) {
        c->accepted++;
        return;
    }
    c->refused++;
    c->recipient = smtp_client_result_of(c, SMTP_END_REPLY);
    c->recipient_index = index;
    c->has_recipient = true;
}

static void take_data(struct smtp_client *c, const struct smtp_reply *r)
{
    if (r->code == 354 && c->accepted && !c->decided) {
        smtp_stuff_init(&c->stuff, true);
        c->has_body = true;
        smtp_client_enter(c, SMTP_PHASE_BODY);
    } else if (r->code == 354) {
        c->discards = true;
        smtp_client_put(c, SV(".\r\n"));
        smtp_client_enter(c, SMTP_PHASE_END_OF_DATA);
    } else {
        if (c->accepted && !c->decided)
            decide_reply(c);
        smtp_client_enter(c, SMTP_PHASE_IDLE);
    }
}

/* The phase of the next reply, or idle when none is awaited and nothing is left to say. */
static void advance(struct smtp_client *c)
{
    bool all_answered = c->step_replied == c->step_sent;
    bool nobody = c->step_replied == c->step_data && !c->accepted;
    if (all_answered && (c->decided || nobody))
        smtp_client_enter(c, SMTP_PHASE_IDLE);
    else
        smtp_client_enter(c, phase_of(c, c->step_replied));
}

void smtp_client_on_step(struct smtp_client *c, const struct smtp_reply *r)
{
    if (c->step_replied == c->step_sent) {
        smtp_client_protocol(c, "a reply that nothing had asked for");
        return;
    }
    bool is_ok = smtp_reply_is_ok(r), is_data = c->phase == SMTP_PHASE_DATA;
    if (r->code < 400 && (is_data ? r->code != 354 : !is_ok)) {
        smtp_client_protocol(c, "a reply that does not fit the command");
        return;
    }
    uint32_t step = c->step_replied++;
    if (is_data) {
        take_data(c, r);
        return;
    }
    if (step == STEP_RSET) {
        if (!is_ok) {
            struct smtp_client_result end = smtp_client_result_of(c, SMTP_END_REPLY);
            smtp_client_finish(c, &end, true);
            return;
        }
        c->need_rset = false;
    } else if (step == STEP_MAIL) {
        c->need_rset = is_ok;
        if (!is_ok)
            decide_reply(c);
    } else {
        take_rcpt(c, r, step - STEP_RCPT);
    }
    advance(c);
}

/* A reply while content is on its way: it cannot be good, and the rest cannot be taken back. */
void smtp_client_on_early(struct smtp_client *c, const struct smtp_reply *r)
{
    if (r->code < 400) {
        smtp_client_protocol(c, "a reply before the end of data");
        return;
    }
    struct smtp_client_result end = smtp_client_result_of(c, SMTP_END_REPLY);
    smtp_client_finish(c, &end, false);
}

void smtp_client_on_end_of_data(struct smtp_client *c, const struct smtp_reply *r)
{
    if (r->code / 100 == 3) {
        smtp_client_protocol(c, "a reply that does not fit the end of data");
        return;
    }
    c->need_rset = false; /* RFC 5321 4.1.1.4: the end of data clears the buffers */
    if (!c->discards)
        decide_reply(c);
    smtp_client_enter(c, SMTP_PHASE_IDLE);
}

/* ---- content ---- */

void smtp_client_body(struct smtp_client *c, struct sv bytes, bool is_last, uint64_t now_ms)
{
    smtp_client_event(c, now_ms);
    if (c->phase != SMTP_PHASE_BODY)
        return; /* the session ended while the content was fetched */
    REQUIRE(c->body_asked);
    c->body_asked = false;
    c->body = bytes;
    c->body_last = is_last;
    smtp_client_enter(c, SMTP_PHASE_BODY); /* RFC 5321 4.5.3.2.5: the timer is one a piece */
}

struct sv smtp_client_fill_body(struct smtp_client *c)
{
    struct sv run;
    if (c->phase != SMTP_PHASE_BODY || c->has_body || c->body_asked)
        return SV_NONE;
    while (c->body.len) {
        struct smtp_stuff before = c->stuff;
        size_t used = smtp_stuff_next(&c->stuff, c->body, &run);
        if (run.len > CLIENT_OUT_FULL && !buf_len(&c->out)) {
            c->body = sv_skip(c->body, used);
            return run;
        }
        if (buf_len(&c->out) + run.len > CLIENT_OUT_FULL) {
            c->stuff = before; /* once more, when out has been sent */
            return SV_NONE;
        }
        smtp_client_put(c, run);
        c->body = sv_skip(c->body, used);
    }
    if (c->body_last) {
        smtp_client_put(c, smtp_stuff_end(&c->stuff));
        smtp_client_enter(c, SMTP_PHASE_END_OF_DATA);
    } else {
        c->has_body = true;
    }
    return SV_NONE;
}
