/*
 * sim_milter.h - scripted milters, a policy service and a next hop for the simulated world.
 *
 * A milter writes down what it is told, a line a packet ("M <u@example.net>|SIZE=10"), macros as
 * "D M i=...|", and answers each letter as its script says: bytes of packets made by said().
 */
#ifndef TESTS_UNIT_MSA_SERVER_SIM_MILTER_H
#define TESTS_UNIT_MSA_SERVER_SIM_MILTER_H

#include "msa/policy/milter_wire.h"
#include "tests/unit/msa_server/sim_world.h"

#include <ctype.h>

#define MILTER_PORT  8891
#define SERVICE_PORT 10023
#define SINK_PORT    2525

/* Everything goes to the next hop. */
#define ROUTE                                                                           \
    "relay = { routes = ( { domain = \"*\"; to = [ \"smtp://127.0.0.1:2525\" ]; tls = " \
    "\"none\"; } ); };\n"

struct sim_peer {
    struct listener *listener;
    unsigned connections;
    struct buf told; /* what it was told, in words */
    /* milter */
    const char *answers[128]; /* by letter: bytes, with their lengths in lengths; NULL: continue */
    size_t lengths[128];
    unsigned skip[128]; /* so many of that letter are answered with continue first */
    unsigned asked[128];
    char hangs_at, dies_at; /* letter */
    bool deaf;              /* it takes the connection and reads nothing */
    /* so many commands, and so many message ends, of 1000 are answered by chance */
    unsigned odd, odd_end;
    uint32_t actions, steps, version;
    const char *lists; /* behind the negotiation */
    size_t lists_len;
    /* policy service and next hop */
    struct sim_peer_conn *last; /* the newest connection, while it lives */
    const char *action;
    unsigned dies_after;  /* so many answers on one connection */
    bool plain;           /* the next hop has no extensions */
    const char *puts_off; /* it answers 451 to commands that begin so; NULL: none */
};

struct sim_peer_conn {
    struct sim_peer *peer;
    struct stream *stream;
    struct buf in;
    unsigned answered;
    bool data;
};

UNUSED static void note(struct sim_peer *p, const char *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        char c = bytes[i] ? bytes[i] : '|';
        assert_int_equal(buf_append(&p->told, &c, 1), 0);
    }
}

UNUSED static void peer_write(struct sim_peer_conn *c, const void *bytes, size_t len)
{
    if (stream_write(c->stream, (struct sv){bytes, len}) < 0)
        return;
}

/* One packet, its data with NULs as they are; appended to out. Returns the new length. */
UNUSED static size_t say(char *out, size_t at, char letter, const char *data, size_t len)
{
    size_t n = len + 1;
    out[at++] = (char)(n >> 24), out[at++] = (char)(n >> 16), out[at++] = (char)(n >> 8);
    out[at++] = (char)n;
    out[at++] = letter;
    memcpy(out + at, data, len);
    return at + len;
}

/* Any of what a milter may say and of what it may not, or nothing, or its end. */
UNUSED static void milter_by_chance(struct sim_peer_conn *c)
{
    static const struct {
        char letter;
        const char *data;
        size_t len;
    } said[] = {
#define SAID(letter, data) {(letter), (data), sizeof(data) - 1}
        SAID('c', ""),
        SAID('a', ""),
        SAID('r', ""),
        SAID('t', ""),
        SAID('d', ""),
        SAID('p', ""),
        SAID('s', ""),
        SAID('y', "451 4.7.1 later\0"),
        SAID('y', "550\0"),
        SAID('y', "no\0"),
        SAID('h', "X-A\0b\0"),
        SAID('i', "\0\0\0\1X-A\0b\nc\0"),
        SAID('m', "\0\0\0\1Subject\0\0"),
        SAID('b', "new\n"),
        SAID('+', "<n@example.org>\0"),
        SAID('-', "<a@example.org>\0"),
        SAID('e', "<>\0"),
        SAID('q', "bad\0"),
        SAID('2', "<n@example.org>\0NOTIFY=NEVER\0"),
        SAID('X', "?"),
#undef SAID
    };
    char out[256];
    size_t n = 0;
    uint32_t end = sim_below(10);
    for (uint32_t i = 0; i < sim_below(4); i++) {
        uint32_t k = sim_below(sizeof said / sizeof *said);
        n = say(out, n, said[k].letter, said[k].data, said[k].len);
    }
    if (end < 5)
        n = say(out, n, 'c', "", 0);
    if (n)
        peer_write(c, out, end == 7 ? n - 1 : n);
    if (end == 8) {
        stream_close(c->stream);
        c->stream = NULL;
    }
}

UNUSED static void milter_packet(struct sim_peer_conn *c, const char *data, size_t len)
{
    struct sim_peer *p = c->peer;
    unsigned char letter = (unsigned char)data[0];
    char packet[64];
    note(p, data, 1);
    note(p, " ", 1);
    if (letter == 'C') { /* name, family, port, address */
        size_t name = strlen(data + 1);
        note(p, data + 1, name + 2);
        note(p, data + 1 + name + 4, len - 1 - name - 5);
    } else if (letter != 'O') {
        size_t end = len > 1 && data[len - 1] == '\0' ? len - 1 : len;
        note(p, data + 1, end - 1);
    }
    note(p, "\n", 1);
    if (letter == 'D' || letter == 'A' || letter == 'Q')
        return;
    if (p->odd && sim_below(1000) < (letter == 'E' ? p->odd_end : p->odd)) {
        milter_by_chance(c);
        return;
    }
    if (letter == p->dies_at && p->asked[letter]++ >= p->skip[letter]) {
        stream_close(c->stream);
        c->stream = NULL;
        return;
    }
    if (letter == p->hangs_at)
        return;
    if (letter == 'O') {
        char d[12 + 512];
        uint32_t v[3] = {p->version ? p->version : 6, p->actions, p->steps};
        for (int i = 0; i < 12; i++)
            d[i] = (char)(v[i / 4] >> (24 - 8 * (i % 4)));
        memcpy(d + 12, p->lists ? p->lists : "", p->lists_len);
        char out[600];
        size_t n = say(out, 0, 'O', d, 12 + p->lists_len);
        if (p->answers['O'])
            peer_write(c, p->answers['O'], p->lengths['O']);
        else
            peer_write(c, out, n);
        return;
    }
    static const struct {
        char letter;
        uint32_t mute;
    } mutes[] = {{'C', MILTER_NR_CONNECT}, {'H', MILTER_NR_HELO}, {'M', MILTER_NR_MAIL},
                 {'R', MILTER_NR_RCPT},    {'T', MILTER_NR_DATA}, {'L', MILTER_NR_HEADER},
                 {'N', MILTER_NR_EOH},     {'B', MILTER_NR_BODY}};
    for (size_t i = 0; i < sizeof mutes / sizeof *mutes; i++)
        if (mutes[i].letter == (char)letter && p->steps & mutes[i].mute)
            return;
    if (p->answers[letter] && p->asked[letter]++ >= p->skip[letter])
        peer_write(c, p->answers[letter], p->lengths[letter]);
    else
        peer_write(c, packet, say(packet, 0, 'c', "", 0));
}

UNUSED static void on_milter_read(void *arg, struct sv bytes)
{
    struct sim_peer_conn *c = arg;
    assert_int_equal(buf_put(&c->in, bytes), 0);
    for (;;) {
        struct sv in = buf_view(&c->in);
        if (in.len < 4 || !c->stream)
            return;
        const unsigned char *u = (const unsigned char *)in.ptr;
        size_t len = (size_t)u[0] << 24 | (size_t)u[1] << 16 | (size_t)u[2] << 8 | u[3];
        assert_true(len > 0 && len <= 65536);
        if (in.len < 4 + len)
            return;
        char *packet = malloc(len);
        memcpy(packet, in.ptr + 4, len);
        buf_consume(&c->in, 4 + len);
        milter_packet(c, packet, len);
        free(packet);
    }
}

/* One question, one action. */
UNUSED static void on_service_read(void *arg, struct sv bytes)
{
    struct sim_peer_conn *c = arg;
    struct sim_peer *p = c->peer;
    assert_int_equal(buf_put(&c->in, bytes), 0);
    struct sv in = buf_view(&c->in);
    const char *end = memmem(in.ptr, in.len, "\n\n", 2);
    if (!end || p->deaf)
        return;
    note(p, in.ptr, (size_t)(end - in.ptr) + 2);
    buf_reset(&c->in);
    if (p->dies_after && c->answered == p->dies_after) {
        stream_close(c->stream);
        c->stream = NULL;
        return;
    }
    c->answered++;
    peer_write(c, p->action, strlen(p->action));
}

/* An SMTP server that takes everything; what it is told is all the dialogue. */
UNUSED static void on_sink_read(void *arg, struct sv bytes)
{
    struct sim_peer_conn *c = arg;
    assert_int_equal(buf_put(&c->in, bytes), 0);
    for (;;) {
        struct sv in = buf_view(&c->in);
        size_t n = sv_find(in, '\n');
        if (n == in.len)
            return;
        struct sv line = sv_first(in, n + 1);
        note(c->peer, line.ptr, line.len);
        bool end = sv_eq(line, SV(".\r\n"));
        const char *reply = c->data && !end                ? ""
                            : sv_istarts(line, SV("DATA")) ? "354 go\r\n"
                            : sv_istarts(line, SV("EHLO")) && !c->peer->plain
                                ? "250-sink\r\n250 8BITMIME\r\n"
                            : c->peer->puts_off && sv_istarts(line, sv_of(c->peer->puts_off))
                                ? "451 4.3.0 later\r\n"
                                : "250 2.0.0 ok\r\n";
        c->data = (c->data && !end) || sv_istarts(line, SV("DATA"));
        buf_consume(&c->in, n + 1);
        peer_write(c, reply, strlen(reply));
    }
}

UNUSED static void on_peer_end(void *arg, int err)
{
    struct sim_peer_conn *c = arg;
    (void)err;
    if (c->stream)
        stream_close(c->stream);
    c->stream = NULL;
}

UNUSED static void on_peer_closed(void *arg)
{
    struct sim_peer_conn *c = arg;
    if (c->peer->last == c)
        c->peer->last = NULL;
    buf_deinit(&c->in);
    free(c);
}

UNUSED static struct sim_peer_conn *peer_conn(struct sim_peer *p, struct stream *s)
{
    struct sim_peer_conn *c = NEW(struct sim_peer_conn);
    c->peer = p;
    c->stream = s;
    buf_init(&c->in, 16u << 20, 0);
    p->connections++;
    p->last = c;
    return c;
}

UNUSED static void on_milter_accept(void *arg, struct stream *s)
{
    static const struct stream_ops ops = {
        .on_read = on_milter_read, .on_end = on_peer_end, .on_closed = on_peer_closed};
    struct sim_peer *p = arg;
    stream_set_ops(s, &ops, peer_conn(p, s));
    if (!p->deaf)
        stream_read_start(s);
}

UNUSED static void on_service_accept(void *arg, struct stream *s)
{
    static const struct stream_ops ops = {
        .on_read = on_service_read, .on_end = on_peer_end, .on_closed = on_peer_closed};
    stream_set_ops(s, &ops, peer_conn(arg, s));
    stream_read_start(s);
}

UNUSED static void on_sink_accept(void *arg, struct stream *s)
{
    static const struct stream_ops ops = {
        .on_read = on_sink_read, .on_end = on_peer_end, .on_closed = on_peer_closed};
    struct sim_peer_conn *c = peer_conn(arg, s);
    stream_set_ops(s, &ops, c);
    stream_read_start(s);
    peer_write(c, "220 sink\r\n", 10);
}

UNUSED static void peer_listen(struct sim_peer *p, uint16_t port,
                               void (*on_accept)(void *arg, struct stream *s))
{
    struct ip_port at = {.ip = {.family = IP_V4, .bytes = {127, 0, 0, 1}}, .port = port};
    buf_init(&p->told, 64u << 20, 0);
    p->listener = listener_new(world.loop, sim_listen(&at), on_accept, NULL, p);
}

UNUSED static struct sim_peer *peer_new(uint16_t port,
                                        void (*on_accept)(void *arg, struct stream *s))
{
    struct sim_peer *p = NEW(struct sim_peer);
    p->actions = MILTER_MAY_ALL;
    peer_listen(p, port, on_accept);
    return p;
}

/* The packets of one letter's answer. */
UNUSED static void answer_with(struct sim_peer *p, char letter, const char *packets, size_t len)
{
    p->answers[(int)letter] = packets;
    p->lengths[(int)letter] = len;
}

/* Nobody is let in any more. */
UNUSED static void peer_close(struct sim_peer *p)
{
    if (p->listener)
        listener_close(p->listener);
    p->listener = NULL;
}

/* After the world's end. */
UNUSED static void peer_free(struct sim_peer *p)
{
    buf_deinit(&p->told);
    free(p);
}

UNUSED static bool peer_was_told(const struct sim_peer *p, const char *words)
{
    struct sv told = buf_view(&p->told);
    return told.len && memmem(told.ptr, told.len, words, strlen(words)) != NULL;
}

UNUSED static void peer_expect(struct sim_peer *p, const char *words)
{
    if (!peer_was_told(p, words)) {
        print_error("not told: %s\ntold so far:\n%.*s\n", words, SV_ARG(buf_view(&p->told)));
        fail();
    }
}

#endif
