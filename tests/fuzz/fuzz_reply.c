/*
 * What a hostile server may say: the reply parser, whole and byte by byte, and the client session
 * driven by it. First byte: bits of the session; second: size of the pieces, which a slow kernel
 * goes with from 128 on; then the server.
 */
#include "msa/base/require.h"
#include "msa/smtp/client.h"
#include "msa/smtp/reply_parse.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* One reply read whole and in single bytes is the same. */
static void check_parser(struct sv bytes)
{
    static struct smtp_reply_parser whole, single;
    enum smtp_reply_progress a, b = SMTP_REPLY_MORE;
    size_t used = 0, total = 0, one;
    smtp_reply_parse_init(&whole);
    smtp_reply_parse_init(&single);
    a = smtp_reply_parse_feed(&whole, bytes, &used);
    while (total < bytes.len && b == SMTP_REPLY_MORE)
        b = smtp_reply_parse_feed(&single, (struct sv){bytes.ptr + total++, 1}, &one);
    REQUIRE(a == b && used == total && whole.fault == single.fault);
    if (a != SMTP_REPLY_DONE)
        return;
    REQUIRE(whole.reply.code == single.reply.code && whole.reply.code >= 200);
    REQUIRE(sv_eq(whole.reply.text, single.reply.text));
    for (size_t i = 0; i < whole.reply.text.len; i++)
        REQUIRE(whole.reply.text.ptr[i] == '\n' ||
                (whole.reply.text.ptr[i] >= 32 && whole.reply.text.ptr[i] <= 126));
}

struct world {
    struct smtp_client *client;
    struct smtp_envelope envelope;
    unsigned mails;
    bool in_mail, decided, refused[2], closed;
    bool is_slow, kept; /* what is sent is not with the kernel at once; it is not */
    size_t piece;       /* next */
    /* sent */
    bool binary, after_chunk;
    char line[4096];
    size_t line_len, chunks;
    uint64_t chunk_left, octets;
};

/* Pieces of the content: what a line or a command begins with, wherever it is cut. */
static const struct sv pieces[] = {{".x\r\n.\r", 6}, {"\nHELO x\r\n", 9}, {"\0\n.", 3}};
#define PIECES       (sizeof pieces / sizeof pieces[0])
#define RAW_OCTETS   18u
#define LINES_OCTETS 21u /* without NUL, bare LF and an unfinished last line */

/* A server reads it: chunks have the sizes told, and nothing but a command follows one. */
static void read_octet(struct world *w, char c)
{
    static const char *const verbs[] = {"BDAT ", "RSET\r", "QUIT\r", "MAIL "};
    if (w->chunk_left) {
        w->chunk_left--;
        return;
    }
    if (w->line_len < sizeof w->line)
        w->line[w->line_len++] = c;
    if (c != '\n')
        return;
    struct sv line = {w->line, w->line_len};
    bool known = !w->after_chunk;
    for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++)
        known = known || sv_starts(line, sv_of(verbs[i]));
    REQUIRE(known);
    w->line_len = 0;
    w->after_chunk = false;
    if (!sv_starts(line, SV("BDAT ")))
        return;
    struct sv digits = sv_skip(line, 5);
    uint64_t size;
    bool last = sv_find(digits, 'L') < digits.len;
    REQUIRE(sv_u64(sv_split(&digits, last ? ' ' : '\r'), 100, &size));
    w->after_chunk = true;
    w->chunk_left = size;
    w->octets += size;
    w->chunks++;
    REQUIRE(w->chunks <= PIECES);
    if (last)
        REQUIRE(w->octets == (w->binary ? RAW_OCTETS : LINES_OCTETS));
}

/* Every recipient has one result when a transaction is over. */
static void check_results(struct world *w)
{
    REQUIRE(!w->in_mail || w->decided || (w->refused[0] && w->refused[1]));
    w->in_mail = w->decided = w->refused[0] = w->refused[1] = false;
}

static void next_mail(struct world *w)
{
    struct smtp_client_mail mail = {
        .envelope = &w->envelope, .size = 10, .eight_bit = w->mails % 2 == 1, .binary = w->binary};
    w->piece = w->chunks = 0;
    w->octets = 0;
    if (++w->mails > 3) {
        smtp_client_quit(w->client, 0);
        return;
    }
    w->in_mail = true;
    smtp_client_send(w->client, &mail, 0);
}

static void flush(struct world *w)
{
    w->kept = false;
    smtp_client_flushed(w->client, 0);
}

static void act(struct world *w, const struct smtp_client_action *a)
{
    REQUIRE(!w->closed);
    switch (a->kind) {
    case SMTP_CLIENT_SEND:
        REQUIRE(a->bytes.len);
        for (size_t i = 0; i < a->bytes.len; i++)
            read_octet(w, a->bytes.ptr[i]);
        w->kept = true;
        if (!w->is_slow)
            flush(w);
        break;
    case SMTP_CLIENT_START_TLS:
        smtp_client_tls_done(w->client, 0, 0);
        break;
    case SMTP_CLIENT_AUTH:
        smtp_client_auth(w->client, SV("PLAIN"), SV("secret"), 0);
        break;
    case SMTP_CLIENT_NEED_BODY:
        REQUIRE(w->piece < PIECES && !w->decided && w->chunk_left == 0);
        w->piece++;
        smtp_client_body(w->client, pieces[w->piece - 1], w->piece == PIECES, 0);
        break;
    case SMTP_CLIENT_RECIPIENT:
        REQUIRE(w->in_mail && !w->decided && a->index < 2 && !w->refused[a->index]);
        w->refused[a->index] = true;
        break;
    case SMTP_CLIENT_MESSAGE:
        REQUIRE(w->in_mail && !w->decided && !(w->refused[0] && w->refused[1]));
        w->decided = true;
        /* nothing is delivered that is not with the server as a whole */
        if (a->result.end == SMTP_END_REPLY && smtp_reply_is_ok(&a->result.reply))
            REQUIRE(!w->kept && w->piece == PIECES && w->chunk_left == 0);
        break;
    case SMTP_CLIENT_SET_TIMER:
        break;
    case SMTP_CLIENT_READY:
        check_results(w);
        next_mail(w);
        break;
    case SMTP_CLIENT_CLOSED:
        check_results(w);
        w->closed = true;
        break;
    }
}

static void drain(struct world *w)
{
    struct smtp_client_action a;
    while (smtp_client_next(w->client, &a))
        act(w, &a);
}

enum {
    BIT_TLS_ACTIVE = 4,
    BIT_LOGIN = 8,
    BIT_NO_CHUNKING = 16,
    BIT_BINARY = 32,
    BIT_RRVS = 64,
    BIT_LMTP = 128
};

static void run_session(uint8_t bits, size_t piece, struct sv bytes)
{
    struct smtp_client_config config = {
        .name = SV("me.example"),
        .tls = (enum smtp_client_tls)((bits & 3) % 3),
        .tls_active = bits & BIT_TLS_ACTIVE,
        .login = bits & BIT_LOGIN,
        .lmtp = bits & BIT_LMTP,
        .exts_off = bits & BIT_NO_CHUNKING ? SMTP_EXT_BIT(SMTP_EXT_CHUNKING) : 0,
    };
    struct world w = {
        .client = smtp_client_new(&config, 0), .binary = bits & BIT_BINARY, .is_slow = piece > 128};
    struct arena arena;
    arena_init(&arena);
    smtp_envelope_init(&w.envelope, &arena);
    REQUIRE(smtp_envelope_parse_mail(&w.envelope, SV("<a@a.example> RET=FULL ENVID=x")) == 0);
    REQUIRE(smtp_envelope_parse_rcpt(&w.envelope, SV("<b@b.example> NOTIFY=NEVER")) == 0);
    REQUIRE(smtp_envelope_parse_rcpt(&w.envelope,
                                     bits & BIT_RRVS ? SV("<c@b.example> RRVS=2026-01-01T00:00:00Z")
                                                     : SV("<c@b.example>")) == 0);
    drain(&w);
    for (size_t i = 0; bytes.len && !w.closed; i++) {
        if (i % 3 == 2) {
            flush(&w);
            drain(&w);
        }
        size_t used = smtp_client_feed(w.client, sv_first(bytes, piece), 0);
        drain(&w);
        if (!used && !w.closed)
            break;
        bytes = sv_skip(bytes, used);
    }
    smtp_client_lost(w.client, ERR_EOF, 0);
    drain(&w);
    REQUIRE(w.closed);
    smtp_client_free(w.client);
    arena_deinit(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    struct sv bytes = {(const char *)data + 2, size - 2};
    check_parser(bytes);
    run_session(data[0], (size_t)data[1] + 1, bytes);
    return 0;
}
