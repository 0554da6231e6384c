/*
 * asker.c - one asker of the keeper.
 *
 *     message -> job (a copy of what it needs) -> lane -> pool: run() -> loop: done() -> answer
 *
 * What takes microseconds is run on the loop: two changes of thread would cost more. Only so many a
 * turn, so that one asker cannot keep the loop from the others; what is beyond goes to the pool.
 *
 * An exchange is idle in the table, or in exactly one job. Canceled or orphaned while in a job, it
 * is marked and ended when the job comes back; so a pool thread never meets the loop in one object.
 * An asker is freed when its channel is closed and no job of it is left.
 */
#include "auth/asker.h"

#include "auth/client/client.h"
#include "auth/login.h"
#include "msa/base/log.h"
#include "msa/base/mem.h"
#include "msa/base/require.h"
#include "msa/loop/chan.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uthash.h>

#define ANSWER_MAX       AUTH_WIRE_DATA_MAX
#define QUICK_A_TURN_MAX 32

/* One exchange of either side. */
struct talk {
    uint64_t id;
    bool is_login, in_job, canceled;
    uint64_t started_ms;
    char client[AUTH_WIRE_NAME_MAX + 1]; /* address, for the log */
    struct auth_exchange *server;
    struct auth_login_exchange *login;
    UT_hash_handle hh;
};

struct auth_asker {
    struct auth_asker_host host;
    struct chan *chan; /* NULL: closed */
    struct talk *talks;
    unsigned jobs, quick; /* quick: run on the loop in the turn of quick_ms */
    uint64_t quick_ms;
    struct auth_work_lane sasl, sign;
};

/* One request on its way. */
struct job {
    struct auth_work_job work; /* first */
    struct auth_asker *asker;
    struct talk *talk; /* NULL: a signature */
    struct auth_generation *now, *before;
    enum auth_wire_type type;
    uint64_t id;
    uint32_t code;
    struct buf payload; /* name, data, extra point into it */
    struct sv name, data, extra;
    enum auth_verdict verdict;
    struct sv answer_name, answer_data; /* the exchange's own, or into signature */
    struct buf signature;
};

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

static void talk_free(struct auth_asker *a, struct talk *t)
{
    HASH_DEL(a->talks, t);
    auth_exchange_free(t->server);
    auth_login_free(t->login);
    free(t);
}

static void free_if_over(struct auth_asker *a)
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
    HASH_ITER(hh, a->talks, t, next)
    {
        if (t->in_job)
            t->canceled = true;
        else
            talk_free(a, t);
    }
    a->jobs--;
    free_if_over(a);
}

static void on_end(void *arg, int err)
{
    struct auth_asker *a = arg;

    (void)err;
    a->host.on_end(a->host.arg, a);
}

static void send_wire(struct auth_asker *a, const struct auth_wire *m)
{
    struct buf payload;

    if (a->chan == NULL)
        return;
    buf_init(&payload, AUTH_WIRE_FRAME_MAX, 0);
    auth_wire_write(&payload, m);
    /* an asker that does not read gets nothing: its own deadlines pass */
    if (chan_send(a->chan, m->type, buf_view(&payload), NULL, 0) < 0)
        log_event(LOG_WARNING, "keeper-asker", NULL, "an asker does not read its answers");
    buf_deinit(&payload);
}

static void send_verdict(struct auth_asker *a, uint64_t id, enum auth_verdict verdict)
{
    send_wire(a, &(struct auth_wire){.type = AUTH_WIRE_ANSWER, .id = id, .code = verdict});
}

void auth_asker_tell_changed(struct auth_asker *a, struct sv login)
{
    send_wire(a, &(struct auth_wire){.type = AUTH_WIRE_USER_CHANGED, .name = login});
}

/* --- on a pool thread --- */

static void run_server(struct job *j)
{
    struct auth_sasl_result r;

    if (j->type == AUTH_WIRE_SASL_START) {
        j->talk->server = auth_exchange_new(
            j->now->sasl,
            &(struct auth_sasl_start){.mechanism = j->name,
                                      .initial = j->data,
                                      .has_initial = (j->code & AUTH_START_INITIAL) != 0,
                                      .tls = (j->code & AUTH_START_TLS) != 0},
            &r);
    } else {
        auth_exchange_step(j->talk->server, j->data, &r);
    }
    j->verdict = r.verdict;
    j->answer_name = r.login;
    j->answer_data = r.data;
}

static void run_login(struct job *j)
{
    struct auth_login_result r = {.verdict = AUTH_DENIED};
    const struct keeper_secret *secret;

    if (j->type == AUTH_WIRE_LOGIN_STEP) {
        auth_login_step(j->talk->login, j->data, &r);
    } else if ((secret = auth_generation_secret(j->now, j->name)) != NULL) {
        j->talk->login =
            auth_login_new(&(struct auth_login_start){.mechanisms = j->data,
                                                      .host = j->extra,
                                                      .user = secret->user,
                                                      .password = secret->password,
                                                      .tls = (j->code & AUTH_START_TLS) != 0},
                           &r);
    }
    j->verdict = r.verdict;
    j->answer_name = r.mechanism;
    j->answer_data = r.data;
}

static void run_sign(struct job *j)
{
    enum auth_sign form = (enum auth_sign)j->code;

    j->verdict = AUTH_DENIED;
    if (auth_keys_sign(j->now->keys, KEEPER_TLS, j->name, form, j->data, &j->signature,
                       &j->verdict) < 0 &&
        j->before != NULL &&
        auth_keys_sign(j->before->keys, KEEPER_TLS, j->name, form, j->data, &j->signature,
                       &j->verdict) < 0)
        j->verdict = AUTH_DENIED;
    j->answer_data = buf_view(&j->signature);
}

static void on_run(struct auth_work_job *work)
{
    struct job *j = (struct job *)work;

    if (j->type == AUTH_WIRE_SIGN)
        run_sign(j);
    else if (j->talk->is_login)
        run_login(j);
    else
        run_server(j);
    if (j->answer_data.len > AUTH_WIRE_DATA_MAX || j->answer_name.len > AUTH_WIRE_NAME_MAX) {
        j->verdict = AUTH_DENIED;
        j->answer_data = j->answer_name = SV_NONE;
    }
}

/* --- back on the loop --- */

/* The server cannot know which name was tried; it logs the failure, within its limits. */
static void tell_tried(struct job *j)
{
    if (j->talk->server != NULL)
        j->answer_name = auth_exchange_tried(j->talk->server);
    log_event(LOG_DEBUG, "auth-failed",
              &(struct log_ctx){.login = j->answer_name, .client = sv_of(j->talk->client)},
              "wrong name or password");
}

static void job_free(struct job *j)
{
    auth_generation_unref(j->now);
    auth_generation_unref(j->before);
    buf_deinit(&j->payload);
    buf_deinit(&j->signature);
    free(j);
}

static void on_done(struct auth_work_job *work, bool has_run)
{
    struct job *j = (struct job *)work;
    struct auth_asker *a = j->asker;
    struct talk *t = j->talk;
    bool canceled = t != NULL && t->canceled;

    if (!has_run)
        j->verdict = AUTH_TEMPORARY;
    if (has_run && t != NULL && !t->is_login && j->verdict == AUTH_DENIED)
        tell_tried(j);
    if (!canceled)
        send_wire(a, &(struct auth_wire){.type = AUTH_WIRE_ANSWER,
                                         .id = j->id,
                                         .code = j->verdict,
                                         .name = j->answer_name,
                                         .data = j->answer_data});
    if (t != NULL) {
        t->in_job = false;
        if (canceled || a->chan == NULL || j->verdict != AUTH_CONTINUE)
            talk_free(a, t);
    }
    job_free(j);
    a->jobs--;
    free_if_over(a);
}

/* --- messages --- */

static struct sv keep(struct job *j, struct sv text, size_t *at)
{
    struct sv kept = sv_first(sv_skip(buf_view(&j->payload), *at), text.len);

    *at += text.len;
    return kept;
}

static struct job *job_new(struct auth_asker *a, const struct auth_wire *m, struct talk *t)
{
    struct auth_generation *before = a->host.previous(a->host.arg);
    struct job *j = NEW(struct job);
    size_t at = 0;

    j->asker = a;
    j->talk = t;
    j->now = auth_generation_ref(a->host.current(a->host.arg));
    j->before = before ? auth_generation_ref(before) : NULL;
    j->type = m->type;
    j->id = m->id;
    j->code = m->code;
    buf_init(&j->payload, AUTH_WIRE_FRAME_MAX, BUF_SECRET);
    buf_init(&j->signature, ANSWER_MAX, 0);
    REQUIRE(buf_put(&j->payload, m->name) == 0 && buf_put(&j->payload, m->data) == 0 &&
            buf_put(&j->payload, m->extra) == 0);
    j->name = keep(j, m->name, &at);
    j->data = keep(j, m->data, &at);
    j->extra = keep(j, m->extra, &at);
    j->work.run = on_run;
    j->work.done = on_done;
    return j;
}

static bool is_quick(const struct job *j)
{
    if (j->type == AUTH_WIRE_SIGN)
        return auth_keys_is_quick(j->now->keys, KEEPER_TLS, j->name);
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

static void submit(struct auth_asker *a, const struct auth_wire *m, struct talk *t)
{
    bool is_sign = m->type == AUTH_WIRE_SIGN;
    struct job *j = job_new(a, m, t);

    if (t != NULL)
        t->in_job = true;
    a->jobs++;
    if (may_run_here(a, j)) {
        on_run(&j->work);
        on_done(&j->work, true);
        return;
    }
    if (!auth_work_add(is_sign ? a->host.sign : a->host.sasl, is_sign ? &a->sign : &a->sasl,
                       &j->work))
        on_done(&j->work, false);
}

static struct talk *talk_find(struct auth_asker *a, uint64_t id)
{
    struct talk *t = NULL;

    HASH_FIND(hh, a->talks, &id, sizeof(id), t);
    return t;
}

/* False if the asker broke the protocol. */
static bool on_start(struct auth_asker *a, const struct auth_wire *m)
{
    struct talk *t;

    if (talk_find(a, m->id) != NULL)
        return false;
    if (HASH_COUNT(a->talks) >= AUTH_ASKER_EXCHANGES_MAX) {
        send_verdict(a, m->id, AUTH_TEMPORARY);
        return true;
    }
    t = NEW(struct talk);
    t->id = m->id;
    t->is_login = m->type == AUTH_WIRE_LOGIN_START;
    t->started_ms = loop_now_ms(a->host.loop);
    if (!t->is_login && m->extra.len > 0)
        memcpy(t->client, m->extra.ptr, m->extra.len);
    HASH_ADD(hh, a->talks, id, sizeof(t->id), t);
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
    if (t->in_job || t->is_login != (m->type == AUTH_WIRE_LOGIN_STEP))
        return false;
    submit(a, m, t);
    return true;
}

static void on_cancel(struct auth_asker *a, uint64_t id)
{
    struct talk *t = talk_find(a, id);

    if (t != NULL && t->in_job)
        t->canceled = true;
    else if (t != NULL)
        talk_free(a, t);
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
        break;
    case AUTH_WIRE_ANSWER:
    case AUTH_WIRE_USER_CHANGED:
        return false;
    }
    if (!is_ready) {
        send_verdict(a, m->id, AUTH_TEMPORARY);
        return true;
    }
    if (m->type == AUTH_WIRE_SIGN) {
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
        if (!t->in_job && now - t->started_ms > AUTH_EXCHANGE_MAX_MS)
            talk_free(a, t);
    }
}
