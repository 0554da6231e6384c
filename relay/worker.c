#include "relay/internal.h"

#include "msa/base/crashring.h"
#include "msa/base/mem.h"
#include "msa/base/require.h"

#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#define IDLE_MS 5000 /* a connection is kept so long for the next job of its slot */

struct slot {
    uint32_t id;
    struct relay_worker *worker;
    struct relay_conn *conn; /* idle */
    struct relay_job *job;   /* running */
    struct timer timer;      /* while idle */
    UT_hash_handle hh;
};

struct relay_worker {
    struct relay_worker_config config;
    struct slot *slots;
    struct relay_conn *conns;
    struct relay_families *families;
    struct relay_form_build *builds;
    struct relay_qmtp_memory *qmtp_memory;
    bool stopped;
};

/* What the main thread says about a slot. */
struct slot_task {
    struct task task;
    struct relay_worker *worker;
    uint32_t slot;
};

const struct relay_worker_config *relay_worker_config(const struct relay_worker *w)
{
    return &w->config;
}

struct relay_conn **relay_worker_conns(struct relay_worker *w)
{
    return &w->conns;
}

struct relay_qmtp_memory *relay_worker_qmtp_memory(struct relay_worker *w)
{
    return w->qmtp_memory;
}

struct relay_families *relay_worker_families(struct relay_worker *w)
{
    return w->families;
}

struct relay_form_build **relay_worker_builds(struct relay_worker *w)
{
    return &w->builds;
}

bool relay_worker_is_stopped(const struct relay_worker *w)
{
    return w->stopped;
}

void relay_run_free(struct relay_run *run)
{
    relay_settings_drop(run->settings);
    free(run);
}

/* ---- slots ---- */

static struct slot *find(struct relay_worker *w, uint32_t id)
{
    struct slot *s;
    HASH_FIND(hh, w->slots, &id, sizeof id, s);
    return s;
}

static void forget(struct slot *s)
{
    timer_stop(&s->timer);
    HASH_DEL(s->worker->slots, s);
    free(s);
}

/* For the main thread; the worker may be gone when it is run. */
struct closed_task {
    struct task task;
    void (*on_slot_closed)(void *arg, uint32_t slot);
    void *arg;
    uint32_t slot;
};

static void on_told(struct task *task)
{
    struct closed_task *t = (struct closed_task *)(void *)task;
    t->on_slot_closed(t->arg, t->slot);
    free(t);
}

static void tell_closed(struct relay_worker *w, uint32_t id)
{
    struct closed_task *t = NEW(struct closed_task);
    *t = (struct closed_task){.task = {.run = on_told},
                              .on_slot_closed = w->config.on_slot_closed,
                              .arg = w->config.arg,
                              .slot = id};
    mailbox_post(w->config.main, &t->task);
}

static void on_idle_too_long(void *arg)
{
    struct slot *s = arg;
    relay_conn_quit(s->conn);
    tell_closed(s->worker, s->id);
    forget(s);
}

static void on_idle_closed(void *arg, const struct smtp_client_result *why)
{
    struct slot *s = arg;
    (void)why;
    tell_closed(s->worker, s->id);
    forget(s);
}

static void on_idle_event(void *arg)
{
    (void)arg;
}

static struct slot *get(struct relay_worker *w, uint32_t id)
{
    struct slot *s = find(w, id);
    if (s)
        return s;
    s = NEW(struct slot);
    s->id = id;
    s->worker = w;
    timer_init(&s->timer, w->config.loop, on_idle_too_long, s);
    HASH_ADD(hh, w->slots, id, sizeof s->id, s);
    return s;
}

void relay_worker_job_over(struct relay_worker *w, uint32_t slot, struct relay_conn *conn)
{
    static const struct relay_conn_ops idle_ops = {.on_ready = on_idle_event,
                                                   .on_closed = on_idle_closed};
    struct slot *s = find(w, slot);
    REQUIRE(s);
    s->job = NULL;
    s->conn = conn;
    if (!conn) {
        forget(s);
        return;
    }
    relay_conn_set_ops(conn, &idle_ops, s, "");
    timer_start(&s->timer, IDLE_MS);
}

/* ---- tasks of the main thread ---- */

static void run_job(struct task *task)
{
    struct sched_job *job = (struct sched_job *)(void *)task;
    struct relay_run *run = job->user;
    struct relay_job *nowhere = NULL;
    crashring_hold(job->batch->message->id);
    if (job->slot == 0) {
        relay_job_start(run, NULL, &nowhere);
    } else {
        struct slot *s = get(run->worker, job->slot);
        struct relay_conn *conn = s->conn;
        REQUIRE(!s->job);
        s->conn = NULL;
        timer_stop(&s->timer);
        relay_job_start(run, conn, &s->job);
    }
    crashring_done();
}

void relay_worker_run(struct relay_worker *w, struct sched_job *job,
                      struct relay_settings *settings)
{
    struct relay_run *run = NEW(struct relay_run);
    run->worker = w;
    run->job = job;
    run->settings = relay_settings_keep(settings);
    job->user = run;
    job->task.run = run_job;
    mailbox_post(w->config.mailbox, &job->task);
}

static void post_slot_task(struct relay_worker *w, uint32_t slot, void (*run)(struct task *task))
{
    struct slot_task *t = NEW(struct slot_task);
    t->task.run = run;
    t->worker = w;
    t->slot = slot;
    mailbox_post(w->config.mailbox, &t->task);
}

static void give_up(struct task *task)
{
    struct slot_task *t = (struct slot_task *)(void *)task;
    struct slot *s = find(t->worker, t->slot);
    if (s && s->job)
        relay_job_give_up(s->job);
    free(t);
}

void relay_worker_give_up(struct relay_worker *w, uint32_t slot)
{
    post_slot_task(w, slot, give_up);
}

struct host_task {
    struct task task;
    struct relay_worker *worker;
    char host[];
};

static void tell_jobs(struct task *task)
{
    struct host_task *t = (struct host_task *)(void *)task;
    struct slot *s, *tmp;
    HASH_ITER(hh, t->worker->slots, s, tmp)
    {
        if (s->job)
            relay_job_tls_worked(s->job, t->host);
    }
    free(t);
}

void relay_worker_tls_worked(struct relay_worker *w, const char *host)
{
    size_t size = strlen(host) + 1;
    struct host_task *t = mem_new(1, sizeof *t + size);
    t->task.run = tell_jobs;
    t->worker = w;
    memcpy(t->host, host, size);
    mailbox_post(w->config.mailbox, &t->task);
}

static void stop_jobs(struct task *task)
{
    struct slot_task *t = (struct slot_task *)(void *)task;
    struct slot *s, *tmp;
    HASH_ITER(hh, t->worker->slots, s, tmp)
    {
        if (s->job)
            relay_job_stop(s->job);
    }
    t->worker->stopped = true;
    relay_form_stop(t->worker);
    free(t);
}

void relay_worker_stop(struct relay_worker *w)
{
    post_slot_task(w, 0, stop_jobs);
}

static void close_slot(struct task *task)
{
    struct slot_task *t = (struct slot_task *)(void *)task;
    struct slot *s = find(t->worker, t->slot);
    if (s && s->conn) {
        relay_conn_quit(s->conn);
        forget(s);
    }
    free(t);
}

void relay_worker_close_slot(struct relay_worker *w, uint32_t slot)
{
    post_slot_task(w, slot, close_slot);
}

/* ---- life ---- */

struct relay_worker *relay_worker_new(const struct relay_worker_config *config)
{
    struct relay_worker *w = NEW(struct relay_worker);
    w->config = *config;
    w->qmtp_memory = relay_qmtp_memory_new();
    w->families = relay_families_new();
    return w;
}

void relay_worker_close(struct relay_worker *w, void (*on_closed)(void *arg), void *arg)
{
    struct slot *s, *tmp;
    HASH_ITER(hh, w->slots, s, tmp)
    {
        REQUIRE(!s->job);
        relay_conn_drop(s->conn);
        forget(s);
    }
    relay_form_stop(w);
    relay_conn_drop_all(&w->conns);
    relay_qmtp_memory_free(w->qmtp_memory);
    relay_families_free(w->families);
    free(w);
    on_closed(arg);
}
