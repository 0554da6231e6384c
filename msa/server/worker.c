#include "msa/server/worker.h"
#include "auth/tls/stream.h"
#include "msa/base/log.h"
#include "msa/base/mem.h"
#include "msa/server/conn.h"
#include "msa/server/delegate.h"
#include "msa/server/filter_counts.h"
#include "msa/server/submission.h"
#include "relay/relay.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define TLS_WAITING_MAX 512         /* handshakes of one worker that wait for the keeper */
#define PLAIN_MAX       (96u << 10) /* one read and a TLS record more */
#define OUT_MAX         (256u << 10)
#define LAST_WORDS_MS   200

/* ---- messages ---- */

/* One struct for all: each uses its fields. */
struct order {
    struct task task;
    struct worker *worker;
    struct service *service;
    int fd;
    uint32_t listen;
    uint64_t conn;
    char *login;
    struct ip client;
    enum quota_verdict verdict;
    uint64_t grace_ms;
    void (*done)(void *arg, struct worker *w);
    void *arg;
};

static struct order *order_new(struct worker *w, void (*run)(struct task *t))
{
    struct order *o = NEW(struct order);
    o->worker = w;
    o->task.run = run;
    return o;
}

static void post(struct order *o)
{
    mailbox_post(o->worker->mailbox, &o->task);
}

/* ---- listeners ---- */

struct accepting {
    struct worker *worker;
    uint32_t listen;
};

static void on_accept(void *arg, struct stream *s)
{
    struct accepting *a = arg;
    conn_start(a->worker, s, a->listen);
}

static void on_accept_error(void *arg, int err)
{
    struct accepting *a = arg;
    log_event(LOG_ERROR, "accept-failed", NULL, "worker %u: %s", a->worker->index, err_text(err));
}

static void run_listener(struct task *t)
{
    struct order *o = (struct order *)t;
    struct worker *w = o->worker;
    if (!w->stopping) {
        struct accepting *a = NEW(struct accepting);
        *a = (struct accepting){.worker = w, .listen = o->listen};
        w->listeners = mem_resize(w->listeners, w->nlisteners + 1, sizeof *w->listeners);
        w->accepting = mem_resize(w->accepting, w->nlisteners + 1, sizeof *w->accepting);
        w->accepting[w->nlisteners] = a;
        w->listeners[w->nlisteners++] = listener_new(w->loop, o->fd, on_accept, on_accept_error, a);
    }
    close(o->fd); /* the listener has a duplicate */
    free(o);
}

static void close_listeners(struct worker *w)
{
    for (size_t i = 0; i < w->nlisteners; i++) {
        listener_close(w->listeners[i]);
        free(w->accepting[i]);
    }
    free(w->listeners);
    free(w->accepting);
    w->listeners = NULL;
    w->accepting = NULL;
    w->nlisteners = 0;
}

/* ---- stop ---- */

static void tell_stopped(struct worker *w)
{
    if (w->stopping && w->nconns == 0 && w->nsubmissions == 0 && w->npartials == 0 &&
        !w->told_stopped) {
        w->told_stopped = true;
        timer_stop(&w->grace);
        w->shared->on_stopped(w->shared->arg, w);
    }
}

void worker_on_ended(struct worker *w)
{
    tell_stopped(w);
}

static void on_partial_gone(void *arg)
{
    struct worker *w = arg;
    w->npartials--;
    tell_stopped(w);
}

void worker_end_partial(struct worker *w, struct partial *p, bool forget)
{
    partial_end(p, forget, on_partial_gone, w);
}

/* Clients whose message waits for milters or the keeper have a moment more, to hear that it was for
 * nothing. */
static void on_grace_over(void *arg)
{
    struct worker *w = arg;
    if (w->waiting) {
        submission_stop_all_waiting(w);
        timer_start(&w->grace, LAST_WORDS_MS);
    } else {
        conn_stop_all(w, true);
    }
}

static void run_stop(struct task *t)
{
    struct order *o = (struct order *)t;
    struct worker *w = o->worker;
    if (!w->stopping) {
        w->stopping = true;
        close_listeners(w);
        timer_start(&w->grace, o->grace_ms);
        conn_stop_all(w, false);
        tell_stopped(w);
    }
    free(o);
}

/* ---- the other messages ---- */

static void run_service(struct task *t)
{
    struct order *o = (struct order *)t;
    service_drop(o->worker->service);
    o->worker->service = o->service;
    o->done(o->arg, o->worker);
    free(o);
}

static void run_keeper(struct task *t)
{
    struct order *o = (struct order *)t;
    auth_client_attach(o->worker->auth, o->fd);
    free(o);
}

static void run_session(struct task *t)
{
    struct order *o = (struct order *)t;
    int err = 0;
    struct stream *s = NULL;
    if (o->worker->stopping)
        close(o->fd);
    else
        s = stream_take(o->worker->loop, o->fd, &err);
    if (s)
        conn_start_operated(o->worker, s, sv_of(o->login));
    else if (err < 0)
        log_event(LOG_ERROR, "operated", NULL, "no session for msactl: %s", err_text(err));
    free(o->login);
    free(o);
}

static void run_quota(struct task *t)
{
    struct order *o = (struct order *)t;
    conn_quota(o->worker, o->conn, &o->client, o->verdict);
    free(o);
}

static void on_user_changed(void *arg, struct sv login, struct sv app)
{
    conn_end_login(arg, login, app);
}

static void on_keeper_lost(void *arg)
{
    struct worker *w = arg;
    log_event(LOG_WARNING, "keeper-lost", NULL, "worker %u: no logins until it is back", w->index);
}

/* ---- life ---- */

static void run_started(struct task *t)
{
    struct order *o = (struct order *)t;
    o->done(o->arg, o->worker);
    free(o);
}

static void start(struct loop *l, void *arg)
{
    static const struct auth_client_ops auth_ops = {.on_user_changed = on_user_changed,
                                                    .on_lost = on_keeper_lost};
    struct order *o = arg;
    struct worker *w = o->worker;
    w->loop = l;
    w->mailbox = mailbox_new(l);
    w->auth = auth_client_new(l, -1, &auth_ops, w);
    w->signer = relay_signer_new(l, w->auth);
    timer_init(&w->grace, l, on_grace_over, w);
    buf_init(&w->plain, PLAIN_MAX, BUF_SECRET);
    buf_init(&w->out, OUT_MAX, 0);
    w->clientlog = clientlog_new();
    w->misfits = misfit_sender_new(l, w->shared->on_misfits, w->shared->arg);
    w->delegate = delegate_new(l);
    tls_key_thread_start(TLS_WAITING_MAX);
    struct relay_worker_config config = {
        .index = w->index,
        .loop = l,
        .mailbox = w->mailbox,
        .main = w->shared->main,
        .store = w->shared->store,
        .disk = w->shared->disk,
        .forms = relay_forms_of(w->shared->relay_arg),
        .auth = w->auth,
        .signer = w->signer,
        .on_recorded = w->shared->on_recorded,
        .on_slot_closed = w->shared->on_slot_closed,
        .on_tls = w->shared->on_tls,
        .arg = w->shared->relay_arg,
    };
    w->relay = relay_worker_new(&config);
    o->task.run = run_started;
    mailbox_post(w->shared->main, &o->task);
}

struct worker *worker_start(unsigned index, struct worker_shared *shared, struct service *service,
                            void (*on_started)(void *arg, struct worker *w), void *arg)
{
    char name[16];
    struct worker *w = NEW(struct worker);
    struct order *o = order_new(w, NULL);
    w->index = index;
    w->shared = shared;
    w->service = service_keep(service);
    w->filter_counts = filter_counts_new();
    o->done = on_started;
    o->arg = arg;
    snprintf(name, sizeof name, "worker%u", index);
    w->thread = loop_thread_start(name, start, NULL, o);
    return w;
}

void worker_post_service(struct worker *w, struct service *s,
                         void (*done)(void *arg, struct worker *w), void *arg)
{
    struct order *o = order_new(w, run_service);
    o->service = service_keep(s);
    o->done = done;
    o->arg = arg;
    post(o);
}

void worker_post_listener(struct worker *w, int fd, uint32_t listen)
{
    struct order *o = order_new(w, run_listener);
    o->fd = fd;
    o->listen = listen;
    post(o);
}

void worker_post_keeper(struct worker *w, int fd)
{
    struct order *o = order_new(w, run_keeper);
    o->fd = fd;
    post(o);
}

void worker_post_session(struct worker *w, int fd, struct sv login)
{
    struct order *o = order_new(w, run_session);
    o->fd = fd;
    o->login = sv_dup(login);
    post(o);
}

void worker_post_quota(struct worker *w, uint64_t conn, const struct ip *client,
                       enum quota_verdict v)
{
    struct order *o = order_new(w, run_quota);
    o->conn = conn;
    o->client = *client;
    o->verdict = v;
    post(o);
}

void worker_post_stop(struct worker *w, uint64_t grace_ms)
{
    struct order *o = order_new(w, run_stop);
    o->grace_ms = grace_ms;
    post(o);
}

static void on_relay_closed(void *arg)
{
    struct worker *w = arg;
    relay_signer_free(w->signer);
    auth_client_free(w->auth);
    clientlog_free(w->clientlog);
    misfit_sender_free(w->misfits);
    delegate_free(w->delegate);
    buf_deinit(&w->plain);
    buf_deinit(&w->out);
    tls_key_thread_stop();
    service_drop(w->service);
    mailbox_close(w->mailbox);
    loop_stop(w->loop);
}

static void run_join(struct task *t)
{
    struct order *o = (struct order *)t;
    struct worker *w = o->worker;
    free(o);
    relay_worker_close(w->relay, on_relay_closed, w);
}

void worker_join(struct worker *w)
{
    post(order_new(w, run_join));
    loop_thread_join(w->thread);
    filter_counts_free(w->filter_counts);
    free(w);
}
