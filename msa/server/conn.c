/*
 *   stream --on_read--> [tls_stream] --plain--> input() --> pump(): smtp_server_feed / next
 *      ^                                                      |
 *      +------ send() <---- [tls_stream] <---- SEND ----------+--> AUTH_STEP     auth_client
 *                                                             +--> OPEN/BODY/COMMIT  submission
 *
 * Each callback translates one event and calls pump(), which is the only place that acts. Bytes
 * that the session cannot take yet wait in `in`; while more than IN_HIGH wait, reading stops: that
 * is the back-pressure. Memory of an idle connection is this struct, the session and the TLS
 * object; buffers are given back when they run empty.
 */
#include "msa/server/conn.h"
#include "auth/tls/stream.h"
#include "msa/base/crashring.h"
#include "msa/base/log.h"
#include "msa/base/mem.h"
#include "msa/loop/clock.h"
#include "msa/server/policy.h"
#include "msa/server/reject.h"
#include "msa/server/submission.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#define IN_HIGH          (64u << 10)  /* bytes that wait for the session; then reading stops */
#define IN_MAX           (256u << 10) /* IN_HIGH and what one read can add */
#define OUT_HIGH         (256u << 10) /* bytes the peer does not read; then nothing is fed */
#define HANDSHAKE_MS     60000u
#define SIGNATURE_MS     20000u
#define LINGER_MS        1000u /* for the peer to read our last words before the end */
#define SESSION_ID_CHARS 10

enum phase {
    PHASE_QUOTA,     /* waits for the main thread's answer */
    PHASE_HANDSHAKE, /* TLS */
    PHASE_SESSION,
    PHASE_LINGER, /* all is said; what still comes is dropped */
    PHASE_CLOSED, /* waits for on_closed */
};

struct conn {
    struct conn *prev, *next;
    struct worker *worker;
    struct service *service;
    struct stream *stream;
    struct tls_stream *tls;
    struct smtp_server *smtp;
    struct submission *submission;
    struct timer timer;
    uint64_t deadline_ms;
    uint32_t timer_ms; /* of SET_TIMER */
    uint64_t number;
    uint64_t auth_id; /* of the exchange; 0: none */
    uint64_t sign_id;
    uint32_t op_tls, op_auth, op_commit; /* operations that are answered later */
    uint32_t listen;
    uint8_t phase;
    bool renew, reading, pumping, quota_held, stop_soon, committing, peer_gone;
    struct ip client;
    char session[SESSION_ID_CHARS + 1];
    char client_text[IP_TEXT_MAX];
    char *login;
    struct buf in;     /* plain bytes for the session */
    struct buf cipher; /* not yet taken by TLS */
};

static void pump(struct conn *c, struct sv in);
static void close_now(struct conn *c);

/* ---- log ---- */

static struct log_ctx ctx_of(const struct conn *c)
{
    return (struct log_ctx){.session = sv_of(c->session),
                            .login = sv_of(c->login),
                            .client = sv_of(c->client_text)};
}

static bool may_log(struct conn *c)
{
    int64_t limit = c->service->generation->options.log.per_client_per_minute;
    return clientlog_allows(c->worker->clientlog, &c->client, (uint64_t)limit,
                            loop_now_ms(c->worker->loop));
}

/* Each refusal that leaves is a line, within the client's limit. */
static void log_refusals(struct conn *c, struct sv out)
{
    while (out.len) {
        struct sv line = sv_split(&out, '\n');
        if (line.len > 4 && (line.ptr[0] == '4' || line.ptr[0] == '5') && line.ptr[3] == ' ' &&
            log_enabled(LOG_INFO) && may_log(c)) {
            struct log_ctx ctx = ctx_of(c);
            log_event(LOG_INFO, "reply", &ctx, "%.*s", (int)line.len - 1, line.ptr);
        }
    }
}

/* ---- output ---- */

static void flush_tls(struct conn *c)
{
    struct buf *out = &c->worker->out;
    if (buf_len(out) && c->phase != PHASE_CLOSED && stream_write(c->stream, buf_view(out)) < 0)
        c->peer_gone = true;
    buf_reset(out);
}

static void send_plain(struct conn *c, struct sv bytes)
{
    if (c->peer_gone)
        return;
    if (!c->tls) {
        c->peer_gone = stream_write(c->stream, bytes) < 0;
        return;
    }
    while (bytes.len) {
        size_t n = tls_stream_write(c->tls, bytes);
        flush_tls(c);
        if (n == 0)
            break; /* failed: on_read or the timer sees it */
        bytes = sv_skip(bytes, n);
    }
}

static void set_reading(struct conn *c, bool on)
{
    if (on == c->reading)
        return;
    c->reading = on;
    if (on)
        stream_read_start(c->stream);
    else
        stream_read_stop(c->stream);
}

/* ---- end ---- */

static void arm(struct conn *c, uint64_t ms)
{
    c->deadline_ms = loop_now_ms(c->worker->loop) + ms;
    timer_start(&c->timer, ms);
}

/* Last words have been given to the stream: half-close, give the peer time to read them. */
static void linger(struct conn *c)
{
    if (c->phase >= PHASE_LINGER)
        return;
    if (c->tls) {
        tls_stream_close(c->tls);
        flush_tls(c);
    }
    if (c->peer_gone) {
        close_now(c);
        return;
    }
    c->phase = PHASE_LINGER;
    c->renew = false;
    stream_shutdown(c->stream);
    set_reading(c, true);
    arm(c, LINGER_MS);
}

static void close_now(struct conn *c)
{
    if (c->phase == PHASE_CLOSED)
        return;
    c->phase = PHASE_CLOSED;
    timer_stop(&c->timer);
    stream_close(c->stream);
}

static void give_up_submission(struct conn *c)
{
    if (!c->submission)
        return;
    if (c->committing)
        submission_forget(c->submission);
    else
        submission_drop(c->submission);
    c->submission = NULL;
}

static void on_closed(void *arg)
{
    struct conn *c = arg;
    struct worker *w = c->worker;
    struct log_ctx ctx = ctx_of(c);
    log_event(LOG_DEBUG, "disconnected", &ctx, "%s", "");
    give_up_submission(c);
    if (c->auth_id)
        auth_client_cancel(w->auth, c->auth_id);
    if (c->sign_id)
        auth_client_cancel(w->auth, c->sign_id);
    tls_stream_free(c->tls);
    if (c->smtp)
        smtp_server_free(c->smtp);
    buf_deinit(&c->in);
    buf_deinit(&c->cipher);
    if (c->quota_held)
        w->shared->on_disconnect(w->shared->arg, &c->client);
    memory_give(&w->shared->memory, MEMORY_SESSION_BYTES);
    atomic_fetch_sub(&w->shared->sessions, 1);
    service_drop(c->service);
    DL_DELETE(w->conns, c);
    w->nconns--;
    free(c->login);
    free(c);
    worker_on_ended(w);
}

/* ---- actions of the session ---- */

static void act_start_tls(struct conn *c, const struct smtp_action *a)
{
    /* whatever came with the command, before the handshake, is dropped: CVE-2011-0411 */
    buf_release(&c->in);
    c->op_tls = a->op;
    c->tls = tls_stream_server(c->service->tls, &c->worker->out);
    c->phase = PHASE_HANDSHAKE;
    c->renew = false;
    arm(c, HANDSHAKE_MS);
}

static void answer(struct conn *c, uint32_t op, enum smtp_outcome outcome,
                   const struct smtp_reply *reply)
{
    struct smtp_result r = {.outcome = outcome};
    if (reply)
        r.reply = *reply;
    smtp_server_done(c->smtp, op, &r);
}

static void log_login(struct conn *c, const char *event, enum log_level level, struct sv mechanism)
{
    struct log_ctx ctx = ctx_of(c);
    if (level == LOG_INFO || may_log(c))
        log_event(level, event, &ctx, "mechanism=%.*s", SV_ARG(mechanism));
}

static void on_auth(void *arg, uint64_t id, const struct auth_answer *a)
{
    struct conn *c = arg;
    uint32_t op = c->op_auth;
    struct smtp_result r = {.outcome = SMTP_FAILED};
    struct smtp_reply reply;
    (void)id;
    switch (a->verdict) {
    case AUTH_CONTINUE:
        r.outcome = SMTP_MORE;
        r.challenge = a->data;
        break;
    case AUTH_OK:
        r.outcome = SMTP_OK;
        free(c->login);
        c->login = sv_dup(a->login);
        atomic_fetch_add(&c->worker->shared->logins, 1);
        log_login(c, "login", LOG_INFO, SV(""));
        break;
    case AUTH_DENIED:
        reply = reject_auth_failed();
        atomic_fetch_add(&c->worker->shared->failed_logins, 1);
        log_login(c, "login-failed", LOG_WARNING, SV(""));
        break;
    case AUTH_NO_MECHANISM:
        reply = SMTP_REPLY(504, 5, 5, 4, "This mechanism is not offered here");
        break;
    case AUTH_NEEDS_TLS:
        reply = SMTP_REPLY(538, 5, 7, 11, "Encryption is needed for authentication");
        break;
    default:
        reply = reject_auth_temporary();
        log_login(c, "login-unanswered", LOG_ERROR, SV(""));
        break;
    }
    if (r.outcome == SMTP_FAILED)
        r.reply = reply;
    if (a->verdict != AUTH_CONTINUE)
        c->auth_id = 0;
    c->op_auth = 0;
    smtp_server_done(c->smtp, op, &r);
    pump(c, SV_NONE);
}

static void act_auth(struct conn *c, const struct smtp_action *a)
{
    if (a->cancel) {
        auth_client_cancel(c->worker->auth, c->auth_id);
        c->auth_id = 0;
        return;
    }
    c->op_auth = a->op;
    if (!a->mechanism.len) {
        auth_client_step(c->worker->auth, c->auth_id, a->bytes);
        return;
    }
    struct auth_start start = {.mechanism = a->mechanism,
                               .initial = a->bytes,
                               .has_initial = a->has_response,
                               .tls = c->tls != NULL,
                               .client = sv_of(c->client_text)};
    c->auth_id = auth_client_start(c->worker->auth, &start, on_auth, c);
}

static void act_check_path(struct conn *c, const struct smtp_action *a)
{
    struct smtp_reply refusal = SMTP_REPLY_NONE;
    struct arena scratch;
    arena_init(&scratch);
    const struct msa_options *o = &c->service->generation->options;
    bool good = a->use == SMTP_PATH_REVERSE
                    ? policy_reverse_path(a->path, sv_of(c->login), &scratch, &refusal)
                    : policy_forward_path(a->path, o, &scratch, &refusal);
    answer(c, a->op, good ? SMTP_OK : SMTP_FAILED, &refusal);
    arena_deinit(&scratch);
}

static void on_submission_room(void *arg)
{
    pump(arg, SV_NONE);
}

static void on_submission_done(void *arg, bool accepted, const struct smtp_reply *reply)
{
    struct conn *c = arg;
    uint32_t op = c->op_commit;
    c->submission = NULL; /* it frees itself */
    c->committing = false;
    c->op_commit = 0;
    answer(c, op, accepted ? SMTP_OK : SMTP_FAILED, reply);
    pump(c, SV_NONE);
}

static void act_open(struct conn *c, const struct smtp_action *a)
{
    struct smtp_server_info info = smtp_server_info(c->smtp);
    struct tls_stream_info tls = {0};
    struct smtp_reply refusal;
    if (c->tls)
        tls_stream_info(c->tls, &tls);
    struct submission_from from = {
        .worker = c->worker,
        .service = c->service,
        .envelope = a->envelope,
        .session = sv_of(c->session),
        .login = sv_of(c->login),
        .client = sv_of(c->client_text),
        .helo = info.helo,
        .tls_cipher = sv_of(tls.cipher),
        .esmtp = info.esmtp,
        .on_room = on_submission_room,
        .on_done = on_submission_done,
        .arg = c,
    };
    c->submission = submission_open(&from, &refusal);
    answer(c, a->op, c->submission ? SMTP_OK : SMTP_FAILED, c->submission ? NULL : &refusal);
}

static void act_body(struct conn *c, const struct smtp_action *a)
{
    struct smtp_reply refusal;
    if (!c->submission || submission_body(c->submission, a->bytes, &refusal))
        return;
    /* the session rolls back, swallows the rest and answers with this */
    smtp_server_refuse_content(c->smtp, &refusal);
}

static void act_timer(struct conn *c, const struct smtp_action *a)
{
    c->timer_ms = a->ms;
    c->renew = a->renew;
    if (!a->ms) {
        timer_stop(&c->timer);
        return;
    }
    /* the common case costs no heap move: a timer that fires too early looks at the deadline */
    c->deadline_ms = loop_now_ms(c->worker->loop) + a->ms;
    if (!timer_armed(&c->timer) || c->timer.due_ms > c->deadline_ms)
        timer_start(&c->timer, a->ms);
}

static void act(struct conn *c, const struct smtp_action *a)
{
    switch (a->type) {
    case SMTP_ACTION_SEND:
        log_refusals(c, a->bytes);
        send_plain(c, a->bytes);
        break;
    case SMTP_ACTION_START_TLS:
        act_start_tls(c, a);
        break;
    case SMTP_ACTION_AUTH_STEP:
        act_auth(c, a);
        break;
    case SMTP_ACTION_CHECK_PATH:
        act_check_path(c, a);
        break;
    case SMTP_ACTION_OPEN_MESSAGE:
        act_open(c, a);
        break;
    case SMTP_ACTION_BODY:
        act_body(c, a);
        break;
    case SMTP_ACTION_COMMIT:
        c->op_commit = a->op;
        c->committing = true;
        submission_commit(c->submission);
        break;
    case SMTP_ACTION_ROLLBACK:
        give_up_submission(c);
        break;
    case SMTP_ACTION_SET_TIMER:
        act_timer(c, a);
        break;
    case SMTP_ACTION_CLOSE: {
        struct log_ctx ctx = ctx_of(c);
        log_event(LOG_DEBUG, "session-end", &ctx, "%s", a->why);
        linger(c);
        break;
    }
    }
}

/* ---- pump ---- */

static bool can_feed(const struct conn *c)
{
    return c->phase == PHASE_SESSION && stream_pending(c->stream) < OUT_HIGH &&
           !(c->submission && !c->committing && submission_full(c->submission));
}

static void run_session(struct conn *c, struct sv *in)
{
    struct smtp_action a;
    for (;;) {
        size_t n = can_feed(c) ? smtp_server_feed(c->smtp, *in) : 0;
        while (c->phase <= PHASE_SESSION && smtp_server_next(c->smtp, &a))
            act(c, &a);
        if (c->phase != PHASE_SESSION) {
            *in = SV_NONE; /* STARTTLS or the end: nothing of it counts */
            return;
        }
        if (n == 0)
            return;
        *in = sv_skip(*in, n);
    }
}

/* Feeds what waits and then in; keeps what cannot be taken. The only place that acts. */
static void pump(struct conn *c, struct sv in)
{
    if (c->phase != PHASE_SESSION || c->pumping) {
        return;
    }
    c->pumping = true;
    if (c->submission)
        crashring_hold(submission_id(c->submission));
    if (buf_len(&c->in)) {
        struct sv waiting = buf_view(&c->in);
        size_t before = waiting.len;
        run_session(c, &waiting);
        if (buf_len(&c->in))
            buf_consume(&c->in, before - waiting.len);
    } else {
        run_session(c, &in);
        int err = buf_put(&c->in, in);
        if (err < 0)
            c->peer_gone = true; /* more than reading ever lets wait: cannot be */
    }
    crashring_done();
    if (buf_len(&c->in) == 0)
        buf_release(&c->in);
    c->pumping = false;
    if (c->stop_soon && c->phase == PHASE_SESSION && !smtp_server_is_busy(c->smtp)) {
        struct smtp_reply bye = reject_shutdown();
        c->stop_soon = false;
        smtp_server_end(c->smtp, &bye, "shutdown");
        pump(c, SV_NONE);
        return;
    }
    if (c->phase == PHASE_SESSION)
        set_reading(c, buf_len(&c->in) < IN_HIGH && buf_len(&c->cipher) == 0);
    if (c->peer_gone && c->phase != PHASE_CLOSED)
        close_now(c);
}

/* Plain bytes for the session. */
static void input(struct conn *c, struct sv bytes)
{
    if (c->phase != PHASE_SESSION)
        return;
    if (buf_len(&c->in) == 0) {
        pump(c, bytes);
        return;
    }
    if (buf_put(&c->in, bytes) < 0)
        close_now(c);
    else
        pump(c, SV_NONE);
}

/* ---- TLS ---- */

static void start_session(struct conn *c, const struct smtp_reply *refusal)
{
    c->phase = PHASE_SESSION;
    c->smtp = smtp_server_new(&c->service->setups[c->listen]);
    smtp_server_start(c->smtp, refusal);
    pump(c, SV_NONE);
}

static void fail_tls(struct conn *c, const char *why)
{
    struct log_ctx ctx = ctx_of(c);
    if (may_log(c))
        log_event(LOG_INFO, "tls-failed", &ctx, "%s", why);
    flush_tls(c);
    c->phase = PHASE_LINGER; /* no session words over a broken channel */
    stream_shutdown(c->stream);
    set_reading(c, true);
    arm(c, LINGER_MS);
}

static void handshake_done(struct conn *c)
{
    struct tls_stream_info info;
    struct log_ctx ctx = ctx_of(c);
    tls_stream_info(c->tls, &info);
    log_event(LOG_DEBUG, "tls", &ctx, "%s %s%s", info.version, info.cipher,
              info.resumed ? " resumed" : "");
    if (!c->smtp) {
        start_session(c, NULL);
        return;
    }
    uint32_t op = c->op_tls;
    c->op_tls = 0;
    c->phase = PHASE_SESSION;
    answer(c, op, SMTP_OK, NULL);
    pump(c, SV_NONE);
}

static void tls_input(struct conn *c, struct sv cipher);

static void on_signature(void *arg, uint64_t id, const struct auth_answer *a)
{
    struct conn *c = arg;
    (void)id;
    c->sign_id = 0;
    tls_stream_signed(c->tls, a->verdict == AUTH_OK ? 0 : ERR_KEEPER, a->data);
    flush_tls(c);
    if (c->phase != PHASE_CLOSED)
        arm(c, HANDSHAKE_MS);
    struct buf waiting = c->cipher;
    buf_init(&c->cipher, IN_MAX, 0);
    tls_input(c, buf_view(&waiting));
    buf_deinit(&waiting);
    if (c->phase == PHASE_HANDSHAKE)
        set_reading(c, !c->sign_id);
}

static void ask_signature(struct conn *c)
{
    struct tls_sign_request r;
    if (c->sign_id || !tls_stream_wants(c->tls, &r))
        return;
    set_reading(c, false);
    arm(c, SIGNATURE_MS);
    c->sign_id = auth_client_sign(c->worker->auth, r.key, r.form, r.bytes, on_signature, c);
}

/* Takes cipher bytes as far as they go; what must wait for a signature is kept. */
static void tls_input(struct conn *c, struct sv cipher)
{
    struct buf *plain = &c->worker->plain;
    while (c->phase < PHASE_LINGER) {
        size_t n = tls_stream_feed(c->tls, cipher, plain);
        cipher = sv_skip(cipher, n);
        flush_tls(c);
        enum tls_stream_state state = tls_stream_state(c->tls);
        if (state == AUTH_TLS_SIGNATURE) {
            if (buf_put(&c->cipher, cipher) < 0)
                close_now(c);
            else
                ask_signature(c);
            return;
        }
        if (state == AUTH_TLS_FAILED) {
            fail_tls(c, tls_stream_fault(c->tls));
            return;
        }
        if (c->phase == PHASE_HANDSHAKE && state != AUTH_TLS_HANDSHAKE)
            handshake_done(c);
        bool had_plain = buf_len(plain) > 0;
        if (had_plain)
            input(c, buf_view(plain));
        buf_reset(plain);
        if (state == AUTH_TLS_CLOSED) {
            if (c->phase == PHASE_SESSION)
                smtp_server_peer_closed(c->smtp);
            pump(c, SV_NONE);
            return;
        }
        if (cipher.len == 0 && !tls_stream_has_plain(c->tls))
            return;
        if (n == 0 && !had_plain)
            return;
    }
}

/* ---- callbacks, in the order they happen ---- */

static void on_read(void *arg, struct sv bytes)
{
    struct conn *c = arg;
    if (c->renew)
        c->deadline_ms = loop_now_ms(c->worker->loop) + c->timer_ms;
    if (c->phase >= PHASE_LINGER)
        return;
    if (c->tls)
        tls_input(c, bytes);
    else
        input(c, bytes);
}

static void on_end(void *arg, int err)
{
    struct conn *c = arg;
    (void)err;
    c->reading = false;
    c->peer_gone = true;
    if (c->phase == PHASE_SESSION && !c->pumping) {
        smtp_server_peer_closed(c->smtp);
        pump(c, SV_NONE);
    }
    close_now(c);
}

static void on_drain(void *arg)
{
    pump(arg, SV_NONE);
}

static void on_timer(void *arg)
{
    struct conn *c = arg;
    uint64_t now = loop_now_ms(c->worker->loop);
    if (now < c->deadline_ms) {
        timer_start(&c->timer, c->deadline_ms - now);
        return;
    }
    switch (c->phase) {
    case PHASE_HANDSHAKE:
        fail_tls(c, c->sign_id ? "the keeper did not sign in time" : "the handshake took too long");
        break;
    case PHASE_SESSION:
        smtp_server_timeout(c->smtp);
        pump(c, SV_NONE);
        break;
    default:
        close_now(c);
        break;
    }
}

static const struct stream_ops ops = {
    .on_read = on_read, .on_end = on_end, .on_drain = on_drain, .on_closed = on_closed};

/* ---- life ---- */

static void make_session_id(char out[SESSION_ID_CHARS + 1])
{
    static const char digits[] = "0123456789abcdefghijklmnopqrstuvwxyz";
    uint64_t r = random_u64();
    for (int i = 0; i < SESSION_ID_CHARS; i++, r /= 36)
        out[i] = digits[r % 36];
    out[SESSION_ID_CHARS] = '\0';
}

void conn_start(struct worker *w, struct stream *s, uint32_t listen)
{
    struct conn *c = NEW(struct conn);
    c->worker = w;
    c->service = service_keep(w->service);
    c->stream = s;
    c->listen = listen;
    c->number = ++w->last_conn;
    c->client = stream_peer(s).ip;
    ip_text(&c->client, c->client_text);
    make_session_id(c->session);
    buf_init(&c->in, IN_MAX, 0);
    buf_init(&c->cipher, IN_MAX, 0);
    timer_init(&c->timer, w->loop, on_timer, c);
    DL_APPEND(w->conns, c);
    w->nconns++;
    atomic_fetch_add(&w->shared->sessions, 1);
    stream_set_ops(s, &ops, c);
    struct log_ctx ctx = ctx_of(c);
    log_event(LOG_DEBUG, "connected", &ctx, "%s", "");
    arm(c, HANDSHAKE_MS);
    if (!memory_take(&w->shared->memory, MEMORY_SESSION_BYTES)) {
        atomic_fetch_add(&w->shared->memory.used_bytes, MEMORY_SESSION_BYTES); /* on_closed gives */
        conn_quota(w, c->number, &c->client, QUOTA_CONNECTIONS);
        return;
    }
    w->shared->on_quota(w->shared->arg, w, c->number, &c->client);
}

static struct conn *find(struct worker *w, uint64_t number)
{
    struct conn *c;
    /* the answer comes soon, for one of the last */
    for (c = w->conns ? w->conns->prev : NULL; c && c->number != number;
         c = c == w->conns ? NULL : c->prev)
        ;
    return c;
}

void conn_quota(struct worker *w, uint64_t number, const struct ip *client, enum quota_verdict v)
{
    struct conn *c = find(w, number);
    if (!c) {
        /* gone before the answer came: what was counted for it is given back */
        if (v == QUOTA_OK)
            w->shared->on_disconnect(w->shared->arg, client);
        return;
    }
    c->quota_held = v == QUOTA_OK;
    if (c->phase != PHASE_QUOTA)
        return;
    struct smtp_reply refusal = v == QUOTA_CLIENT ? reject_client() : reject_connections();
    if (c->service->setups[c->listen].tls_from_start && v != QUOTA_OK) {
        /* words would need a handshake, which is what a flood wants */
        if (may_log(c)) {
            struct log_ctx ctx = ctx_of(c);
            log_event(LOG_INFO, "refused", &ctx, "%.*s", SV_ARG(refusal.text));
        }
        c->phase = PHASE_CLOSED;
        timer_stop(&c->timer);
        stream_reset(c->stream);
        return;
    }
    if (c->service->setups[c->listen].tls_from_start) {
        c->phase = PHASE_HANDSHAKE;
        c->tls = tls_stream_server(c->service->tls, &w->out);
        arm(c, HANDSHAKE_MS);
    } else {
        start_session(c, v == QUOTA_OK ? NULL : &refusal);
    }
    if (c->phase <= PHASE_SESSION)
        set_reading(c, true);
}

void conn_stop_all(struct worker *w, bool now)
{
    struct conn *c, *next;
    DL_FOREACH_SAFE(w->conns, c, next)
    {
        if (c->phase == PHASE_SESSION && !now) {
            c->stop_soon = true;
            pump(c, SV_NONE);
        } else if (c->phase != PHASE_LINGER || now) {
            close_now(c);
        }
    }
}

void conn_end_login(struct worker *w, struct sv login)
{
    static const struct smtp_reply bye =
        SMTP_REPLY(421, 4, 7, 0, "Your account was changed, log in again");
    struct conn *c, *next;
    DL_FOREACH_SAFE(w->conns, c, next)
    {
        if (c->login && c->phase == PHASE_SESSION && sv_ieq(sv_of(c->login), login)) {
            smtp_server_end(c->smtp, &bye, "account changed");
            pump(c, SV_NONE);
        }
    }
}
