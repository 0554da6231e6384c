/*
 * A connection's TLS: cipher bytes to plain and back through the worker's two buffers, which are
 * empty again whenever another connection may use them. While a handshake waits for the keeper's
 * signature an honest client has nothing to say: only one that does stops the reading, since to
 * stop and to start it for each connection costs system calls.
 */
#include "msa/server/conn_internal.h"

#define SIGNATURE_MS 20000u

/* What TLS has to say goes to the peer, unless the end was said already. */
static void flush(struct conn *c)
{
    struct buf *out = &c->worker->out;
    if (buf_len(out) && c->phase < CONN_LINGER)
        conn_write(c, buf_view(out));
    buf_reset(out);
}

void conn_tls_write(struct conn *c, struct sv plain)
{
    while (plain.len && !c->lost) {
        size_t n = tls_stream_write(c->tls, plain);
        flush(c);
        if (n == 0)
            c->lost = true; /* TLS has failed */
        plain = sv_skip(plain, n);
    }
}

static void forget_signature(struct conn *c)
{
    if (c->sign_id)
        auth_client_cancel(c->worker->auth, c->sign_id);
    c->sign_id = 0;
}

void conn_tls_finish(struct conn *c)
{
    forget_signature(c);
    if (c->tls && c->phase < CONN_LINGER) {
        tls_stream_close(c->tls);
        flush(c);
    }
}

/* No session words over a broken channel, only the alert. */
void conn_tls_fail(struct conn *c, const char *why)
{
    struct log_ctx ctx = conn_ctx(c);
    if (conn_may_log(c))
        log_event(LOG_INFO, "tls-failed", &ctx, "%s", why);
    conn_linger(c);
}

void conn_tls_start(struct conn *c, uint32_t op)
{
    c->op_tls = op;
    c->tls = tls_stream_server(c->service->tls, &c->worker->out);
    c->phase = CONN_HANDSHAKE;
    c->renew = false;
    conn_arm(c, CONN_HANDSHAKE_MS);
}

/* One that does not hold is none, but somebody will ask why. */
static void look_at_certificate(struct conn *c)
{
    const char *why;
    enum tls_certificate shown = tls_stream_certificate(c->tls, &why);
    c->certified = shown == AUTH_TLS_CERTIFICATE;
    if (shown == AUTH_TLS_BAD_CERTIFICATE && conn_may_log(c)) {
        struct log_ctx ctx = conn_ctx(c);
        log_event(LOG_WARNING, "certificate-refused", &ctx, "%s (auth.client_ca)", why);
    }
}

static void handshake_done(struct conn *c)
{
    struct tls_stream_info info;
    struct log_ctx ctx = conn_ctx(c);
    uint32_t op = c->op_tls;
    tls_stream_info(c->tls, &info);
    log_event(LOG_DEBUG, "tls", &ctx, "%s %s%s", info.version, info.cipher,
              info.resumed ? " resumed" : "");
    look_at_certificate(c);
    c->op_tls = 0;
    if (!c->smtp) {
        conn_start_session(c, c->refusal.code ? &c->refusal : NULL);
        return;
    }
    c->phase = CONN_SESSION;
    conn_answer(c, op, SMTP_OK, NULL);
    conn_pump(c, SV_NONE);
}

static void on_signature(void *arg, uint64_t id, const struct auth_answer *a)
{
    struct conn *c = arg;
    struct buf waiting = c->cipher;
    (void)id;
    c->sign_id = 0;
    buf_init(&c->cipher, CONN_WAIT_MAX, 0);
    tls_stream_signed(c->tls, a->verdict == AUTH_OK ? 0 : ERR_KEEPER, a->data);
    flush(c);
    conn_arm(c, CONN_HANDSHAKE_MS);
    conn_tls_input(c, buf_view(&waiting));
    buf_deinit(&waiting);
    if (c->phase == CONN_HANDSHAKE)
        conn_set_reading(c, buf_len(&c->cipher) == 0);
}

static void ask_signature(struct conn *c, struct sv waiting)
{
    struct tls_sign_request r;
    if (buf_put(&c->cipher, waiting) < 0) {
        conn_close(c);
        return;
    }
    if (waiting.len)
        conn_set_reading(c, false);
    if (c->sign_id || !tls_stream_wants(c->tls, &r))
        return;
    conn_arm(c, SIGNATURE_MS);
    c->sign_id = auth_client_sign(c->worker->auth, r.key, r.form, r.bytes, on_signature, c);
}

/* Looks at the state after a feed; plain goes to the session. False: nothing more to do. */
static bool after_feed(struct conn *c, struct sv plain)
{
    enum tls_stream_state state = tls_stream_state(c->tls);
    if (c->phase == CONN_HANDSHAKE && (state == AUTH_TLS_OPEN || state == AUTH_TLS_CLOSED))
        handshake_done(c);
    if (plain.len)
        conn_pump(c, plain);
    if (state == AUTH_TLS_FAILED) {
        conn_misfit(c, MISFIT_TLS, sv_of(tls_stream_fault(c->tls)));
        conn_tls_fail(c, tls_stream_fault(c->tls));
    }
    if (state == AUTH_TLS_CLOSED) {
        c->eof = true;
        conn_pump(c, SV_NONE);
    }
    return state == AUTH_TLS_HANDSHAKE || state == AUTH_TLS_OPEN;
}

void conn_tls_input(struct conn *c, struct sv cipher)
{
    struct buf *plain = &c->worker->plain;
    while (c->phase < CONN_LINGER) {
        size_t n = tls_stream_feed(c->tls, cipher, plain);
        cipher = sv_skip(cipher, n);
        flush(c);
        if (c->lost) { /* nobody else looks during the handshake, and nothing more is read */
            conn_close(c);
            return;
        }
        if (tls_stream_state(c->tls) == AUTH_TLS_SIGNATURE) {
            ask_signature(c, cipher);
            return;
        }
        n += buf_len(plain);
        bool more = after_feed(c, buf_view(plain));
        buf_reset(plain);
        if (!more || n == 0 || (cipher.len == 0 && !tls_stream_has_plain(c->tls)))
            return;
    }
}
