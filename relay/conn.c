/*
 * A connection's life:
 *
 *     stream_connect -> on_connect -+- implicit TLS: handshake -+-> core (greeting, EHLO, ...)
 *                                   +---------------------------+
 *     on_read -> [TLS] -> plain -> core -> actions -> [TLS] -> stream_write
 *
 * pump() is the only place that acts on the core; a guard keeps it from nesting, so that what a
 * callback does (send, body) is acted on by the pump that called it. Memory of the struct goes with
 * on_closed of the stream, which is the last event of all.
 */
#include "relay/conn.h"

#include "msa/base/crashring.h"
#include "msa/base/mem.h"
#include "msa/base/require.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#define PLAIN_MAX     (64u << 10) /* of the peer's bytes that the core has not taken yet */
#define TLS_OUT_MAX   (64u << 10)
#define PENDING_MAX   (128u << 10) /* unsent bytes above which no body is asked for */
#define CONNECT_MS    30000
#define HANDSHAKE_MS  60000
#define NO_PROOF      "it did not prove that it knows the password"
#define SCRAM_ANSWERS 3 /* of ours, the last to the server's own proof */

enum state { CONNECTING, HANDSHAKE, SESSION, CLOSED };

struct relay_conn {
    struct relay_conn *prev, *next, **all;
    struct loop *loop;
    enum state state;
    const struct relay_conn_ops *ops; /* NULL: nobody is told any more */
    void *arg;
    struct stream *stream;
    struct tls_ctx *tls_ctx;
    struct tls_stream *tls;
    struct buf tls_out, plain;
    struct smtp_client *core;
    struct auth_client *auth;
    uint64_t auth_id; /* 0: none */
    bool auth_asked, scram;
    unsigned auth_steps;
    struct timer timer;
    uint64_t began_ms;
    bool pumping, body_wanted;
    int write_err;
    const char *auth_fault; /* why there is no login, in words; static, or NULL */
    bool clear_text;
    uint32_t exts_off;
    struct route_attempt attempt;
    struct arena arena; /* hostname, host, secret, remote */
    struct sv hostname, secret;
    const char *remote;
    char queue_id[CRASHRING_ID_MAX + 1]; /* of the message under way, or "" */
};

static uint64_t now(const struct relay_conn *c)
{
    return loop_now_ms(c->loop);
}

static void set_queue_id(struct relay_conn *c, const char *id)
{
    snprintf(c->queue_id, sizeof c->queue_id, "%s", id);
}

/* ---- end ---- */

static void shut(struct relay_conn *c)
{
    c->state = CLOSED;
    DL_DELETE(*c->all, c);
    timer_stop(&c->timer);
    if (c->auth_id)
        auth_client_cancel(c->auth, c->auth_id);
    c->auth_id = 0;
    stream_close(c->stream);
}

/* What the core cannot know about an end. */
static const char *detail_of(const struct relay_conn *c, const struct smtp_client_result *why)
{
    if (why->end == SMTP_END_TLS && c->tls && *tls_stream_fault(c->tls))
        return tls_stream_fault(c->tls);
    if (why->end == SMTP_END_CREDENTIALS && c->auth_fault)
        return c->auth_fault;
    return why->detail;
}

static void end(struct relay_conn *c, const struct smtp_client_result *result)
{
    const struct relay_conn_ops *ops = c->ops;
    struct smtp_client_result why = *result;
    if (c->state == CLOSED)
        return;
    why.detail = detail_of(c, result);
    shut(c);
    c->ops = NULL;
    if (ops)
        ops->on_closed(c->arg, &why);
}

/* Before there is a core the result is ours. */
static void end_early(struct relay_conn *c, enum smtp_end how, enum smtp_phase phase, int err)
{
    struct smtp_client_result why = {
        .end = how, .phase = phase, .err = err, .elapsed_ms = now(c) - c->began_ms};
    end(c, &why);
}

static void on_closed(void *arg)
{
    struct relay_conn *c = arg;
    smtp_client_free(c->core);
    tls_stream_free(c->tls);
    tls_ctx_drop(c->tls_ctx);
    buf_deinit(&c->tls_out);
    buf_deinit(&c->plain);
    arena_deinit(&c->arena);
    free(c);
}

/* ---- out ---- */

static void write_raw(struct relay_conn *c, struct sv bytes)
{
    if (c->write_err == 0 && bytes.len > 0)
        c->write_err = stream_write(c->stream, bytes);
}

static void flush_tls(struct relay_conn *c)
{
    write_raw(c, buf_view(&c->tls_out));
    buf_reset(&c->tls_out);
}

static void write_plain(struct relay_conn *c, struct sv bytes)
{
    if (!c->tls) {
        write_raw(c, bytes);
        return;
    }
    while (bytes.len > 0 && c->write_err == 0) {
        size_t taken = tls_stream_write(c->tls, bytes);
        flush_tls(c);
        if (taken == 0)
            c->write_err = ERR_TLS;
        bytes = sv_skip(bytes, taken);
    }
}

/* ---- AUTH ---- */

static void pump(struct relay_conn *c);

static void on_auth(void *arg, uint64_t id, const struct auth_answer *answer)
{
    struct relay_conn *c = arg;
    if (id != c->auth_id || c->state != SESSION)
        return;
    crashring_hold(c->queue_id);
    if (answer->verdict == AUTH_CONTINUE || answer->verdict == AUTH_OK) {
        if (c->auth_steps++ == 0)
            c->scram = sv_istarts(answer->login, SV("SCRAM-"));
        if (answer->verdict == AUTH_OK)
            c->auth_id = 0;
        smtp_client_auth(c->core, answer->login, answer->data, now(c));
    } else {
        c->auth_id = 0;
        if (answer->verdict == AUTH_DENIED)
            c->auth_fault =
                c->auth_steps == 0 ? "it offers no mechanism that may be used here" : NO_PROOF;
        smtp_client_auth_fail(c->core, answer->verdict == AUTH_DENIED ? ERR_NOT_FOUND : ERR_KEEPER,
                              now(c));
    }
    pump(c);
    crashring_done();
}

static void auth_step(struct relay_conn *c, const struct smtp_client_action *a)
{
    if (a->is_first && c->auth) {
        struct auth_login login = {.secret = c->secret,
                                   .mechanisms = a->bytes,
                                   .host = sv_of(c->attempt.host),
                                   .tls = c->tls != NULL};
        c->auth_asked = true;
        c->auth_id = auth_client_login(c->auth, &login, on_auth, c);
    } else if (c->auth_id) {
        auth_client_step(c->auth, c->auth_id, a->bytes);
    } else {
        smtp_client_auth_fail(c->core, c->auth ? ERR_NOT_FOUND : ERR_KEEPER, now(c));
    }
}

/* The server said 235. One that did not prove itself in SCRAM may be anybody. */
static bool auth_is_sound(struct relay_conn *c)
{
    bool sound = !c->auth_asked || !c->scram || c->auth_steps >= SCRAM_ANSWERS;
    if (c->auth_id)
        auth_client_cancel(c->auth, c->auth_id);
    c->auth_id = 0;
    c->auth_asked = false;
    return sound;
}

/* ---- TLS ---- */

static bool start_tls(struct relay_conn *c)
{
    if (!c->tls_ctx)
        return false;
    bool verify = c->attempt.tls == ROUTE_TLS_VERIFY;
    struct tls_stream_peer peer = {.name = sv_of(c->attempt.host),
                                   .trust = verify ? AUTH_TLS_TRUST_VERIFY : AUTH_TLS_TRUST_ANY,
                                   .session_key = sv_of(c->remote)};
    if (c->attempt.host[0] == '[')
        peer.name = SV_NONE;
    buf_reset(&c->plain); /* nothing said before the handshake counts: RFC 3207 6 */
    c->tls = tls_stream_client(c->tls_ctx, &peer, &c->tls_out);
    flush_tls(c);
    return true;
}

static void make_core(struct relay_conn *c)
{
    enum smtp_client_tls tls = SMTP_CLIENT_TLS_OFFERED;
    if (c->attempt.tls == ROUTE_TLS_REQUIRE || c->attempt.tls == ROUTE_TLS_VERIFY)
        tls = SMTP_CLIENT_TLS_REQUIRED;
    else if (c->attempt.tls == ROUTE_TLS_NONE || c->clear_text || !c->tls_ctx)
        tls = SMTP_CLIENT_TLS_NONE;
    struct smtp_client_config config = {.name = c->hostname,
                                        .tls = tls,
                                        .tls_active = c->tls != NULL,
                                        .login = c->attempt.credentials >= 0,
                                        .exts_off = c->exts_off};
    c->state = SESSION;
    c->core = smtp_client_new(&config, now(c));
}

static void session_tls(struct relay_conn *c, enum tls_stream_state before)
{
    enum tls_stream_state state = tls_stream_state(c->tls);
    if (state == AUTH_TLS_FAILED) {
        if (c->state == HANDSHAKE)
            end_early(c, SMTP_END_TLS, SMTP_PHASE_HANDSHAKE, ERR_TLS);
        else if (before == AUTH_TLS_HANDSHAKE)
            smtp_client_tls_done(c->core, ERR_TLS, now(c));
        else
            smtp_client_lost(c->core, ERR_TLS, now(c));
    } else if (before == AUTH_TLS_HANDSHAKE && state == AUTH_TLS_OPEN) {
        if (c->state == HANDSHAKE)
            make_core(c);
        else
            smtp_client_tls_done(c->core, 0, now(c));
    } else if (before == AUTH_TLS_OPEN && state == AUTH_TLS_CLOSED) {
        smtp_client_lost(c->core, ERR_EOF, now(c));
    }
}

/* ---- the core ---- */

static void ask_body(struct relay_conn *c)
{
    c->body_wanted = stream_pending(c->stream) > PENDING_MAX;
    if (!c->body_wanted && c->ops)
        c->ops->on_need_body(c->arg);
}

static void act(struct relay_conn *c, const struct smtp_client_action *a)
{
    switch (a->kind) {
    case SMTP_CLIENT_SEND:
        write_plain(c, a->bytes);
        break;
    case SMTP_CLIENT_START_TLS:
        if (!start_tls(c))
            smtp_client_tls_done(c->core, ERR_TLS, now(c));
        break;
    case SMTP_CLIENT_AUTH:
        auth_step(c, a);
        break;
    case SMTP_CLIENT_NEED_BODY:
        ask_body(c);
        break;
    case SMTP_CLIENT_RECIPIENT:
        if (c->ops)
            c->ops->on_recipient(c->arg, a->index, &a->result);
        break;
    case SMTP_CLIENT_MESSAGE:
        c->body_wanted = false; /* refused early: the rest stays here */
        if (c->ops)
            c->ops->on_message(c->arg, &a->result);
        break;
    case SMTP_CLIENT_SET_TIMER:
        if (a->timeout_ms)
            timer_start(&c->timer, a->timeout_ms);
        else
            timer_stop(&c->timer);
        break;
    case SMTP_CLIENT_READY:
        if (!auth_is_sound(c)) {
            c->auth_fault = NO_PROOF;
            end_early(c, SMTP_END_CREDENTIALS, SMTP_PHASE_AUTH, ERR_NOT_FOUND);
        } else if (c->ops) {
            c->ops->on_ready(c->arg);
        }
        break;
    case SMTP_CLIENT_CLOSED:
        end(c, &a->result);
        break;
    }
}

static void pump(struct relay_conn *c)
{
    struct smtp_client_action a;
    if (c->pumping || c->state != SESSION)
        return;
    c->pumping = true;
    for (;;) {
        while (c->state == SESSION && smtp_client_next(c->core, &a))
            act(c, &a);
        if (c->state != SESSION)
            break;
        if (c->write_err < 0) {
            smtp_client_lost(c->core, c->write_err, now(c));
            c->write_err = 0;
            continue;
        }
        struct sv waiting = buf_view(&c->plain);
        size_t taken = waiting.len ? smtp_client_feed(c->core, waiting, now(c)) : 0;
        buf_consume(&c->plain, taken);
        if (taken == 0)
            break;
    }
    c->pumping = false;
}

/* ---- events, in the order in which they happen ---- */

static void connected(struct relay_conn *c, int err)
{
    if (err < 0) {
        end_early(c, err == -ETIMEDOUT ? SMTP_END_TIMEOUT : SMTP_END_LOST, SMTP_PHASE_CONNECT, err);
        return;
    }
    stream_read_start(c->stream);
    if (!c->attempt.implicit_tls) {
        timer_stop(&c->timer);
        make_core(c);
        pump(c);
        return;
    }
    c->state = HANDSHAKE;
    c->began_ms = now(c);
    timer_start(&c->timer, HANDSHAKE_MS);
    if (!start_tls(c))
        end_early(c, SMTP_END_TLS, SMTP_PHASE_HANDSHAKE, ERR_TLS);
}

static void on_connect(void *arg, int err)
{
    struct relay_conn *c = arg;
    crashring_hold(c->queue_id);
    if (c->state == CONNECTING)
        connected(c, err);
    crashring_done();
}

static void lost(struct relay_conn *c, int err)
{
    if (c->state == SESSION)
        smtp_client_lost(c->core, err, now(c));
    else if (c->state != CLOSED)
        end_early(c, SMTP_END_LOST,
                  c->state == HANDSHAKE ? SMTP_PHASE_HANDSHAKE : SMTP_PHASE_CONNECT, err);
    pump(c);
}

static void read_tls(struct relay_conn *c, struct sv bytes)
{
    bool more = true;
    while (more && c->state != CLOSED && c->tls) {
        enum tls_stream_state before = tls_stream_state(c->tls);
        size_t taken = tls_stream_feed(c->tls, bytes, &c->plain);
        flush_tls(c);
        bytes = sv_skip(bytes, taken);
        size_t waiting = buf_len(&c->plain);
        session_tls(c, before);
        pump(c);
        /* a full plain that the core takes nothing of: the peer talks without being asked */
        more = (bytes.len > 0 || (c->state != CLOSED && tls_stream_has_plain(c->tls))) &&
               (taken > 0 || buf_len(&c->plain) < waiting);
    }
    if (bytes.len > 0 && c->state == SESSION && tls_stream_state(c->tls) == AUTH_TLS_OPEN)
        lost(c, ERR_FULL);
}

static void read_clear(struct relay_conn *c, struct sv bytes)
{
    while (bytes.len > 0 && c->state == SESSION && !c->tls) {
        struct sv part = sv_first(bytes, buf_room(&c->plain));
        if (part.len == 0 || buf_put(&c->plain, part) < 0) {
            lost(c, ERR_FULL);
            return;
        }
        bytes = sv_skip(bytes, part.len);
        pump(c);
    }
}

static void on_read(void *arg, struct sv bytes)
{
    struct relay_conn *c = arg;
    crashring_hold(c->queue_id);
    if (c->tls)
        read_tls(c, bytes);
    else
        read_clear(c, bytes);
    crashring_done();
}

static void on_end(void *arg, int err)
{
    struct relay_conn *c = arg;
    crashring_hold(c->queue_id);
    lost(c, err);
    crashring_done();
}

static void on_drain(void *arg)
{
    struct relay_conn *c = arg;
    if (!c->body_wanted || c->state != SESSION)
        return;
    c->body_wanted = false;
    crashring_hold(c->queue_id);
    if (c->ops)
        c->ops->on_need_body(c->arg);
    pump(c);
    crashring_done();
}

static void on_timer(void *arg)
{
    struct relay_conn *c = arg;
    crashring_hold(c->queue_id);
    if (c->state == SESSION) {
        smtp_client_timeout(c->core, now(c));
        pump(c);
    } else {
        end_early(c, SMTP_END_TIMEOUT,
                  c->state == HANDSHAKE ? SMTP_PHASE_HANDSHAKE : SMTP_PHASE_CONNECT, -ETIMEDOUT);
    }
    crashring_done();
}

/* ---- interface ---- */

struct relay_conn *relay_conn_open(const struct relay_conn_config *config,
                                   const struct relay_conn_ops *ops, void *arg)
{
    static const struct stream_ops stream_ops = {on_connect, on_read, on_end, on_drain, on_closed};
    struct relay_conn *c = NEW(struct relay_conn);
    char text[IP_TEXT_MAX];
    c->loop = config->loop;
    c->all = config->all;
    DL_APPEND(*c->all, c);
    c->ops = ops;
    c->arg = arg;
    c->auth = config->auth;
    c->clear_text = config->clear_text;
    c->exts_off = config->exts_off;
    set_queue_id(c, config->queue_id);
    c->tls_ctx = config->tls ? tls_ctx_keep(config->tls) : NULL;
    arena_init(&c->arena);
    buf_init(&c->plain, PLAIN_MAX, 0);
    buf_init(&c->tls_out, TLS_OUT_MAX, 0);
    c->attempt = *config->attempt;
    c->attempt.host = arena_str(&c->arena, sv_of(config->attempt->host));
    c->hostname = arena_sv(&c->arena, config->hostname);
    c->secret = arena_sv(&c->arena, config->secret);
    c->remote = arena_printf(&c->arena, "%s [%s]:%u", c->attempt.host,
                             ip_text(&c->attempt.to.ip, text), (unsigned)c->attempt.to.port);
    timer_init(&c->timer, c->loop, on_timer, c);
    timer_start(&c->timer, CONNECT_MS);
    c->began_ms = now(c);
    c->stream = stream_connect(c->loop, &c->attempt.to, NULL, &stream_ops, c);
    return c;
}

void relay_conn_set_ops(struct relay_conn *c, const struct relay_conn_ops *ops, void *arg,
                        const char *queue_id)
{
    c->ops = ops;
    c->arg = arg;
    set_queue_id(c, queue_id);
}

void relay_conn_send(struct relay_conn *c, const struct smtp_client_mail *mail)
{
    REQUIRE(c->state == SESSION);
    smtp_client_send(c->core, mail, now(c));
    pump(c);
}

void relay_conn_body(struct relay_conn *c, struct sv bytes, bool is_last)
{
    if (c->state != SESSION)
        return;
    smtp_client_body(c->core, bytes, is_last, now(c));
    pump(c);
}

void relay_conn_body_fail(struct relay_conn *c, int err)
{
    if (c->state != SESSION)
        return;
    smtp_client_body_fail(c->core, err, now(c));
    pump(c);
}

void relay_conn_quit(struct relay_conn *c)
{
    relay_conn_set_ops(c, NULL, NULL, "");
    if (c->state != SESSION) {
        relay_conn_drop(c);
        return;
    }
    smtp_client_quit(c->core, now(c));
    pump(c);
}

void relay_conn_drop(struct relay_conn *c)
{
    relay_conn_set_ops(c, NULL, NULL, "");
    if (c->state != CLOSED)
        shut(c);
}

void relay_conn_drop_all(struct relay_conn **all)
{
    while (*all)
        relay_conn_drop(*all);
}

uint32_t relay_conn_exts(const struct relay_conn *c)
{
    return c->core ? smtp_client_peer(c->core)->exts : 0;
}

unsigned relay_conn_converts(const struct relay_conn *c, const struct smtp_client_mail *mail)
{
    return smtp_client_converts(c->core, mail);
}

uint32_t relay_conn_takes(const struct relay_conn *c, struct sv domain)
{
    return smtp_client_takes(c->core, domain);
}

const char *relay_conn_remote(const struct relay_conn *c)
{
    return c->remote;
}

const struct route_attempt *relay_conn_attempt(const struct relay_conn *c)
{
    return &c->attempt;
}

bool relay_conn_is_tls(const struct relay_conn *c)
{
    return c->tls != NULL;
}
