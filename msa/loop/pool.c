#include "msa/base/mem.h"
#include "msa/base/require.h"
#include "msa/loop/start.h"
#include "msa/loop/thread.h"
#include "msa/loop/wake.h"

#include <stdatomic.h>
#include <stdlib.h>

struct pool {
    pthread_mutex_t lock; /* guards first, end, stopping */
    pthread_cond_t arrived;
    struct task *first, **end;
    bool stopping;
    atomic_size_t waiting;
    unsigned threads;
    pthread_t ids[];
};

/* Waits for a job; NULL when the pool was stopped and none is left. */
static struct pool_job *take_one(struct pool *p)
{
    pthread_mutex_lock(&p->lock);
    while (!p->first && !p->stopping)
        pthread_cond_wait(&p->arrived, &p->lock);
    struct task *t = p->first;
    if (t) {
        p->first = t->next;
        if (!p->first)
            p->end = &p->first;
        atomic_fetch_sub_explicit(&p->waiting, 1, memory_order_relaxed);
    }
    pthread_mutex_unlock(&p->lock);
    return (struct pool_job *)t;
}

static void run_done(struct task *task)
{
    struct pool_job *job = (struct pool_job *)task;
    job->done(job);
}

static void *pool_main(void *arg)
{
    struct pool *p = arg;
    struct pool_job *job;
    while ((job = take_one(p)) != NULL) {
        job->work(job);
        job->task.run = run_done;
        mailbox_post(job->reply, &job->task);
    }
    return NULL;
}

struct pool *pool_start(const char *name, unsigned threads)
{
    REQUIRE(threads > 0);
    struct pool *p = mem_new(1, sizeof *p + threads * sizeof *p->ids);
    p->threads = threads;
    p->end = &p->first;
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->arrived, NULL);
    for (unsigned i = 0; i < threads; i++)
        p->ids[i] = thread_new(name, pool_main, p);
    return p;
}

void pool_submit(struct pool *p, struct pool_job *job)
{
    job->task.next = NULL;
    pthread_mutex_lock(&p->lock);
    *p->end = &job->task;
    p->end = &job->task.next;
    atomic_fetch_add_explicit(&p->waiting, 1, memory_order_relaxed);
    pthread_cond_signal(&p->arrived);
    pthread_mutex_unlock(&p->lock);
}

size_t pool_waiting(const struct pool *p)
{
    return atomic_load_explicit(&p->waiting, memory_order_relaxed);
}

void pool_stop(struct pool *p)
{
    wake_flush();
    pthread_mutex_lock(&p->lock);
    p->stopping = true;
    pthread_cond_broadcast(&p->arrived);
    pthread_mutex_unlock(&p->lock);
    for (unsigned i = 0; i < p->threads; i++)
        pthread_join(p->ids[i], NULL);
    pthread_cond_destroy(&p->arrived);
    pthread_mutex_destroy(&p->lock);
    free(p);
}
