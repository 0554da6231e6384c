/*
 * Design: as in msa/smtp/client.c, events change the struct and leave flags; next() hands them out
 * in a fixed order. The states, as phases:
 *
 *     IDLE --send--> BODY: the package is written, up to its end (whole)
 *                     `--flushed--> END_OF_DATA: responses are read --the last one--> IDLE
 *
 * Responses are kept until it is known whether all of them come. Nothing is asked for or sent while
 * a response is missing: one package at a time, so that no answer can be taken for another's.
 */
#include "relay/qmtp/client.h"

#include "msa/base/mem.h"
#include "msa/base/require.h"
#include "relay/qmtp/lf.h"
#include "relay/qmtp/package.h"
#include "relay/qmtp/response.h"

#include <stdlib.h>

#define OUT_MAX       (64u << 10) /* bytes of one SEND */
#define STALL_MS      75000
#define RESPONSE_MS   600000
#define LAST_BEGIN_MS (QMTP_SESSION_MS * 3 / 4)

/* Of one recipient. */
struct answer {
    bool kept_back; /* it must not go to this server, and is not in the package */
    struct smtp_client_result result;
    size_t text_at; /* in texts, which moves while it grows */
};

struct qmtp_client {
    struct qmtp_client_config config;
    uint64_t began_ms, now_ms, phase_began_ms, timeout_ms;
    enum smtp_phase phase;

    struct smtp_client_mail mail;
    struct buf out, tail; /* to be sent; what stands behind the message */
    bool was_sent;        /* out was given out by the last next() */
    bool begun, whole;    /* what stands before the message is out; everything is */
    uint64_t lf_left;     /* bytes of the message that are still to be written */
    struct qmtp_lf lf;
    struct sv body; /* what is left of the piece */
    bool body_asked, in_piece, body_last;

    struct qmtp_response response;
    struct answer *answers;  /* of all recipients */
    struct buf texts;        /* of the answers */
    uint32_t sent, answered; /* recipients in the package; responses */
    uint32_t at;             /* the recipient that the next response is for */
    bool is_short;

    /* actions that wait for next() */
    bool has_results, has_message, has_timer, has_body, has_ready, has_closed;
    uint32_t given; /* recipients whose results have been told, or need not be */
    struct smtp_client_result message, closed;
};

static const struct smtp_peer peer = {.exts = SMTP_EXT_BIT(SMTP_EXT_8BITMIME)};

const struct smtp_peer *qmtp_client_peer(void)
{
    return &peer;
}

/* ---- inside ---- */

static void event(struct qmtp_client *c, uint64_t now_ms)
{
    c->now_ms = now_ms;
    if (c->was_sent)
        buf_reset(&c->out);
    c->was_sent = false;
}

/* Nothing lasts longer than the session. */
static void set_timer(struct qmtp_client *c, uint64_t ms)
{
    uint64_t end_ms = c->began_ms + QMTP_SESSION_MS;
    uint64_t left_ms = end_ms > c->now_ms ? end_ms - c->now_ms : 1;
    c->timeout_ms = ms < left_ms ? ms : left_ms;
    c->has_timer = true;
}

static void enter(struct qmtp_client *c, enum smtp_phase phase, uint64_t timeout_ms)
{
    c->phase = phase;
    c->phase_began_ms = c->now_ms;
    set_timer(c, timeout_ms);
}

static void become_idle(struct qmtp_client *c)
{
    enter(c, SMTP_PHASE_IDLE, 0);
    c->has_ready = true;
}

static struct smtp_client_result result_of(const struct qmtp_client *c, enum smtp_end end)
{
    return (struct smtp_client_result){
        .end = end, .phase = c->phase, .elapsed_ms = c->now_ms - c->phase_began_ms, .qmtp = true};
}

static bool is_sending(const struct qmtp_client *c)
{
    return c->phase == SMTP_PHASE_BODY || c->phase == SMTP_PHASE_END_OF_DATA;
}

/* Whether the recipient's own result is told: all are, once they are complete; else K, and who was
 * never asked for. */
static bool has_answer(const struct qmtp_client *c, uint32_t index)
{
    const struct answer *a = &c->answers[index];
    return a->kept_back ||
           (a->result.reply.code && (!c->is_short || smtp_reply_is_ok(&a->result.reply)));
}

/* The session is over. A package under way lacks at least one response. */
static void finish(struct qmtp_client *c, enum smtp_end end, int err, const char *detail)
{
    c->closed = result_of(c, end);
    c->closed.err = err;
    c->closed.detail = detail;
    if (is_sending(c)) {
        c->is_short = c->answered > 0;
        c->message = c->closed;
        c->has_results = c->has_message = true;
    }
    buf_reset(&c->out);
    buf_release(&c->tail);
    c->in_piece = c->has_body = c->has_ready = false;
    c->has_closed = true;
    enter(c, SMTP_PHASE_CLOSED, 0);
}

/* ---- life ---- */

struct qmtp_client *qmtp_client_new(const struct qmtp_client_config *config, uint64_t now_ms)
{
    struct qmtp_client *c = NEW(struct qmtp_client);
    c->config = *config;
    REQUIRE(config->recipients >= 1 && config->recipients <= QMTP_RECIPIENTS_MAX);
    c->began_ms = c->now_ms = now_ms;
    buf_init(&c->out, OUT_MAX, 0);
    buf_init(&c->tail, OUT_MAX, 0);
    buf_init(&c->texts, (size_t)QMTP_RECIPIENTS_MAX * QMTP_DESCRIPTION_KEPT, 0);
    become_idle(c);
    return c;
}

static void forget_mail(struct qmtp_client *c)
{
    buf_release(&c->tail);
    buf_release(&c->texts);
    free(c->answers);
    c->answers = NULL;
}

void qmtp_client_free(struct qmtp_client *c)
{
    if (!c)
        return;
    free(c->answers);
    buf_deinit(&c->out);
    buf_deinit(&c->tail);
    buf_deinit(&c->texts);
    free(c);
}

uint32_t qmtp_client_takes(const struct qmtp_client *c)
{
    return c->now_ms - c->began_ms < LAST_BEGIN_MS ? c->config.recipients : 0;
}

bool qmtp_client_is_short(const struct qmtp_client *c)
{
    return c->is_short;
}

/* ---- a package begins ---- */

static struct smtp_hop hop_for(const struct qmtp_client *c, const struct smtp_client_mail *mail)
{
    return (struct smtp_hop){
        .peer = &peer,
        .envelope = mail->envelope,
        .received_s = mail->received_s,
        .now_s = mail->now_s,
        .tls = c->config.tls,
        .eight_bit = mail->eight_bit,
        .binary = mail->binary,
        .utf8_header = mail->utf8_header,
    };
}

unsigned qmtp_client_converts(const struct qmtp_client *c, const struct smtp_client_mail *mail)
{
    struct smtp_hop hop = hop_for(c, mail);
    return smtp_ext_convert_mail(&hop);
}

static bool is_sent_to(const void *arg, uint32_t index)
{
    const struct qmtp_client *c = arg;
    return !c->answers[index].kept_back;
}

static void keep_back(struct qmtp_client *c)
{
    struct smtp_hop hop = hop_for(c, &c->mail);
    for (uint32_t i = 0; i < c->mail.envelope->count; i++) {
        struct smtp_reply refusal = smtp_ext_refuse_rcpt(&hop, &c->mail.envelope->recipients[i]);
        if (!refusal.code) {
            c->sent++;
            continue;
        }
        c->answers[i].kept_back = true;
        c->answers[i].result = (struct smtp_client_result){
            .end = SMTP_END_UNSUPPORTED, .phase = SMTP_PHASE_RCPT, .reply = refusal};
    }
}

/* What keeps this mail from any QMTP server is found before a word is said. */
static bool is_refused(const struct qmtp_client *c, struct smtp_client_result *out)
{
    struct smtp_hop hop = hop_for(c, &c->mail);
    *out = (struct smtp_client_result){.end = SMTP_END_TOO_BIG, .phase = SMTP_PHASE_MAIL};
    if (c->mail.lf_size > QMTP_MESSAGE_MAX)
        return true;
    out->end = SMTP_END_UNSUPPORTED;
    out->reply = smtp_ext_refuse_mail(&hop);
    return out->reply.code != 0;
}

/* The next recipient behind at that is in the package. */
static uint32_t next_sent(const struct qmtp_client *c, uint32_t at)
{
    while (at < c->mail.envelope->count && c->answers[at].kept_back)
        at++;
    return at;
}

void qmtp_client_send(struct qmtp_client *c, const struct smtp_client_mail *mail, uint64_t now_ms)
{
    uint32_t count = mail->envelope->count;
    REQUIRE(c->phase == SMTP_PHASE_IDLE && count && count <= c->config.recipients);
    event(c, now_ms);
    forget_mail(c);
    c->mail = *mail;
    c->sent = c->answered = c->given = 0;
    c->is_short = c->begun = c->whole = c->body_asked = c->in_piece = c->has_ready = false;
    if (is_refused(c, &c->message)) {
        c->has_message = true;
        become_idle(c);
        return;
    }
    c->answers = mem_new(count, sizeof *c->answers);
    keep_back(c);
    c->at = next_sent(c, 0);
    if (!c->sent) {
        c->has_results = true;
        become_idle(c);
        return;
    }
    qmtp_package_end(&c->tail, mail->envelope, is_sent_to, c);
    c->lf = (struct qmtp_lf){0};
    c->lf_left = mail->lf_size;
    c->body = SV_NONE;
    qmtp_response_init(&c->response);
    c->has_body = true;
    enter(c, SMTP_PHASE_BODY, STALL_MS);
}

/* ---- content ---- */

void qmtp_client_body(struct qmtp_client *c, struct sv bytes, bool is_last, uint64_t now_ms)
{
    event(c, now_ms);
    if (c->phase != SMTP_PHASE_BODY)
        return; /* it ended while the content was fetched */
    REQUIRE(c->body_asked);
    c->body_asked = false;
    c->body = bytes;
    c->body_last = is_last;
    c->in_piece = true;
    set_timer(c, STALL_MS);
    if (!c->begun)
        qmtp_package_begin(&c->out, c->lf_left);
    c->begun = true;
}

void qmtp_client_body_fail(struct qmtp_client *c, int err, uint64_t now_ms)
{
    event(c, now_ms);
    if (c->phase == SMTP_PHASE_BODY && !c->whole)
        finish(c, SMTP_END_CONTENT, err, NULL);
}

/* Content that is not as long as was promised must not become a whole package. */
static bool put_message(struct qmtp_client *c, struct sv run)
{
    if (run.len > c->lf_left)
        return false;
    c->lf_left -= run.len;
    int err = buf_put(&c->out, run);
    REQUIRE(!err);
    return true;
}

static void fill(struct qmtp_client *c)
{
    struct sv run;
    bool fits = true;
    while (fits && c->in_piece && c->body.len && buf_room(&c->out) > 1) {
        struct sv part = sv_first(c->body, buf_room(&c->out) - 1);
        c->body = sv_skip(c->body, qmtp_lf_next(&c->lf, part, &run));
        fits = put_message(c, run);
    }
    if (fits && c->in_piece && !c->body.len && buf_room(&c->out) > 1) {
        c->in_piece = false;
        c->has_body = !c->body_last;
        if (c->body_last)
            fits = put_message(c, qmtp_lf_end(&c->lf)) && !c->lf_left;
        c->whole = c->body_last;
    }
    if (!fits) {
        finish(c, SMTP_END_CONTENT, ERR_CORRUPT, NULL);
    }
}

/* ---- responses ---- */

static void keep_answer(struct qmtp_client *c)
{
    struct answer *a = &c->answers[c->at];
    a->result = result_of(c, SMTP_END_REPLY);
    a->result.qmtp = true;
    a->result.reply = qmtp_response_reply(&c->response);
    a->text_at = buf_len(&c->texts);
    int err = buf_put(&c->texts, a->result.reply.text);
    REQUIRE(!err);
    c->answered++;
    c->at = next_sent(c, c->at + 1);
}

static void complete(struct qmtp_client *c, bool is_more)
{
    c->has_results = true;
    if (!is_more) {
        become_idle(c);
        return;
    }
    /* What follows could be taken for the response to another package. */
    enter(c, SMTP_PHASE_IDLE, 0);
    finish(c, SMTP_END_PROTOCOL, 0, "more responses than recipients");
}

static size_t read_response(struct qmtp_client *c, struct sv bytes)
{
    size_t used;
    switch (qmtp_response_feed(&c->response, bytes, &used)) {
    case NETSTRING_MORE:
        break;
    case NETSTRING_BAD:
        finish(c, SMTP_END_PROTOCOL, 0, c->response.fault);
        break;
    case NETSTRING_DONE:
        keep_answer(c);
        if (c->answered == c->sent) {
            complete(c, used < bytes.len);
        } else {
            qmtp_response_init(&c->response);
            enter(c, SMTP_PHASE_END_OF_DATA, RESPONSE_MS);
        }
        break;
    }
    return used;
}

size_t qmtp_client_feed(struct qmtp_client *c, struct sv bytes, uint64_t now_ms)
{
    event(c, now_ms);
    if (c->phase == SMTP_PHASE_CLOSED)
        return bytes.len;
    if (!bytes.len)
        return 0;
    if (c->phase == SMTP_PHASE_END_OF_DATA)
        return read_response(c, bytes);
    finish(c, SMTP_END_PROTOCOL, 0,
           c->phase == SMTP_PHASE_BODY ? "a response before the end of the package"
                                       : "a response that nothing had asked for");
    return bytes.len;
}

/* ---- other events ---- */

void qmtp_client_flushed(struct qmtp_client *c, uint64_t now_ms)
{
    event(c, now_ms);
    if (c->phase == SMTP_PHASE_BODY && !buf_len(&c->out) && !buf_len(&c->tail))
        enter(c, SMTP_PHASE_END_OF_DATA, RESPONSE_MS);
}

void qmtp_client_timeout(struct qmtp_client *c, bool moves, uint64_t now_ms)
{
    event(c, now_ms);
    if (c->phase == SMTP_PHASE_BODY && moves && now_ms - c->began_ms < QMTP_SESSION_MS)
        set_timer(c, STALL_MS); /* it is slow, and no stall */
    else if (is_sending(c))
        finish(c, SMTP_END_TIMEOUT, 0, NULL);
}

void qmtp_client_lost(struct qmtp_client *c, int err, uint64_t now_ms)
{
    event(c, now_ms);
    if (c->phase != SMTP_PHASE_CLOSED)
        finish(c, SMTP_END_LOST, err, NULL);
}

/* There is no word for it: the connection is closed. */
void qmtp_client_quit(struct qmtp_client *c, uint64_t now_ms)
{
    event(c, now_ms);
    if (c->phase == SMTP_PHASE_CLOSED)
        return;
    REQUIRE(c->phase == SMTP_PHASE_IDLE);
    finish(c, SMTP_END_QUIT, 0, NULL);
}

/* ---- actions ---- */

static bool give_recipient(struct qmtp_client *c, struct smtp_client_action *out)
{
    while (c->has_results && c->given < c->mail.envelope->count) {
        uint32_t index = c->given++;
        const struct answer *a = &c->answers[index];
        if (!has_answer(c, index))
            continue;
        *out = (struct smtp_client_action){
            .kind = SMTP_CLIENT_RECIPIENT, .index = index, .result = a->result};
        if (a->result.qmtp)
            out->result.reply.text.ptr = buf_view(&c->texts).ptr + a->text_at;
        return true;
    }
    c->has_results = false;
    return false;
}

static bool give_bytes(struct qmtp_client *c, struct smtp_client_action *out)
{
    event(c, c->now_ms); /* what was given out before is gone */
    if (c->phase == SMTP_PHASE_BODY)
        fill(c);
    if (c->phase == SMTP_PHASE_BODY && c->whole && buf_len(&c->tail) <= buf_room(&c->out)) {
        int err = buf_put(&c->out, buf_view(&c->tail));
        REQUIRE(!err);
        buf_release(&c->tail);
    }
    if (!buf_len(&c->out))
        return false;
    c->was_sent = true;
    *out = (struct smtp_client_action){.kind = SMTP_CLIENT_SEND, .bytes = buf_view(&c->out)};
    return true;
}

bool qmtp_client_next(struct qmtp_client *c, struct smtp_client_action *out)
{
    /* bytes before results: content that proves wrong makes some */
    if (give_bytes(c, out) || give_recipient(c, out))
        return true;
    if (smtp_client_give(out, SMTP_CLIENT_MESSAGE, &c->has_message)) {
        out->result = c->message;
        return true;
    }
    if (smtp_client_give(out, SMTP_CLIENT_SET_TIMER, &c->has_timer)) {
        out->timeout_ms = c->timeout_ms;
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
