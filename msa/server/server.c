/*
 * Start: prepare (service, store, DNS) -> commit: workers start -> all started: relay -> listeners.
 * Stop:  workers stop taking, relay starts nothing new -> all sessions ended and relay idle ->
 *        store closed -> workers joined.
 */
#include "msa/base/log.h"
#include "msa/base/mem.h"
#include "msa/base/require.h"
#include "msa/loop/clock.h"
#include "msa/server/server_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CAPTURE_THREADS 1
#define MISFIT_BATCHES  64 /* on their way at once; others are dropped */

/* ---- messages from workers ---- */

struct note {
    struct task task;
    struct server *server;
    struct worker *worker;
    uint64_t conn; /* number of a connection, or of a generation */
    struct ip ip;
};

static void post_note(struct server *s, void (*run)(struct task *t), struct worker *w,
                      uint64_t conn, const struct ip *ip)
{
    struct note *n = NEW(struct note);
    *n = (struct note){.task = {.run = run}, .server = s, .worker = w, .conn = conn};
    if (ip)
        n->ip = *ip;
    mailbox_post(s->mailbox, &n->task);
}

static void run_quota(struct task *t)
{
    struct note *n = (struct note *)t;
    enum quota_verdict v = quota_connect(n->server->quota, &n->ip);
    worker_post_quota(n->worker, n->conn, &n->ip, v);
    free(n);
}

static void run_disconnect(struct task *t)
{
    struct note *n = (struct note *)t;
    quota_disconnect(n->server->quota, &n->ip);
    free(n);
}

static void on_quota(void *arg, struct worker *from, uint64_t conn, const struct ip *client)
{
    post_note(arg, run_quota, from, conn, client);
}

static void on_disconnect(void *arg, const struct ip *client)
{
    post_note(arg, run_disconnect, NULL, 0, client);
}

static void run_misfits(struct task *t)
{
    struct misfit_batch *b = (struct misfit_batch *)t;
    struct server *s = b->arg;
    misfits_take(s->misfits, b, clock_wall_ms());
    atomic_fetch_sub(&s->misfit_batches, 1);
    free(b);
}

/* On a worker's thread. */
static void on_misfits(void *arg, struct misfit_batch *b)
{
    struct server *s = arg;
    if (atomic_fetch_add(&s->misfit_batches, 1) >= MISFIT_BATCHES) {
        atomic_fetch_sub(&s->misfit_batches, 1);
        atomic_fetch_add(&s->misfits_dropped, b->count);
        free(b);
        return;
    }
    b->task.run = run_misfits;
    b->arg = s;
    mailbox_post(s->mailbox, &b->task);
}

/* ---- stop ---- */

static void finish_stop(struct server *s)
{
    names_stop(s->names);
    relay_signer_stop(s->signer); /* what waits goes into the queue without its signatures */
    if (s->digest)
        digest_stop(s->digest);
    spending_stop(s->spending);
    relay_signer_free(s->signer);
    s->signer = NULL;
    auth_client_free(s->auth);
    s->auth = NULL;
    /* answers of the store still find their mailboxes: workers run until it is closed */
    if (s->store)
        store_close(s->store);
    s->store = NULL;
    for (unsigned i = 0; i < s->nworkers && s->workers; i++)
        worker_join(s->workers[i]);
    free(s->workers);
    s->workers = NULL;
    s->running = false;
    s->ops->on_stopped(s->arg);
}

static void look_stopped(struct server *s)
{
    if (s->stopped == s->nworkers && s->relay_idle)
        finish_stop(s);
}

static void run_relay_idle(struct task *t)
{
    struct note *n = (struct note *)t;
    struct server *s = n->server;
    free(n);
    s->relay_idle = true;
    look_stopped(s);
}

/* By message: the relay that tells this is freed at the end. */
static void on_relay_idle(void *arg)
{
    post_note(arg, run_relay_idle, NULL, 0, NULL);
}

static void run_stopped(struct task *t)
{
    struct note *n = (struct note *)t;
    struct server *s = n->server;
    free(n);
    s->stopped++;
    look_stopped(s);
}

static void on_worker_stopped(void *arg, struct worker *from)
{
    post_note(arg, run_stopped, from, 0, NULL);
}

/* ---- start ---- */

static void hand_out(struct server *s)
{
    for (size_t i = 0; i < s->nwaiting; i++) {
        struct waiting_fd *f = &s->waiting[i];
        if (f->worker < s->nworkers)
            worker_post_listener(s->workers[f->worker], f->fd, f->listen);
        else
            close(f->fd);
    }
    free(s->waiting);
    s->waiting = NULL;
    s->nwaiting = 0;
}

static void hand_out_keeper(struct server *s)
{
    for (unsigned i = 0; i < s->nworkers; i++) {
        if (s->keeper_fds[i] >= 0)
            worker_post_keeper(s->workers[i], s->keeper_fds[i]);
        s->keeper_fds[i] = -1;
    }
    if (s->keeper_fds[s->nworkers] >= 0)
        auth_client_attach(s->auth, s->keeper_fds[s->nworkers]);
    s->keeper_fds[s->nworkers] = -1;
}

static void apply_pause(struct server *s, const char *what, bool paused)
{
    struct sv text = sv_of(what);
    log_event(LOG_WARNING, paused ? "paused" : "resumed", NULL, "%s, by the operator", what);
    if (strcmp(what, PAUSES_SUBMISSION) == 0)
        atomic_store(&s->shared.paused, paused);
    else if (strcmp(what, PAUSES_RELAY) == 0)
        relay_pause(s->relay, NULL, paused);
    else if (sv_starts(text, SV(PAUSES_SITE)))
        relay_pause(s->relay, sv_skip(text, sizeof PAUSES_SITE - 1).ptr, paused);
}

bool server_pause(struct server *s, const char *what, bool paused)
{
    if (!pauses_set(&s->pauses, what, paused))
        return false;
    apply_pause(s, what, paused);
    return true;
}

const struct pauses *server_pauses(const struct server *s)
{
    return &s->pauses;
}

static void begin_serving(struct server *s)
{
    struct relay_worker **parts = mem_new(s->nworkers, sizeof *parts);
    for (unsigned i = 0; i < s->nworkers; i++)
        parts[i] = s->workers[i]->relay;
    relay_set_workers(s->relay, parts, s->nworkers);
    free(parts);
    for (size_t i = 0; i < s->pauses.count; i++)
        apply_pause(s, s->pauses.names[i], true);
    relay_start(s->relay);
    s->running = true;
    hand_out_keeper(s);
    hand_out(s);
    s->ops->on_serving(s->arg);
}

static void on_worker_started(void *arg, struct worker *w)
{
    struct server *s = arg;
    (void)w;
    if (++s->started == s->nworkers && !s->stopping)
        begin_serving(s);
}

static void start_threads(struct server *s)
{
    char dir[4096];
    struct relay_config config = {.loop = s->loop,
                                  .mailbox = s->mailbox,
                                  .store = s->store,
                                  .dir = dir,
                                  .signer = s->signer,
                                  .dns = s->dns,
                                  .settings = s->service->relay};
    snprintf(dir, sizeof dir, "%s/queue", s->service->generation->options.state);
    s->relay = relay_new(&config);
    s->shared.main = s->mailbox;
    s->shared.store = s->store;
    s->shared.disk = pool_start("capture", CAPTURE_THREADS);
    s->shared.names = s->names;
    s->shared.spending = s->spending;
    s->shared.on_quota = on_quota;
    s->shared.on_misfits = on_misfits;
    s->shared.on_disconnect = on_disconnect;
    s->shared.on_stopped = on_worker_stopped;
    s->shared.on_recorded = relay_on_recorded;
    s->shared.on_slot_closed = relay_on_slot_closed;
    s->shared.on_tls = relay_on_tls;
    s->shared.arg = s;
    s->shared.relay_arg = s->relay;
    s->workers = mem_new(s->nworkers, sizeof *s->workers);
    for (unsigned i = 0; i < s->nworkers; i++)
        s->workers[i] = worker_start(i, &s->shared, s->service, on_worker_started, s);
}

static void run_service_taken(struct task *t)
{
    struct note *n = (struct note *)t;
    struct server *s = n->server;
    uint32_t number = s->service->generation->number;
    bool newest = n->conn == number;
    free(n);
    if (newest && --s->untaken == 0 && s->ops->on_committed)
        s->ops->on_committed(s->arg, number);
}

/* On the worker's thread. */
static void on_service_taken(void *arg, struct worker *w)
{
    post_note(arg, run_service_taken, w, w->service->generation->number, NULL);
}

void server_commit(struct server *s, uint32_t number)
{
    if (!s->next || s->next->generation->number != number)
        return;
    bool first = s->service == NULL;
    struct dns *old_dns = s->next_dns ? s->dns : NULL;
    service_drop(s->service);
    s->service = s->next;
    s->next = NULL;
    if (s->next_dns)
        s->dns = s->next_dns;
    s->next_dns = NULL;
    server_apply(s);
    if (first) {
        start_threads(s);
        return;
    }
    if (!s->workers)
        return; /* stopped meanwhile */
    s->untaken = s->nworkers;
    for (unsigned i = 0; i < s->nworkers; i++)
        worker_post_service(s->workers[i], s->service, on_service_taken, s);
    relay_set(s->relay, s->service->relay);
    if (old_dns) {
        relay_set_dns(s->relay, s->dns);
        dns_free(old_dns);
    }
}

struct server *server_new(struct loop *l, unsigned workers, const struct server_ops *ops, void *arg)
{
    struct server *s = NEW(struct server);
    REQUIRE(workers > 0);
    s->loop = l;
    s->mailbox = mailbox_new(l);
    s->nworkers = workers;
    s->ops = ops;
    s->arg = arg;
    s->quota = quota_new();
    s->misfits = misfits_new();
    s->started_ms = clock_wall_ms();
    s->names = names_new(s->mailbox);
    s->spending = spending_new(s->mailbox);
    s->auth = auth_client_new(l, -1, NULL, s);
    s->signer = relay_signer_new(l, s->auth);
    s->keeper_fds = mem_new(workers + 1, sizeof *s->keeper_fds);
    for (unsigned i = 0; i <= workers; i++)
        s->keeper_fds[i] = -1;
    return s;
}

void server_listen(struct server *s, int fd, uint32_t listen, uint32_t worker)
{
    s->waiting = mem_resize(s->waiting, s->nwaiting + 1, sizeof *s->waiting);
    s->waiting[s->nwaiting++] = (struct waiting_fd){.fd = fd, .listen = listen, .worker = worker};
    if (s->running)
        hand_out(s);
}

void server_keeper(struct server *s, const int *fds, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (i > s->nworkers) {
            close(fds[i]);
            continue;
        }
        if (s->keeper_fds[i] >= 0)
            close(s->keeper_fds[i]);
        s->keeper_fds[i] = fds[i];
    }
    if (s->running)
        hand_out_keeper(s);
}

static void on_held(struct store_admin *a)
{
    if (a->err < 0)
        log_event(LOG_ERROR, "held", &(struct log_ctx){.queue = sv_of(a->filter.id)},
                  "a message that crashed the server twice could not be held: %s",
                  err_text(a->err));
    else if (a->touched)
        log_event(LOG_WARNING, "held", &(struct log_ctx){.queue = sv_of(a->filter.id)},
                  "%llu recipients are held because the message crashed the server twice; "
                  "\"msactl queue release %s\" tries it again",
                  (unsigned long long)a->touched, a->filter.id);
    store_admin_free(a);
}

void server_session(struct server *s, int fd, struct sv login)
{
    if (s->running && !s->stopping)
        worker_post_session(s->workers[0], fd, login);
    else
        close(fd);
}

void server_poison(struct server *s, struct sv id)
{
    if (!s->store)
        return;
    if (!queue_id_valid(id))
        return;
    struct store_admin *a = store_admin_new(STORE_HOLD, s->mailbox, on_held, s);
    a->filter.id = arena_str(&a->arena, id);
    store_admin(s->store, a);
}

void server_stop(struct server *s, uint64_t grace_ms)
{
    if (s->stopping)
        return;
    s->stopping = true;
    if (!s->running) {
        finish_stop(s);
        return;
    }
    for (unsigned i = 0; i < s->nworkers; i++)
        worker_post_stop(s->workers[i], grace_ms);
    relay_stop(s->relay, on_relay_idle, s);
}

void server_free(struct server *s)
{
    mailbox_close(s->mailbox); /* the workers' last messages find everything still there */
    if (s->relay)
        relay_free(s->relay);
    relay_signer_free(s->signer); /* of a server that never ran */
    if (s->auth)
        auth_client_free(s->auth);
    for (size_t i = 0; i < s->nwaiting; i++)
        close(s->waiting[i].fd);
    free(s->waiting);
    for (unsigned i = 0; i <= s->nworkers; i++)
        if (s->keeper_fds[i] >= 0)
            close(s->keeper_fds[i]);
    free(s->keeper_fds);
    if (s->shared.disk)
        pool_stop(s->shared.disk);
    if (s->dns)
        dns_free(s->dns);
    server_abort(s, s->next ? s->next->generation->number : 0);
    service_drop(s->service);
    names_free(s->names);
    quota_free(s->quota);
    digest_free(s->digest);
    spending_free(s->spending);
    misfits_free(s->misfits);
    pauses_deinit(&s->pauses);
    free(s);
}
