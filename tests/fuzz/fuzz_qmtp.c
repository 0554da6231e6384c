/*
 * What a hostile QMTP server may say: single responses, whole and byte by byte, and the client
 * driven by them. First byte: bits of the session; second: size of the pieces; then the server.
 */
#include "msa/base/require.h"
#include "relay/qmtp/client.h"
#include "relay/qmtp/response.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* One response read whole and in single bytes is the same. */
static void check_response(struct sv bytes)
{
    static struct qmtp_response whole, single;
    enum netstring_progress a, b = NETSTRING_MORE;
    size_t used, total = 0, one;
    qmtp_response_init(&whole);
    qmtp_response_init(&single);
    a = qmtp_response_feed(&whole, bytes, &used);
    while (total < bytes.len && b == NETSTRING_MORE)
        b = qmtp_response_feed(&single, (struct sv){bytes.ptr + total++, 1}, &one);
    REQUIRE(a == b && (a == NETSTRING_BAD) == (whole.fault != NULL));
    if (a == NETSTRING_MORE)
        REQUIRE(used == bytes.len);
    if (a != NETSTRING_DONE)
        return;
    struct smtp_reply r = qmtp_response_reply(&whole), s = qmtp_response_reply(&single);
    REQUIRE(used == total && sv_eq(r.text, s.text) && r.code == s.code);
    REQUIRE(r.enhanced.class == r.code / 100 && smtp_status_eq(r.enhanced, s.enhanced));
    REQUIRE(r.text.len <= QMTP_DESCRIPTION_KEPT && r.text.len + 1 < used);
    for (size_t i = 0; i < r.text.len; i++)
        REQUIRE(r.text.ptr[i] >= 32 && r.text.ptr[i] <= 126);
}

#define RECIPIENTS 3u
#define PACKAGE    "7:\na\rb\nc,11:a@a.example,45:11:b@b.example,11:c@b.example,11:d@b.example,,"
static const struct sv pieces[] = {{"a\rb\r", 4}, {"\nc", 2}};
#define PIECES (sizeof pieces / sizeof pieces[0])

struct world {
    struct qmtp_client *client;
    struct smtp_envelope envelope;
    unsigned mails;
    bool in_mail, told[RECIPIENTS], refused, closed;
    size_t piece, sent;
};

/* Every recipient has one result when a package is over; without all of them nobody is refused. */
static void check_results(struct world *w)
{
    for (unsigned i = 0; i < RECIPIENTS; i++)
        REQUIRE(!w->in_mail || w->told[i]);
    w->in_mail = w->refused = false;
    memset(w->told, 0, sizeof w->told);
}

static void next_mail(struct world *w)
{
    struct smtp_client_mail mail = {.envelope = &w->envelope, .lf_size = 6};
    w->piece = w->sent = 0;
    if (++w->mails > 3) {
        qmtp_client_quit(w->client, 0);
        return;
    }
    w->in_mail = true;
    qmtp_client_send(w->client, &mail, 0);
}

static void act(struct world *w, const struct smtp_client_action *a)
{
    REQUIRE(!w->closed);
    switch (a->kind) {
    case SMTP_CLIENT_SEND:
        REQUIRE(a->bytes.len && sv_starts(sv_skip(SV(PACKAGE), w->sent), a->bytes));
        w->sent += a->bytes.len;
        break;
    case SMTP_CLIENT_NEED_BODY:
        REQUIRE(w->piece < PIECES && w->in_mail);
        w->piece++;
        qmtp_client_body(w->client, pieces[w->piece - 1], w->piece == PIECES, 0);
        break;
    case SMTP_CLIENT_RECIPIENT:
        REQUIRE(w->in_mail && a->index < RECIPIENTS && !w->told[a->index] && a->result.qmtp);
        REQUIRE(w->sent == sizeof PACKAGE - 1);
        w->told[a->index] = true;
        w->refused = w->refused || !smtp_reply_is_ok(&a->result.reply);
        break;
    case SMTP_CLIENT_MESSAGE:
        REQUIRE(w->in_mail && !w->refused);
        memset(w->told, 1, sizeof w->told);
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
    default:
        REQUIRE(false);
    }
}

static void drain(struct world *w)
{
    struct smtp_client_action a;
    while (qmtp_client_next(w->client, &a))
        act(w, &a);
}

enum { BIT_UNFLUSHED = 1, BIT_TIMEOUT = 2 };

static void run_session(uint8_t bits, size_t piece, struct sv bytes)
{
    struct qmtp_client_config config = {.recipients = RECIPIENTS};
    struct world w = {.client = qmtp_client_new(&config, 0)};
    struct arena arena;
    arena_init(&arena);
    smtp_envelope_init(&w.envelope, &arena);
    REQUIRE(smtp_envelope_parse_mail(&w.envelope, SV("<a@a.example>")) == 0);
    REQUIRE(smtp_envelope_parse_rcpt(&w.envelope, SV("<b@b.example>")) == 0);
    REQUIRE(smtp_envelope_parse_rcpt(&w.envelope, SV("<c@b.example>")) == 0);
    REQUIRE(smtp_envelope_parse_rcpt(&w.envelope, SV("<d@b.example>")) == 0);
    drain(&w);
    while (bytes.len && !w.closed) {
        if (!(bits & BIT_UNFLUSHED))
            qmtp_client_flushed(w.client, 0);
        size_t used = qmtp_client_feed(w.client, sv_first(bytes, piece), 0);
        REQUIRE(used);
        drain(&w);
        bytes = sv_skip(bytes, used);
    }
    if (bits & BIT_TIMEOUT)
        qmtp_client_timeout(w.client, false, 0);
    else
        qmtp_client_lost(w.client, ERR_EOF, 0);
    drain(&w);
    REQUIRE(w.closed);
    qmtp_client_free(w.client);
    arena_deinit(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    struct sv bytes = {(const char *)data + 2, size - 2};
    check_response(bytes);
    run_session(data[0], (size_t)data[1] + 1, bytes);
    return 0;
}
