/*
 * The content of one transaction, by DATA or by BDAT, and the replies to it.
 *
 *     DATA:  a piece, a piece..., end of data             one reply, to the end
 *            in LMTP: to the end, one for each recipient that was accepted
 *     BDAT:  a chunk for each piece, the last with LAST    a reply to each (RFC 3030)
 *
 * A chunk's size is counted beforehand over the bytes that go out, by a run of the stuffing machine
 * that gives nothing out. With PIPELINING a bounded number of chunks goes ahead of their replies.
 * A chunk that is refused decides the message: nothing more of it is sent, the replies that are
 * still to come are only counted, and the next transaction begins with RSET, because the server's
 * state is not known (RFC 3030 2).
 */
#include "msa/smtp/client_int.h"

#include "msa/base/require.h"

static const char before_end[] = "a reply before the end of data";

void smtp_client_begin_body(struct smtp_client *c)
{
    smtp_stuff_init(&c->stuff, !c->bdat);
    c->chunks_sent = c->chunks_replied = 0;
    c->early = false;
    c->has_body = true;
    smtp_client_enter(c, SMTP_PHASE_BODY);
}

/* Only content that cannot be lines of text goes as it is. */
static bool is_raw(const struct smtp_client *c)
{
    return c->bdat && c->mail.binary;
}

/* ---- pieces in ---- */

static uint64_t count_octets(const struct smtp_client *c)
{
    struct smtp_stuff stuff = c->stuff;
    struct sv rest = c->body, run;
    uint64_t octets = 0;
    if (is_raw(c))
        return rest.len;
    while (rest.len) {
        rest = sv_skip(rest, smtp_stuff_next(&stuff, rest, &run));
        octets += run.len;
    }
    return octets + (c->body_last ? smtp_stuff_end(&stuff).len : 0);
}

/* The command before the piece; a piece of which nothing goes out yet (a CR) is no chunk. */
static void put_bdat(struct smtp_client *c)
{
    uint64_t octets = count_octets(c);
    c->in_chunk = octets > 0 || c->body_last;
    if (!c->in_chunk)
        return;
    int err = buf_printf(&c->out, "BDAT %llu%s\r\n", (unsigned long long)octets,
                         c->body_last ? " LAST" : "");
    REQUIRE(!err);
}

void smtp_client_body(struct smtp_client *c, struct sv bytes, bool is_last, uint64_t now_ms)
{
    smtp_client_event(c, now_ms);
    if (c->phase != SMTP_PHASE_BODY || c->decided)
        return; /* it ended while the content was fetched */
    REQUIRE(c->body_asked);
    c->body_asked = false;
    c->body = bytes;
    c->body_last = is_last;
    c->in_piece = true;
    if (c->bdat)
        put_bdat(c);
    smtp_client_enter(c, SMTP_PHASE_BODY); /* RFC 5321 4.5.3.2.5: the timer is one a piece */
}

/* ---- bytes out ---- */

/* Asks for the next piece, unless too many chunks are not answered yet. */
static void want_body(struct smtp_client *c)
{
    uint32_t most = smtp_client_offers(c, SMTP_EXT_PIPELINING) ? CLIENT_CHUNKS_MAX : 1;
    bool full = c->bdat && c->chunks_sent - c->chunks_replied >= most;
    c->has_body = !full && !c->in_piece && !c->body_asked;
}

static size_t next_run(struct smtp_client *c, struct sv *run)
{
    if (!is_raw(c))
        return smtp_stuff_next(&c->stuff, c->body, run);
    *run = c->body;
    return run->len;
}

bool smtp_client_is_whole(const struct smtp_client *c)
{
    return c->phase == SMTP_PHASE_BODY && c->body_last && !c->in_piece;
}

/* From here on the server may have all of it. */
static void end_content(struct smtp_client *c)
{
    if (smtp_client_is_whole(c) && !c->early && !c->in_flight && !buf_len(&c->out))
        smtp_client_enter(c, SMTP_PHASE_END_OF_DATA);
}

static void end_piece(struct smtp_client *c)
{
    c->in_piece = false;
    if (c->bdat && c->in_chunk)
        c->chunks_sent++;
    if (!c->body_last) {
        want_body(c);
        return;
    }
    if (!is_raw(c))
        smtp_client_put(c, smtp_stuff_end(&c->stuff));
    end_content(c);
}

void smtp_client_flushed(struct smtp_client *c, uint64_t now_ms)
{
    smtp_client_event(c, now_ms);
    c->in_flight = false;
    end_content(c);
}

struct sv smtp_client_fill_body(struct smtp_client *c)
{
    struct sv run;
    if (c->phase != SMTP_PHASE_BODY || !c->in_piece)
        return SV_NONE;
    while (c->body.len) {
        struct smtp_stuff before = c->stuff;
        size_t used = next_run(c, &run);
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
    end_piece(c);
    return SV_NONE;
}

/* ---- replies ---- */

bool smtp_client_awaits_chunk(const struct smtp_client *c)
{
    return c->bdat && c->chunks_replied != c->chunks_sent;
}

/* Nothing more of the content is sent. */
static void stop_content(struct smtp_client *c)
{
    c->body = SV_NONE;
    c->has_body = c->in_piece = false;
}

static void on_chunk(struct smtp_client *c, const struct smtp_reply *r)
{
    bool is_ok = smtp_reply_is_ok(r);
    if (!is_ok && r->code < 400) {
        smtp_client_protocol(c, "a reply that does not fit BDAT");
        return;
    }
    c->chunks_replied++;
    bool is_last = !smtp_client_awaits_chunk(c);
    if (is_ok && is_last && !c->decided && smtp_client_is_whole(c)) {
        smtp_client_protocol(c, before_end);
        return;
    }
    if (!c->decided && !is_ok) {
        smtp_client_decide_reply(c);
        stop_content(c);
    }
    if (!c->decided && c->phase == SMTP_PHASE_END_OF_DATA && is_last) {
        c->need_rset = false;
        smtp_client_decide_reply(c);
    }
    if (!c->decided && c->phase == SMTP_PHASE_BODY && !smtp_client_is_whole(c))
        want_body(c);
    smtp_client_enter(c, c->decided && is_last ? SMTP_PHASE_IDLE : c->phase);
}

/* A reply while content is on its way: to a chunk; else it cannot be good, and the rest cannot be
 * taken back. */
void smtp_client_on_body(struct smtp_client *c, const struct smtp_reply *r)
{
    if (smtp_client_awaits_chunk(c)) {
        on_chunk(c, r);
        return;
    }
    if (r->code < 400) {
        smtp_client_protocol(c, before_end);
        return;
    }
    struct smtp_client_result end = smtp_client_result_of(c, SMTP_END_REPLY);
    smtp_client_finish(c, &end, false);
}

/* RFC 2033 4.2: a reply for each recipient that was accepted, in their order. */
static void on_taker(struct smtp_client *c)
{
    while (!c->takers[c->taker])
        c->taker++;
    c->recipient = smtp_client_result_of(c, SMTP_END_REPLY);
    c->recipient_index = c->taker++;
    c->has_recipient = true;
    c->refused++;
    if (--c->accepted > 0)
        return;
    c->need_rset = false;
    smtp_client_enter(c, SMTP_PHASE_IDLE);
}

void smtp_client_on_end_of_data(struct smtp_client *c, const struct smtp_reply *r)
{
    if (c->bdat) {
        on_chunk(c, r);
        return;
    }
    if (r->code / 100 == 3) {
        smtp_client_protocol(c, "a reply that does not fit the end of data");
        return;
    }
    if (c->config.lmtp) {
        on_taker(c);
        return;
    }
    c->need_rset = false; /* RFC 5321 4.1.1.4: the end of data clears the buffers */
    if (!c->discards)
        smtp_client_decide_reply(c);
    smtp_client_enter(c, SMTP_PHASE_IDLE);
}
