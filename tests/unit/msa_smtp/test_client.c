/* Scripts: each step is a letter and its text; every action becomes a line of the trace.
 * Steps:  S bytes of the server   M next mail   B more content   Z last content   K/k TLS up/failed
 *         A response of PLAIN   P the same with NULs   a no credentials   T timeout   L lost   z
 * content lost   Q quit Trace:  "> " bytes sent ("|" is CRLF), R a refused recipient, = the
 * message's result, and words. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "msa/smtp/client.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HI        "S220 mx ESMTP\r\n"
#define EHLO_FULL "S250-mx\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-DSN\r\n250 SIZE 10000\r\n"
#define EHLO_BARE "S250 mx\r\n"
#define EHLO_TLS  "S250-mx\r\n250 STARTTLS\r\n"
#define TO_READY  "> EHLO me|\nready\n"
#define ENVELOPE2 \
    "MAIL FROM:<a@a.example> SIZE=99|RCPT TO:<b@b.example>|RCPT TO:<c@b.example>|DATA|\n"
#define OK2 "S250 2.1.0 ok\r\n250 2.1.5 ok\r\n250 2.1.5 ok\r\n354 go\r\n"

enum { OFFERED, REQUIRED, LOGIN, LOGIN_TLS, EIGHT, IMPLICIT, NONE };

struct script {
    const char *label;
    int flavour;
    const char *steps[12];
    const char *trace;
};

static const struct script scripts[] = {
    {"pipelined",
     OFFERED,
     {HI, EHLO_FULL, "M2", OK2, "Zhi\r\n.dot\r\n", "S250 2.0.0 taken\r\n", "Q", "S221 bye\r\n"},
     TO_READY "> " ENVELOPE2 "body?\n> hi|..dot|.|\n= reply END 250 2.0.0 taken\nready\n> QUIT|\n"
              "closed quit QUIT\n"},
    {"one by one",
     OFFERED,
     {HI, EHLO_BARE, "M2", "S250 ok\r\n", "S250 ok\r\n", "S251 ok\r\n", "S354 go\r\n", "Bh", "Zi",
      "S250 taken\r\n"},
     TO_READY "> MAIL FROM:<a@a.example>|\n> RCPT TO:<b@b.example>|\n> RCPT TO:<c@b.example>|\n"
              "> DATA|\nbody?\n> h\nbody?\n> i|.|\n= reply END 250 taken\nready\n"},
    {"HELO",
     OFFERED,
     {HI, "S502 5.5.1 what\r\n", "S250 mx\r\n"},
     "> EHLO me|\n> HELO me|\nready\n"},
    {"one refused, next mail on the same connection",
     OFFERED,
     {HI, EHLO_FULL, "M2", "S250 ok\r\n550 5.1.1 no b\r\n250 ok\r\n354 go\r\n", "Zx\r\n",
      "S450 4.2.0 later\r\n", "M1"},
     TO_READY "> " ENVELOPE2 "R0 reply RCPT 550 5.1.1 no b\nbody?\n> x|.|\n"
              "= reply END 450 4.2.0 later\nready\n"
              "> MAIL FROM:<a@a.example> SIZE=99|RCPT TO:<b@b.example>|DATA|\n"},
    {"all refused, DATA refused: RSET before the next",
     OFFERED,
     {HI, EHLO_FULL, "M2", "S250 ok\r\n550 no b\r\n551 no c\r\n503 5.5.1 nobody\r\n", "M1",
      "S250 reset\r\n"},
     TO_READY "> " ENVELOPE2 "R0 reply RCPT 550 no b\nR1 reply RCPT 551 no c\nready\n"
              "> RSET|MAIL FROM:<a@a.example> SIZE=99|RCPT TO:<b@b.example>|DATA|\n"},
    {"all refused, DATA granted: a lone dot",
     OFFERED,
     {HI, EHLO_FULL, "M2", "S250 ok\r\n550 no b\r\n551 no c\r\n354 go\r\n", "S554 nobody\r\n",
      "M1"},
     TO_READY "> " ENVELOPE2 "R0 reply RCPT 550 no b\nR1 reply RCPT 551 no c\n> .|\nready\n"
              "> MAIL FROM:<a@a.example> SIZE=99|RCPT TO:<b@b.example>|DATA|\n"},
    {"all refused, then lost: nobody is left for a result",
     OFFERED,
     {HI, EHLO_FULL, "M2", "S250 ok\r\n550 no b\r\n551 no c\r\n", "L"},
     TO_READY "> " ENVELOPE2 "R0 reply RCPT 550 no b\nR1 reply RCPT 551 no c\n"
              "closed lost DATA -104\n"},
    {"all refused, one by one: no DATA",
     OFFERED,
     {HI, EHLO_BARE, "M1", "S250 ok\r\n", "S550 no b\r\n"},
     TO_READY
     "> MAIL FROM:<a@a.example>|\n> RCPT TO:<b@b.example>|\nR0 reply RCPT 550 no b\nready\n"},
    {"MAIL refused, the rest only counted",
     OFFERED,
     {HI, EHLO_FULL, "M2", "S552 5.3.4 big\r\n503 x\r\n250 y\r\n354 z\r\n", "S250 nothing\r\n"},
     TO_READY "> " ENVELOPE2 "= reply MAIL 552 5.3.4 big\n> .|\nready\n"},
    {"MAIL refused, one by one",
     OFFERED,
     {HI, EHLO_BARE, "M1", "S451 later\r\n", "M1"},
     TO_READY "> MAIL FROM:<a@a.example>|\n= reply MAIL 451 later\nready\n"
              "> MAIL FROM:<a@a.example>|\n"},
    {"DATA refused",
     OFFERED,
     {HI, EHLO_FULL, "M1", "S250 a\r\n250 b\r\n451 4.3.0 not now\r\n"},
     TO_READY "> MAIL FROM:<a@a.example> SIZE=99|RCPT TO:<b@b.example>|DATA|\n"
              "= reply DATA 451 4.3.0 not now\nready\n"},
    {"RSET refused",
     OFFERED,
     {HI, EHLO_BARE, "M1", "S250 ok\r\n", "S550 no b\r\n", "M1", "S500 x\r\n"},
     TO_READY
     "> MAIL FROM:<a@a.example>|\n> RCPT TO:<b@b.example>|\nR0 reply RCPT 550 no b\nready\n"
     "> RSET|\n= reply RSET 500 x\n> QUIT|\nclosed reply RSET 500 x\n"},
    {"421 greeting", OFFERED, {"S421 4.3.2 down\r\n"}, "closed reply GREETING 421 4.3.2 down\n"},
    {"554 greeting", OFFERED, {"S554 no\r\n"}, "> QUIT|\nclosed reply GREETING 554 no\n"},
    {"421 at EHLO", OFFERED, {HI, "S421 x\r\n"}, "> EHLO me|\nclosed reply EHLO 421 x\n"},
    {"421 at RCPT decides for all that are left",
     OFFERED,
     {HI, EHLO_FULL, "M2", "S250 ok\r\n550 no b\r\n421 4.3.2 bye\r\n"},
     TO_READY "> " ENVELOPE2 "R0 reply RCPT 550 no b\n= reply RCPT 421 4.3.2 bye\n"
              "closed reply RCPT 421 4.3.2 bye\n"},
    {"421 while idle",
     OFFERED,
     {HI, EHLO_BARE, "S421 idle\r\n"},
     TO_READY "closed reply IDLE 421 idle\n"},
    {"250 while idle",
     OFFERED,
     {HI, EHLO_BARE, "S250 what\r\n"},
     TO_READY "closed protocol IDLE\n"},
    {"reply before the end of data",
     OFFERED,
     {HI, EHLO_FULL, "M1", "S250 a\r\n250 b\r\n354 c\r\n", "Bx", "S552 5.3.4 full\r\n"},
     TO_READY "> MAIL FROM:<a@a.example> SIZE=99|RCPT TO:<b@b.example>|DATA|\nbody?\n> x\nbody?\n"
              "= reply BODY 552 5.3.4 full\nclosed reply BODY 552 5.3.4 full\n"},
    {"250 before the end of data",
     OFFERED,
     {HI, EHLO_FULL, "M1", "S250 a\r\n250 b\r\n354 c\r\n", "S250 ok\r\n"},
     TO_READY "> MAIL FROM:<a@a.example> SIZE=99|RCPT TO:<b@b.example>|DATA|\nbody?\n"
              "= protocol BODY\nclosed protocol BODY\n"},
    {"354 to MAIL",
     OFFERED,
     {HI, EHLO_BARE, "M1", "S354 go\r\n"},
     TO_READY "> MAIL FROM:<a@a.example>|\n= protocol MAIL\nclosed protocol MAIL\n"},
    {"250 to DATA",
     OFFERED,
     {HI, EHLO_FULL, "M1", "S250 a\r\n250 b\r\n250 c\r\n"},
     TO_READY "> MAIL FROM:<a@a.example> SIZE=99|RCPT TO:<b@b.example>|DATA|\n"
              "= protocol DATA\nclosed protocol DATA\n"},
    {"a reply too many",
     OFFERED,
     {HI, EHLO_BARE "250 more\r\n"},
     TO_READY "closed protocol IDLE\n"},
    {"no code", OFFERED, {"Shello\r\n"}, "closed protocol GREETING\n"},
    {"mixed codes after the end of data",
     OFFERED,
     {HI, EHLO_FULL, "M1", "S250 a\r\n250 b\r\n354 c\r\n", "Zx", "S250-ok\r\n550 no\r\n"},
     TO_READY "> MAIL FROM:<a@a.example> SIZE=99|RCPT TO:<b@b.example>|DATA|\nbody?\n> x|.|\n"
              "= protocol END\nclosed protocol END\n"},
    {"timeout of the greeting", OFFERED, {"T"}, "closed timeout GREETING\n"},
    {"lost after the end of data",
     OFFERED,
     {HI, EHLO_FULL, "M1", "S250 a\r\n250 b\r\n354 c\r\n", "Z", "L"},
     TO_READY "> MAIL FROM:<a@a.example> SIZE=99|RCPT TO:<b@b.example>|DATA|\nbody?\n> .|\n"
              "= lost END -104\nclosed lost END -104\n"},
    {"content lost: no end of data is sent",
     OFFERED,
     {HI, EHLO_FULL, "M1", "S250 a\r\n250 b\r\n354 c\r\n", "Bx", "z"},
     TO_READY "> MAIL FROM:<a@a.example> SIZE=99|RCPT TO:<b@b.example>|DATA|\nbody?\n> x\nbody?\n"
              "= content BODY -5\nclosed content BODY -5\n"},
    {"lost while idle", OFFERED, {HI, EHLO_BARE, "L"}, TO_READY "closed lost IDLE -104\n"},
    {"no answer to QUIT",
     OFFERED,
     {HI, EHLO_BARE, "Q", "T"},
     TO_READY "> QUIT|\nclosed quit QUIT\n"},
    {"STARTTLS, then everything anew",
     OFFERED,
     {HI, "S250-mx\r\n250-PIPELINING\r\n250 STARTTLS\r\n", "S220 go\r\n", "K",
      "S250-mx\r\n250-STARTTLS\r\n250 SIZE\r\n", "M1"},
     "> EHLO me|\n> STARTTLS|\ntls\n> EHLO me|\nready\n> MAIL FROM:<a@a.example> SIZE=99|\n"},
    {"STARTTLS refused, not required",
     OFFERED,
     {HI, EHLO_TLS, "S454 4.7.0 not now\r\n"},
     "> EHLO me|\n> STARTTLS|\nready\n"},
    {"STARTTLS refused, required",
     REQUIRED,
     {HI, EHLO_TLS, "S454 4.7.0 not now\r\n"},
     "> EHLO me|\n> STARTTLS|\n> QUIT|\nclosed reply STARTTLS 454 4.7.0 not now\n"},
    {"STARTTLS not offered, required",
     REQUIRED,
     {HI, EHLO_BARE},
     "> EHLO me|\n> QUIT|\nclosed no-tls EHLO\n"},
    {"required, but only HELO works",
     REQUIRED,
     {HI, "S500 x\r\n", "S250 mx\r\n"},
     "> EHLO me|\n> HELO me|\n> QUIT|\nclosed no-tls HELO\n"},
    {"handshake failed",
     OFFERED,
     {HI, EHLO_TLS, "S220 go\r\n", "k"},
     "> EHLO me|\n> STARTTLS|\ntls\nclosed tls HANDSHAKE -5004\n"},
    {"STARTTLS never", NONE, {HI, EHLO_TLS}, TO_READY},
    {"implicit TLS: no STARTTLS", IMPLICIT, {HI, EHLO_TLS}, TO_READY},
    {"AUTH with an initial response",
     LOGIN,
     {HI, "S250-mx\r\n250 AUTH PLAIN LOGIN\r\n", "P", "S235 2.7.0 in\r\n"},
     "> EHLO me|\nauth first PLAIN LOGIN\n> AUTH PLAIN AHUAcA==|\nready\n"},
    {"no password in clear where TLS was wanted",
     LOGIN_TLS,
     {HI, "S250-mx\r\n250 AUTH PLAIN\r\n"},
     "> EHLO me|\n> QUIT|\nclosed no-tls EHLO\n"},
    {"AUTH under TLS",
     LOGIN_TLS,
     {HI, EHLO_TLS, "S220 go\r\n", "K", "S250-mx\r\n250 AUTH PLAIN\r\n", "Ax", "S235 in\r\n"},
     "> EHLO me|\n> STARTTLS|\ntls\n> EHLO me|\nauth first PLAIN\n> AUTH PLAIN eA==|\nready\n"},
    {"AUTH with challenges",
     LOGIN,
     {HI, "S250-mx\r\n250 AUTH PLAIN LOGIN\r\n", "A", "S334 VXNlcg==\r\n", "Au", "S334 \r\n", "A",
      "S235 in\r\n"},
     "> EHLO me|\nauth first PLAIN LOGIN\n> AUTH PLAIN|\nauth User\n> dQ==|\nauth \n> |\nready\n"},
    {"AUTH refused",
     LOGIN,
     {HI, "S250-mx\r\n250 AUTH PLAIN\r\n", "Ax", "S535 5.7.8 no\r\n"},
     "> EHLO me|\nauth first PLAIN\n> AUTH PLAIN eA==|\n> QUIT|\nclosed reply AUTH 535 5.7.8 no\n"},
    {"AUTH, a bad challenge",
     LOGIN,
     {HI, "S250-mx\r\n250 AUTH PLAIN\r\n", "Ax", "S334 ?\r\n"},
     "> EHLO me|\nauth first PLAIN\n> AUTH PLAIN eA==|\nclosed protocol AUTH\n"},
    {"no AUTH offered", LOGIN, {HI, EHLO_FULL}, "> EHLO me|\n> QUIT|\nclosed no-auth EHLO\n"},
    {"no credentials",
     LOGIN,
     {HI, "S250-mx\r\n250 AUTH PLAIN\r\n", "a"},
     "> EHLO me|\nauth first PLAIN\n> QUIT|\nclosed credentials AUTH -5009\n"},
    {"8-bit content, not offered",
     EIGHT,
     {HI, EHLO_BARE, "M1"},
     TO_READY "= unsupported MAIL 554 5.6.3 the content holds 8-bit characters, and the next hop "
              "does not offer 8BITMIME\nready\n"},
    {"8-bit content, offered",
     EIGHT,
     {HI, EHLO_FULL, "M1"},
     TO_READY "> MAIL FROM:<a@a.example> SIZE=99 BODY=8BITMIME|RCPT TO:<b@b.example>|DATA|\n"},
    {"larger than the server takes",
     OFFERED,
     {HI, "S250-mx\r\n250 SIZE 98\r\n", "M1"},
     TO_READY "= too-big MAIL\nready\n"},
    {"DSN passed on where offered",
     OFFERED,
     {HI, EHLO_FULL, "Md"},
     TO_READY "> MAIL FROM:<a@a.example> SIZE=99 RET=HDRS ENVID=x+20y|"
              "RCPT TO:<b@b.example> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;b@b.example|DATA|\n"},
    {"DSN left out elsewhere",
     OFFERED,
     {HI, EHLO_BARE, "Md"},
     TO_READY "> MAIL FROM:<a@a.example>|\n"},
    {"null reverse-path", OFFERED, {HI, EHLO_BARE, "Mn"}, TO_READY "> MAIL FROM:<>|\n"},
};

static const char *const end_names[] = {"reply",       "timeout", "lost",    "protocol",
                                        "no-tls",      "tls",     "no-auth", "credentials",
                                        "unsupported", "too-big", "content", "quit"};
static const char *const phase_names[] = {
    "CONNECT", "GREETING", "EHLO", "HELO", "STARTTLS", "HANDSHAKE", "AUTH", "IDLE",
    "RSET",    "MAIL",     "RCPT", "DATA", "BODY",     "END",       "QUIT", "CLOSED"};

struct world {
    struct smtp_client *client;
    struct arena arena;
    struct smtp_envelope envelope;
    struct buf trace;
    char *body; /* of the last B or Z step */
    bool starts_auth;
    int flavour;
    uint64_t timer;
};

static void note(struct world *w, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    assert_int_equal(buf_vprintf(&w->trace, fmt, args), 0);
    va_end(args);
}

static void note_result(struct world *w, const char *what, const struct smtp_client_result *r)
{
    char status[SMTP_STATUS_TEXT_MAX];
    note(w, "%s %s %s", what, end_names[r->end], phase_names[r->phase]);
    if (r->reply.code)
        note(w, " %d%s%s %.*s", r->reply.code, r->reply.enhanced.class ? " " : "",
             smtp_status_text(r->reply.enhanced, status), SV_ARG(r->reply.text));
    if (r->err)
        note(w, " %d", r->err);
    assert_int_equal(r->detail != NULL, r->end == SMTP_END_PROTOCOL);
    note(w, "\n");
}

static void drain(struct world *w)
{
    struct smtp_client_action a;
    char label[16];
    while (smtp_client_next(w->client, &a)) {
        switch (a.kind) {
        case SMTP_CLIENT_SEND:
            note(w, "> ");
            for (size_t i = 0; i < a.bytes.len; i++)
                if (a.bytes.ptr[i] != '\n')
                    note(w, "%c", a.bytes.ptr[i] == '\r' ? '|' : a.bytes.ptr[i]);
            note(w, "\n");
            break;
        case SMTP_CLIENT_START_TLS:
            note(w, "tls\n");
            break;
        case SMTP_CLIENT_AUTH:
            w->starts_auth = a.is_first;
            note(w, "auth %s%.*s\n", a.is_first ? "first " : "", SV_ARG(a.bytes));
            break;
        case SMTP_CLIENT_NEED_BODY:
            note(w, "body?\n");
            break;
        case SMTP_CLIENT_RECIPIENT:
            snprintf(label, sizeof(label), "R%u", a.index);
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
        }
    }
}

static void feed(struct world *w, struct sv bytes, unsigned piece)
{
    while (bytes.len) {
        struct sv part = sv_first(bytes, piece == 0   ? bytes.len
                                         : piece == 1 ? 1
                                                      : 1 + (size_t)rand() % 20);
        bytes = sv_skip(bytes, part.len);
        char *copy = malloc(part.len);
        memcpy(copy, part.ptr, part.len);
        for (struct sv rest = {copy, part.len}; rest.len;) {
            size_t used = smtp_client_feed(w->client, rest, 1);
            drain(w);
            if (!used)
                break;
            rest = sv_skip(rest, used);
        }
        free(copy);
    }
}

static void send_mail(struct world *w, const char *how)
{
    arena_reset(&w->arena);
    smtp_envelope_init(&w->envelope, &w->arena);
    struct sv from = *how == 'n'   ? SV("<>")
                     : *how == 'd' ? SV("<a@a.example> RET=HDRS ENVID=x+20y")
                                   : SV("<a@a.example>");
    assert_int_equal(smtp_envelope_parse_mail(&w->envelope, from), 0);
    assert_int_equal(
        smtp_envelope_parse_rcpt(
            &w->envelope, *how == 'd'
                              ? SV("<b@b.example> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;b@b.example")
                              : SV("<b@b.example>")),
        0);
    if (*how == '2')
        assert_int_equal(smtp_envelope_parse_rcpt(&w->envelope, SV("<c@b.example>")), 0);
    struct smtp_client_mail mail = {
        .envelope = &w->envelope, .size = 99, .eight_bit = w->flavour == EIGHT};
    smtp_client_send(w->client, &mail, 1);
}

static void step(struct world *w, const char *s, unsigned piece)
{
    switch (*s) {
    case 'S':
        feed(w, sv_of(s + 1), piece);
        return;
    case 'M':
        send_mail(w, s + 1);
        break;
    case 'B':
    case 'Z':
        free(w->body);
        w->body = strdup(s + 1);
        smtp_client_body(w->client, sv_of(w->body), *s == 'Z', 1);
        break;
    case 'z':
        smtp_client_body_fail(w->client, -EIO, 1);
        break;
    case 'K':
    case 'k':
        smtp_client_tls_done(w->client, *s == 'K' ? 0 : ERR_TLS, 1);
        break;
    case 'A': /* "A" alone: no initial response at first, an empty response later */
        smtp_client_auth(w->client, SV("PLAIN"), s[1] || !w->starts_auth ? sv_of(s + 1) : SV_NONE,
                         1);
        break;
    case 'P':
        smtp_client_auth(w->client, SV("PLAIN"), SV("\0u\0p"), 1);
        break;
    case 'a':
        smtp_client_auth_fail(w->client, ERR_NOT_FOUND, 1);
        break;
    case 'T':
        smtp_client_timeout(w->client, 1);
        break;
    case 'L':
        smtp_client_lost(w->client, -ECONNRESET, 1);
        break;
    case 'Q':
        smtp_client_quit(w->client, 1);
        break;
    default:
        fail_msg("step %s", s);
    }
    drain(w);
}

static void start(struct world *w, int flavour)
{
    *w = (struct world){.flavour = flavour};
    struct smtp_client_config config = {
        .name = SV("me"),
        .tls = flavour == REQUIRED                   ? SMTP_CLIENT_TLS_REQUIRED
               : flavour == NONE || flavour == LOGIN ? SMTP_CLIENT_TLS_NONE
                                                     : SMTP_CLIENT_TLS_OFFERED,
        .tls_active = flavour == IMPLICIT,
        .login = flavour == LOGIN || flavour == LOGIN_TLS,
    };
    arena_init(&w->arena);
    buf_init(&w->trace, 1u << 24, 0);
    w->client = smtp_client_new(&config, 0);
    drain(w);
}

static void stop(struct world *w)
{
    smtp_client_free(w->client);
    arena_deinit(&w->arena);
    buf_deinit(&w->trace);
    free(w->body);
}

static void test_scripts(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(scripts) / sizeof(scripts[0]); i++)
        for (unsigned piece = 0; piece < 20; piece++) {
            struct world w;
            srand(piece);
            start(&w, scripts[i].flavour);
            for (size_t k = 0; k < 12 && scripts[i].steps[k]; k++)
                step(&w, scripts[i].steps[k], piece);
            if (!sv_eq(buf_view(&w.trace), sv_of(scripts[i].trace)))
                fail_msg("%s (pieces %u):\n%.*s", scripts[i].label, piece,
                         SV_ARG(buf_view(&w.trace)));
            stop(&w);
        }
}

/* CVE-2021-38371: what stands in clear behind the 220 ends the session. */
static void test_injection_before_tls(void **state)
{
    (void)state;
    struct world w;
    start(&w, OFFERED);
    step(&w, HI, 0);
    step(&w, EHLO_TLS, 0);
    step(&w, "S220 go\r\n250 injected\r\n", 0);
    assert_true(
        sv_eq(buf_view(&w.trace), SV("> EHLO me|\n> STARTTLS|\nclosed protocol HANDSHAKE\n")));
    stop(&w);

    /* after START_TLS was given out, nothing is read until the handshake is done */
    start(&w, OFFERED);
    step(&w, HI, 0);
    step(&w, EHLO_TLS, 0);
    step(&w, "S220 go\r\n", 0);
    assert_int_equal(smtp_client_feed(w.client, SV("250 injected\r\n"), 1), 0);
    stop(&w);
}

static void test_timers(void **state)
{
    (void)state;
    struct world w;
    start(&w, OFFERED);
    assert_int_equal(w.timer, 300000);
    step(&w, HI, 0);
    assert_int_equal(w.timer, 300000);
    step(&w, EHLO_FULL, 0);
    assert_int_equal(w.timer, 0);
    step(&w, "M1", 0);
    assert_int_equal(w.timer, 300000);
    step(&w, "S250 a\r\n250 b\r\n", 0);
    assert_int_equal(w.timer, 120000);
    step(&w, "S354 c\r\n", 0);
    assert_int_equal(w.timer, 180000);
    step(&w, "Zx", 0);
    assert_int_equal(w.timer, 600000);
    /* how long it took is told with the result */
    struct smtp_client_action a;
    smtp_client_timeout(w.client, 600001);
    do
        assert_true(smtp_client_next(w.client, &a));
    while (a.kind != SMTP_CLIENT_MESSAGE);
    assert_int_equal(a.result.elapsed_ms, 600000);
    stop(&w);
}

/* A small mail is two SENDs, envelope and content; large content is not copied. */
static void test_body_runs(void **state)
{
    (void)state;
    static char small[10240], large[200000];
    memset(small, 'x', sizeof(small));
    memset(large, 'y', sizeof(large));
    for (size_t i = 70; i + 3 < sizeof(small); i += 71)
        memcpy(small + i, "\r\n.", 3); /* dots to stuff on every line */
    for (size_t i = 998; i + 2 < sizeof(large); i += 1000)
        memcpy(large + i, "\r\n", 2);
    for (int is_large = 0; is_large < 2; is_large++) {
        struct sv body =
            is_large ? (struct sv){large, sizeof(large)} : (struct sv){small, sizeof(small)};
        struct world w;
        struct smtp_client_action a;
        size_t sends = 0, views = 0, bytes = 0;
        start(&w, OFFERED);
        step(&w, HI, 0);
        step(&w, EHLO_FULL, 0);
        step(&w, "M1", 0);
        step(&w, "S250 a\r\n250 b\r\n354 c\r\n", 0);
        smtp_client_body(w.client, body, true, 1);
        while (smtp_client_next(w.client, &a))
            if (a.kind == SMTP_CLIENT_SEND) {
                sends++;
                bytes += a.bytes.len;
                views += a.bytes.ptr >= body.ptr && a.bytes.ptr < body.ptr + body.len;
            }
        if (is_large) {
            assert_true(views >= 1 && sends <= 4);
            assert_int_equal(bytes, sizeof(large) + strlen("\r\n.\r\n"));
        } else {
            assert_int_equal(sends, 1);
            assert_true(bytes > sizeof(small) + 100);
        }
        stop(&w);
    }
}

/* Content with dots everywhere, in pieces of any size, arrives as it was. */
static void test_dots(void **state)
{
    (void)state;
    static char body[100000];
    for (size_t i = 0; i < sizeof(body); i++)
        body[i] = i % 5 == 3 ? '\r' : i % 5 == 4 ? '\n' : '.';
    for (unsigned seed = 0; seed < 10; seed++) {
        struct world w;
        struct smtp_client_action a;
        struct sv rest = {body, sizeof(body)};
        size_t at = 0, column = 0;
        bool ended = false;
        srand(seed);
        start(&w, OFFERED);
        step(&w, HI, 0);
        step(&w, EHLO_FULL, 0);
        step(&w, "M1", 0);
        step(&w, "S250 a\r\n250 b\r\n354 c\r\n", 0);
        while (!ended) {
            struct sv part = sv_first(rest, 1 + (size_t)rand() % 90000);
            rest = sv_skip(rest, part.len);
            smtp_client_body(w.client, part, rest.len == 0, 1);
            while (smtp_client_next(w.client, &a))
                for (size_t i = 0; a.kind == SMTP_CLIENT_SEND && i < a.bytes.len; i++) {
                    /* a line of three dots has four on the wire; behind the last is the lone dot */
                    char want = at == sizeof(body) ? ".\r\n"[column] : "....\r\n"[column];
                    assert_int_equal(a.bytes.ptr[i], want);
                    column++;
                    if (want != '\n')
                        continue;
                    ended = at == sizeof(body);
                    at += 5;
                    column = 0;
                }
        }
        assert_int_equal(at, sizeof(body) + 5);
        stop(&w);
    }
}

/* More recipients than fit one SEND: all are said, in bounded pieces. */
static void test_many_recipients(void **state)
{
    (void)state;
    struct world w;
    struct smtp_client_action a;
    char path[100];
    size_t bytes = 0, sends = 0;
    start(&w, OFFERED);
    step(&w, HI, 0);
    step(&w, EHLO_FULL, 0);
    smtp_envelope_init(&w.envelope, &w.arena);
    assert_int_equal(smtp_envelope_parse_mail(&w.envelope, SV("<>")), 0);
    for (int i = 0; i < 3000; i++) {
        snprintf(path, sizeof(path), "<recipient-%04d@b.example>", i);
        assert_int_equal(smtp_envelope_parse_rcpt(&w.envelope, sv_of(path)), 0);
    }
    struct smtp_client_mail mail = {.envelope = &w.envelope, .size = 99};
    smtp_client_send(w.client, &mail, 1);
    while (smtp_client_next(w.client, &a))
        if (a.kind == SMTP_CLIENT_SEND) {
            sends++;
            bytes += a.bytes.len;
            assert_true(a.bytes.len < 40000);
        }
    assert_int_equal(bytes, 3000 * strlen("RCPT TO:<recipient-0000@b.example>\r\n") +
                                strlen("MAIL FROM:<> SIZE=99\r\nDATA\r\n"));
    assert_true(sends < 6);
    stop(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_scripts), cmocka_unit_test(test_injection_before_tls),
        cmocka_unit_test(test_timers),  cmocka_unit_test(test_body_runs),
        cmocka_unit_test(test_dots),    cmocka_unit_test(test_many_recipients),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
