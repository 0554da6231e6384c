/*
 * The QMTP client in scripts. Steps: "M" and recipients (letters; upper case: one that needs RRVS),
 * "B" more content, "Z" the last, "z" content lost, "F" flushed, "S" bytes of the server, "T"
 * timeout, "Tm" one of a peer that moves, "L" lost, "Q" quit. In content and trace "|" is CRLF and
 * "/" is LF.
 */
#include "relay/qmtp/client.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "relay/qmtp/lf.h"

struct world {
    struct qmtp_client *client;
    struct arena arena;
    struct smtp_envelope envelope;
    struct buf trace;
    char *body;
    uint64_t lf_bytes, timer, now_ms;
};

static void note(struct world *w, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    assert_int_equal(buf_vprintf(&w->trace, fmt, args), 0);
    va_end(args);
}

static const char *const ends[] = {
    [SMTP_END_REPLY] = "reply",     [SMTP_END_TIMEOUT] = "timeout",
    [SMTP_END_LOST] = "lost",       [SMTP_END_PROTOCOL] = "protocol",
    [SMTP_END_TOO_BIG] = "too-big", [SMTP_END_UNSUPPORTED] = "unsupported",
    [SMTP_END_CONTENT] = "content", [SMTP_END_QUIT] = "quit",
};

static void note_result(struct world *w, const char *what, const struct smtp_client_result *r)
{
    char status[SMTP_STATUS_TEXT_MAX];
    assert_non_null(ends[r->end]);
    note(w, "%s %s %s", what, ends[r->end], smtp_phase_name(r->phase));
    if (r->reply.code)
        note(w, " %d %s", r->reply.code, smtp_status_text(r->reply.enhanced, status));
    if (r->end == SMTP_END_REPLY)
        note(w, " %.*s", SV_ARG(r->reply.text));
    if (r->err)
        note(w, " %d", r->err);
    note(w, "\n");
    /* what is found before a word is said is of no session */
    assert_int_equal(r->qmtp, r->end != SMTP_END_UNSUPPORTED && r->end != SMTP_END_TOO_BIG);
    assert_int_equal(r->detail != NULL, r->end == SMTP_END_PROTOCOL);
}

static void drain(struct world *w)
{
    struct smtp_client_action a;
    char label[16];
    while (qmtp_client_next(w->client, &a)) {
        switch (a.kind) {
        case SMTP_CLIENT_SEND:
            note(w, "> ");
            for (size_t i = 0; i < a.bytes.len; i++)
                note(w, "%c", a.bytes.ptr[i] == '\n' ? '/' : a.bytes.ptr[i]);
            note(w, "\n");
            break;
        case SMTP_CLIENT_NEED_BODY:
            note(w, "body?\n");
            break;
        case SMTP_CLIENT_RECIPIENT:
            snprintf(label, sizeof label, "R%u", a.index);
            note_result(w, label, &a.result);
            break;
        case SMTP_CLIENT_MESSAGE:
            note_result(w, "=", &a.result);
            break;
        case SMTP_CLIENT_SET_TIMER:
            w->timer = a.timeout_ms;
            break;
        case SMTP_CLIENT_READY:
            note(w, "ready\n");
            break;
        case SMTP_CLIENT_CLOSED:
            note_result(w, "closed", &a.result);
            break;
        default:
            fail_msg("action %d", a.kind);
        }
    }
}

static void feed(struct world *w, struct sv bytes, unsigned seed)
{
    while (bytes.len) {
        struct sv part = sv_first(bytes, seed == 0   ? bytes.len
                                         : seed == 1 ? 1
                                                     : 1 + (size_t)rand() % 9);
        bytes = sv_skip(bytes, part.len);
        char *copy = malloc(part.len);
        memcpy(copy, part.ptr, part.len);
        for (struct sv rest = {copy, part.len}; rest.len;) {
            size_t used = qmtp_client_feed(w->client, rest, w->now_ms);
            assert_true(used > 0);
            drain(w);
            rest = sv_skip(rest, used);
        }
        free(copy);
    }
}

static void send_mail(struct world *w, const char *recipients, const char *params, bool binary)
{
    char text[100];
    arena_reset(&w->arena);
    smtp_envelope_init(&w->envelope, &w->arena);
    snprintf(text, sizeof text, "<a@a.example>%s", params);
    assert_int_equal(smtp_envelope_parse_mail(&w->envelope, sv_of(text)), 0);
    for (; *recipients; recipients++) {
        bool rrvs = *recipients >= 'A' && *recipients <= 'Z';
        snprintf(text, sizeof text, "<%c@b.example>%s", ascii_lower(*recipients),
                 rrvs ? " RRVS=2026-01-01T00:00:00Z" : "");
        assert_int_equal(smtp_envelope_parse_rcpt(&w->envelope, sv_of(text)), 0);
    }
    struct smtp_client_mail mail = {
        .envelope = &w->envelope, .lf_size = w->lf_bytes, .eight_bit = true, .binary = binary};
    qmtp_client_send(w->client, &mail, w->now_ms);
}

static void give_body(struct world *w, const char *text, bool is_last)
{
    size_t len = 0;
    free(w->body);
    w->body = malloc(2 * strlen(text) + 1);
    for (; *text; text++) {
        if (*text == '|')
            w->body[len++] = '\r';
        w->body[len++] = *text == '|' ? '\n' : *text;
    }
    qmtp_client_body(w->client, (struct sv){w->body, len}, is_last, w->now_ms);
}

static void step(struct world *w, const char *s, unsigned seed)
{
    switch (*s) {
    case 'M':
        send_mail(w, s + 1, "", false);
        break;
    case 'B':
    case 'Z':
        give_body(w, s + 1, *s == 'Z');
        break;
    case 'z':
        qmtp_client_body_fail(w->client, -EIO, w->now_ms);
        break;
    case 'F':
        qmtp_client_flushed(w->client, w->now_ms);
        break;
    case 'S':
        feed(w, sv_of(s + 1), seed);
        break;
    case 'T':
        qmtp_client_timeout(w->client, s[1] == 'm', w->now_ms);
        break;
    case 'L':
        qmtp_client_lost(w->client, -ECONNRESET, w->now_ms);
        break;
    case 'Q':
        qmtp_client_quit(w->client, w->now_ms);
        break;
    default:
        fail_msg("step %s", s);
    }
    drain(w);
}

/* lf_bytes: of the content of the mails. */
static void start(struct world *w, uint64_t lf_bytes)
{
    struct qmtp_client_config config = {.recipients = QMTP_RECIPIENTS_MAX, .tls = true};
    *w = (struct world){.lf_bytes = lf_bytes, .now_ms = 1000};
    arena_init(&w->arena);
    buf_init(&w->trace, 1u << 24, 0);
    w->client = qmtp_client_new(&config, w->now_ms);
    drain(w);
}

static void stop(struct world *w)
{
    qmtp_client_free(w->client);
    arena_deinit(&w->arena);
    buf_deinit(&w->trace);
    free(w->body);
}

#define ONE "ready\nbody?\n> 3:/x/,11:a@a.example,15:11:b@b.example,,\n"
#define TWO "ready\nbody?\n> 3:/x/,11:a@a.example,30:11:b@b.example,11:c@b.example,,\n"
#define THREE \
    "ready\nbody?\n> 3:/x/,11:a@a.example,45:11:b@b.example,11:c@b.example,11:d@b.example,,\n"

static const struct {
    const char *name;
    const char *steps[12];
    const char *trace;
} rows[] = {
    {"K",
     {"Mb", "Zx|", "F", "S9:K2.6.0 ok,"},
     ONE "R0 reply END_OF_DATA 250 2.6.0 2.6.0 ok\nready\n"},
    {"Z",
     {"Mb", "Zx|", "F", "S12:Z4.2.1 busy ,"},
     ONE "R0 reply END_OF_DATA 451 4.2.1 4.2.1 busy \nready\n"},
    {"D", {"Mb", "Zx|", "F", "S3:Dno,"}, ONE "R0 reply END_OF_DATA 554 5.0.0 no\nready\n"},
    {"each recipient its own, in order, after the last",
     {"Mbcd", "Zx|", "F", "S2:Da,2:Kb,", "S2:Zc,"},
     THREE "R0 reply END_OF_DATA 554 5.0.0 a\nR1 reply END_OF_DATA 250 2.0.0 b\n"
           "R2 reply END_OF_DATA 451 4.0.0 c\nready\n"},
    {"two packages",
     {"Mb", "Zx|", "F", "S1:K,", "Mc", "Zx|", "F", "S1:D,"},
     ONE "R0 reply END_OF_DATA 250 2.0.0 \nready\nbody?\n"
         "> 3:/x/,11:a@a.example,15:11:c@b.example,,\nR0 reply END_OF_DATA 554 5.0.0 \nready\n"},
    /* content in pieces, a CRLF cut in two; flushed before the end means nothing */
    {"pieces",
     {"Mb", "Bx\r", "F", "F", "B\n", "F", "Z", "F", "S1:K,"},
     "ready\nbody?\n> 3:/x\nbody?\n> /\nbody?\n> ,11:a@a.example,15:11:b@b.example,,\n"
     "R0 reply END_OF_DATA 250 2.0.0 \nready\n"},
    {"a CR at the end",
     {"Mb", "Zx\r", "F", "S1:K,"},
     "ready\nbody?\n> 3:/x\r,11:a@a.example,15:11:b@b.example,,\nR0 reply END_OF_DATA 250 2.0.0 "
     "\nready\n"},
    {"quit", {"Q"}, "ready\nclosed quit IDLE\n"},

    /* before the package is whole at the kernel nobody has it */
    {"lost while it is written",
     {"Mbc", "Bx", "L"},
     "ready\nbody?\n> 3:/x\nbody?\n= lost BODY -104\nclosed lost BODY -104\n"},
    {"lost before it is flushed",
     {"Mb", "Zx|", "L"},
     ONE "= lost BODY -104\nclosed lost BODY -104\n"},
    {"stalled while it is written",
     {"Mb", "Bx", "T"},
     "ready\nbody?\n> 3:/x\nbody?\n= timeout BODY\nclosed timeout BODY\n"},
    {"stalled before it is flushed",
     {"Mb", "Zx|", "T"},
     ONE "= timeout BODY\nclosed timeout BODY\n"},
    {"answered while it is written",
     {"Mb", "Bx", "S1:K,"},
     "ready\nbody?\n> 3:/x\nbody?\n= protocol BODY\nclosed protocol BODY\n"},
    {"answered before it is flushed",
     {"Mb", "Zx|", "S1:K,"},
     ONE "= protocol BODY\nclosed protocol BODY\n"},
    {"answered before it begins",
     {"Mb", "S1:D,"},
     "ready\nbody?\n= protocol BODY\nclosed protocol BODY\n"},
    {"content lost",
     {"Mb", "Bx", "z"},
     "ready\nbody?\n> 3:/x\nbody?\n= content BODY -5\nclosed content BODY -5\n"},
    {"content shorter than told",
     {"Mb", "Zx"},
     "ready\nbody?\n= content BODY -5007\nclosed content BODY -5007\n"},
    {"content longer than told",
     {"Mb", "Zx|y"},
     "ready\nbody?\n= content BODY -5007\nclosed content BODY -5007\n"},
    {"content longer than told, in pieces",
     {"Mb", "Bx|", "By"},
     "ready\nbody?\n> 3:/x/\nbody?\n= content BODY -5007\nclosed content BODY -5007\n"},

    /* afterwards somebody may have it */
    {"lost",
     {"Mb", "Zx|", "F", "L"},
     ONE "= lost END_OF_DATA -104\nclosed lost END_OF_DATA -104\n"},
    {"timeout", {"Mb", "Zx|", "F", "T"}, ONE "= timeout END_OF_DATA\nclosed timeout END_OF_DATA\n"},
    {"lost in a response",
     {"Mb", "Zx|", "F", "S3:Kx", "L"},
     ONE "= lost END_OF_DATA -104\nclosed lost END_OF_DATA -104\n"},
    {"without the comma",
     {"Mb", "Zx|", "F", "S2:Kx", "L"},
     ONE "= lost END_OF_DATA -104\nclosed lost END_OF_DATA -104\n"},
    {"1:K, then end",
     {"Mbc", "Zx|", "F", "S1:K,", "L"},
     TWO
     "R0 reply END_OF_DATA 250 2.0.0 \n= lost END_OF_DATA -104\nclosed lost END_OF_DATA -104\n"},
    {"2:Kx,2:Q?,",
     {"Mbc", "Zx|", "F", "S2:Kx,2:Q?,"},
     TWO "R0 reply END_OF_DATA 250 2.0.0 x\n= protocol END_OF_DATA\nclosed protocol END_OF_DATA\n"},
    /* one response whatever the number of recipients: a D of such a package is not believed */
    {"1:D, then end",
     {"Mbc", "Zx|", "F", "S1:D,", "L"},
     TWO "= lost END_OF_DATA -104\nclosed lost END_OF_DATA -104\n"},
    {"1:D, then nothing",
     {"Mbc", "Zx|", "F", "S1:D,", "T"},
     TWO "= timeout END_OF_DATA\nclosed timeout END_OF_DATA\n"},
    {"1:Z, then end",
     {"Mbc", "Zx|", "F", "S1:Z,", "L"},
     TWO "= lost END_OF_DATA -104\nclosed lost END_OF_DATA -104\n"},
    {"D and K of three, then end",
     {"Mbcd", "Zx|", "F", "S1:D,1:K,", "L"},
     THREE "R1 reply END_OF_DATA 250 2.0.0 \n= lost END_OF_DATA -104\n"
           "closed lost END_OF_DATA -104\n"},
    {"D, then garbage",
     {"Mbc", "Zx|", "F", "S1:D,250 ok\r\n"},
     TWO "= protocol END_OF_DATA\nclosed protocol END_OF_DATA\n"},

    /* no QMTP */
    {"SMTP",
     {"Mb", "Zx|", "F", "S220 mx ESMTP\r\n"},
     ONE "= protocol END_OF_DATA\nclosed protocol END_OF_DATA\n"},
    {"a greeting", {"S220 mx ESMTP\r\n"}, "ready\nclosed protocol IDLE\n"},
    {"leading zero",
     {"Mb", "Zx|", "F", "S01:K,"},
     ONE "= protocol END_OF_DATA\nclosed protocol END_OF_DATA\n"},
    {"empty",
     {"Mb", "Zx|", "F", "S0:,"},
     ONE "= protocol END_OF_DATA\nclosed protocol END_OF_DATA\n"},
    {"no comma",
     {"Mb", "Zx|", "F", "S1:K;"},
     ONE "= protocol END_OF_DATA\nclosed protocol END_OF_DATA\n"},
    {"endless",
     {"Mb", "Zx|", "F", "S65537:"},
     ONE "= protocol END_OF_DATA\nclosed protocol END_OF_DATA\n"},
    {"lost when idle", {"L"}, "ready\nclosed lost IDLE -104\n"},
    {"too many, later",
     {"Mb", "Zx|", "F", "S1:K,", "S1:D,"},
     ONE "R0 reply END_OF_DATA 250 2.0.0 \nready\nclosed protocol IDLE\n"},
    {"after the end",
     {"Mb", "Zx|", "F", "S1;", "S1:K,", "L", "T", "Q"},
     ONE "= protocol END_OF_DATA\nclosed protocol END_OF_DATA\n"},
    {"content after the end",
     {"Mb", "Bx", "L", "Z|", "z", "F"},
     "ready\nbody?\n> 3:/x\nbody?\n= lost BODY -104\nclosed lost BODY -104\n"},

    /* recipients that no QMTP server may get */
    {"one is kept back",
     {"MBc", "Zx|", "F", "S1:K,"},
     "ready\nbody?\n> 3:/x/,11:a@a.example,15:11:c@b.example,,\nR0 unsupported RCPT 550 5.7.19\n"
     "R1 reply END_OF_DATA 250 2.0.0 \nready\n"},
    {"the middle one is kept back",
     {"MbCd", "Zx|", "F", "S1:D,1:K,"},
     "ready\nbody?\n> 3:/x/,11:a@a.example,30:11:b@b.example,11:d@b.example,,\nR0 reply "
     "END_OF_DATA 554 5.0.0 \n"
     "R1 unsupported RCPT 550 5.7.19\nR2 reply END_OF_DATA 250 2.0.0 \nready\n"},
    {"kept back, and lost",
     {"MbC", "Zx|", "F", "L"},
     "ready\nbody?\n> 3:/x/,11:a@a.example,15:11:b@b.example,,\nR1 unsupported RCPT 550 5.7.19\n"
     "= lost END_OF_DATA -104\nclosed lost END_OF_DATA -104\n"},
    {"all are kept back",
     {"MBC", "Mb", "Zx|", "F", "S1:K,"},
     "ready\nR0 unsupported RCPT 550 5.7.19\nR1 unsupported RCPT 550 5.7.19\n" ONE
     "R0 reply END_OF_DATA 250 2.0.0 \nready\n"},
};

static void test_rows(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        for (unsigned seed = 0; seed < 30; seed++) {
            struct world w;
            srand(seed);
            start(&w, 2);
            for (size_t s = 0; s < 12 && rows[i].steps[s]; s++)
                step(&w, rows[i].steps[s], seed);
            if (!sv_eq(buf_view(&w.trace), sv_of(rows[i].trace)))
                fail_msg("%s, seed %u:\n%.*s\ninstead of:\n%s", rows[i].name, seed,
                         SV_ARG(buf_view(&w.trace)), rows[i].trace);
            stop(&w);
        }
    }
}

/* What comes together with the last response could be taken for the next package's. */
static void test_too_many(void **state)
{
    (void)state;
    static const char *const steps[] = {"Mb", "Zx|", "F", "S1:K,1:D,"};
    struct world w;
    start(&w, 2);
    for (size_t s = 0; s < 4; s++)
        step(&w, steps[s], 0);
    assert_string_equal(arena_str(&w.arena, buf_view(&w.trace)),
                        ONE "R0 reply END_OF_DATA 250 2.0.0 \nclosed protocol IDLE\n");
    stop(&w);
}

/* What keeps all of a mail from QMTP; a package with it is never begun. */
static void test_refused(void **state)
{
    (void)state;
    static const struct {
        const char *params, *trace;
        uint64_t lf_bytes;
        bool binary;
    } mails[] = {
        {"", "ready\n= too-big MAIL\nready\n", 999999999, false},
        {"", "ready\nbody?\n", 999999998, false},
        {"", "ready\n= unsupported MAIL 554 5.6.3\nready\n", 10, true},
        {" REQUIRETLS", "ready\n= unsupported MAIL 550 5.7.30\nready\n", 10, false},
        {" BY=100;R", "ready\n= unsupported MAIL 550 5.3.3\nready\n", 10, false},
        {" RET=HDRS ENVID=x MT-PRIORITY=3 SIZE=10 BODY=8BITMIME", "ready\nbody?\n", 10, false},
    };
    for (size_t i = 0; i < sizeof mails / sizeof mails[0]; i++) {
        struct world w;
        start(&w, mails[i].lf_bytes);
        send_mail(&w, "b", mails[i].params, mails[i].binary);
        drain(&w);
        assert_string_equal(arena_str(&w.arena, buf_view(&w.trace)), mails[i].trace);
        stop(&w);
    }
}

/* 75 s for a piece, 600 s for each response, and an hour for all of it. */
static void test_timers(void **state)
{
    (void)state;
    struct world w;
    start(&w, 2);
    assert_int_equal(w.timer, 0);
    step(&w, "Mbc", 0);
    assert_int_equal(w.timer, 75000);
    w.timer = 0;
    step(&w, "Bx", 0);
    assert_int_equal(w.timer, 75000);
    w.timer = 0;
    step(&w, "Z|", 0);
    assert_int_equal(w.timer, 75000);
    step(&w, "F", 0);
    assert_int_equal(w.timer, 600000);
    w.timer = 0;
    step(&w, "S1:", 0);
    assert_int_equal(w.timer, 0); /* dribbling wins no time */
    step(&w, "SK,", 0);
    assert_int_equal(w.timer, 600000);
    step(&w, "S1:K,", 0);
    assert_int_equal(w.timer, 0);
    qmtp_client_flushed(w.client, 1000 + 2699999);
    assert_int_equal(qmtp_client_takes(w.client), QMTP_RECIPIENTS_MAX);
    qmtp_client_flushed(w.client, 1000 + 2700000);
    assert_int_equal(qmtp_client_takes(w.client), 0);
    /* one that begins late ends with the session */
    w.now_ms = 1000 + QMTP_SESSION_MS - 70000;
    step(&w, "Mb", 0);
    assert_int_equal(w.timer, 70000);
    step(&w, "Zx|", 0);
    w.now_ms += 60000;
    step(&w, "F", 0);
    assert_int_equal(w.timer, 10000);
    w.now_ms += 10001;
    step(&w, "T", 0);
    stop(&w);
}

static bool has_ended(struct world *w, const char *how)
{
    return strstr(arena_str(&w->arena, buf_view(&w->trace)), how) != NULL;
}

/* A slow peer is no stall, until the session is over; one that says nothing has no such excuse. */
static void test_slow(void **state)
{
    (void)state;
    struct world w;
    start(&w, 2);
    step(&w, "Mb", 0);
    step(&w, "Zx|", 0);
    for (int i = 0; i < 48; i++) {
        w.timer = 0;
        w.now_ms += 74000;
        step(&w, "Tm", 0);
        assert_int_equal(w.timer, i < 47 ? 75000 : 48000);
    }
    assert_false(has_ended(&w, "= timeout"));
    w.now_ms += 48000;
    step(&w, "Tm", 0);
    assert_true(has_ended(&w, "= timeout BODY"));
    stop(&w);
    start(&w, 2);
    step(&w, "Mb", 0);
    step(&w, "Zx|", 0);
    step(&w, "F", 0);
    step(&w, "Tm", 0);
    assert_true(has_ended(&w, "= timeout END_OF_DATA"));
    stop(&w);
}

/* How long it took is told with the result. */
static void test_elapsed(void **state)
{
    (void)state;
    struct world w;
    struct smtp_client_action a;
    start(&w, 2);
    step(&w, "Mb", 0);
    w.now_ms += 5000;
    step(&w, "Zx|", 0);
    step(&w, "F", 0);
    qmtp_client_feed(w.client, SV("1:K,"), w.now_ms + 7000);
    assert_true(qmtp_client_next(w.client, &a));
    assert_int_equal(a.kind, SMTP_CLIENT_RECIPIENT);
    assert_int_equal(a.result.elapsed_ms, 7000);
    drain(&w);
    stop(&w);
}

/* Whether the server gives fewer responses than there are recipients. */
static void test_short(void **state)
{
    (void)state;
    static const struct {
        const char *recipients, *said;
        bool is_short;
    } cases[] = {
        {"Mb", "S", false},      {"Mb", "S1:K,", false},      {"Mbc", "S", false},
        {"Mbc", "S1:D,", true},  {"Mbc", "S1:K,", true},      {"Mbc", "S1:K,1:D,", false},
        {"MbC", "S1:K,", false}, {"Mbcd", "S1:K,1:K,", true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct world w;
        start(&w, 2);
        step(&w, cases[i].recipients, 0);
        step(&w, "Zx|", 0);
        step(&w, "F", 0);
        step(&w, cases[i].said, 0);
        step(&w, "T", 0);
        assert_int_equal(qmtp_client_is_short(w.client), cases[i].is_short);
        stop(&w);
    }
}

/* Large content of lines, bare CRs and pieces of any size arrives as its LF form, once. */
static void test_content(void **state)
{
    (void)state;
    static char body[300000];
    for (size_t i = 0; i < sizeof body; i++)
        body[i] = i % 71 == 69 ? '\r' : i % 71 == 70 ? '\n' : i % 13 == 5 ? '\r' : 'x';
    for (unsigned seed = 0; seed < 10; seed++) {
        struct sv rest = {body, sizeof body};
        struct qmtp_lf lf = {0};
        struct world w;
        struct smtp_client_action a;
        struct buf expected;
        bool ready = false;
        srand(seed);
        start(&w, qmtp_lf_count(&lf, rest) + qmtp_lf_end(&lf).len);
        send_mail(&w, "b", "", false);
        buf_reset(&w.trace);
        while (!ready && qmtp_client_next(w.client, &a)) {
            if (a.kind == SMTP_CLIENT_SEND) {
                assert_true(a.bytes.len <= 65536);
                assert_int_equal(buf_put(&w.trace, a.bytes), 0);
            } else if (a.kind == SMTP_CLIENT_NEED_BODY) {
                struct sv piece = sv_first(rest, seed == 0 ? rest.len : (size_t)rand() % 150000);
                rest = sv_skip(rest, piece.len);
                qmtp_client_body(w.client, piece, rest.len == 0, 0);
            }
        }
        buf_init(&expected, 1u << 20, 0);
        assert_int_equal(buf_printf(&expected, "%llu:\n", (unsigned long long)w.lf_bytes + 1), 0);
        for (size_t i = 0; i < sizeof body; i++)
            if (body[i] != '\r' || i + 1 == sizeof body || body[i + 1] != '\n')
                assert_int_equal(buf_append(&expected, body + i, 1), 0);
        assert_int_equal(buf_put(&expected, SV(",11:a@a.example,15:11:b@b.example,,")), 0);
        assert_int_equal(buf_len(&w.trace), buf_len(&expected));
        assert_true(sv_eq(buf_view(&w.trace), buf_view(&expected)));
        buf_deinit(&expected);
        stop(&w);
    }
}

/* As many recipients as a package may have, each with a response of its own. */
static void test_many(void **state)
{
    (void)state;
    struct world w;
    char recipients[QMTP_RECIPIENTS_MAX + 1] = "";
    struct smtp_client_action a;
    uint32_t next = 0;
    memset(recipients, 'b', QMTP_RECIPIENTS_MAX);
    start(&w, 2);
    send_mail(&w, recipients, "", false);
    drain(&w);
    step(&w, "Zx|", 0);
    step(&w, "F", 0);
    for (unsigned i = 0; i < QMTP_RECIPIENTS_MAX; i++) {
        char text[16], response[32];
        int len = snprintf(text, sizeof text, "%cnumber %u", "KZD"[i % 3], i);
        snprintf(response, sizeof response, "%d:%s,", len, text);
        assert_int_equal(qmtp_client_feed(w.client, sv_of(response), 0), strlen(response));
        if (i + 1 < QMTP_RECIPIENTS_MAX)
            drain(&w);
    }
    while (qmtp_client_next(w.client, &a)) {
        char text[16];
        if (a.kind != SMTP_CLIENT_RECIPIENT)
            continue;
        assert_int_equal(a.index, next);
        snprintf(text, sizeof text, "number %u", next++);
        assert_true(sv_eq(a.result.reply.text, sv_of(text)));
    }
    assert_int_equal(next, QMTP_RECIPIENTS_MAX);
    stop(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),    cmocka_unit_test(test_too_many),
        cmocka_unit_test(test_refused), cmocka_unit_test(test_timers),
        cmocka_unit_test(test_slow),    cmocka_unit_test(test_elapsed),
        cmocka_unit_test(test_short),   cmocka_unit_test(test_content),
        cmocka_unit_test(test_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
