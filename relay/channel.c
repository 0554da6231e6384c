/*
 * A channel's life:
 *
 *     dial -> on_connected -+- implicit TLS: handshake -+-> on_open
 *                           +---------------------------+
 *     on_read -> [TLS] -> plain -> on_bytes        relay_channel_write -> [TLS] -> stream_write
 *
 * Memory of the struct goes with on_closed of the dial or of the stream, which is the last event of
 * all.
 */
#include "relay/channel.h"

#include "msa/base/crashring.h"
#include "msa/base/mem.h"
#include "msa/base/require.h"
#include "msa/loop/stream.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define PLAIN_MAX    (64u << 10) /* of the peer's bytes that nobody has consumed yet */
#define TLS_OUT_MAX  (64u << 10)
#define HANDSHAKE_MS 60000

enum state { CONNECTING, HANDSHAKE, OPEN, CLOSED };

struct relay_channel {
    struct relay_channel_config config;
    const struct relay_channel_ops *ops;
    void *arg;
    enum state state;
    struct relay_dial *dial; /* while CONNECTING */
    struct stream *stream;   /* afterwards */
    struct ip local;
    size_t index;
    uint32_t failed; /* attempts that could not be connected to before it, a bit each */
    const char *name;
    struct tls_stream *tls;
    struct buf tls_out, plain;
    struct timer timer;
    uint64_t began_ms; /* of the handshake */
    char session_key[IP_TEXT_MAX];
    int write_err; /* told with the next event, or to the next writer */
};

static uint64_t now(const struct relay_channel *ch)
{
    return loop_now_ms(ch->config.loop);
}

static const struct route_attempt *attempt_of(const struct relay_channel *ch)
{
    return &ch->config.attempts[ch->index];
}

/* ---- end ---- */

static void fail(struct relay_channel *ch, enum smtp_end how, int err)
{
    struct smtp_client_result why = {.end = how,
                                     .phase = ch->state == HANDSHAKE ? SMTP_PHASE_HANDSHAKE
                                                                     : SMTP_PHASE_CONNECT,
                                     .err = err,
                                     .elapsed_ms = now(ch) - ch->began_ms};
    if (how == SMTP_END_TLS && ch->tls)
        why.detail = tls_stream_fault(ch->tls);
    ch->ops->on_failed(ch->arg, &why);
}

static void lost(struct relay_channel *ch, int err)
{
    if (ch->state == OPEN)
        ch->ops->on_lost(ch->arg, err);
    else if (ch->state == HANDSHAKE)
        fail(ch, SMTP_END_LOST, err);
}

static void on_closed(void *arg)
{
    struct relay_channel *ch = arg;
    const struct relay_channel_ops *ops = ch->ops;
    void *owner = ch->arg;
    tls_stream_free(ch->tls);
    tls_ctx_drop(ch->config.tls);
    buf_deinit(&ch->tls_out);
    buf_deinit(&ch->plain);
    free(ch);
    ops->on_closed(owner);
}

/* ---- out ---- */

static void write_raw(struct relay_channel *ch, struct sv bytes)
{
    if (ch->write_err == 0 && bytes.len > 0)
        ch->write_err = stream_write(ch->stream, bytes);
}

static void flush_tls(struct relay_channel *ch)
{
    write_raw(ch, buf_view(&ch->tls_out));
    buf_reset(&ch->tls_out);
}

static void tell_write_error(struct relay_channel *ch)
{
    int err = ch->write_err;
    ch->write_err = 0;
    if (err < 0)
        lost(ch, err);
}

/* ---- TLS ---- */

/* RFC 8461 5: of a policy that is being tested the check is only told. */
static void describe_peer(const struct relay_channel *ch, struct tls_stream_peer *out)
{
    const struct route_attempt *a = attempt_of(ch);
    *out = (struct tls_stream_peer){.name = sv_of(a->host),
                                    .names = a->names,
                                    .nnames = a->nnames,
                                    .session_key = sv_of(ch->session_key)};
    if (a->host[0] == '[')
        out->name = SV_NONE;
    if (a->tls == ROUTE_TLS_DANE) {
        out->trust = AUTH_TLS_TRUST_DANE;
        out->tlsa = a->tlsa;
        out->ntlsa = a->ntlsa;
        out->must_verify = ch->config.must_verify;
        if (a->nnames > 0)
            out->name = sv_of(a->names[0]); /* the TLSA base domain: RFC 7672 8.1 */
    } else if (a->tls == ROUTE_TLS_VERIFY || a->testing) {
        out->trust = AUTH_TLS_TRUST_VERIFY;
        out->report_only = a->tls != ROUTE_TLS_VERIFY;
    }
}

static void begin_tls(struct relay_channel *ch)
{
    const struct route_attempt *a = attempt_of(ch);
    struct tls_stream_peer peer;
    char literal[IP_TEXT_MAX];
    snprintf(ch->session_key, sizeof ch->session_key, "%s", ip_port_text(&a->to, literal));
    describe_peer(ch, &peer);
    if (peer.trust != AUTH_TLS_TRUST_ANY && peer.name.len == 0)
        peer.name = sv_of(ip_text(&a->to.ip, literal));
    buf_reset(&ch->plain);
    ch->tls = tls_stream_client(ch->config.tls, &peer, &ch->tls_out);
    flush_tls(ch);
}

static void opened(struct relay_channel *ch)
{
    ch->state = OPEN;
    timer_stop(&ch->timer);
    ch->ops->on_open(ch->arg);
}

static void tls_established(struct relay_channel *ch)
{
    if (ch->state == HANDSHAKE)
        opened(ch);
    else
        ch->ops->on_tls(ch->arg, 0);
}

static void tls_failed(struct relay_channel *ch, enum tls_stream_state before)
{
    if (ch->state == HANDSHAKE)
        fail(ch, SMTP_END_TLS, ERR_TLS);
    else if (before == AUTH_TLS_HANDSHAKE)
        ch->ops->on_tls(ch->arg, ERR_TLS);
    else
        lost(ch, ERR_TLS);
}

/* After a feed; what came before the end is heard before it. */
static void tls_fed(struct relay_channel *ch, enum tls_stream_state before)
{
    enum tls_stream_state state = tls_stream_state(ch->tls);
    if (before == AUTH_TLS_HANDSHAKE && (state == AUTH_TLS_OPEN || state == AUTH_TLS_CLOSED))
        tls_established(ch);
    if (ch->state == OPEN && buf_len(&ch->plain) > 0)
        ch->ops->on_bytes(ch->arg);
    if (ch->state != CLOSED && state == AUTH_TLS_FAILED)
        tls_failed(ch, before);
    else if (ch->state == OPEN && state == AUTH_TLS_CLOSED && before != AUTH_TLS_CLOSED)
        lost(ch, ERR_EOF);
}

/* ---- events, in the order in which they happen ---- */

static const struct stream_ops stream_ops;

static void begin(struct relay_channel *ch);
static void on_read(void *arg, struct sv bytes);

static void on_connected(void *arg, const struct relay_dial_result *result)
{
    struct relay_channel *ch = arg;
    ch->dial = NULL;
    ch->index = result->index;
    ch->failed = result->failed;
    ch->name = result->name;
    ch->stream = result->stream;
    ch->local = stream_local(ch->stream);
    stream_set_ops(ch->stream, &stream_ops, ch);
    stream_read_start(ch->stream);
    begin(ch);
    if (result->early.len > 0 && ch->state != CLOSED)
        on_read(ch, result->early);
}

/* Connected: TLS at once, or none for now. */
static void begin(struct relay_channel *ch)
{
    if (!attempt_of(ch)->implicit_tls) {
        opened(ch);
        return;
    }
    ch->state = HANDSHAKE;
    ch->began_ms = now(ch);
    timer_start(&ch->timer, HANDSHAKE_MS);
    if (!ch->config.tls) {
        fail(ch, SMTP_END_TLS, ERR_TLS);
        return;
    }
    begin_tls(ch);
    tell_write_error(ch);
}

static void on_dial_failed(void *arg, size_t index, const struct smtp_client_result *why)
{
    struct relay_channel *ch = arg;
    ch->index = index;
    ch->ops->on_failed(ch->arg, why);
}

static void read_tls(struct relay_channel *ch, struct sv bytes)
{
    bool more = true;
    while (more && ch->state != CLOSED) {
        enum tls_stream_state before = tls_stream_state(ch->tls);
        size_t taken = tls_stream_feed(ch->tls, bytes, &ch->plain);
        flush_tls(ch);
        bytes = sv_skip(bytes, taken);
        size_t waiting = buf_len(&ch->plain);
        tls_fed(ch, before);
        tell_write_error(ch);
        /* a full plain of which nothing is consumed: the peer talks without being asked */
        more = (bytes.len > 0 || (ch->state != CLOSED && tls_stream_has_plain(ch->tls))) &&
               (taken > 0 || buf_len(&ch->plain) < waiting);
    }
    if (bytes.len > 0 && ch->state == OPEN && tls_stream_state(ch->tls) == AUTH_TLS_OPEN)
        lost(ch, ERR_FULL);
}

static void read_clear(struct relay_channel *ch, struct sv bytes)
{
    while (bytes.len > 0 && ch->state == OPEN && !ch->tls) {
        struct sv part = sv_first(bytes, buf_room(&ch->plain));
        if (part.len == 0 || buf_put(&ch->plain, part) < 0) {
            lost(ch, ERR_FULL);
            return;
        }
        bytes = sv_skip(bytes, part.len);
        ch->ops->on_bytes(ch->arg);
    }
}

static void on_read(void *arg, struct sv bytes)
{
    struct relay_channel *ch = arg;
    crashring_hold(ch->config.queue_id);
    if (ch->tls)
        read_tls(ch, bytes);
    else
        read_clear(ch, bytes);
    crashring_done();
}

static void on_end(void *arg, int err)
{
    struct relay_channel *ch = arg;
    crashring_hold(ch->config.queue_id);
    lost(ch, err);
    crashring_done();
}

static void on_drain(void *arg)
{
    struct relay_channel *ch = arg;
    crashring_hold(ch->config.queue_id);
    if (ch->state == OPEN)
        ch->ops->on_drain(ch->arg);
    crashring_done();
}

static void on_timer(void *arg)
{
    struct relay_channel *ch = arg;
    crashring_hold(ch->config.queue_id);
    fail(ch, SMTP_END_TIMEOUT, -ETIMEDOUT);
    crashring_done();
}

static const struct stream_ops stream_ops = {
    .on_read = on_read, .on_end = on_end, .on_drain = on_drain, .on_closed = on_closed};
static const struct relay_dial_ops dial_ops = {on_connected, on_dial_failed, on_closed};

/* ---- interface ---- */

struct relay_channel *relay_channel_open(const struct relay_channel_config *config,
                                         const struct relay_channel_ops *ops, void *arg)
{
    struct relay_channel *ch = NEW(struct relay_channel);
    ch->config = *config;
    ch->ops = ops;
    ch->name = "";
    ch->arg = arg;
    if (config->tls)
        tls_ctx_keep(config->tls);
    buf_init(&ch->plain, PLAIN_MAX, 0);
    buf_init(&ch->tls_out, TLS_OUT_MAX, 0);
    timer_init(&ch->timer, config->loop, on_timer, ch);
    struct relay_dial_config dial = {.loop = config->loop,
                                     .attempts = config->attempts,
                                     .count = config->nattempts,
                                     .families = config->families,
                                     .bind = config->bind,
                                     .connect_ms = config->connect_ms,
                                     .queue_id = config->queue_id};
    ch->dial = relay_dial_start(&dial, &dial_ops, ch);
    return ch;
}

int relay_channel_start_tls(struct relay_channel *ch)
{
    REQUIRE(ch->state == OPEN && !ch->tls);
    if (!ch->config.tls)
        return ERR_TLS;
    begin_tls(ch);
    return 0;
}

struct sv relay_channel_waiting(const struct relay_channel *ch)
{
    return buf_view(&ch->plain);
}

void relay_channel_consume(struct relay_channel *ch, size_t bytes)
{
    buf_consume(&ch->plain, bytes);
}

int relay_channel_write(struct relay_channel *ch, struct sv bytes)
{
    if (!ch->tls) {
        write_raw(ch, bytes);
        return ch->write_err;
    }
    while (bytes.len > 0 && ch->write_err == 0) {
        size_t taken = tls_stream_write(ch->tls, bytes);
        flush_tls(ch);
        if (taken == 0)
            ch->write_err = ERR_TLS;
        bytes = sv_skip(bytes, taken);
    }
    return ch->write_err;
}

size_t relay_channel_pending(const struct relay_channel *ch)
{
    return ch->stream ? stream_pending(ch->stream) : 0;
}

void relay_channel_close(struct relay_channel *ch)
{
    REQUIRE(ch->state != CLOSED);
    ch->state = CLOSED;
    timer_stop(&ch->timer);
    if (ch->dial)
        relay_dial_end(ch->dial);
    else
        stream_close(ch->stream);
}

uint32_t relay_channel_failed(const struct relay_channel *ch)
{
    return ch->failed;
}

size_t relay_channel_index(const struct relay_channel *ch)
{
    return ch->index;
}

bool relay_channel_can_tls(const struct relay_channel *ch)
{
    return ch->config.tls != NULL;
}

bool relay_channel_is_tls(const struct relay_channel *ch)
{
    return ch->tls != NULL;
}

void relay_channel_get_tls(const struct relay_channel *ch, struct relay_channel_tls *out)
{
    struct tls_stream_info info;
    *out = (struct relay_channel_tls){.local = ch->local, .version = "", .cipher = "", .fault = ""};
    if (!ch->tls)
        return;
    tls_stream_info(ch->tls, &info);
    *out = (struct relay_channel_tls){.local = ch->local,
                                      .active = true,
                                      .version = info.version,
                                      .cipher = info.cipher,
                                      .verified = info.verified,
                                      .failure = info.failure,
                                      .fault = tls_stream_fault(ch->tls)};
}

const char *relay_channel_name(const struct relay_channel *ch)
{
    return ch->name;
}
