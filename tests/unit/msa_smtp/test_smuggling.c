/*
 * SMTP smuggling, both ways: every string of up to five of CR, LF, dot, NUL and a letter before,
 * inside and behind an end of data, in new and in resumed transactions, through the session at
 * every cut, against a receiver written as plainly as the rules are: only CRLF . CRLF ends data,
 * and a command line ends at CRLF. And everything that is sent, against the most lenient receiver
 * there can be.
 */
#include "msa/smtp/dot.h"
#include "msa/smtp/server.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#define TAIL "NOOP\r\n.\r\nNOOP\r\n" /* ends whatever is open, and shows what is heard then */
#define ROOM 4000u

static void put(struct buf *b, struct sv text)
{
    assert_int_equal(buf_put(b, text), 0);
}

static void same(struct buf *want, struct buf *got, const char *what, struct sv in)
{
    if (sv_eq(buf_view(want), buf_view(got)))
        return;
    for (size_t i = 0; i < in.len; i++)
        print_error("%s%02x", i ? " " : "input ", (unsigned char)in.ptr[i]);
    print_error("\n%s: wanted <%.*s> got <%.*s>\n", what, SV_ARG(buf_view(want)),
                SV_ARG(buf_view(got)));
    fail();
}

/* --- all short strings --- */

static const char alphabet[] = {'\r', '\n', '.', '\0', 'x'};
#define LETTERS sizeof alphabet

/* The n-th string of len letters; false: there are no more. */
static bool spell(unsigned n, unsigned len, char *out)
{
    for (unsigned k = 0; k < len; k++, n /= LETTERS)
        out[k] = alphabet[n % LETTERS];
    return n == 0;
}

/* --- the receiver as the rules say it --- */

static bool is_crlf(struct sv in, size_t i)
{
    return i + 1 < in.len && in.ptr[i] == '\r' && in.ptr[i + 1] == '\n';
}

static size_t find_crlf(struct sv in, size_t from)
{
    while (from < in.len && !is_crlf(in, from))
        from++;
    return from;
}

/* Where the dot is that ends data: a line of its own, after the start or a true CRLF. */
static size_t find_end(struct sv in)
{
    for (size_t i = 0; i < in.len; i++)
        if ((i == 0 || (i > 1 && is_crlf(in, i - 2))) && in.ptr[i] == '.' && is_crlf(in, i + 1))
            return i;
    return in.len;
}

/* Appends the refusal of the content, if it gets one; complete: no more will come. */
static bool model_fault(struct sv text, bool reject, bool complete, bool resumed,
                        struct buf *replies)
{
    unsigned line = 1;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        bool bare_lf = c == '\n' && !(i > 0 && text.ptr[i - 1] == '\r');
        bool bare_cr = c == '\r' && !is_crlf(text, i) && (complete || i + 1 < text.len);
        const char *what = c == '\0'           ? "a NUL"
                           : reject && bare_lf ? "a LF without CR"
                           : reject && bare_cr ? "a CR without LF"
                                               : NULL;
        if (what) {
            int err = resumed ? buf_printf(replies, "554 5.6.0 A line holds %s\n", what)
                              : buf_printf(replies, "554 5.6.0 Line %u holds %s\n", line, what);
            assert_int_equal(err, 0);
            return true;
        }
        line += c == '\n';
    }
    return false;
}

/* What is kept of the content: line by line, a line being what stands between true CRLFs. A NUL
 * refuses all of it, and is not given out. */
static void model_content(struct sv text, bool dots, struct buf *out)
{
    for (size_t at = 0; at < text.len;) {
        size_t end = find_crlf(text, at);
        bool lone = at + 1 < text.len && text.ptr[at + 1] == '\n';
        if (dots && text.ptr[at] == '.' && !lone)
            at++;
        for (; at < end; at++) {
            char c = text.ptr[at] == '\r' ? ' ' : text.ptr[at];
            if (c != '\0')
                put(out, c == '\n' ? SV("\r\n") : (struct sv){&c, 1});
        }
        if (end < text.len)
            put(out, SV("\r\n"));
        at = end + 2;
    }
}

static void model_commands(struct sv in, struct buf *replies)
{
    for (size_t at = 0, end; (end = find_crlf(in, at)) < in.len; at = end + 2) {
        struct sv line = sv_range(in.ptr + at, in.ptr + end);
        bool bad = false;
        for (size_t i = 0; i < line.len; i++)
            bad = bad || line.ptr[i] == '\r' || line.ptr[i] == '\n' || line.ptr[i] == '\0';
        put(replies, bad                       ? SV("500 5.5.2\n")
                     : sv_eq(line, SV("NOOP")) ? SV("250 2.0.0\n")
                                               : SV("500 5.5.1\n"));
    }
}

static void model_commit(struct sv text, bool dots, bool reject, bool resumed, struct buf *replies,
                         struct buf *bodies)
{
    if (model_fault(text, reject, true, resumed, replies))
        return;
    put(bodies, SV("["));
    model_content(text, dots, bodies);
    put(bodies, SV("]"));
    put(replies, SV("250 2.6.0\n"));
}

/* --- the session --- */

struct peer {
    struct smtp_server *s;
    struct buf replies, bodies, body;
    bool resumed; /* transactions go on where an earlier one was interrupted (RFC 1845) */
    bool binary;  /* of the last COMMIT */
};

static const struct smtp_server_limits limits = {
    .message_size = 1u << 20, .recipients = 10, .command_timeout_ms = 300, .data_timeout_ms = 180};
static struct smtp_server_setup setup = {.hostname = {"h.example", 9},
                                         .postmaster = {"p@h.example", 11},
                                         .tls_from_start = true,
                                         .limits = &limits};

static size_t setting_at(struct sv line)
{
    size_t at = sv_find(line, '(');
    return at < line.len ? at - 1 : at;
}

/* Code and enhanced code of each line; refusals of content without the setting they name. */
static void note_replies(struct buf *out, struct sv text)
{
    while (text.len) {
        struct sv line = sv_split(&text, '\n');
        assert_true(line.len > 9 && line.ptr[line.len - 1] == '\r');
        line.len--;
        put(out,
            sv_starts(line, SV("554 ")) ? sv_first(line, setting_at(line)) : sv_first(line, 9));
        put(out, SV("\n"));
    }
}

static void act(struct peer *p, const struct smtp_action *a)
{
    struct smtp_result ok = {.outcome = SMTP_OK};
    if (a->type == SMTP_ACTION_SEND)
        note_replies(&p->replies, a->bytes);
    if (a->type == SMTP_ACTION_BODY)
        put(&p->body, a->bytes);
    if (a->type == SMTP_ACTION_OPEN_MESSAGE)
        buf_reset(&p->body);
    if (a->type == SMTP_ACTION_COMMIT) {
        put(&p->bodies, SV("["));
        put(&p->bodies, buf_view(&p->body));
        put(&p->bodies, SV("]"));
        p->binary = a->binary;
        ok.reply = SMTP_REPLY(250, 2, 6, 0, "Taken");
    }
    if (a->type == SMTP_ACTION_RESUME) {
        ok.resumed = true;
        ok.offset = 6;
        ok.mail = SV("<> TRANSID=<1@c.example>");
        ok.recipients = SV("<a@b.example>");
    }
    assert_int_not_equal(a->type, SMTP_ACTION_CLOSE);
    if (a->op)
        smtp_server_done(p->s, a->op, &ok);
}

static void give(struct peer *p, struct sv in)
{
    struct smtp_action a;
    size_t n;
    do {
        n = smtp_server_feed(p->s, in);
        in = sv_skip(in, n);
        while (smtp_server_next(p->s, &a))
            act(p, &a);
    } while (n);
    assert_int_equal(in.len, 0);
}

static void peer_init(struct peer *p, bool reject, bool resumed)
{
    p->resumed = resumed;
    setup.reject_bare_newlines = reject;
    buf_init(&p->replies, ROOM, 0);
    buf_init(&p->bodies, ROOM, 0);
    buf_init(&p->body, ROOM, 0);
    p->s = smtp_server_new(&setup, SV(""));
    smtp_server_start(p->s, NULL);
    give(p, SV("HELO a.example\r\n"));
}

static void peer_deinit(struct peer *p)
{
    smtp_server_free(p->s);
    buf_deinit(&p->replies);
    buf_deinit(&p->bodies);
    buf_deinit(&p->body);
}

/* A transaction as far as its content. */
static void begin(struct peer *p, struct sv command)
{
    buf_reset(&p->replies);
    give(p, p->resumed ? SV("RSET\r\nMAIL FROM:<> TRANSID=<1@c.example>\r\n")
                       : SV("RSET\r\nMAIL FROM:<>\r\nRCPT TO:<a@b.example>\r\n"));
    struct sv replies = buf_view(&p->replies);
    sv_split(&replies, '\n'); /* of RSET */
    assert_true(sv_starts(replies, p->resumed ? SV("355 ") : SV("250 ")));
    give(p, command);
    buf_reset(&p->replies);
    buf_reset(&p->bodies);
}

/* cut 0: whole; to in.len - 1: two pieces; in.len: octet by octet. */
static void give_cut(struct peer *p, struct sv in, size_t cut)
{
    if (cut < in.len) {
        give(p, sv_first(in, cut));
        give(p, sv_skip(in, cut));
        return;
    }
    for (size_t i = 0; i < in.len; i++)
        give(p, (struct sv){in.ptr + i, 1});
}

/* --- in DATA --- */

/* The string goes where the gap is. */
static const struct {
    struct sv before, after;
} places[] = {
    {{"", 0}, {"\r\n.\r\n", 5}},  {{"a", 1}, {"\r\n.\r\n", 5}},  {{"a\r", 2}, {"\n.\r\n", 4}},
    {{"a\r\n", 3}, {".\r\n", 3}}, {{"a\r\n.", 4}, {"\r\n", 2}},  {{"a\r\n.\r", 5}, {"\n", 1}},
    {{"a\r\n.\r\n", 6}, {"", 0}}, {{"a\r\n.", 4}, {".\r\n", 3}}, {{"\n", 1}, {".\n", 2}},
};
#define PLACES (sizeof places / sizeof places[0])

static size_t compose(char *out, size_t place, struct sv text)
{
    struct sv parts[] = {places[place].before, text, places[place].after, SV(TAIL)};
    size_t len = 0;
    for (size_t i = 0; i < 4; i++) {
        if (parts[i].len)
            memcpy(out + len, parts[i].ptr, parts[i].len);
        len += parts[i].len;
    }
    return len;
}

static void one_data(struct peer *p, bool reject, struct sv in, struct buf *replies,
                     struct buf *bodies, unsigned n, bool every_cut)
{
    size_t end = find_end(in);
    assert_true(end + 3 <= in.len);
    buf_reset(replies);
    buf_reset(bodies);
    model_commit(sv_first(in, end), true, reject, p->resumed, replies, bodies);
    model_commands(sv_skip(in, end + 3), replies);
    for (size_t cut = 0; cut <= in.len; cut++) {
        if (!every_cut && cut != 0 && cut != n % in.len && cut != in.len)
            continue;
        begin(p, SV("DATA\r\n"));
        give_cut(p, in, cut);
        same(replies, &p->replies, "replies", in);
        same(bodies, &p->bodies, "content", in);
    }
}

static void around_the_end_of_data(void **state)
{
    char text[5], in[64];
    struct buf replies, bodies;
    (void)state;
    buf_init(&replies, ROOM, 0);
    buf_init(&bodies, ROOM, 0);
    for (int how = 0; how < 4; how++) {
        bool reject = how & 1, resumed = how & 2;
        struct peer p;
        peer_init(&p, reject, resumed);
        for (unsigned len = 0; len <= (resumed ? 4 : 5); len++)
            for (unsigned n = 0; spell(n, len, text); n++)
                for (size_t place = 0; place < PLACES; place++) {
                    struct sv whole = {in, compose(in, place, (struct sv){text, len})};
                    one_data(&p, reject, whole, &replies, &bodies, n, len <= 3);
                }
        peer_deinit(&p);
    }
    buf_deinit(&replies);
    buf_deinit(&bodies);
}

/* The machine alone is quick enough for every cut of all of them. */
static void at_every_cut(void **state)
{
    char text[5], in[64];
    struct buf want, got;
    (void)state;
    buf_init(&want, ROOM, 0);
    buf_init(&got, ROOM, 0);
    for (unsigned n = 0; spell(n, 5, text); n++)
        for (size_t place = 0; place < PLACES; place++) {
            struct sv whole = {in, compose(in, place, (struct sv){text, 5})};
            size_t end = find_end(whole);
            buf_reset(&want);
            model_content(sv_first(whole, end), true, &want);
            for (size_t cut = 0; cut < whole.len; cut++) {
                struct smtp_dot d;
                size_t used = 0;
                buf_reset(&got);
                smtp_dot_init(&d, SMTP_DOT_DATA, false);
                while (used < whole.len && !d.ended) {
                    size_t upto = used < cut ? cut : whole.len;
                    struct sv piece;
                    used += smtp_dot_next(&d, sv_range(in + used, in + upto), &piece);
                    put(&got, piece);
                }
                assert_int_equal(used, end + 3);
                same(&want, &got, "content", whole);
            }
        }
    buf_deinit(&want);
    buf_deinit(&got);
}

/* --- in chunks --- */

/* Two chunks, cut at first; a command behind them. */
static size_t compose_chunks(char *out, size_t room, struct sv text, size_t first)
{
    int n = snprintf(out, room, "BDAT %zu\r\n", first);
    memcpy(out + n, text.ptr, first);
    size_t len = (size_t)n + first;
    n = snprintf(out + len, room - len, "BDAT %zu LAST\r\n", text.len - first);
    len += (size_t)n;
    memcpy(out + len, text.ptr + first, text.len - first);
    len += text.len - first;
    memcpy(out + len, "NOOP\r\n", 6);
    return len + 6;
}

static void one_pair_of_chunks(struct peer *p, bool reject, struct sv text, size_t first,
                               struct buf *replies, struct buf *bodies)
{
    char in[128];
    struct sv whole = {in, compose_chunks(in, sizeof in, text, first)};
    buf_reset(replies);
    buf_reset(bodies);
    if (model_fault(sv_first(text, first), reject, false, p->resumed, replies)) {
        /* the transaction stays refused, for the same reason */
        put(replies, sv_first(buf_view(replies), buf_len(replies)));
    } else {
        put(replies, SV("250 2.0.0\n"));
        model_commit(text, false, reject, p->resumed, replies, bodies);
    }
    put(replies, SV("250 2.0.0\n"));
    for (size_t cut = 0; cut <= whole.len; cut += whole.len) {
        begin(p, SV(""));
        give_cut(p, whole, cut);
        same(replies, &p->replies, "replies", whole);
        same(bodies, &p->bodies, "content", whole);
    }
}

static void at_the_edges_of_chunks(void **state)
{
    static const struct sv before[] = {{"", 0}, {"a", 1}, {"\r\n.\r\n", 5}};
    char text[16];
    struct buf replies, bodies;
    (void)state;
    buf_init(&replies, ROOM, 0);
    buf_init(&bodies, ROOM, 0);
    for (int how = 0; how < 4; how++) {
        bool reject = how & 1;
        struct peer p;
        peer_init(&p, reject, how & 2);
        for (size_t place = 0; place < sizeof before / sizeof before[0]; place++)
            for (unsigned len = 0; len <= 4; len++) {
                size_t head = before[place].len;
                memcpy(text, before[place].ptr, head);
                for (unsigned n = 0; spell(n, len, text + head); n++)
                    for (size_t first = head; first <= head + len; first++)
                        one_pair_of_chunks(&p, reject, (struct sv){text, head + len}, first,
                                           &replies, &bodies);
            }
        peer_deinit(&p);
    }
    buf_deinit(&replies);
    buf_deinit(&bodies);
}

/* BODY=BINARYMIME: every octet is kept, and the next hop needs the same where they are not lines.
 */
static void binary_chunks_are_untouched(void **state)
{
    char text[5], in[128];
    struct buf replies, bodies;
    struct peer p;
    (void)state;
    buf_init(&replies, ROOM, 0);
    buf_init(&bodies, ROOM, 0);
    peer_init(&p, true, false);
    put(&replies, SV("250 2.0.0\n250 2.6.0\n250 2.0.0\n"));
    for (unsigned len = 0; len <= 4; len++)
        for (unsigned n = 0; spell(n, len, text); n++)
            for (size_t first = 0; first <= len; first++) {
                struct sv content = {text, len};
                struct sv whole = {in, compose_chunks(in, sizeof in, content, first)};
                struct buf none;
                buf_init(&none, ROOM, 0);
                bool lines = !model_fault(content, true, true, false, &none) &&
                             (len == 0 || (len > 1 && is_crlf(content, len - 2)));
                buf_deinit(&none);
                buf_reset(&bodies);
                put(&bodies, SV("["));
                put(&bodies, content);
                put(&bodies, SV("]"));
                for (size_t cut = 0; cut <= whole.len; cut += whole.len) {
                    give(&p, SV("RSET\r\nMAIL FROM:<> BODY=BINARYMIME\r\n"
                                "RCPT TO:<a@b.example>\r\n"));
                    buf_reset(&p.replies);
                    buf_reset(&p.bodies);
                    give_cut(&p, whole, cut);
                    same(&replies, &p.replies, "replies", whole);
                    same(&bodies, &p.bodies, "content", whole);
                    assert_int_equal(p.binary, !lines);
                }
            }
    peer_deinit(&p);
    buf_deinit(&replies);
    buf_deinit(&bodies);
}

/* --- what is sent --- */

static void send_cut(struct sv text, size_t cut, bool dots, struct buf *wire)
{
    struct smtp_stuff s;
    size_t used = 0;
    buf_reset(wire);
    smtp_stuff_init(&s, dots);
    while (used < text.len) {
        /* cut text.len: octet by octet */
        size_t upto = cut == text.len ? used + 1 : used < cut ? cut : text.len;
        struct sv piece;
        used += smtp_stuff_next(&s, sv_range(text.ptr + used, text.ptr + upto), &piece);
        put(wire, piece);
    }
    put(wire, smtp_stuff_end(&s));
}

static void is_clean(struct sv wire)
{
    for (size_t i = 0; i < wire.len; i++) {
        char c = wire.ptr[i];
        assert_true(c != '\0');
        assert_true(c != '\r' || is_crlf(wire, i));
        assert_true(c != '\n' || (i > 0 && is_crlf(wire, i - 1)));
    }
}

/* A receiver to which CR, LF and NUL are line ends, in any order and number: where it sees the
 * first end of data, and the last one. */
static void lenient_ends(struct sv wire, size_t *first, size_t *last)
{
    bool ended_line = true, dot = false;
    *first = *last = 0;
    for (size_t i = 0; i < wire.len; i++) {
        char c = wire.ptr[i];
        bool ends_line = c == '\r' || c == '\n' || c == '\0';
        if (dot && ends_line) {
            *last = i;
            if (*first == 0)
                *first = i;
        }
        dot = ended_line && c == '.';
        ended_line = ends_line;
    }
}

/* The content as it must arrive: only what is no line of text is changed. */
static void model_sent(struct sv text, struct buf *out)
{
    size_t len = text.len;
    bool complete = len == 0 || text.ptr[len - 1] == '\n';
    if (len && text.ptr[len - 1] == '\r')
        len--; /* half a line end is completed */
    for (size_t i = 0; i < len; i++) {
        char c = text.ptr[i] == '\0' ? ' ' : text.ptr[i];
        if (is_crlf(text, i))
            continue;
        c = c == '\r' ? ' ' : c;
        put(out, c == '\n' ? SV("\r\n") : (struct sv){&c, 1});
    }
    if (!complete)
        put(out, SV("\r\n"));
}

static void nothing_sent_is_two_messages(void **state)
{
    char text[6];
    struct buf want, wire, back;
    (void)state;
    buf_init(&want, ROOM, 0);
    buf_init(&wire, ROOM, 0);
    buf_init(&back, ROOM, 0);
    for (unsigned len = 0; len <= 6; len++)
        for (unsigned n = 0; spell(n, len, text); n++) {
            struct sv in = {text, len};
            buf_reset(&want);
            model_sent(in, &want);
            for (size_t cut = 0; cut <= len; cut++) {
                size_t first, last;
                send_cut(in, cut, true, &wire);
                struct sv sent = buf_view(&wire);
                is_clean(sent);
                lenient_ends(sent, &first, &last);
                assert_int_equal(first, sent.len - 2);
                assert_int_equal(last, sent.len - 2);
                /* to a strict receiver it is the content */
                assert_int_equal(find_end(sent), sent.len - 3);
                buf_reset(&back);
                model_content(sv_first(sent, sent.len - 3), true, &back);
                same(&want, &back, "content over DATA", in);
                send_cut(in, cut, false, &wire);
                is_clean(buf_view(&wire));
                same(&want, &wire, "content over BDAT", in);
            }
        }
    buf_deinit(&want);
    buf_deinit(&wire);
    buf_deinit(&back);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(around_the_end_of_data),
        cmocka_unit_test(at_every_cut),
        cmocka_unit_test(at_the_edges_of_chunks),
        cmocka_unit_test(binary_chunks_are_untouched),
        cmocka_unit_test(nothing_sent_is_two_messages),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
