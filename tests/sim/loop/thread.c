/*
 * Threads of all three kinds, without threads. A batch takes some first part of what waits (the
 * rest may have come later); a pool may begin any of its first n jobs, as n threads would.
 */
#include "msa/loop/thread.h"
#include "msa/base/mem.h"
#include "msa/base/require.h"
#include "tests/sim/loop/world.h"

#include <stdlib.h>

struct queue {
    struct task *first, **end;
    size_t count;
    uint64_t due_ms; /* when something waits */
};

static void queue_init(struct queue *q)
{
    *q = (struct queue){.end = &q->first};
}

static void queue_add(struct queue *q, struct task *t)
{
    if (!q->first)
        q->due_ms = sim_now() + world_thread_delay();
    t->next = NULL;
    *q->end = t;
    q->end = &t->next;
    q->count++;
}

/* Takes n tasks out, from position at on. */
static struct task *queue_take(struct queue *q, size_t at, size_t n)
{
    struct task **from = &q->first;
    while (at--)
        from = &(*from)->next;
    struct task *list = *from, **end = from;
    for (size_t i = 0; i < n; i++)
        end = &(*end)->next;
    struct task *rest = *end;
    *end = NULL;
    *from = rest;
    q->end = &q->first;
    while (*q->end)
        q->end = &(*q->end)->next;
    q->count -= n;
    q->due_ms = sim_now() + world_thread_delay();
    return list;
}

struct loop_thread {
    struct actor actor; /* acts when its loop was stopped */
    struct loop *l;
    void (*finish)(void *arg);
    void *arg;
    bool ended;
};

static uint64_t loop_thread_due(struct actor *a)
{
    struct loop_thread *t = (struct loop_thread *)a;
    return !t->ended && t->l->stopping ? sim_now() : NEVER;
}

static void loop_thread_act(struct actor *a)
{
    struct loop_thread *t = (struct loop_thread *)a;
    loop_finish_closing(t->l);
    if (t->finish)
        t->finish(t->arg);
    loop_free(t->l);
    t->ended = true;
}

struct loop_thread *loop_thread_start(const char *name, void (*start)(struct loop *l, void *arg),
                                      void (*finish)(void *arg), void *arg)
{
    (void)name;
    struct loop_thread *t = NEW(struct loop_thread);
    t->l = loop_new();
    t->finish = finish;
    t->arg = arg;
    world_add(&t->actor, NULL, loop_thread_due, loop_thread_act);
    start(t->l, arg);
    return t;
}

void loop_thread_join(struct loop_thread *t)
{
    while (!t->ended && sim_step())
        ;
    REQUIRE(t->ended || disk_is_off());
    world_remove(&t->actor);
    free(t);
}

struct batch {
    struct actor actor;
    struct queue queue;
    void (*turn)(void *arg, struct task *list);
    void *arg;
};

static uint64_t batch_due(struct actor *a)
{
    const struct queue *q = &((struct batch *)a)->queue;
    return q->first ? q->due_ms : NEVER;
}

static void batch_act(struct actor *a)
{
    struct batch *b = (struct batch *)a;
    size_t n = b->queue.count;
    if (n > 1 && sim_below(4) == 0)
        n = 1 + sim_below((uint32_t)n);
    b->turn(b->arg, queue_take(&b->queue, 0, n));
}

struct batch *batch_start(const char *name, void (*turn)(void *arg, struct task *list), void *arg)
{
    (void)name;
    struct batch *b = NEW(struct batch);
    queue_init(&b->queue);
    b->turn = turn;
    b->arg = arg;
    world_add(&b->actor, NULL, batch_due, batch_act);
    return b;
}

void batch_post(struct batch *b, struct task *task)
{
    queue_add(&b->queue, task);
}

size_t batch_waiting(const struct batch *b)
{
    return b->queue.count;
}

bool batch_await(struct batch *b, unsigned us)
{
    (void)us;
    return b->queue.first != NULL;
}

void batch_collect(struct batch *b, unsigned ms)
{
    (void)b;
    (void)ms;
}

void batch_stop(struct batch *b)
{
    while (b->queue.first)
        b->turn(b->arg, queue_take(&b->queue, 0, b->queue.count));
    world_remove(&b->actor);
    free(b);
}

struct pool {
    struct actor actor;
    struct queue queue;
    unsigned threads;
};

static void run_done(struct task *task)
{
    struct pool_job *job = (struct pool_job *)task;
    job->done(job);
}

static uint64_t pool_due(struct actor *a)
{
    const struct queue *q = &((struct pool *)a)->queue;
    return q->first ? q->due_ms : NEVER;
}

static void pool_act(struct actor *a)
{
    struct pool *p = (struct pool *)a;
    size_t choice = p->queue.count < p->threads ? p->queue.count : p->threads;
    struct task *t = queue_take(&p->queue, sim_below((uint32_t)choice), 1);
    struct pool_job *job = (struct pool_job *)t;
    job->work(job);
    job->task.run = run_done;
    mailbox_post(job->reply, &job->task);
}

struct pool *pool_start(const char *name, unsigned threads)
{
    (void)name;
    REQUIRE(threads > 0);
    struct pool *p = NEW(struct pool);
    queue_init(&p->queue);
    p->threads = threads;
    world_add(&p->actor, NULL, pool_due, pool_act);
    return p;
}

void pool_submit(struct pool *p, struct pool_job *job)
{
    queue_add(&p->queue, &job->task);
}

size_t pool_waiting(const struct pool *p)
{
    return p->queue.count;
}

void pool_stop(struct pool *p)
{
    while (p->queue.first)
        pool_act(&p->actor);
    world_remove(&p->actor);
    free(p);
}
