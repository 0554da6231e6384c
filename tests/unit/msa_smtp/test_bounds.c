/* What a peer can make a session hold: thousands of recipients, refused commands, logins, replies
 * that are not read, and what is slipped in before TLS. */
#include "msa/smtp/server.h"
#include "msa/smtp/session.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#define MANY 10000u

static struct smtp_server_limits limits;
static struct smtp_server_setup setup;

struct peer {
    struct smtp_server *s;
    struct buf replies; /* of the last give() */
    bool tls;           /* START_TLS was asked for: it waits */
    uint32_t tls_op;
    unsigned logins, refused_logins;
};

static int configure(void **state)
{
    (void)state;
    limits = (struct smtp_server_limits){.message_size = 1000,
                                         .recipients = MANY,
                                         .command_timeout_ms = 300,
                                         .data_timeout_ms = 180};
    setup = (struct smtp_server_setup){.hostname = SV("h.example"),
                                       .postmaster = SV("p@h.example"),
                                       .mechanisms_tls = SV("PLAIN LOGIN"),
                                       .tls_from_start = true,
                                       .limits = &limits};
    return 0;
}

static void act(struct peer *p, const struct smtp_action *a)
{
    struct smtp_result r = {.outcome = SMTP_OK};
    if (a->type == SMTP_ACTION_SEND)
        assert_int_equal(buf_put(&p->replies, a->bytes), 0);
    if (a->type == SMTP_ACTION_AUTH_STEP && a->op) {
        p->logins++;
        r.outcome = a->has_response ? SMTP_FAILED : SMTP_MORE;
        r.reply = SMTP_REPLY(535, 5, 7, 8, "No");
        p->refused_logins += a->has_response;
    }
    p->tls = p->tls || a->type == SMTP_ACTION_START_TLS;
    if (a->type == SMTP_ACTION_START_TLS)
        p->tls_op = a->op;
    else if (a->op)
        smtp_server_done(p->s, a->op, &r);
}

/* Returns what was not taken. */
static struct sv give(struct peer *p, struct sv in)
{
    struct smtp_action a;
    size_t n;
    buf_reset(&p->replies);
    do {
        n = smtp_server_feed(p->s, in);
        in = sv_skip(in, n);
        while (smtp_server_next(p->s, &a))
            act(p, &a);
    } while (n);
    return in;
}

static void say(struct peer *p, const char *line)
{
    assert_int_equal(give(p, sv_of(line)).len, 0);
}

static void expect(struct peer *p, const char *line, const char *reply)
{
    say(p, line);
    if (!sv_starts(buf_view(&p->replies), sv_of(reply)))
        fail_msg("%.60s: wanted %s, got %.*s", line, reply, SV_ARG(buf_view(&p->replies)));
}

static void peer_init(struct peer *p)
{
    *p = (struct peer){0};
    buf_init(&p->replies, 1u << 24, 0);
    p->s = smtp_server_new(&setup, SV(""));
    smtp_server_start(p->s, NULL);
    expect(p, "", "220 ");
    expect(p, "EHLO a.example\r\n", "250-");
}

static void peer_deinit(struct peer *p)
{
    smtp_server_free(p->s);
    buf_deinit(&p->replies);
}

/* Each recipient takes its part and no more, whichever number it has. */
static void ten_thousand_recipients(void **state)
{
    struct peer p;
    char line[100];
    (void)state;
    peer_init(&p);
    expect(&p, "MAIL FROM:<>\r\n", "250 ");
    for (unsigned i = 0; i < MANY; i++) {
        snprintf(line, sizeof line, "RCPT TO:<somebody%u@example.org> NOTIFY=NEVER\r\n", i);
        expect(&p, line, "250 2.1.5 ");
        /* the array doubles, and the old ones stay until the end of the transaction */
        assert_true(p.s->arena.used_bytes < (i + 8) * (4 * sizeof(struct smtp_recipient) + 256));
    }
    assert_int_equal(p.s->envelope.count, MANY);
    size_t held = p.s->arena.used_bytes;
    for (unsigned i = 0; i < MANY; i++)
        expect(&p, "RCPT TO:<one.more@example.org> NOTIFY=NEVER\r\n", "452 4.5.3 ");
    assert_int_equal(p.s->arena.used_bytes, held);
    expect(&p, "RSET\r\n", "250 ");
    assert_null(p.s->arena.chunks);
    peer_deinit(&p);
}

/* In one piece, as pipelining lets a client do it: answers are all there, and in order. */
static void ten_thousand_recipients_at_once(void **state)
{
    struct peer p;
    struct buf in;
    unsigned taken = 0, refused = 0;
    (void)state;
    peer_init(&p);
    buf_init(&in, 1u << 20, 0);
    expect(&p, "MAIL FROM:<>\r\n", "250 ");
    for (unsigned i = 0; i < MANY; i++)
        assert_int_equal(buf_printf(&in, "RCPT TO:<u%u@%s>\r\n", i, i % 3 ? "x.example" : "bare"),
                         0);
    assert_int_equal(give(&p, buf_view(&in)).len, 0);
    struct sv replies = buf_view(&p.replies);
    for (unsigned i = 0; i < MANY; i++) {
        struct sv line = sv_split(&replies, '\n');
        bool good = sv_starts(line, SV("250 2.1.5 "));
        assert_int_equal(good, i % 3 != 0);
        taken += good;
        refused += sv_starts(line, SV("554 5.1.2 "));
    }
    assert_int_equal(replies.len, 0);
    assert_int_equal(taken + refused, MANY);
    assert_int_equal(p.s->envelope.count, taken);
    buf_deinit(&in);
    peer_deinit(&p);
}

/* Refused ones take memory until the transaction ends: there is an end to them. */
static void refused_recipients_are_bounded(void **state)
{
    struct peer p;
    char line[4000], filler[3000];
    unsigned looked_at = 0;
    (void)state;
    limits.recipients = 100;
    peer_init(&p);
    expect(&p, "MAIL FROM:<>\r\n", "250 ");
    memset(filler, 'x', sizeof filler);
    for (unsigned i = 0; i < MANY; i++) {
        snprintf(line, sizeof line, "RCPT TO:<u%u@example.org> ORCPT=rfc822;%.490s X=%.3000s\r\n",
                 i, filler, filler);
        say(&p, line);
        looked_at += sv_starts(buf_view(&p.replies), SV("555 "));
        assert_true(p.s->arena.used_bytes < 300 * 2048);
    }
    assert_int_equal(looked_at, 300);
    assert_true(sv_starts(buf_view(&p.replies), SV("452 4.5.3 ")));
    assert_int_equal(p.s->envelope.count, 0);
    peer_deinit(&p);
}

/* Commands that come to nothing leave nothing. */
static void refused_commands_hold_nothing(void **state)
{
    static const char *const lines[] = {
        "MAIL FROM:<a@b.example> FOO=1\r\n",
        "MAIL FROM:<a@b.example> ENVID=+\r\n",
        "MAIL FROM:<a b@c.example>\r\n",
        "MAIL FROM:<a@b>\r\n",
        "RCPT TO:<a@b.example>\r\n",
        "DATA\r\n",
        "VRFY somebody@example.org\r\n",
        "NONSENSE\r\n",
        "NOOP\nNOOP\r\n",
        "EHLO again\r\n",
        "BDAT 3\r\nabc",
        "HELP\r\n",
        "AUTH PLAIN !\r\n",
        "AUTH UNKNOWN\r\n",
    };
    struct peer p;
    (void)state;
    peer_init(&p);
    for (unsigned i = 0; i < MANY; i++) {
        say(&p, lines[i % (sizeof lines / sizeof lines[0])]);
        assert_null(p.s->arena.chunks);
        assert_null(p.s->line.part.data);
    }
    expect(&p, "NOOP\r\n", "250 2.0.0 ");
    peer_deinit(&p);
}

/* RFC 4954: any number of exchanges, each begun afresh, in whatever order their lines come. */
static void exchanges_in_a_row(void **state)
{
    static const struct {
        const char *lines, *reply;
    } rows[] = {
        {"AUTH PLAIN eA==\r\n", "535 "},
        {"AUTH PLAIN\r\n*\r\n", "334 \r\n501 5.7.0 "},
        {"AUTH LOGIN\r\neA==\r\n", "334 \r\n535 "},
        {"AUTH LOGIN\r\nAUTH LOGIN\r\n", "334 \r\n501 5.5.2 "},
        {"AUTH LOGIN\r\n\0\r\n", NULL},
        {"eA==\r\n", "500 5.5.1 "},
        {"*\r\n", "500 5.5.1 "},
        {"AUTH PLAIN =\r\n", "535 "},
        {"AUTH plain eA==\r\nAUTH login eA==\r\n", "535 5.7.8 No\r\n535 "},
        {"MAIL FROM:<>\r\nAUTH PLAIN eA==\r\nRSET\r\n", "530 "},
    };
    struct peer p;
    (void)state;
    setup.auth_required = true;
    peer_init(&p);
    for (unsigned i = 0; i < 1000; i++) {
        size_t row = i % (sizeof rows / sizeof rows[0]);
        if (!rows[row].reply) {
            assert_int_equal(give(&p, SV("AUTH LOGIN\r\n\0\r\n")).len, 0);
            assert_true(sv_starts(buf_view(&p.replies), SV("334 \r\n500 5.5.2 ")));
        } else {
            expect(&p, rows[row].lines, rows[row].reply);
        }
        assert_null(p.s->secret.data);
        assert_int_equal(p.s->mechanism_len, 0);
        assert_int_equal(p.s->state, SESSION_READY);
    }
    assert_int_equal(p.refused_logins, 600);
    assert_false(smtp_server_info(p.s).authenticated);
    peer_deinit(&p);
}

/* Who does not read is not read from. */
static void unread_replies_stop_the_input(void **state)
{
    struct peer p;
    struct buf in;
    (void)state;
    peer_init(&p);
    buf_init(&in, 1u << 20, 0);
    for (unsigned i = 0; i < MANY; i++)
        assert_int_equal(buf_put(&in, SV("NOOP\r\n")), 0);
    struct sv rest = buf_view(&in);
    size_t n, most = 0;
    while ((n = smtp_server_feed(p.s, rest)) > 0) {
        rest = sv_skip(rest, n);
        most = buf_len(&p.s->out) > most ? buf_len(&p.s->out) : most;
    }
    assert_true(rest.len > buf_len(&in) / 2 && most < 8192);
    buf_deinit(&in);
    peer_deinit(&p);
}

/* RFC 3207 4.2, CVE-2011-0411: whatever came before the handshake is gone, wherever it was cut. */
static void nothing_is_slipped_in_before_tls(void **state)
{
    static const struct sv injected[] = {
        {"EHLO evil.example\r\nMAIL FROM:<>\r\n", 33},
        {"RSET\r\n", 6},
        {"AUTH PLAIN eA==\r\n", 17},
        {"QUIT\r\n", 6},
        {"NOO", 3},
        {"BDAT 100\r\n", 10},
        {"\r\n", 2},
        {"\n", 1},
        {"\x16\x03\x01\x00", 4},
    };
    (void)state;
    setup.tls_from_start = false;
    setup.starttls = true;
    for (size_t row = 0; row < sizeof injected / sizeof injected[0]; row++) {
        char text[100] = "EHLO b.example\r\nSTARTTLS\r\n";
        size_t head = strlen(text);
        memcpy(text + head, injected[row].ptr, injected[row].len);
        struct sv in = {text, head + injected[row].len};
        for (size_t cut = 0; cut <= in.len; cut++) {
            struct peer p;
            peer_init(&p);
            struct sv rest = give(&p, sv_first(in, cut));
            if (!p.tls)
                rest = give(&p, sv_skip(in, cut));
            else
                assert_int_equal(smtp_server_feed(p.s, sv_skip(in, cut)), 0);
            /* the core has dropped it; what comes still later is dropped by the glue */
            assert_true(p.tls && rest.len == 0);
            smtp_server_done(p.s, p.tls_op, &(struct smtp_result){.outcome = SMTP_OK});
            expect(&p, "MAIL FROM:<>\r\n", "503 5.5.1 Send EHLO first\r\n");
            expect(&p, "NOOP\r\n", "250 2.0.0 Ok\r\n");
            assert_int_equal(smtp_server_info(p.s).helo.len, 0);
            assert_int_equal(p.logins, 0);
            peer_deinit(&p);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(ten_thousand_recipients, configure),
        cmocka_unit_test_setup(ten_thousand_recipients_at_once, configure),
        cmocka_unit_test_setup(refused_recipients_are_bounded, configure),
        cmocka_unit_test_setup(refused_commands_hold_nothing, configure),
        cmocka_unit_test_setup(exchanges_in_a_row, configure),
        cmocka_unit_test_setup(unread_replies_stop_the_input, configure),
        cmocka_unit_test_setup(nothing_is_slipped_in_before_tls, configure),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
