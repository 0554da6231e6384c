/*
 * The life of a connection: accepted, asked for, greeted, ended. What is said in it is in
 * conn_session.c.
 *
 *     conn_start -> [CONN_PROXY] -> CONN_QUOTA -> conn_quota -> [CONN_HANDSHAKE] -> CONN_SESSION
 *                                                     \                                  |
 *                                     CONN_CLOSED <----+-- refused --> CONN_SESSION      |
 *                                          ^                                             v
 *                                          +---------------------------------------- CONN_LINGER
 *
 * Memory of an idle connection is its struct, the session and the TLS object; buffers are given
 * back when they run empty.
 */
#include "msa/base/mem.h"
#include "msa/loop/clock.h"
#include "msa/server/conn_internal.h"
#include "msa/server/proxy.h"
#include "msa/server/reject.h"

#include <stdlib.h>

#define LINGER_MS    1000u /* for the peer to read our last words before the end */
#define REFUSING_MAX 32u   /* handshakes of one worker only to tell a refusal under implicit TLS */

/* ---- helpers ---- */

struct log_ctx conn_ctx(const struct conn *c)
{
    return (struct log_ctx){
        .session = sv_of(c->session), .login = sv_of(c->login), .client = sv_of(c->client_text)};
}

bool conn_may_log(struct conn *c)
{
    int64_t limit = c->service->generation->options.log.per_client_per_minute;
    return clientlog_allows(c->worker->clientlog, &c->client, (uint64_t)limit,
                            loop_now_ms(c->worker->loop));
}

void conn_set_reading(struct conn *c, bool on)
{
    if (on == c->reading)
        return;
    c->reading = on;
    conn_begin_window(c);
    if (on)
        stream_read_start(c->stream);
    else
        stream_read_stop(c->stream);
}

void conn_begin_window(struct conn *c)
{
    c->window_ms = loop_now_ms(c->worker->loop);
    c->window_bytes = 0;
}

/* Whether content comes at less than limits.data_rate over a whole window of limits.data_timeout. A
 * pause that we made ourselves begins a new one. */
static bool trickles(struct conn *c, size_t bytes)
{
    const struct msa_limits_options *l = &c->service->generation->options.limits;
    uint64_t now = loop_now_ms(c->worker->loop), past = now - c->window_ms;
    c->window_bytes += bytes;
    if (past < (uint64_t)l->data_timeout_s * 1000)
        return false;
    bool slow = c->window_bytes < (uint64_t)l->data_rate * (past / 1000);
    conn_begin_window(c);
    return slow;
}

void conn_watch(struct conn *c, uint32_t op)
{
    c->op_watched = op;
    conn_arm(c, CONN_OPERATION_MS);
}

void conn_arm(struct conn *c, uint64_t ms)
{
    c->deadline_ms = loop_now_ms(c->worker->loop) + ms;
    timer_start(&c->timer, ms);
}

void conn_set_deadline(struct conn *c, uint64_t ms)
{
    c->deadline_ms = loop_now_ms(c->worker->loop) + ms;
    if (!timer_armed(&c->timer) || c->timer.due_ms > c->deadline_ms)
        timer_start(&c->timer, ms);
}

void conn_write(struct conn *c, struct sv bytes)
{
    c->written_bytes += bytes.len;
    if (stream_write(c->stream, bytes) < 0)
        c->lost = true;
}

/* ---- end ---- */

void conn_linger(struct conn *c)
{
    if (c->phase >= CONN_LINGER)
        return;
    conn_auth_cancel(c);
    conn_path_cancel(c);
    conn_budget_cancel(c);
    conn_return_drop(c);
    conn_tls_finish(c);
    if (c->lost || (c->eof && stream_pending(c->stream) == 0)) {
        conn_close(c);
        return;
    }
    c->phase = CONN_LINGER;
    c->renew = false;
    stream_shutdown(c->stream);
    conn_set_reading(c, true);
    conn_arm(c, LINGER_MS);
}

static void leave(struct conn *c, void (*close_stream)(struct stream *s))
{
    if (c->phase == CONN_CLOSED)
        return;
    c->phase = CONN_CLOSED;
    /* an answer that came before on_closed would start the timer again */
    conn_auth_cancel(c);
    conn_path_cancel(c);
    conn_budget_cancel(c);
    conn_return_drop(c);
    conn_policy_cancel(c);
    conn_tls_finish(c);
    timer_stop(&c->timer);
    close_stream(c->stream);
}

void conn_close(struct conn *c)
{
    leave(c, stream_close);
}

static void on_closed(void *arg)
{
    struct conn *c = arg;
    struct worker *w = c->worker;
    struct log_ctx ctx = conn_ctx(c);
    log_event(LOG_DEBUG, "disconnected", &ctx, "%s", "");
    conn_give_up_submission(c);
    conn_resume_leave(c, false);
    conn_policy_drop(c);
    tls_stream_free(c->tls);
    smtp_server_free(c->smtp);
    buf_deinit(&c->in);
    buf_deinit(&c->cipher);
    if (c->quota_held)
        w->shared->on_disconnect(w->shared->arg, &c->client);
    if (c->memory_held)
        memory_give(&w->shared->memory, MEMORY_SESSION_BYTES);
    w->nrefusing -= c->refusal.code != 0;
    atomic_fetch_sub(&w->shared->sessions, 1);
    service_drop(c->service);
    HASH_DEL(w->conns, c);
    w->nconns--;
    conn_forget_login(c);
    free(c);
    worker_on_ended(w);
}

/* ---- PROXY header ---- */

static void ask_quota(struct conn *c);

/* No words to a peer that is no proxy, nor to a proxy that speaks otherwise than agreed. */
static void refuse_proxy(struct conn *c, const char *why)
{
    struct log_ctx ctx = conn_ctx(c);
    if (conn_may_log(c))
        log_event(LOG_WARNING, "proxy-failed", &ctx, "%s", why);
    conn_close(c);
}

static void take_client(struct conn *c, const struct ip_port *client)
{
    char proxy[IP_TEXT_MAX];
    struct log_ctx ctx;
    ip_text(&c->client, proxy);
    c->client = client->ip;
    ip_text(&c->client, c->client_text);
    ctx = conn_ctx(c);
    log_event(LOG_DEBUG, "proxied", &ctx, "by %s", proxy);
}

/* What follows the header stays in c->in, cipher or plain, until the client is let in. */
static void proxy_input(struct conn *c, struct sv bytes)
{
    struct proxy_header h;
    if (buf_put(&c->in, bytes) < 0) {
        conn_close(c);
        return;
    }
    switch (proxy_parse(buf_view(&c->in), &h)) {
    case PROXY_MORE:
        return;
    case PROXY_BAD:
        refuse_proxy(c, h.why);
        return;
    case PROXY_TOLD:
        take_client(c, &h.client);
        break;
    case PROXY_LOCAL:
    case PROXY_UNKNOWN:
        c->untold = true;
        break;
    }
    buf_consume(&c->in, h.bytes);
    if (buf_len(&c->in) == 0)
        buf_release(&c->in);
    conn_set_reading(c, false);
    ask_quota(c);
}

/* ---- replies that are not read ---- */

/* Whether replies wait of which none has left for limits.command_timeout: a peer that goes on
 * talking and never reads would keep them for ever. */
static bool is_unread(struct conn *c)
{
    uint64_t now = loop_now_ms(c->worker->loop), pending = stream_pending(c->stream);
    uint64_t limit = (uint64_t)c->service->generation->options.limits.command_timeout_s * 1000;
    if (pending == 0 || c->written_bytes - pending != c->left_bytes) {
        c->left_bytes = c->written_bytes - pending;
        c->left_ms = now;
    }
    return now - c->left_ms >= limit;
}

static void end_unread(struct conn *c)
{
    struct log_ctx ctx = conn_ctx(c);
    if (conn_may_log(c))
        log_event(LOG_INFO, "unread", &ctx,
                  "the client does not read its replies, or what is returned to it "
                  "(limits.command_timeout, limits.data_rate)");
    leave(c, stream_reset);
}

/* ---- callbacks, in the order they happen ---- */

static void on_read(void *arg, struct sv bytes)
{
    struct conn *c = arg;
    if (c->renew && !c->blocked && !c->op_watched)
        c->deadline_ms = loop_now_ms(c->worker->loop) + c->timer_ms;
    if (c->phase >= CONN_LINGER)
        return;
    if (c->phase == CONN_PROXY) {
        proxy_input(c, bytes);
        return;
    }
    if (c->phase == CONN_SESSION && !conn_return_is_on(c) && is_unread(c)) {
        end_unread(c);
        return;
    }
    if (c->phase == CONN_SESSION && !c->op_watched && smtp_server_is_receiving(c->smtp) &&
        trickles(c, bytes.len)) {
        struct smtp_reply bye = reject_trickle();
        smtp_server_end(c->smtp, &bye, "content comes too slowly");
        conn_pump(c, SV_NONE);
        return;
    }
    if (c->tls)
        conn_tls_input(c, bytes);
    else
        conn_pump(c, bytes);
}

/* A peer that has sent its end may still read our replies; one that failed may not. */
static void on_end(void *arg, int err)
{
    struct conn *c = arg;
    bool reads = err == ERR_EOF;
    c->reading = false;
    c->eof = true;
    if (c->phase == CONN_PROXY && buf_len(&c->in)) { /* without a byte it was a mere probe */
        refuse_proxy(c, "the connection ended within its PROXY header");
        return;
    }
    if (reads && c->phase == CONN_SESSION)
        conn_pump(c, SV_NONE);
    else if (!reads || c->phase != CONN_LINGER || stream_pending(c->stream) == 0)
        conn_close(c);
}

static void on_drain(void *arg)
{
    struct conn *c = arg;
    if (c->phase == CONN_LINGER && c->eof)
        conn_close(c);
    else
        conn_pump(c, SV_NONE);
}

static void on_timer(void *arg)
{
    struct conn *c = arg;
    uint64_t now = loop_now_ms(c->worker->loop);
    if (now < c->deadline_ms) {
        timer_start(&c->timer, c->deadline_ms - now);
        return;
    }
    switch ((enum conn_phase)c->phase) {
    case CONN_PROXY:
        refuse_proxy(c, "no PROXY header came in time");
        break;
    case CONN_HANDSHAKE:
        conn_tls_fail(c, c->sign_id ? "the keeper did not sign in time"
                                    : "the handshake took too long");
        break;
    case CONN_SESSION:
        if (c->op_watched)
            conn_give_up_operation(c);
        else if (c->blocked)
            conn_give_up_content(c);
        else if (conn_return_is_on(c) && conn_return_is_slow(c))
            end_unread(c);
        else
            smtp_server_timeout(c->smtp);
        conn_pump(c, SV_NONE);
        break;
    default:
        conn_close(c);
        break;
    }
}

/* ---- start ---- */

/* Cipher that came right behind a PROXY header. */
static void feed_waiting_cipher(struct conn *c)
{
    struct buf waiting = c->in;
    buf_init(&c->in, CONN_WAIT_MAX, BUF_SECRET);
    if (buf_len(&waiting))
        conn_tls_input(c, buf_view(&waiting));
    buf_deinit(&waiting);
}

/* The main thread has answered, or need not be asked: refusal NULL lets the client in. */
static void admit(struct conn *c, const struct smtp_reply *refusal)
{
    bool tls_first = c->service->setups[c->listen].tls_from_start;
    if (tls_first && refusal && c->worker->nrefusing >= REFUSING_MAX) {
        /* words need a handshake each, which is what a flood wants */
        struct log_ctx ctx = conn_ctx(c);
        if (conn_may_log(c))
            log_event(LOG_INFO, "refused", &ctx, "%.*s (%.*s)", SV_ARG(refusal->text),
                      SV_ARG(refusal->setting));
        leave(c, stream_reset);
        return;
    }
    conn_set_reading(c, true);
    if (tls_first) {
        c->refusal = refusal ? *refusal : SMTP_REPLY_NONE;
        c->worker->nrefusing += refusal != NULL;
        conn_tls_start(c, 0);
        feed_waiting_cipher(c);
    } else {
        conn_start_session(c, refusal);
    }
}

static void ask_quota(struct conn *c)
{
    struct worker_shared *shared = c->worker->shared;
    c->phase = CONN_QUOTA;
    if (service_refuses(c->service, &c->client)) {
        struct smtp_reply refusal = reject_refused_network();
        conn_arm(c, CONN_HANDSHAKE_MS);
        admit(c, &refusal);
        return;
    }
    c->trusted = !c->untold && service_trusts(c->service, c->listen, &c->client);
    conn_arm(c, CONN_HANDSHAKE_MS);
    shared->on_quota(shared->arg, c->worker, c->number, &c->client);
}

static void make_session_id(char out[CONN_SESSION_CHARS + 1])
{
    static const char digits[] = "0123456789abcdefghijklmnopqrstuvwxyz";
    uint64_t r = random_u64();
    for (int i = 0; i < CONN_SESSION_CHARS; i++, r /= 36)
        out[i] = digits[r % 36];
    out[CONN_SESSION_CHARS] = '\0';
}

struct conn *conn_new(struct worker *w, struct stream *s, uint32_t listen)
{
    static const struct stream_ops ops = {
        .on_read = on_read, .on_end = on_end, .on_drain = on_drain, .on_closed = on_closed};
    struct conn *c = NEW(struct conn);
    c->worker = w;
    c->service = service_keep(w->service);
    c->stream = s;
    c->listen = listen;
    c->number = ++w->last_conn;
    c->left_ms = loop_now_ms(w->loop);
    c->client = stream_peer(s).ip;
    ip_text(&c->client, c->client_text);
    make_session_id(c->session);
    buf_init(&c->in, CONN_WAIT_MAX, BUF_SECRET);
    buf_init(&c->cipher, CONN_WAIT_MAX, 0);
    timer_init(&c->timer, w->loop, on_timer, c);
    HASH_ADD(hh, w->conns, number, sizeof c->number, c);
    w->nconns++;
    atomic_fetch_add(&w->shared->sessions, 1);
    atomic_fetch_add(&w->shared->all_sessions, 1);
    stream_set_ops(s, &ops, c);
    struct log_ctx ctx = conn_ctx(c);
    log_event(LOG_DEBUG, "connected", &ctx, "%s", "");
    return c;
}

void conn_start(struct worker *w, struct stream *s, uint32_t listen)
{
    struct conn *c = conn_new(w, s, listen);
    c->memory_held = memory_take(&w->shared->memory, MEMORY_SESSION_BYTES);
    if (!c->memory_held) {
        struct smtp_reply refusal = reject_session_memory();
        c->phase = CONN_QUOTA;
        conn_arm(c, CONN_HANDSHAKE_MS);
        admit(c, &refusal);
    } else if (service_is_proxy(c->service, listen, &c->client)) {
        c->phase = CONN_PROXY;
        conn_arm(c, CONN_PROXY_MS);
        conn_set_reading(c, true);
    } else {
        ask_quota(c);
    }
}

void conn_quota(struct worker *w, uint64_t number, const struct ip *client, enum quota_verdict v)
{
    struct conn *c;
    HASH_FIND(hh, w->conns, &number, sizeof number, c);
    if (!c) {
        /* gone before the answer came: what was counted for it is given back */
        if (v == QUOTA_OK)
            w->shared->on_disconnect(w->shared->arg, client);
        return;
    }
    c->quota_held = v == QUOTA_OK;
    if (c->phase != CONN_QUOTA)
        return;
    struct smtp_reply refusal = v == QUOTA_CLIENT ? reject_client() : reject_connections();
    admit(c, v == QUOTA_OK ? NULL : &refusal);
}

/* ---- to all ---- */

void conn_stop_all(struct worker *w, bool now)
{
    struct conn *c, *next;
    HASH_ITER(hh, w->conns, c, next)
    {
        if (c->phase == CONN_SESSION && !now) {
            c->stop_soon = true;
            conn_pump(c, SV_NONE);
        } else if (c->phase != CONN_LINGER || now) {
            conn_close(c);
        }
    }
}

static bool is_by(const struct conn *c, struct sv login, struct sv app)
{
    return c->login && sv_ieq(sv_of(c->login), login) &&
           (app.len == 0 || sv_eq(sv_of(c->app), app));
}

void conn_end_login(struct worker *w, struct sv login, struct sv app)
{
    struct conn *c, *next;
    HASH_ITER(hh, w->conns, c, next)
    {
        if (c->phase == CONN_SESSION && is_by(c, login, app)) {
            c->login_gone = true;
            conn_pump(c, SV_NONE);
        }
    }
}
