/*
 * A protocol core driven over a channel:
 *
 *     channel open -> core (greeting, EHLO, ...) <-> pump() <-> channel
 *                                                     +-> the job (ops), the keeper (AUTH)
 *
 * pump() is the only place that acts on the core; a guard keeps it from nesting, so that what a
 * callback does (send, body) is acted on by the pump that called it. Memory of the struct goes with
 * on_closed of the channel, which is the last event of all.
 */
#include "relay/conn.h"

#include "msa/base/crashring.h"
#include "msa/base/mem.h"
#include "msa/base/require.h"
#include "relay/core.h"
#include "relay/outcome.h"
#include "relay/route/attempt.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <utlist.h>

#define PENDING_MAX   (128u << 10) /* unsent bytes above which no body is asked for */
#define NO_PROOF      "it did not prove that it knows the password"
#define SCRAM_ANSWERS 3 /* of ours, the last to the server's own proof */

enum state { OPENING, SESSION, CLOSED };

struct relay_conn {
    struct relay_conn *prev, *next, **all;
    struct loop *loop;
    enum state state;
    const struct relay_conn_ops *ops; /* NULL: nobody is told any more */
    void *arg;
    struct relay_channel *channel;
    const struct relay_core_type *type;
    void *core; /* from SESSION on */
    struct auth_client *auth;
    uint64_t auth_id; /* 0: none */
    bool auth_asked, scram;
    unsigned auth_steps;
    struct timer timer;
    size_t timer_pending; /* what was unsent when it was set */
    bool pumping, body_wanted;
    int write_err;
    const char *auth_fault; /* why there is no login, in words; static or in arena, or NULL */
    enum smtp_client_tls core_tls;
    bool clear_text, no_starttls; /* no_starttls: it was asked for in vain */
    uint32_t exts_off;
    struct relay_qmtp_memory *qmtp_memory; /* NULL unless it is QMTP */
    uint32_t qmtp_recipients;
    struct route_attempt *attempts, *attempt; /* attempt: the one in use, or that failed last */
    size_t nattempts;
    struct arena arena; /* attempts, hostname, secret, remote */
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

/* "host [address]:port", "host:port by the proxy address:port". */
static const char *remote_of(struct arena *arena, const struct route_attempt *a)
{
    char ip[IP_TEXT_MAX], by[IP_TEXT_MAX];
    bool known = a->to.ip.family != IP_NONE;
    return arena_printf(arena, "%s%s%s%s:%u%s%s", a->host, known ? " [" : "",
                        known ? ip_text(&a->to.ip, ip) : "", known ? "]" : "", (unsigned)a->to.port,
                        a->proxy ? " by the proxy " : "",
                        a->proxy ? ip_port_text(&a->proxy->at, by) : "");
}

static void take_attempt(struct relay_conn *c, size_t index)
{
    c->attempt = &c->attempts[index];
    c->remote = remote_of(&c->arena, c->attempt);
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
    relay_channel_close(c->channel);
}

/* What the core cannot know about an end. */
static const char *detail_of(const struct relay_conn *c, const struct smtp_client_result *why)
{
    struct relay_channel_tls tls;
    relay_channel_get_tls(c->channel, &tls);
    if (why->end == SMTP_END_TLS && *tls.fault)
        return tls.fault;
    if (why->end == SMTP_END_CREDENTIALS && c->auth_fault)
        return c->auth_fault;
    return why->detail;
}

/* ---- what is remembered of QMTP servers ---- */

static void remember_open(struct relay_conn *c)
{
    if (!c->qmtp_memory)
        return;
    relay_qmtp_memory_connected(c->qmtp_memory, &c->attempt->to);
    if (relay_qmtp_memory_is_short(c->qmtp_memory, &c->attempt->to))
        c->qmtp_recipients = 1;
}

/* Only what is the server's: our own lack of something says nothing about its address. */
static void remember_failed(struct relay_conn *c, int err)
{
    if (c->qmtp_memory && (err == -ECONNREFUSED || err == -ETIMEDOUT || err == -EHOSTUNREACH))
        relay_qmtp_memory_failed(c->qmtp_memory, &c->attempt->to, now(c));
}

static void remember_end(struct relay_conn *c)
{
    if (c->qmtp_memory && c->core && c->type->is_short(c->core))
        relay_qmtp_memory_short(c->qmtp_memory, &c->attempt->to);
}

/* ---- */

static void end(struct relay_conn *c, const struct smtp_client_result *result)
{
    const struct relay_conn_ops *ops = c->ops;
    struct smtp_client_result why = *result;
    if (c->state == CLOSED)
        return;
    why.detail = detail_of(c, result);
    c->no_starttls = c->no_starttls || why.end == SMTP_END_NO_TLS ||
                     (why.end == SMTP_END_REPLY && why.phase == SMTP_PHASE_STARTTLS &&
                      !relay_outcome_is_goodbye(&why));
    remember_end(c);
    shut(c);
    c->ops = NULL;
    if (ops)
        ops->on_closed(c->arg, &why);
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
        c->type->auth(c->core, answer->login, answer->data, now(c));
    } else {
        c->auth_id = 0;
        if (answer->verdict == AUTH_DENIED)
            c->auth_fault =
                c->auth_steps == 0 ? "it offers no mechanism that may be used here" : NO_PROOF;
        else if (answer->data.len > 0)
            c->auth_fault = arena_str(&c->arena, answer->data);
        c->type->auth_fail(c->core, answer->verdict == AUTH_DENIED ? ERR_NOT_FOUND : ERR_KEEPER,
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
                                   .host = sv_of(c->attempt->host),
                                   .tls = relay_conn_is_tls(c),
                                   .again = c->auth_asked};
        if (c->auth_id)
            auth_client_cancel(c->auth, c->auth_id);
        c->auth_asked = true;
        c->auth_steps = 0;
        c->auth_id = auth_client_login(c->auth, &login, on_auth, c);
    } else if (c->auth_id) {
        auth_client_step(c->auth, c->auth_id, a->bytes);
    } else {
        c->type->auth_fail(c->core, c->auth ? ERR_NOT_FOUND : ERR_KEEPER, now(c));
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

/* ---- the core ---- */

static void make_core(struct relay_conn *c)
{
    enum smtp_client_tls tls = SMTP_CLIENT_TLS_OFFERED;
    if (c->attempt->tls > ROUTE_TLS_OPPORTUNISTIC)
        tls = SMTP_CLIENT_TLS_REQUIRED;
    else if (c->attempt->tls == ROUTE_TLS_NONE || c->clear_text || !c->type->tls_done ||
             !relay_channel_can_tls(c->channel))
        tls = SMTP_CLIENT_TLS_NONE;
    const char *name = relay_channel_name(c->channel);
    struct relay_core_config config = {
        .session = {.name = *name ? arena_sv(&c->arena, sv_of(name)) : c->hostname,
                    .tls = tls,
                    .tls_active = relay_conn_is_tls(c),
                    .login = c->attempt->credentials >= 0,
                    .lmtp = c->attempt->protocol == ROUTE_LMTP,
                    .exts_off = c->exts_off},
        .qmtp_recipients = c->qmtp_recipients};
    c->core_tls = tls;
    c->state = SESSION;
    c->core = c->type->make(&config, now(c));
}

static void ask_body(struct relay_conn *c)
{
    c->body_wanted = relay_channel_pending(c->channel) > PENDING_MAX;
    if (!c->body_wanted && c->ops)
        c->ops->on_need_body(c->arg);
}

/* Whenever nothing is kept here: what the peer may have of it all. */
static void tell_flushed(struct relay_conn *c)
{
    if (c->state == SESSION && c->type->flushed && c->write_err == 0 &&
        relay_channel_pending(c->channel) == 0)
        c->type->flushed(c->core, now(c));
}

static void act(struct relay_conn *c, const struct smtp_client_action *a)
{
    switch (a->kind) {
    case SMTP_CLIENT_SEND:
        c->write_err = relay_channel_write(c->channel, a->bytes);
        tell_flushed(c);
        break;
    case SMTP_CLIENT_START_TLS:
        if (relay_channel_start_tls(c->channel) < 0)
            c->type->tls_done(c->core, ERR_TLS, now(c));
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
        c->timer_pending = relay_channel_pending(c->channel);
        if (a->timeout_ms)
            timer_start(&c->timer, a->timeout_ms);
        else
            timer_stop(&c->timer);
        break;
    case SMTP_CLIENT_READY:
        c->no_starttls = c->core_tls == SMTP_CLIENT_TLS_OFFERED && !relay_conn_is_tls(c);
        if (!auth_is_sound(c)) {
            c->auth_fault = NO_PROOF;
            end(c, &(struct smtp_client_result){.end = SMTP_END_CREDENTIALS,
                                                .phase = SMTP_PHASE_AUTH,
                                                .err = ERR_NOT_FOUND});
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
        while (c->state == SESSION && c->type->next(c->core, &a))
            act(c, &a);
        if (c->state != SESSION)
            break;
        if (c->write_err < 0) {
            c->type->lost(c->core, c->write_err, now(c));
            c->write_err = 0;
            continue;
        }
        struct sv waiting = relay_channel_waiting(c->channel);
        size_t taken = waiting.len ? c->type->feed(c->core, waiting, now(c)) : 0;
        relay_channel_consume(c->channel, taken);
        if (taken == 0)
            break;
    }
    c->pumping = false;
}

/* ---- events, in the order in which they happen ---- */

static void on_open(void *arg)
{
    struct relay_conn *c = arg;
    take_attempt(c, relay_channel_index(c->channel));
    remember_open(c);
    make_core(c);
    pump(c);
}

static void on_failed(void *arg, const struct smtp_client_result *why)
{
    struct relay_conn *c = arg;
    take_attempt(c, relay_channel_index(c->channel));
    remember_failed(c, why->err);
    end(c, why);
}

static void on_tls(void *arg, int err)
{
    struct relay_conn *c = arg;
    c->type->tls_done(c->core, err, now(c));
    pump(c);
}

static void on_bytes(void *arg)
{
    pump(arg);
}

static void on_lost(void *arg, int err)
{
    struct relay_conn *c = arg;
    c->type->lost(c->core, err, now(c));
    pump(c);
}

static void on_drain(void *arg)
{
    struct relay_conn *c = arg;
    bool body_wanted = c->body_wanted;
    c->body_wanted = false;
    tell_flushed(c);
    if (body_wanted && c->ops)
        c->ops->on_need_body(c->arg);
    pump(c);
}

static void on_timer(void *arg)
{
    struct relay_conn *c = arg;
    crashring_hold(c->queue_id);
    c->type->timeout(c->core, relay_channel_pending(c->channel) < c->timer_pending, now(c));
    pump(c);
    crashring_done();
}

static void on_closed(void *arg)
{
    struct relay_conn *c = arg;
    if (c->core)
        c->type->free(c->core);
    arena_deinit(&c->arena);
    free(c);
}

/* ---- interface ---- */

struct relay_conn *relay_conn_open(const struct relay_conn_config *config,
                                   const struct relay_conn_ops *ops, void *arg)
{
    static const struct relay_channel_ops channel_ops = {on_open, on_failed, on_tls,   on_bytes,
                                                         on_lost, on_drain,  on_closed};
    struct relay_conn *c = NEW(struct relay_conn);
    c->loop = config->loop;
    c->all = config->all;
    DL_APPEND(*c->all, c);
    c->ops = ops;
    c->arg = arg;
    c->auth = config->auth;
    c->clear_text = config->clear_text;
    c->exts_off = config->exts_off;
    set_queue_id(c, config->queue_id);
    c->type = &relay_core_smtp;
    if (config->attempts[0].protocol == ROUTE_QMTP) {
        c->type = &relay_core_qmtp;
        c->qmtp_memory = config->qmtp_memory;
        c->qmtp_recipients = config->qmtp_recipients;
    }
    arena_init(&c->arena);
    c->nattempts = config->nattempts;
    c->attempts = arena_alloc(&c->arena, c->nattempts * sizeof *c->attempts);
    for (size_t i = 0; i < c->nattempts; i++) {
        route_attempt_copy(&c->arena, &config->attempts[i], &c->attempts[i]);
        c->attempts[i].tls = config->level;
    }
    c->hostname = arena_sv(&c->arena, config->hostname);
    c->secret = arena_sv(&c->arena, config->secret);
    take_attempt(c, 0);
    timer_init(&c->timer, c->loop, on_timer, c);
    struct relay_channel_config channel = {.loop = c->loop,
                                           .tls = config->tls,
                                           .connect_ms = c->type->connect_ms,
                                           .attempts = c->attempts,
                                           .nattempts = c->nattempts,
                                           .must_verify = config->must_verify,
                                           .families = config->families,
                                           .bind = config->bind,
                                           .queue_id = c->queue_id};
    c->channel = relay_channel_open(&channel, &channel_ops, c);
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
    c->type->send(c->core, mail, now(c));
    pump(c);
}

void relay_conn_body(struct relay_conn *c, struct sv bytes, bool is_last)
{
    if (c->state != SESSION)
        return;
    c->type->body(c->core, bytes, is_last, now(c));
    pump(c);
}

void relay_conn_body_fail(struct relay_conn *c, int err)
{
    if (c->state != SESSION)
        return;
    c->type->body_fail(c->core, err, now(c));
    pump(c);
}

bool relay_conn_is_ready(const struct relay_conn *c)
{
    return c->state == SESSION;
}

bool relay_conn_time_out(struct relay_conn *c)
{
    bool under_way = c->state == SESSION && timer_armed(&c->timer);
    if (under_way)
        on_timer(c);
    return under_way;
}

void relay_conn_quit(struct relay_conn *c)
{
    relay_conn_set_ops(c, NULL, NULL, "");
    if (c->state != SESSION) {
        relay_conn_drop(c);
        return;
    }
    c->type->quit(c->core, now(c));
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
    return c->core ? c->type->exts(c->core) : 0;
}

unsigned relay_conn_converts(const struct relay_conn *c, const struct smtp_client_mail *mail)
{
    return c->type->converts(c->core, mail);
}

uint32_t relay_conn_takes(const struct relay_conn *c, struct sv domain)
{
    return c->type->takes(c->core, domain);
}

const char *relay_conn_remote(const struct relay_conn *c)
{
    return c->remote;
}

const struct route_attempt *relay_conn_attempt(const struct relay_conn *c)
{
    return c->attempt;
}

uint32_t relay_conn_failed(const struct relay_conn *c)
{
    return relay_channel_failed(c->channel);
}

size_t relay_conn_index(const struct relay_conn *c)
{
    return (size_t)(c->attempt - c->attempts);
}

const char *relay_conn_greeting(const struct relay_conn *c)
{
    return c->core && c->type->greeting ? c->type->greeting(c->core) : "";
}

bool relay_conn_serves(const struct relay_conn *c, const struct route_attempt *a,
                       enum route_tls level, bool must_verify)
{
    struct route_attempt wanted = *a;
    struct relay_channel_tls tls;
    relay_channel_get_tls(c->channel, &tls);
    wanted.tls = level;
    return route_attempt_eq(&wanted, c->attempt) && (tls.verified || !must_verify);
}

void relay_conn_get_tls(const struct relay_conn *c, struct relay_channel_tls *out)
{
    relay_channel_get_tls(c->channel, out);
    if (c->no_starttls)
        out->failure = AUTH_TLS_FAILURE_STARTTLS_NOT_SUPPORTED;
}

bool relay_conn_is_tls(const struct relay_conn *c)
{
    return relay_channel_is_tls(c->channel);
}
