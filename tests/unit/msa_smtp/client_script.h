/*
 * client_script.h - the client of SMTP in scripts: each step is a letter and its text, every action
 * becomes a line of the trace.
 *
 * Steps:  S bytes of the server   M next mail   B more content   Z last content   K/k TLS up/failed
 *         A response of PLAIN   P the same with NULs   a no credentials   T timeout   L lost
 *         z content lost   Q quit   - a line in the trace
 *         H the kernel takes nothing from here on   F until now
 *         PROMPT: all of the content, "hi", comes as soon as it is asked for
 * Trace:  "> " bytes sent ("|" is CRLF), R a refused recipient, = the message's result, and words.
 */
#ifndef TESTS_UNIT_MSA_SMTP_CLIENT_SCRIPT_H
#define TESTS_UNIT_MSA_SMTP_CLIENT_SCRIPT_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "msa/smtp/client.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HI          "S220 mx ESMTP\r\n"
#define EHLO_FULL   "S250-mx\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-DSN\r\n250 SIZE 10000\r\n"
#define EHLO_BARE   "S250 mx\r\n"
#define EHLO_TLS    "S250-mx\r\n250 STARTTLS\r\n"
#define EHLO_CHUNKS "S250-mx\r\n250-PIPELINING\r\n250 CHUNKING\r\n"
#define OK1         "S250 2.1.0 ok\r\n250 2.1.5 ok\r\n"

enum {
    OFFERED,
    REQUIRED,
    LOGIN,
    LOGIN_TLS,
    EIGHT,
    IMPLICIT,
    NONE,
    BINARY,
    CHUNKS_OFF,
    LMTP,
    PROMPT
};

static const char *const end_names[] = {
    "reply",       "timeout",     "lost",    "protocol", "no-tls",  "tls", "no-auth",
    "credentials", "unsupported", "demands", "too-big",  "content", "quit"};
static const char *const phase_names[] = {
    "CONNECT", "GREETING", "EHLO", "HELO", "STARTTLS", "HANDSHAKE", "AUTH", "IDLE",
    "RSET",    "MAIL",     "RCPT", "DATA", "BODY",     "END",       "QUIT", "CLOSED"};

struct world {
    struct smtp_client *client;
    struct arena arena;
    struct smtp_envelope envelope;
    struct buf trace;
    char *body; /* of the last B or Z step */
    bool starts_auth, is_held;
    int flavour;
    uint64_t timer;
};

static inline void note(struct world *w, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    assert_int_equal(buf_vprintf(&w->trace, fmt, args), 0);
    va_end(args);
}

static inline void note_result(struct world *w, const char *what,
                               const struct smtp_client_result *r)
{
    char status[SMTP_STATUS_TEXT_MAX];
    note(w, "%s %s %s", what, end_names[r->end], phase_names[r->phase]);
    if (r->reply.code)
        note(w, " %d%s%s %.*s", r->reply.code, r->reply.enhanced.class ? " " : "",
             smtp_status_text(r->reply.enhanced, status), SV_ARG(r->reply.text));
    if (r->err)
        note(w, " %d", r->err);
    assert_int_equal(r->detail != NULL, r->end == SMTP_END_PROTOCOL || r->end == SMTP_END_DEMANDS);
    note(w, "\n");
}

static inline void drain(struct world *w)
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
            if (!w->is_held)
                smtp_client_flushed(w->client, 1);
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
            if (w->flavour == PROMPT)
                smtp_client_body(w->client, SV("hi\r\n"), true, 1);
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

static inline void feed(struct world *w, struct sv bytes, unsigned piece)
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

static inline void send_mail(struct world *w, const char *how)
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
    if (*how == 'r' || *how == 'R') {
        static const char *const rrvs = "<d@b.example> RRVS=2026-01-01T00:00:00Z";
        smtp_envelope_init(&w->envelope, &w->arena);
        assert_int_equal(smtp_envelope_parse_mail(&w->envelope, from), 0);
        assert_int_equal(smtp_envelope_parse_rcpt(&w->envelope, sv_of(rrvs)), 0);
    }
    if (*how == 'r') {
        assert_int_equal(smtp_envelope_parse_rcpt(&w->envelope, SV("<c@b.example>")), 0);
        assert_int_equal(
            smtp_envelope_parse_rcpt(&w->envelope, SV("<e@b.example> RRVS=2026-01-01T00:00:00Z;R")),
            0);
    }
    if (*how == '2')
        assert_int_equal(smtp_envelope_parse_rcpt(&w->envelope, SV("<c@b.example>")), 0);
    struct smtp_client_mail mail = {.envelope = &w->envelope,
                                    .size = 99,
                                    .eight_bit = w->flavour == EIGHT,
                                    .binary = w->flavour == BINARY};
    smtp_client_send(w->client, &mail, 1);
}

static inline void step(struct world *w, const char *s, unsigned piece)
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
    case 'O':
        smtp_client_auth(w->client, SV("XOAUTH2"), sv_of(s + 1), 1);
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
    case 'H':
    case 'F':
        w->is_held = *s == 'H';
        if (!w->is_held)
            smtp_client_flushed(w->client, 1);
        break;
    case '-':
        note(w, "-\n");
        break;
    case 'Q':
        smtp_client_quit(w->client, 1);
        break;
    default:
        fail_msg("step %s", s);
    }
    drain(w);
}

static inline void start(struct world *w, int flavour)
{
    *w = (struct world){.flavour = flavour};
    struct smtp_client_config config = {
        .name = SV("me"),
        .tls = flavour == REQUIRED                   ? SMTP_CLIENT_TLS_REQUIRED
               : flavour == NONE || flavour == LOGIN ? SMTP_CLIENT_TLS_NONE
                                                     : SMTP_CLIENT_TLS_OFFERED,
        .tls_active = flavour == IMPLICIT,
        .login = flavour == LOGIN || flavour == LOGIN_TLS,
        .lmtp = flavour == LMTP,
        .exts_off = flavour == CHUNKS_OFF ? SMTP_EXT_BIT(SMTP_EXT_CHUNKING) : 0,
    };
    arena_init(&w->arena);
    buf_init(&w->trace, 1u << 24, 0);
    w->client = smtp_client_new(&config, 0);
    drain(w);
}

static inline void stop(struct world *w)
{
    smtp_client_free(w->client);
    arena_deinit(&w->arena);
    buf_deinit(&w->trace);
    free(w->body);
}

#endif
