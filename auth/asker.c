/*
 * asker.c - one asker of the keeper: its messages and exchanges.
 *
 *     message -> job (a copy of what it needs) -> lane -> pool: run() -> loop: done() -> answer
 *
 * What takes microseconds is run on the loop: two changes of thread would cost more. Only so many a
 * turn, so that one asker cannot keep the loop from the others; what is beyond goes to the pool.
 *
 * An exchange is idle in the table, or in exactly one job. Canceled or orphaned while in a job, it
 * is marked and ended when the job comes back; so a pool thread never meets the loop in one object.
 * What the guard delays is held as the answer's bytes and a timer; an exchange that is over then
 * has given its memory back already.
 * An asker is freed when its channel is closed and no job of it is left.
 */
#include "auth/asker_inside.h"
#include "auth/bearer.h"
#include "auth/claim.h"
#include "auth/client/client.h"
#include "auth/database.h"
#include "msa/base/log.h"
#include "msa/base/mem.h"
#include "msa/base/require.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define QUICK_A_TURN_MAX 32

static void on_message(void *arg, uint32_t type, struct sv payload, int *fds, size_t nfds);
static void on_end(void *arg, int err);
static const struct chan_ops chan_events = {.on_message = on_message, .on_end = on_end};

struct auth_asker *auth_asker_new(const struct auth_asker_host *host, int fd)
{
    struct auth_asker *a = NEW(struct auth_asker);

    a->host = *host;
    a->chan = chan_new(host->loop, fd, &chan_events, a);
    return a;
}

void asker_talk_end(struct talk *t)
{
    auth_exchange_free(t->server);
    auth_login_free(t->login);
    t->server = NULL;
    t->login = NULL;
    t->asker->open -= !t->is_over;
    t->is_over = true;
}

void asker_talk_free(struct talk *t)
{
    struct auth_asker *a = t->asker;

    asker_talk_end(t);
    timer_stop(&t->timer);
    buf_deinit(&t->held);
    HASH_DEL(a->talks, t);
    free(t);
}

void asker_free_if_over(struct auth_asker *a)
{
    if (a->chan == NULL && a->jobs == 0)
        free(a);
}

void auth_asker_close(struct auth_asker *a)
{
    struct talk *t, *next;

    chan_close(a->chan);
    a->chan = NULL;
    a->jobs++; /* dropping the last job must not free us yet */
    auth_work_drop(a->host.sasl, &a->sasl);
    auth_work_drop(a->host.sign, &a->sign);
    auth_work_drop(a->host.oauth, &a->oauth);
    auth_work_drop(a->host.foreign, &a->foreign);
    auth_work_drop(a->host.directory, &a->directory);
    auth_work_drop(a->host.grant, &a->grant);
    HASH_ITER(hh, a->talks, t, next)
    {
        if (t->in_job)
            t->canceled = true;
        else
            asker_talk_free(t);
    }
    a->jobs--;
    asker_free_if_over(a);
}

static void on_end(void *arg, int err)
{
    struct auth_asker *a = arg;

    (void)err;
    a->host.on_end(a->host.arg, a);
}

void asker_send_payload(struct auth_asker *a, enum auth_wire_type type, struct sv payload)
{
    /* an asker that does not read gets nothing: its own deadlines pass */
    if (a->chan != NULL && chan_send(a->chan, type, payload, NULL, 0) < 0)
        log_event(LOG_WARNING, "keeper-asker", NULL, "an asker does not read its answers");
}

void asker_send(struct auth_asker *a, const struct auth_wire *m)
{
    struct buf payload;

    buf_init(&payload, AUTH_WIRE_FRAME_MAX, 0);
    auth_wire_write(&payload, m);
    asker_send_payload(a, m->type, buf_view(&payload));
    buf_deinit(&payload);
}

static void send_verdict(struct auth_asker *a, uint64_t id, enum auth_verdict verdict)
{
    asker_send(a, &(struct auth_wire){.type = AUTH_WIRE_ANSWER, .id = id, .code = verdict});
}

void auth_asker_tell_changed(struct auth_asker *a, struct sv login, struct sv app)
{
    struct talk *t, *next;

    HASH_ITER(hh, a->talks, t, next)
    asker_withdraw(t, login, app);
    asker_send(a, &(struct auth_wire){.type = AUTH_WIRE_USER_CHANGED, .name = login, .extra = app});
}

/* --- messages --- */

static struct sv keep(struct job *j, struct sv text, size_t *at)
{
    struct sv kept = sv_first(sv_skip(buf_view(&j->payload), *at), text.len);

    *at += text.len;
    return kept;
}

/* What is named by something of a generation, which need not be the current one. */
static bool asks_earlier(enum auth_wire_type type)
{
    return type == AUTH_WIRE_SIGN || type == AUTH_WIRE_LOGIN_START;
}

static struct job *job_new(struct auth_asker *a, const struct auth_wire *m, struct talk *t)
{
    struct auth_generation *const *earlier = a->host.earlier(a->host.arg);
    struct job *j = NEW(struct job);
    size_t at = 0;

    j->asker = a;
    j->talk = t;
    j->now = auth_generation_ref(a->host.current(a->host.arg));
    for (size_t i = 0; asks_earlier(m->type) && i < AUTH_EARLIER_MAX && earlier[i]; i++)
        j->earlier[i] = auth_generation_ref(earlier[i]);
    j->type = m->type;
    j->id = m->id;
    j->code = m->code;
    buf_init(&j->payload, AUTH_WIRE_FRAME_MAX, BUF_SECRET);
    buf_init(&j->signature, AUTH_WIRE_DATA_MAX, 0);
    REQUIRE(buf_put(&j->payload, m->name) == 0 && buf_put(&j->payload, m->data) == 0 &&
            buf_put(&j->payload, m->extra) == 0 && buf_put(&j->payload, m->channel) == 0);
    j->name = keep(j, m->name, &at);
    j->data = keep(j, m->data, &at);
    j->extra = keep(j, m->extra, &at);
    REQUIRE(auth_channel_read(keep(j, m->channel, &at), &j->channel) == 0); /* on_start() has */
    j->work.run = asker_run;
    j->work.done = asker_done;
    return j;
}

static bool is_quick(const struct job *j)
{
    if (j->type == AUTH_WIRE_SIGN)
        return auth_keys_is_quick(j->now->keys, (enum auth_sign)j->code, j->name);
    if (j->type == AUTH_WIRE_FIND)
        return j->now->directory == NULL || auth_directory_kept(j->now->directory, j->name);
    return j->type == AUTH_WIRE_SASL_START &&
           auth_exchange_is_quick(
               j->now->sasl,
               &(struct auth_sasl_start){.mechanism = j->name,
                                         .initial = j->data,
                                         .has_initial = (j->code & AUTH_START_INITIAL) != 0});
}

static bool may_run_here(struct auth_asker *a, const struct job *j)
{
    uint64_t turn_ms = loop_now_ms(a->host.loop);

    if (turn_ms != a->quick_ms) {
        a->quick_ms = turn_ms;
        a->quick = 0;
    }
    return a->quick < QUICK_A_TURN_MAX && is_quick(j) && ++a->quick;
}

/* What was proved a moment ago does not wait behind those who ask. */
static bool may_ask_others(const struct job *j)
{
    bool is_login = j->talk != NULL && j->talk->is_login;

    return !is_login && auth_database_is_foreign(auth_sasl_options(j->now->sasl)) && !is_quick(j);
}

/* A login for which a token has to be fetched first. */
static bool needs_token(const struct job *j)
{
    const struct auth_route_secret *s = j->type == AUTH_WIRE_LOGIN_START ? asker_secret(j) : NULL;

    return s != NULL && s->grant != NULL &&
           !auth_grant_is_ready(s->grant, (j->code & AUTH_START_AGAIN) != 0);
}

/* False: its lane is full. */
static bool add_to_lane(struct auth_asker *a, struct job *j)
{
    if (j->type == AUTH_WIRE_SIGN)
        return auth_work_add(a->host.sign, &a->sign, &j->work);
    if (j->type == AUTH_WIRE_FIND)
        return auth_work_add(a->host.directory, &a->directory, &j->work);
    if (needs_token(j))
        return auth_work_add(a->host.grant, &a->grant, &j->work);
    if (j->talk != NULL && auth_bearer_is(sv_of(j->talk->mechanism)))
        return auth_work_add(a->host.oauth, &a->oauth, &j->work);
    if (may_ask_others(j))
        return auth_work_add(a->host.foreign, &a->foreign, &j->work);
    return auth_work_add(a->host.sasl, &a->sasl, &j->work);
}

static void submit(struct auth_asker *a, const struct auth_wire *m, struct talk *t)
{
    struct job *j = job_new(a, m, t);

    if (t != NULL)
        t->in_job = true;
    a->jobs++;
    if (may_run_here(a, j)) {
        asker_run(&j->work);
        asker_done(&j->work, true);
        return;
    }
    if (!add_to_lane(a, j))
        asker_done(&j->work, false);
}

static struct talk *talk_find(struct auth_asker *a, uint64_t id)
{
    struct talk *t = NULL;

    HASH_FIND(hh, a->talks, &id, sizeof(id), t);
    return t;
}

/* A client's message. False: he is blocked, and the exchange over. */
static bool admit(struct auth_asker *a, struct talk *t, struct sv message)
{
    struct auth_gate_try try;

    if (t->is_login || ++t->responses > 1 || !auth_claim_is_guessable(sv_of(t->mechanism)))
        return true;
    (void)auth_claim_name(sv_of(t->mechanism), message, t->claimed);
    try = asker_try(t, a->host.current(a->host.arg));
    if (auth_gate_admits(a->host.gate, &try))
        return true;
    asker_send(a,
               &(struct auth_wire){
                   .type = AUTH_WIRE_ANSWER, .id = t->id, .code = AUTH_BLOCKED, .name = try.name});
    asker_talk_free(t);
    return false;
}

static struct talk *talk_new(struct auth_asker *a, const struct auth_wire *m)
{
    struct talk *t = NEW(struct talk);
    struct sv mechanism = sv_first(m->name, ASKER_MECHANISM_MAX);

    t->id = m->id;
    t->asker = a;
    t->is_login = m->type == AUTH_WIRE_LOGIN_START;
    t->started_ms = loop_now_ms(a->host.loop);
    if (!t->is_login && mechanism.len > 0)
        memcpy(t->mechanism, mechanism.ptr, mechanism.len);
    buf_init(&t->held, AUTH_WIRE_FRAME_MAX, 0);
    timer_init(&t->timer, a->host.loop, asker_on_delay_over, t);
    HASH_ADD(hh, a->talks, id, sizeof(t->id), t);
    a->open++;
    return t;
}

/* False if the asker broke the protocol. */
static bool on_start(struct auth_asker *a, const struct auth_wire *m)
{
    struct ip client = {.family = IP_NONE};
    struct auth_channel channel;
    struct talk *t;

    if (talk_find(a, m->id) != NULL || auth_channel_read(m->channel, &channel) < 0 ||
        (m->type == AUTH_WIRE_SASL_START && !ip_parse(m->extra, &client)))
        return false;
    if (a->open >= AUTH_ASKER_EXCHANGES_MAX || HASH_COUNT(a->talks) >= AUTH_ASKER_TALKS_MAX) {
        send_verdict(a, m->id, AUTH_TEMPORARY);
        return true;
    }
    t = talk_new(a, m);
    t->client = client;
    if ((m->code & AUTH_START_INITIAL) == 0 || admit(a, t, m->data))
        submit(a, m, t);
    return true;
}

static bool on_step(struct auth_asker *a, const struct auth_wire *m)
{
    struct talk *t = talk_find(a, m->id);

    if (t == NULL) { /* it has outlived its time */
        send_verdict(a, m->id, AUTH_TEMPORARY);
        return true;
    }
    if (t->in_job || t->is_held || t->is_login != (m->type == AUTH_WIRE_LOGIN_STEP))
        return false;
    if (admit(a, t, m->data))
        submit(a, m, t);
    return true;
}

static void on_cancel(struct auth_asker *a, uint64_t id)
{
    struct talk *t = talk_find(a, id);

    if (t != NULL && t->in_job)
        t->canceled = true;
    else if (t != NULL)
        asker_talk_free(t);
}

static bool dispatch(struct auth_asker *a, const struct auth_wire *m)
{
    bool is_ready = a->host.current(a->host.arg) != NULL;

    switch (m->type) {
    case AUTH_WIRE_CANCEL:
        on_cancel(a, m->id);
        return true;
    case AUTH_WIRE_SASL_START:
    case AUTH_WIRE_LOGIN_START:
    case AUTH_WIRE_SASL_STEP:
    case AUTH_WIRE_LOGIN_STEP:
    case AUTH_WIRE_SIGN:
    case AUTH_WIRE_LOCK:
    case AUTH_WIRE_FIND:
        break;
    case AUTH_WIRE_ANSWER:
    case AUTH_WIRE_USER_CHANGED:
        return false;
    }
    if (!is_ready) {
        send_verdict(a, m->id, AUTH_TEMPORARY);
        return true;
    }
    if (m->type == AUTH_WIRE_SIGN || m->type == AUTH_WIRE_LOCK || m->type == AUTH_WIRE_FIND) {
        submit(a, m, NULL);
        return true;
    }
    return m->type == AUTH_WIRE_SASL_START || m->type == AUTH_WIRE_LOGIN_START ? on_start(a, m)
                                                                               : on_step(a, m);
}

static void on_message(void *arg, uint32_t type, struct sv payload, int *fds, size_t nfds)
{
    struct auth_asker *a = arg;
    struct auth_wire m;

    for (size_t i = 0; i < nfds; i++)
        close(fds[i]);
    if (nfds > 0 || auth_wire_read(type, payload, &m) < 0 || !dispatch(a, &m)) {
        log_event(LOG_ERROR, "keeper-asker", NULL, "message %u breaks the protocol; closed", type);
        on_end(a, ERR_SYNTAX);
    }
}

void auth_asker_sweep(struct auth_asker *a)
{
    uint64_t now = loop_now_ms(a->host.loop);
    struct talk *t, *next;

    HASH_ITER(hh, a->talks, t, next)
    {
        if (!t->in_job && !t->is_held && now - t->started_ms > AUTH_EXCHANGE_MAX_MS)
            asker_talk_free(t);
    }
}
