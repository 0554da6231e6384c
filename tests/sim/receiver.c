/*
 * One fault a session at most, drawn at its start: in which phase, and what. Replies go out in
 * order; while one is delayed or kept back for ever nothing more is read.
 */
#include "tests/sim/receiver.h"

#include "msa/base/buf.h"
#include "msa/base/mem.h"
#include "msa/base/require.h"
#include "msa/loop/stream.h"
#include "tests/sim/ledger.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RECIPIENTS_MAX 200
#define IN_MAX         (16u << 20)
#define SLOW_MAX_MS    60000 /* less than any time limit of the server's */
#define SILENT_MS      (4 * 3600 * 1000)
#define QMTP_PAUSE_MS  200000 /* less than until the next attempt */

enum phase { AT_GREETING, AT_EHLO, AT_MAIL, AT_RCPT, AT_DATA, AT_CONTENT, AT_END, PHASES };
enum fault {
    NOTHING,
    TRANSIENT, /* 4yz */
    PERMANENT, /* 5yz */
    SLOW,
    SILENT,
    CLOSE,
    RESET,
    TAKEN_RESET,  /* at the end of data: taken, but the answer never leaves */
    TAKEN_SILENT, /* likewise */
    FAULTS,
    FALLBACK = FAULTS /* 550 5.5.604; drawn apart */
};

struct receiver {
    struct receiver_script script;
    struct loop *loop;
    struct ip_port at;
    int fd;
    bool link_faulty;
    unsigned sessions, taken, fell_back;
    struct buf told; /* recipients that were told to come over IPv4, a line each */
};

struct session {
    struct receiver *receiver;
    struct stream *stream;
    struct timer timer;
    enum phase fault_at;
    enum fault fault;
    bool link_faulty, ended, in_data, waiting, has_mail;
    uint64_t chunk_left; /* of BDAT */
    bool in_chunk, last_chunk;
    struct buf in, content, late; /* late: a reply that is delayed */
    char from[128];
    char to[RECIPIENTS_MAX][64];
    unsigned count;
};

/* ---- ends ---- */

static void on_closed(void *arg)
{
    struct session *s = arg;
    timer_stop(&s->timer);
    buf_deinit(&s->in);
    buf_deinit(&s->content);
    buf_deinit(&s->late);
    free(s);
}

static void leave(struct session *s, bool reset)
{
    if (s->ended)
        return;
    s->ended = true;
    timer_stop(&s->timer);
    if (reset)
        stream_reset(s->stream);
    else
        stream_close(s->stream);
}

static void on_end(void *arg, int err)
{
    (void)err;
    leave(arg, false);
}

/* ---- replies ---- */

static void say(struct session *s, const char *text)
{
    if (!s->ended && stream_write(s->stream, sv_of(text)) < 0)
        leave(s, true);
}

/* The draw of the session, if it is this phase's turn. */
static enum fault fault_here(const struct session *s, enum phase phase)
{
    if (s->fault == NOTHING || s->fault_at != phase)
        return NOTHING;
    /* some recipients only */
    return phase == AT_RCPT && sim_below(2) ? NOTHING : s->fault;
}

static void be_silent(struct session *s, uint64_t ms)
{
    s->waiting = true;
    stream_read_stop(s->stream);
    timer_start(&s->timer, ms);
}

/* Says good, or does what goes wrong in this phase. True: said good, perhaps later. */
static bool answer(struct session *s, enum phase phase, const char *good)
{
    int err;
    switch (fault_here(s, phase)) {
    case NOTHING:
    case TAKEN_RESET:
    case TAKEN_SILENT:
        say(s, good);
        return true;
    case FALLBACK:
        s->receiver->fell_back++;
        say(s, "550 5.5.604 Over IPv4, please\r\n");
        return false;
    case TRANSIENT:
        say(s, "451 4.3.0 Not now\r\n");
        return false;
    case PERMANENT:
        say(s, "550 5.7.1 Never\r\n");
        return false;
    case SLOW:
        err = buf_put(&s->late, sv_of(good));
        REQUIRE(err == 0);
        be_silent(s, 1 + sim_below(SLOW_MAX_MS));
        return true;
    case SILENT:
        be_silent(s, SILENT_MS);
        return false;
    case CLOSE:
        leave(s, false);
        return false;
    case RESET:
        leave(s, true);
        return false;
    }
    return false;
}

/* ---- who was told to come over IPv4 ---- */

static void note_told(struct session *s, unsigned first)
{
    for (unsigned i = first; i <= s->count && s->to[i][0]; i++) {
        int err = s->link_faulty ? 0 : buf_printf(&s->receiver->told, "%s\n", s->to[i]);
        REQUIRE(err == 0);
    }
}

static void check_told(const struct session *s, const char *to)
{
    struct sv rest = buf_view(&s->receiver->told);
    while (rest.len)
        if (sv_eq(sv_split(&rest, '\n'), sv_of(to)))
            ledger_fault("%s comes over IPv6 again", to);
}

/* ---- commands ---- */

static void copy_path(struct sv line, char *out, size_t size)
{
    struct sv path = sv_skip(line, sv_find(line, '<') + 1);
    snprintf(out, size, "%.*s", SV_ARG(sv_first(path, sv_find(path, '>'))));
}

static void reset_mail(struct session *s)
{
    s->count = 0;
    memset(s->to, 0, sizeof s->to);
    s->has_mail = false;
    buf_reset(&s->content);
}

static void on_rcpt(struct session *s, struct sv line)
{
    if (!s->has_mail) {
        say(s, "503 5.5.1 MAIL first\r\n");
        return;
    }
    if (s->receiver->script.refuse_all) {
        say(s, "450 4.2.1 Mailbox busy\r\n");
        return;
    }
    REQUIRE(s->count < RECIPIENTS_MAX);
    unsigned before = s->receiver->fell_back;
    copy_path(line, s->to[s->count], sizeof s->to[0]);
    if (s->receiver->script.beside &&
        qmtp_receiver_saw(s->receiver->script.beside, sv_of(s->to[s->count]), QMTP_PAUSE_MS))
        ledger_fault("%s comes by SMTP behind QMTP", s->to[s->count]);
    check_told(s, s->to[s->count]);
    bool taken = answer(s, AT_RCPT, "250 2.1.5 Fine\r\n");
    if (s->receiver->fell_back != before)
        note_told(s, s->count);
    if (!taken)
        s->to[s->count][0] = '\0';
    s->count += taken;
}

static void take(struct session *s, bool may_repeat)
{
    struct sv to[RECIPIENTS_MAX];
    for (unsigned i = 0; i < s->count; i++)
        to[i] = sv_of(s->to[i]);
    s->receiver->taken++;
    if (s->receiver->script.no_such_reports && !s->from[0] &&
        memmem(buf_view(&s->content).ptr, buf_len(&s->content), "5.5.604", 7))
        ledger_fault("a report tells %s of the wish for IPv4", s->to[0]);
    ledger_on_delivery(sv_of(s->from), to, s->count, buf_view(&s->content),
                       may_repeat || s->link_faulty);
}

static void on_message(struct session *s)
{
    enum fault f = fault_here(s, AT_END);
    if (f == TAKEN_RESET || f == TAKEN_SILENT) {
        take(s, true);
        if (f == TAKEN_RESET)
            leave(s, true);
        else
            be_silent(s, SILENT_MS);
    } else if (f == NOTHING || f == SLOW) {
        take(s, false);
        (void)answer(s, AT_END, "250 2.0.0 Taken\r\n");
    } else {
        (void)answer(s, AT_END, "");
        if (f == FALLBACK)
            note_told(s, 0);
    }
    reset_mail(s);
}

static void on_data(struct session *s)
{
    if (s->count == 0)
        say(s, "554 5.5.1 No valid recipients\r\n");
    else
        s->in_data = answer(s, AT_DATA, "354 Go on\r\n");
    if (!s->in_data && s->count > 0 && fault_here(s, AT_DATA) == FALLBACK)
        note_told(s, 0);
}

static void on_bdat(struct session *s, struct sv line)
{
    struct sv rest = sv_skip(line, 5), size = sv_split(&rest, ' ');
    bool good = sv_u64(size, IN_MAX, &s->chunk_left);
    REQUIRE(good);
    s->in_chunk = true;
    s->last_chunk = sv_ieq(rest, SV("LAST"));
}

static void on_command(struct session *s, struct sv line)
{
    if (sv_istarts(line, SV("EHLO ")) || sv_istarts(line, SV("HELO "))) {
        (void)answer(s, AT_EHLO,
                     s->receiver->script.chunking
                         ? "250-mx\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-CHUNKING\r\n"
                           "250 ENHANCEDSTATUSCODES\r\n"
                         : "250-mx\r\n250-PIPELINING\r\n250-8BITMIME\r\n"
                           "250 ENHANCEDSTATUSCODES\r\n");
    } else if (sv_istarts(line, SV("MAIL FROM:"))) {
        reset_mail(s);
        copy_path(line, s->from, sizeof s->from);
        s->has_mail = answer(s, AT_MAIL, "250 2.1.0 Fine\r\n");
    } else if (sv_istarts(line, SV("RCPT TO:"))) {
        on_rcpt(s, line);
    } else if (sv_ieq(line, SV("DATA"))) {
        on_data(s);
    } else if (sv_istarts(line, SV("BDAT "))) {
        on_bdat(s, line);
    } else if (sv_ieq(line, SV("RSET"))) {
        reset_mail(s);
        say(s, "250 2.0.0 Fine\r\n");
    } else if (sv_ieq(line, SV("QUIT"))) {
        say(s, "221 2.0.0 Bye\r\n");
        leave(s, false);
    } else {
        ledger_fault("a receiver does not understand \"%.*s\"", SV_ARG(line));
        say(s, "500 5.5.1 What?\r\n");
    }
}

/* ---- input ---- */

static void keep(struct session *s, struct sv bytes)
{
    int err = buf_put(&s->content, bytes);
    REQUIRE(err == 0);
}

static void on_data_line(struct session *s, struct sv line)
{
    enum fault f = fault_here(s, AT_CONTENT);
    if (f == CLOSE || f == RESET) {
        leave(s, f == RESET);
        return;
    }
    if (sv_eq(line, SV("."))) {
        s->in_data = false;
        on_message(s);
        return;
    }
    keep(s, sv_starts(line, SV(".")) ? sv_skip(line, 1) : line);
    keep(s, SV("\r\n"));
}

static void on_chunk_end(struct session *s)
{
    s->in_chunk = false;
    if (s->count == 0)
        say(s, "554 5.5.1 No valid recipients\r\n");
    else if (s->last_chunk)
        on_message(s);
    else
        say(s, "250 2.0.0 More\r\n");
}

/* One command, line of content or piece of a chunk; false: not whole yet. */
static bool next(struct session *s, struct sv *in)
{
    if (s->in_chunk) {
        struct sv piece = sv_first(*in, s->chunk_left);
        keep(s, piece);
        s->chunk_left -= piece.len;
        *in = sv_skip(*in, piece.len);
        if (s->chunk_left == 0)
            on_chunk_end(s);
        return s->chunk_left == 0;
    }
    size_t end = sv_find(*in, '\n');
    if (end == in->len)
        return false;
    struct sv line = sv_first(*in, end);
    if (line.len && line.ptr[line.len - 1] == '\r')
        line.len--;
    else
        ledger_fault("a receiver got a bare LF");
    *in = sv_skip(*in, end + 1);
    if (s->in_data)
        on_data_line(s, line);
    else
        on_command(s, line);
    return true;
}

static void work(struct session *s)
{
    struct sv in = buf_view(&s->in);
    size_t before = in.len;
    while (!s->waiting && !s->ended && (in.len || s->in_chunk) && next(s, &in))
        ;
    buf_consume(&s->in, before - in.len);
}

static void on_read(void *arg, struct sv bytes)
{
    struct session *s = arg;
    int err = buf_put(&s->in, bytes);
    REQUIRE(err == 0);
    work(s);
}

static void on_timer(void *arg)
{
    struct session *s = arg;
    s->waiting = false;
    if (buf_len(&s->late) == 0) { /* silent to the end */
        leave(s, true);
        return;
    }
    if (stream_write(s->stream, buf_view(&s->late)) < 0) {
        leave(s, true);
        return;
    }
    buf_reset(&s->late);
    stream_read_start(s->stream);
    work(s);
}

static void draw_fault(struct session *s)
{
    const struct receiver_script *script = &s->receiver->script;
    if (script->falls_back && sim_below(1000) < script->falls_back) {
        s->fault = FALLBACK;
        s->fault_at = script->falls_back_at_end ? AT_END : (enum phase)sim_below(PHASES);
        return;
    }
    if (sim_below(1000) >= script->faults)
        return;
    s->fault_at = (enum phase)sim_below(PHASES);
    s->fault = (enum fault)(1 + sim_below(FAULTS - 1));
    if (s->fault == PERMANENT && script->no_permanent)
        s->fault = TRANSIENT;
}

static void on_accept(void *arg, struct stream *stream)
{
    static const struct stream_ops ops = {
        .on_read = on_read, .on_end = on_end, .on_closed = on_closed};
    struct receiver *r = arg;
    struct session *s = NEW(struct session);
    s->receiver = r;
    s->stream = stream;
    s->link_faulty = r->link_faulty;
    buf_init(&s->in, IN_MAX, 0);
    buf_init(&s->content, IN_MAX, 0);
    buf_init(&s->late, 4096, 0);
    timer_init(&s->timer, r->loop, on_timer, s);
    r->sessions++;
    draw_fault(s);
    stream_set_ops(stream, &ops, s);
    stream_read_start(stream);
    (void)answer(s, AT_GREETING, "220 mx ESMTP\r\n");
}

static void on_accept_error(void *arg, int err)
{
    (void)arg, (void)err;
}

/* ---- life ---- */

struct receiver *receiver_new(struct loop *l, const struct receiver_script *script)
{
    struct receiver *r = NEW(struct receiver);
    bool good = ip_parse(sv_of(script->address), &r->at.ip);
    REQUIRE(good);
    r->at.port = 25;
    r->script = *script;
    buf_init(&r->told, 1u << 20, 0);
    r->fd = sim_listen(&r->at);
    receiver_revive(r, l);
    return r;
}

void receiver_revive(struct receiver *r, struct loop *l)
{
    r->loop = l;
    (void)listener_new(l, r->fd, on_accept, on_accept_error, r);
}

void receiver_set_faults(struct receiver *r, unsigned faults)
{
    r->script.faults = faults;
}

void receiver_link(struct receiver *r, enum sim_fault fault, uint64_t after_bytes)
{
    r->link_faulty = fault != SIM_OK;
    sim_net_fault(&r->at, fault, after_bytes);
}

unsigned receiver_sessions(const struct receiver *r)
{
    return r->sessions;
}

unsigned receiver_taken(const struct receiver *r)
{
    return r->taken;
}

unsigned receiver_fell_back(const struct receiver *r)
{
    return r->fell_back;
}

void receiver_free(struct receiver *r)
{
    buf_deinit(&r->told);
    free(r);
}
