/*
 * DATA and BDAT: content goes through the dot machine into BODY actions until it is complete or
 * refused. Refused content is read to its end and dropped, then the refusal is sent; what a peer
 * can make us read in vain is bounded.
 */
#include "msa/smtp/session.h"

#include <inttypes.h>

#define IN_VAIN_MIN (1024u * 1024) /* octets of refused content that are always read */

/* More refused content than this is not waited for. */
static uint64_t in_vain_max(const struct smtp_server *s)
{
    uint64_t size = session_message_size(s);
    if (session_need_login(s, true).code)
        return IN_VAIN_MIN;
    if (size == 0 || size > UINT64_MAX / 4)
        return UINT64_MAX;
    return size * 2 + IN_VAIN_MIN;
}

static bool is_binary(const struct smtp_server *s)
{
    return s->envelope.values[SMTP_MAIL_BODY].number == SMTP_BODY_BINARYMIME;
}

static bool is_too_large(const struct smtp_server *s, uint64_t more)
{
    uint64_t limit = session_message_size(s);
    return limit && (s->dot.bytes > limit || more > limit - s->dot.bytes);
}

static struct smtp_reply too_large(void)
{
    return SMTP_REPLY_SETTING(552, 5, 3, 4, "Message is larger than this server takes",
                              "limits.message_size");
}

/* r's text is static or in the transaction's arena. */
static void refuse_rest(struct smtp_server *s, const struct smtp_reply *r)
{
    session_rollback(s);
    s->discarding = true;
    s->late = *r;
}

static void fail_content(struct smtp_server *s, const struct smtp_reply *r)
{
    struct smtp_reply own = *r;
    own.text = arena_sv(&s->arena, sv_first(r->text, 1000));
    refuse_rest(s, &own);
}

static struct smtp_reply fault_reply(struct smtp_server *s)
{
    const char *what = s->dot.refused == SMTP_FAULT_NUL       ? "holds a NUL"
                       : s->dot.refused == SMTP_FAULT_BARE_CR ? "holds a CR without LF"
                                                              : "holds a LF without CR";
    char *text = s->offset
                     ? arena_printf(&s->arena, "A line %s", what)
                     : arena_printf(&s->arena, "Line %" PRIu64 " %s", s->dot.fault_line, what);
    bool newline = s->dot.refused == SMTP_FAULT_BARE_CR || s->dot.refused == SMTP_FAULT_BARE_LF;
    return (struct smtp_reply){.code = 554,
                               .enhanced = {5, 6, 0},
                               .text = sv_of(text),
                               .setting = newline ? SV("listen[].bare_newlines") : SV_NONE};
}

/* Looks at what the machine has found since; the content may have become unacceptable. Which of its
 * faults is named is decided at the end, so that it does not depend on how the bytes were cut. */
static void judge_content(struct smtp_server *s)
{
    if (!s->discarding && (s->dot.refused || is_too_large(s, 0)))
        refuse_rest(s, &SMTP_REPLY_NONE);
}

static struct smtp_reply late_reply(struct smtp_server *s)
{
    if (s->late.code)
        return s->late;
    return is_too_large(s, 0) ? too_large() : fault_reply(s);
}

static struct smtp_reply no_recipients(const struct smtp_server *s)
{
    if (s->rcpt_tried)
        return SMTP_REPLY(554, 5, 5, 1, "No valid recipients");
    return SMTP_REPLY(503, 5, 5, 1, "Send RCPT first");
}

/* The content is complete, and what was not refused is committed. */
static void finish(struct smtp_server *s)
{
    if (s->discarding) {
        struct smtp_reply late = late_reply(s);
        session_leave(s, late.code >= 500);
        session_reply(s, &late);
        if (s->state != SESSION_CLOSED)
            session_reset(s);
        return;
    }
    s->message_open = false; /* COMMIT decides */
    session_operate(s, SMTP_ACTION_COMMIT);
}

/* With the last piece of a last chunk the content was complete: COMMIT is due, but not yet asked.
 */
void session_refuse_content(struct smtp_server *s, const struct smtp_reply *r)
{
    bool complete = s->op_new && s->op_type == SMTP_ACTION_COMMIT;
    if (complete) {
        s->op = 0;
        s->op_new = false;
        s->message_open = true;
    }
    if (!s->message_open || s->op)
        return;
    fail_content(s, r);
    if (complete)
        finish(s);
}

/* Drops the end of content nobody wants when it does not come to an end. */
static void give_up(struct smtp_server *s)
{
    struct smtp_reply late = late_reply(s);
    session_reply(s, &late);
    session_close(s, "too much refused content");
}

/* A chunk that may have been on its way already when 355 was sent: a client that sends recipients
 * has not seen it. DATA that comes later is taken all the same: 354 tells the octet once more. */
static bool is_early(const struct smtp_server *s)
{
    return s->early || s->unaware;
}

/* RFC 1845 has MAIL answered before anything follows it: content that was on its way then would
 * begin at the wrong octet. */
static const struct smtp_reply sent_early = {
    .code = 503,
    .enhanced = {5, 5, 1},
    .text = {"Wait for the reply to MAIL: it says where the content goes on", 61}};

static void open_message(struct smtp_server *s, enum smtp_dot_mode mode)
{
    smtp_dot_init(&s->dot, mode, s->setup->reject_bare_newlines);
    s->dot.bytes = s->offset;
    s->message_open = true;
    session_operate(s, SMTP_ACTION_OPEN_MESSAGE);
}

void session_data(struct smtp_server *s, struct sv args)
{
    (void)args;
    if (s->state == SESSION_MAIL) {
        session_refuse(s, no_recipients(s));
        return;
    }
    if (is_binary(s)) { /* RFC 3030 3 */
        session_refuse(s, SMTP_REPLY(503, 5, 5, 1, "BODY=BINARYMIME is sent by BDAT"));
        return;
    }
    if (s->early) {
        session_refuse(s, sent_early);
        return;
    }
    open_message(s, SMTP_DOT_DATA);
}

static size_t take_data(struct smtp_server *s, struct sv in)
{
    struct sv piece;
    size_t taken = smtp_dot_next(&s->dot, in, &piece);
    judge_content(s);
    if (!s->discarding)
        s->body = piece;
    if (s->dot.ended)
        finish(s);
    else if (s->discarding && s->dot.bytes > in_vain_max(s))
        give_up(s);
    return taken;
}

/* BDAT SP 1*DIGIT [SP "LAST"], RFC 3030 2. */
static bool parse_bdat(struct sv args, uint64_t *size, bool *last)
{
    struct sv rest = args;
    struct sv digits = sv_split(&rest, ' ');
    while (rest.len && rest.ptr[0] == ' ')
        rest = sv_skip(rest, 1);
    *last = sv_ieq(rest, SV("LAST"));
    return (*last || rest.len == 0) && sv_u64(digits, UINT64_MAX, size);
}

/* Code 0 if a chunk may come here; its octets are read in any case. */
static struct smtp_reply judge_chunk(const struct smtp_server *s)
{
    if (s->setup->ext.off & SMTP_EXT_BIT(SMTP_EXT_CHUNKING))
        return SMTP_REPLY_SETTING(502, 5, 5, 1, "BDAT is not spoken here", "extensions.off");
    if (s->state == SESSION_START)
        return SMTP_REPLY(503, 5, 5, 1, "Send EHLO first");
    struct smtp_reply login = session_need_login(s, true);
    if (login.code)
        return login;
    if (s->state == SESSION_READY)
        return SMTP_REPLY(503, 5, 5, 1, "Send MAIL first");
    if (s->state == SESSION_MAIL)
        return no_recipients(s);
    if (is_early(s))
        return sent_early;
    if (s->discarding)
        return s->late; /* after a refused chunk only RSET helps: RFC 3030 2 */
    if (s->state == SESSION_CHUNKS && is_too_large(s, s->chunk_left))
        return too_large();
    uint64_t limit = session_message_size(s);
    if (s->state != SESSION_CHUNKS && limit &&
        (s->offset > limit || s->chunk_left > limit - s->offset))
        return too_large();
    return SMTP_REPLY_NONE;
}

static void end_chunk(struct smtp_server *s);

static void enter_chunk(struct smtp_server *s)
{
    session_enter(s, SESSION_CHUNK);
    if (s->chunk_left == 0)
        end_chunk(s);
}

void session_bdat(struct smtp_server *s, struct sv args)
{
    /* without a size nothing tells where the next command begins */
    if (!parse_bdat(args, &s->chunk_left, &s->chunk_last)) {
        session_say(s, SMTP_REPLY(501, 5, 5, 4, "Syntax: BDAT size [LAST]"));
        session_close(s, "bad BDAT");
        return;
    }
    struct smtp_reply refusal = judge_chunk(s);
    bool first = s->state == SESSION_RCPT || s->state == SESSION_RESUMED;
    s->chunk_back = first && !is_early(s) ? SESSION_CHUNKS : s->state;
    if (refusal.code == 0 && first) {
        open_message(s, is_binary(s) ? SMTP_DOT_BINARY : SMTP_DOT_CHUNK);
        return;
    }
    if (refusal.code) {
        refuse_rest(s, &refusal);
        if (s->chunk_left > in_vain_max(s)) {
            give_up(s);
            return;
        }
    }
    enter_chunk(s);
}

void session_open_done(struct smtp_server *s, const struct smtp_result *r)
{
    bool chunk = s->dot.mode != SMTP_DOT_DATA;
    if (r->outcome != SMTP_OK) {
        s->message_open = false;
        if (chunk)
            fail_content(s, &r->reply);
        else
            session_reply(s, &r->reply);
    }
    if (chunk) {
        enter_chunk(s);
    } else if (r->outcome == SMTP_OK) {
        struct sv text = SV("End data with <CR><LF>.<CR><LF>");
        if (s->offset)
            text = sv_of(arena_printf(&s->arena, "Octet %" PRIu64 " and on; e%.*s", s->offset,
                                      SV_ARG(sv_skip(text, 1))));
        session_enter(s, SESSION_DATA);
        session_say(s, SMTP_REPLY_PLAIN(354, text));
    }
}

/* The octets announced have been read. */
static void end_chunk(struct smtp_server *s)
{
    enum session_state back = (enum session_state)s->chunk_back;
    if (s->chunk_last && (!s->discarding || s->late.code == 0)) {
        struct sv piece;
        smtp_dot_finish(&s->dot, &piece);
        judge_content(s);
        if (!s->discarding)
            *(s->body.len ? &s->tail : &s->body) = piece;
    }
    if (!s->discarding && !s->chunk_last) {
        session_enter(s, SESSION_CHUNKS);
        session_say(s, SMTP_REPLY(250, 2, 0, 0, "Chunk received"));
    } else if (back == SESSION_CHUNKS && s->chunk_last) {
        finish(s);
    } else {
        /* refused; a transaction that began with chunks stays refused until it is reset */
        struct smtp_reply late = late_reply(s);
        s->late = late;
        if (back == SESSION_CHUNKS && late.code >= 500)
            session_leave(s, true);
        session_enter(s, back);
        s->discarding = back == SESSION_CHUNKS;
        session_refuse(s, late);
    }
}

static size_t take_chunk(struct smtp_server *s, struct sv in)
{
    size_t taken = in.len < s->chunk_left ? in.len : (size_t)s->chunk_left;
    if (!s->discarding || s->late.code == 0) {
        struct sv piece;
        taken = smtp_dot_next(&s->dot, sv_first(in, taken), &piece);
        judge_content(s);
        if (!s->discarding)
            s->body = piece;
    }
    s->chunk_left -= taken;
    if (s->chunk_left == 0)
        end_chunk(s);
    return taken;
}

size_t session_content(struct smtp_server *s, struct sv in)
{
    return s->state == SESSION_DATA ? take_data(s, in) : take_chunk(s, in);
}

/* The number is the first word, for programs. */
static struct smtp_reply announce_return(struct smtp_server *s, uint64_t octets)
{
    struct smtp_reply reply = SMTP_REPLY(250, 2, 0, 0, "");
    reply.text = sv_of(arena_printf(&s->arena, "%" PRIu64 " octets follow", octets));
    return reply;
}

void session_commit_done(struct smtp_server *s, const struct smtp_result *r)
{
    struct smtp_reply reply = r->reply;
    bool returns = r->outcome == SMTP_OK && smtp_envelope_has(&s->envelope, SMTP_MAIL_XRETURN);
    if (r->outcome == SMTP_OK) {
        s->messages++;
        s->bad_commands = s->idle_commands = 0;
        if (reply.code == 0)
            reply = SMTP_REPLY(250, 2, 0, 0, "Message accepted");
    }
    if (returns)
        reply = announce_return(s, r->octets);
    if (r->outcome != SMTP_OK)
        session_leave(s, reply.code >= 500);
    session_reply(s, &reply); /* a refusal is about the envelope, which goes now */
    /* after the 250 the client's next command tells that it has seen it */
    if (s->state != SESSION_CLOSED)
        session_clear(s);
    if (returns)
        session_operate(s, SMTP_ACTION_RETURN);
}
