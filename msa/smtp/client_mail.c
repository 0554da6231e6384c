/*
 * One transaction: the commands of its envelope, and their replies by count (client_body.c has the
 * content).
 *
 *     IDLE -> [RSET] -> MAIL -> RCPT... -> [DATA] -> BODY -> END_OF_DATA -> IDLE
 *
 * With PIPELINING all commands go out at once and the phase follows the replies. When MAIL or all
 * RCPT are refused and DATA, already sent, is granted with 354, a lone dot ends an empty message
 * that the server must not deliver (RFC 2920 3.1).
 */
#include "msa/smtp/client_int.h"

#include "msa/base/mem.h"
#include "msa/base/require.h"

#include <stdlib.h>

void smtp_client_decide(struct smtp_client *c, const struct smtp_client_result *r)
{
    c->message = *r;
    c->has_message = true;
    c->decided = true;
}

void smtp_client_decide_reply(struct smtp_client *c)
{
    struct smtp_client_result r = smtp_client_result_of(c, SMTP_END_REPLY);
    smtp_client_decide(c, &r);
}

static enum smtp_phase phase_of(const struct smtp_client *c, uint32_t step)
{
    return step == STEP_RSET     ? SMTP_PHASE_RSET
           : step == STEP_MAIL   ? SMTP_PHASE_MAIL
           : step == c->step_end ? SMTP_PHASE_DATA
                                 : SMTP_PHASE_RCPT;
}

/* ---- LIMITS, RFC 9422: commands count, whatever the answer ---- */

/* Whether the domain is listed; *count_out: how many are. */
static bool is_listed(const struct smtp_client *c, struct sv domain, uint32_t *count_out)
{
    struct sv rest = buf_view(&c->domains);
    for (*count_out = 0; rest.len; ++*count_out)
        if (sv_ieq(sv_split(&rest, '\n'), domain))
            return true;
    return false;
}

static void list_domain(struct smtp_client *c, struct sv domain)
{
    uint32_t count;
    if (!smtp_client_offers(c, SMTP_EXT_LIMITS) || !c->peer.rcpt_domain_max ||
        is_listed(c, domain, &count))
        return;
    /* one that does not fit is not asked for again: takes() has said 0 */
    (void)!buf_printf(&c->domains, "%.*s\n", SV_ARG(domain));
}

uint32_t smtp_client_takes(const struct smtp_client *c, struct sv domain)
{
    const struct smtp_peer *p = &c->peer;
    uint32_t count;
    if (!smtp_client_offers(c, SMTP_EXT_LIMITS))
        return UINT32_MAX;
    if (p->mail_max && c->mails >= p->mail_max)
        return 0;
    if (p->rcpt_domain_max && !is_listed(c, domain, &count) &&
        (count >= p->rcpt_domain_max || buf_room(&c->domains) <= domain.len))
        return 0;
    return p->rcpt_max ? p->rcpt_max : UINT32_MAX;
}

/* ---- beginning ---- */

static struct smtp_hop hop_for(const struct smtp_client *c, const struct smtp_client_mail *mail)
{
    return (struct smtp_hop){
        .peer = &c->peer,
        .envelope = mail->envelope,
        .received_s = mail->received_s,
        .now_s = mail->now_s,
        .tls = c->tls_active,
        .logged_in = c->logged_in,
        .eight_bit = mail->eight_bit,
        .binary = mail->binary,
        .utf8_header = mail->utf8_header,
    };
}

static struct smtp_hop hop_of(const struct smtp_client *c)
{
    return hop_for(c, &c->mail);
}

unsigned smtp_client_converts(const struct smtp_client *c, const struct smtp_client_mail *mail)
{
    struct smtp_hop hop = hop_for(c, mail);
    return smtp_ext_convert_mail(&hop);
}

/* What keeps this recipient from this server; code 0: nothing. */
static struct smtp_reply refusal_of(const struct smtp_client *c, uint32_t index)
{
    struct smtp_hop hop = hop_of(c);
    return smtp_ext_refuse_rcpt(&hop, &c->mail.envelope->recipients[index]);
}

void smtp_client_next_kept_back(struct smtp_client *c, uint32_t from)
{
    for (uint32_t i = from; i < c->mail.envelope->count && !c->has_recipient; i++) {
        struct smtp_reply refusal = refusal_of(c, i);
        if (!refusal.code)
            continue;
        c->recipient = smtp_client_result_of(c, SMTP_END_UNSUPPORTED);
        c->recipient.phase = SMTP_PHASE_RCPT;
        c->recipient.reply = refusal;
        c->recipient_index = i;
        c->has_recipient = true;
    }
}

/* The step behind this one, past who must not go to this server. */
static uint32_t next_step(const struct smtp_client *c, uint32_t step)
{
    do
        step++;
    while (c->kept_back && step < c->step_end && step >= STEP_RCPT &&
           refusal_of(c, step - STEP_RCPT).code);
    return step;
}

void smtp_client_send(struct smtp_client *c, const struct smtp_client_mail *mail, uint64_t now_ms)
{
    REQUIRE(c->phase == SMTP_PHASE_IDLE && !c->in_mail && mail->envelope->count);
    smtp_client_event(c, now_ms);
    c->mail = *mail;
    c->has_ready = c->decided = c->discards = c->body_last = c->body_asked = c->in_piece = false;
    c->in_mail = true;
    c->bdat = smtp_client_offers(c, SMTP_EXT_CHUNKING);
    c->body = SV_NONE;
    c->accepted = c->refused = c->taker = 0;
    free(c->takers);
    c->takers = c->config.lmtp ? mem_new(mail->envelope->count, sizeof *c->takers) : NULL;
    c->step_end = STEP_RCPT + mail->envelope->count;
    c->step_sent = c->step_replied = c->need_rset ? STEP_RSET : STEP_MAIL;
    smtp_client_enter(c, phase_of(c, c->step_sent));

    /* what keeps this mail from this server is found before a word is said */
    struct smtp_hop hop = hop_of(c);
    struct smtp_reply refusal = smtp_ext_refuse_mail(&hop);
    bool too_big =
        smtp_client_offers(c, SMTP_EXT_SIZE) && c->peer.size && mail->size > c->peer.size;
    if (refusal.code || too_big || c->peer.demands_mtep) {
        smtp_client_enter(c, SMTP_PHASE_MAIL);
        struct smtp_client_result r =
            smtp_client_result_of(c, c->peer.demands_mtep ? SMTP_END_DEMANDS
                                     : too_big            ? SMTP_END_TOO_BIG
                                                          : SMTP_END_UNSUPPORTED);
        if (r.end == SMTP_END_DEMANDS)
            r.detail = "MTEP (it offers X-MTEP)";
        if (r.end == SMTP_END_UNSUPPORTED)
            r.reply = refusal;
        smtp_client_decide(c, &r);
        smtp_client_enter(c, SMTP_PHASE_IDLE);
        return;
    }
    for (uint32_t i = 0; i < mail->envelope->count; i++) {
        if (refusal_of(c, i).code)
            c->refused++;
        else
            list_domain(c, smtp_path_domain(&mail->envelope->recipients[i].path));
    }
    c->kept_back = c->refused > 0;
    if (c->kept_back)
        smtp_client_next_kept_back(c, 0);
    if (c->refused == mail->envelope->count)
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
    if (smtp_client_offers(c, SMTP_EXT_SIZE))
        err = buf_printf(&c->out, " SIZE=%llu", (unsigned long long)c->mail.size);
    if (!err)
        err = smtp_ext_hop_mail(&hop, &c->out);
    REQUIRE(!err); /* CLIENT_OUT_MAX leaves room for the longest command */
    smtp_client_put(c, SV("\r\n"));
    c->mails++;
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
    else if (step == c->step_end)
        smtp_client_put(c, SV("DATA\r\n"));
    else
        put_rcpt(c, &c->mail.envelope->recipients[step - STEP_RCPT]);
}

/* Whether the next command is of use and may go out before the replies that are missing. */
static bool may_send(const struct smtp_client *c)
{
    uint32_t last = c->bdat ? c->step_end - 1 : c->step_end;
    if (!c->in_mail || c->decided || c->step_sent > last)
        return false;
    return c->step_sent == c->step_replied || smtp_client_offers(c, SMTP_EXT_PIPELINING);
}

void smtp_client_fill(struct smtp_client *c)
{
    while (may_send(c) && buf_len(&c->out) < CLIENT_OUT_FULL) {
        put_step(c, c->step_sent);
        c->step_sent = next_step(c, c->step_sent);
    }
}

/* ---- replies ---- */

static void take_rcpt(struct smtp_client *c, const struct smtp_reply *r, uint32_t index)
{
    if (c->decided)
        return;
    if (smtp_reply_is_ok(r)) {
        c->accepted++;
        if (c->takers)
            c->takers[index] = 1;
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
        smtp_client_begin_body(c);
    } else if (r->code == 354) {
        c->discards = true;
        smtp_client_put(c, SV(".\r\n"));
        /* RFC 2033 4.2: without a recipient there is no reply */
        smtp_client_enter(c, c->config.lmtp ? SMTP_PHASE_IDLE : SMTP_PHASE_END_OF_DATA);
    } else {
        if (c->accepted && !c->decided)
            smtp_client_decide_reply(c);
        smtp_client_enter(c, SMTP_PHASE_IDLE);
    }
}

/* The phase of the next reply, or idle when none is awaited and nothing is left to say. Chunks
 * follow when all of the envelope is answered (RFC 3030 2). */
static void advance(struct smtp_client *c)
{
    bool all_answered = c->step_replied == c->step_sent;
    bool at_end = c->step_replied == c->step_end;
    if (all_answered && (c->decided || (at_end && !c->accepted)))
        smtp_client_enter(c, SMTP_PHASE_IDLE);
    else if (at_end && c->bdat)
        smtp_client_begin_body(c);
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
    uint32_t step = c->step_replied;
    c->step_replied = next_step(c, step);
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
            smtp_client_decide_reply(c);
    } else {
        take_rcpt(c, r, step - STEP_RCPT);
    }
    advance(c);
}
