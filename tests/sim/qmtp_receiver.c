/*
 * One fault a package at most, drawn with its first octet. A package is read as a whole; then the
 * responses are made, and of them as many octets go out as the fault allows. Each recipient is
 * taken with what is known of its own response: whole and sure to arrive, or not.
 */
#include "tests/sim/qmtp_receiver.h"

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
#define BEHIND         60 /* octets behind the message that a cut may leave, at most */

enum fault {
    NOTHING,
    TRANSIENT,       /* Z for all */
    PERMANENT,       /* D for all */
    MIXED,           /* a letter each */
    SLOW,            /* late, but in time */
    TOO_MANY,        /* responses */
    CUT_PACKAGE,     /* closed before the package is whole */
    RESET_PACKAGE,   /* reset likewise */
    EARLY,           /* K before the package can be whole */
    NOT_TAKEN,       /* nothing is taken, and nothing said */
    NONSENSE,        /* nothing is taken, and what is said is no QMTP */
    CUT_RESPONSES,   /* taken; closed in the middle of the responses */
    SILENT_MIDWAY,   /* taken; the rest of the responses never comes */
    NONSENSE_MIDWAY, /* taken; the rest is no QMTP */
    RESET_RESPONSES, /* taken; reset behind them */
    FAULTS
};

struct seen {
    char to[48];
    uint64_t at_ms;
};

struct qmtp_receiver {
    struct qmtp_script script;
    struct loop *loop;
    struct ip_port at;
    int fd;
    bool link_faulty;
    unsigned sessions, packages, taken, unsure;
    struct seen *seen;
    size_t nseen;
};

struct session {
    struct qmtp_receiver *receiver;
    struct stream *stream;
    struct timer timer;
    bool link_faulty; /* what is said need not arrive */
    bool ended, waiting, in_package;
    enum fault fault;
    size_t cut_at;
    struct buf in, late; /* late: responses that are delayed */
};

struct package {
    struct sv content, from, to[RECIPIENTS_MAX];
    size_t count;
    char letters[RECIPIENTS_MAX];
    size_t ends[RECIPIENTS_MAX]; /* of each response, octets from the beginning of all */
};

/* ---- ends ---- */

static void on_closed(void *arg)
{
    struct session *s = arg;
    timer_stop(&s->timer);
    buf_deinit(&s->in);
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

static void say(struct session *s, struct sv octets)
{
    if (!s->ended && stream_write(s->stream, octets) < 0)
        leave(s, true);
}

static void pause_for(struct session *s, uint64_t ms)
{
    s->waiting = true;
    stream_read_stop(s->stream);
    timer_start(&s->timer, ms);
}

static void say_nonsense(struct session *s)
{
    static const struct sv words[] = {{"250 2.0.0 ok\r\n", 14},
                                      {"1:K;", 4},
                                      {"01:K,", 5},
                                      {"0:,", 3},
                                      {"2:Q?,", 5},
                                      {"99999999999:K", 13},
                                      {"220 mx ESMTP\r\n", 14},
                                      {":K,", 3},
                                      {"\0\0", 2},
                                      {"-1:K,", 5}};
    say(s, words[sim_below(sizeof words / sizeof words[0])]);
}

/* ---- packages ---- */

/* 1: taken from *in; 0: not whole yet; -1: none. *length_out: of what it holds, once it is known.
 */
static int take_netstring(struct sv *in, struct sv *out, size_t *length_out)
{
    uint64_t length;
    size_t digits = sv_find(*in, ':');
    struct sv number = sv_first(*in, digits);
    *length_out = 0;
    if (digits == in->len)
        return digits > 9 ? -1 : 0;
    if (!sv_u64(number, IN_MAX, &length) || (digits > 1 && number.ptr[0] == '0'))
        return -1;
    *length_out = (size_t)length;
    struct sv rest = sv_skip(*in, digits + 1);
    if (rest.len < length + 1)
        return 0;
    if (rest.ptr[length] != ',')
        return -1;
    *out = sv_first(rest, (size_t)length);
    *in = sv_skip(rest, (size_t)length + 1);
    return 1;
}

/* As take_netstring(). */
static int take_package(struct sv *in, struct package *p, size_t *length_out)
{
    struct sv rest = *in, message, recipients;
    size_t unused;
    int whole = take_netstring(&rest, &message, length_out);
    if (whole == 1)
        whole = take_netstring(&rest, &p->from, &unused);
    if (whole == 1)
        whole = take_netstring(&rest, &recipients, &unused);
    if (whole != 1)
        return whole;
    for (p->count = 0; recipients.len && p->count < RECIPIENTS_MAX; p->count++)
        if (take_netstring(&recipients, &p->to[p->count], &unused) != 1)
            return -1;
    if (!p->count || recipients.len || !message.len || message.ptr[0] != '\n')
        return -1;
    p->content = sv_skip(message, 1);
    *in = rest;
    return 1;
}

static void note_seen(struct qmtp_receiver *r, struct sv to)
{
    r->seen = mem_resize(r->seen, r->nseen + 1, sizeof *r->seen);
    struct seen *seen = &r->seen[r->nseen++];
    snprintf(seen->to, sizeof seen->to, "%.*s", SV_ARG(to));
    seen->at_ms = sim_now();
}

/* ---- what is taken ---- */

static void put_crlf(struct buf *out, struct sv lines)
{
    while (lines.len) {
        size_t end = sv_find(lines, '\n');
        bool has_end = end < lines.len;
        int err = buf_put(out, sv_first(lines, end));
        REQUIRE(err == 0 && (!has_end || buf_put(out, SV("\r\n")) == 0));
        lines = sv_skip(lines, end + has_end);
    }
}

static void take(struct session *s, const struct package *p, size_t i, bool may_repeat)
{
    struct buf content;
    may_repeat = may_repeat || s->link_faulty;
    s->receiver->taken++;
    s->receiver->unsure += may_repeat;
    buf_init(&content, 2 * IN_MAX, 0);
    put_crlf(&content, p->content);
    ledger_on_delivery(p->from, &p->to[i], 1, buf_view(&content), may_repeat);
    buf_deinit(&content);
}

/* said: octets of the responses that go out; surely: and arrive. */
static void take_all(struct session *s, const struct package *p, size_t said, bool surely)
{
    for (size_t i = 0; i < p->count; i++)
        if (p->letters[i] == 'K')
            take(s, p, i, !surely || p->ends[i] > said);
}

/* ---- responses ---- */

static void draw_letters(const struct session *s, struct package *p)
{
    static const char letters[] = "KZD";
    char all = s->fault == TRANSIENT ? 'Z' : s->fault == PERMANENT ? 'D' : 'K';
    for (size_t i = 0; i < p->count; i++) {
        p->letters[i] = s->fault == MIXED ? letters[sim_below(3)] : all;
        if (p->letters[i] == 'D' && s->receiver->script.no_permanent)
            p->letters[i] = 'Z';
    }
}

/* Who gives one response takes all or nobody, and says what the worst of them has. The others
 * cannot know what became of them. */
static void make_one(struct package *p, struct buf *out)
{
    char letter = 'K';
    for (size_t i = 0; i < p->count && letter == 'K'; i++)
        letter = p->letters[i];
    for (size_t i = 0; i < p->count; i++) {
        p->letters[i] = letter;
        p->ends[i] = i == 0 ? 4 : SIZE_MAX;
    }
    int err = buf_printf(out, "1:%c,", letter);
    REQUIRE(err == 0);
}

static void make_each(struct package *p, struct buf *out)
{
    static const char *const words[] = {"", "2.0.0 fine", " ok 838640135 qp 1390",
                                        "some words that are somewhat longer (#2.0.0)"};
    for (size_t i = 0; i < p->count; i++) {
        const char *text = words[sim_below(4)];
        int err = buf_printf(out, "%zu:%c%s,", 1 + strlen(text), p->letters[i], text);
        REQUIRE(err == 0);
        p->ends[i] = buf_len(out);
    }
}

static void answer(struct session *s, struct package *p)
{
    struct buf out;
    buf_init(&out, 1u << 20, 0);
    draw_letters(s, p);
    if (s->receiver->script.one_response)
        make_one(p, &out);
    else
        make_each(p, &out);
    struct sv all = buf_view(&out), part = sv_first(all, sim_below((uint32_t)all.len));
    switch (s->fault) {
    case CUT_RESPONSES:
    case SILENT_MIDWAY:
    case NONSENSE_MIDWAY:
        take_all(s, p, part.len, true);
        say(s, part);
        if (s->fault == NONSENSE_MIDWAY)
            say(s, SV(";")); /* no digit, comma or letter, wherever it stands; or a text's end */
        if (s->fault == SILENT_MIDWAY)
            pause_for(s, SILENT_MS);
        else
            leave(s, false);
        break;
    case RESET_RESPONSES:
        take_all(s, p, 0, false);
        say(s, all);
        leave(s, true);
        break;
    case SLOW:
        take_all(s, p, all.len, true);
        int err = buf_put(&s->late, all);
        REQUIRE(err == 0);
        pause_for(s, 1 + sim_below(SLOW_MAX_MS));
        break;
    default:
        take_all(s, p, all.len, true);
        say(s, all);
        if (s->fault == TOO_MANY) {
            /* A K too many would be the next package's: nobody can tell. This ends the session. */
            say(s, SV("2:?K,"));
            s->link_faulty = true;
        }
    }
    if (s->receiver->script.closes && !s->waiting)
        leave(s, false);
    buf_deinit(&out);
}

static void on_package(struct session *s, struct package *p)
{
    s->receiver->packages++;
    for (size_t i = 0; i < p->count; i++)
        note_seen(s->receiver, p->to[i]);
    switch (s->fault) {
    case CUT_PACKAGE: /* it was faster */
    case RESET_PACKAGE:
        leave(s, s->fault == RESET_PACKAGE);
        break;
    case NOT_TAKEN:
        pause_for(s, SILENT_MS);
        break;
    case NONSENSE:
        say_nonsense(s);
        leave(s, false);
        break;
    default:
        answer(s, p);
    }
}

/* ---- input ---- */

static void draw_fault(struct session *s)
{
    const struct qmtp_script *script = &s->receiver->script;
    s->in_package = true;
    s->cut_at = SIZE_MAX;
    s->fault = NOTHING;
    if (script->garbage)
        s->fault = NONSENSE;
    else if (sim_below(1000) < script->faults)
        s->fault = (enum fault)(1 + sim_below(FAULTS - 1));
    if (s->fault == PERMANENT && script->no_permanent)
        s->fault = TRANSIENT;
}

/* Some of the package is here, and more is to come: length of its message. */
static void disturb(struct session *s, size_t length)
{
    size_t here = buf_len(&s->in);
    if (s->fault == CUT_PACKAGE || s->fault == RESET_PACKAGE) {
        if (s->cut_at == SIZE_MAX && length > 0)
            s->cut_at = sim_below((uint32_t)length + BEHIND);
        if (here >= s->cut_at)
            leave(s, s->fault == RESET_PACKAGE);
    } else if (s->fault == EARLY && length > here + s->receiver->script.window) {
        say(s, SV("1:K,"));
        pause_for(s, SILENT_MS);
    }
}

static void work(struct session *s)
{
    struct package p;
    int whole = 1;
    while (!s->waiting && !s->ended && buf_len(&s->in) && whole == 1) {
        struct sv in = buf_view(&s->in);
        size_t before = in.len, length;
        if (!s->in_package)
            draw_fault(s);
        whole = take_package(&in, &p, &length);
        if (whole == 1) {
            s->in_package = false;
            on_package(s, &p);
            buf_consume(&s->in, before - in.len);
        } else if (whole == 0) {
            disturb(s, length);
        } else {
            ledger_fault("a receiver got what is no QMTP: \"%.*s\"",
                         SV_ARG(sv_first(buf_view(&s->in), 60)));
            leave(s, true);
        }
    }
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
    say(s, buf_view(&s->late));
    buf_reset(&s->late);
    if (s->ended)
        return;
    if (s->receiver->script.closes) {
        leave(s, false);
        return;
    }
    stream_read_start(s->stream);
    work(s);
}

static void on_accept(void *arg, struct stream *stream)
{
    static const struct stream_ops ops = {
        .on_read = on_read, .on_end = on_end, .on_closed = on_closed};
    struct qmtp_receiver *r = arg;
    struct session *s = NEW(struct session);
    s->receiver = r;
    s->stream = stream;
    s->link_faulty = r->link_faulty;
    buf_init(&s->in, IN_MAX, 0);
    buf_init(&s->late, 1u << 20, 0);
    timer_init(&s->timer, r->loop, on_timer, s);
    r->sessions++;
    stream_set_ops(stream, &ops, s);
    stream_read_start(stream);
    if (r->script.garbage && sim_below(2))
        say_nonsense(s);
}

static void on_accept_error(void *arg, int err)
{
    (void)arg, (void)err;
}

/* ---- life ---- */

struct qmtp_receiver *qmtp_receiver_new(struct loop *l, const struct qmtp_script *script)
{
    struct qmtp_receiver *r = NEW(struct qmtp_receiver);
    bool good = ip_parse(sv_of(script->address), &r->at.ip);
    REQUIRE(good);
    r->at.port = 209;
    r->script = *script;
    r->fd = sim_listen(&r->at);
    qmtp_receiver_revive(r, l);
    return r;
}

void qmtp_receiver_revive(struct qmtp_receiver *r, struct loop *l)
{
    r->loop = l;
    (void)listener_new(l, r->fd, on_accept, on_accept_error, r);
}

void qmtp_receiver_set_faults(struct qmtp_receiver *r, unsigned faults)
{
    r->script.faults = faults;
    r->script.garbage = r->script.garbage && faults > 0;
}

void qmtp_receiver_link(struct qmtp_receiver *r, enum sim_fault fault, uint64_t after_bytes)
{
    r->link_faulty = fault != SIM_OK;
    sim_net_fault(&r->at, fault, after_bytes);
}

unsigned qmtp_receiver_sessions(const struct qmtp_receiver *r)
{
    return r->sessions;
}

unsigned qmtp_receiver_packages(const struct qmtp_receiver *r)
{
    return r->packages;
}

unsigned qmtp_receiver_taken(const struct qmtp_receiver *r)
{
    return r->taken;
}

unsigned qmtp_receiver_unsure(const struct qmtp_receiver *r)
{
    return r->unsure;
}

bool qmtp_receiver_saw(const struct qmtp_receiver *r, struct sv to, uint64_t ms)
{
    for (size_t i = r->nseen; i > 0; i--)
        if (sv_eq(sv_of(r->seen[i - 1].to), to))
            return sim_now() - r->seen[i - 1].at_ms < ms;
    return false;
}

void qmtp_receiver_free(struct qmtp_receiver *r)
{
    free(r->seen);
    free(r);
}
