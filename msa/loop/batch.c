#include "msa/base/mem.h"
#include "msa/loop/start.h"
#include "msa/loop/thread.h"
#include "msa/loop/wake.h"

#include <errno.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

struct batch {
    pthread_t id;
    pthread_mutex_t lock; /* guards first, end, stopping, collecting */
    pthread_cond_t arrived;
    struct task *first, **end;
    bool stopping, collecting;
    atomic_size_t waiting;
    atomic_uint waking; /* senders that have not woken it yet */
    void (*turn)(void *arg, struct task *list);
    void *arg;
};

/* Waits for tasks; NULL when the batch was stopped and nothing is left. */
static struct task *take_all(struct batch *b)
{
    pthread_mutex_lock(&b->lock);
    while (!b->first && !b->stopping)
        pthread_cond_wait(&b->arrived, &b->lock);
    struct task *list = b->first;
    b->first = NULL;
    b->end = &b->first;
    atomic_store_explicit(&b->waiting, 0, memory_order_relaxed);
    pthread_mutex_unlock(&b->lock);
    return list;
}

static void *batch_main(void *arg)
{
    struct batch *b = arg;
    struct task *list;
    while ((list = take_all(b)) != NULL) {
        wake_turn_begin(NULL);
        b->turn(b->arg, list);
        wake_turn_end();
    }
    return NULL;
}

struct batch *batch_start(const char *name, void (*turn)(void *arg, struct task *list), void *arg)
{
    struct batch *b = NEW(struct batch);
    b->turn = turn;
    b->arg = arg;
    b->end = &b->first;
    pthread_mutex_init(&b->lock, NULL);
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&b->arrived, &monotonic);
    pthread_condattr_destroy(&monotonic);
    b->id = thread_new(name, batch_main, b);
    return b;
}

static void wake(void *to)
{
    struct batch *b = to;
    pthread_cond_signal(&b->arrived);
    atomic_fetch_sub_explicit(&b->waking, 1, memory_order_release);
}

void batch_post(struct batch *b, struct task *task)
{
    task->next = NULL;
    pthread_mutex_lock(&b->lock);
    bool must_wake = !b->first && !b->collecting;
    *b->end = task;
    b->end = &task->next;
    atomic_fetch_add_explicit(&b->waiting, 1, memory_order_relaxed);
    if (must_wake)
        atomic_fetch_add_explicit(&b->waking, 1, memory_order_relaxed);
    pthread_mutex_unlock(&b->lock);
    if (must_wake && !wake_defer(wake, b))
        wake(b);
}

static struct timespec in_us(uint64_t us)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    us += (uint64_t)t.tv_nsec / 1000;
    t.tv_sec += (time_t)(us / 1000000);
    t.tv_nsec = (long)(us % 1000000) * 1000;
    return t;
}

bool batch_await(struct batch *b, unsigned us)
{
    struct timespec end = in_us(us);
    wake_flush();
    pthread_mutex_lock(&b->lock);
    while (!b->first && !b->stopping &&
           pthread_cond_timedwait(&b->arrived, &b->lock, &end) != ETIMEDOUT)
        ;
    bool has_more = b->first != NULL;
    pthread_mutex_unlock(&b->lock);
    return has_more;
}

void batch_collect(struct batch *b, unsigned ms)
{
    struct timespec end = in_us((uint64_t)ms * 1000);
    wake_flush();
    pthread_mutex_lock(&b->lock);
    b->collecting = true;
    while (!b->stopping && pthread_cond_timedwait(&b->arrived, &b->lock, &end) != ETIMEDOUT)
        ;
    b->collecting = false;
    pthread_mutex_unlock(&b->lock);
}

size_t batch_waiting(const struct batch *b)
{
    return atomic_load_explicit(&b->waiting, memory_order_relaxed);
}

void batch_stop(struct batch *b)
{
    wake_flush();
    pthread_mutex_lock(&b->lock);
    b->stopping = true;
    pthread_cond_signal(&b->arrived);
    pthread_mutex_unlock(&b->lock);
    pthread_join(b->id, NULL);
    while (atomic_load_explicit(&b->waking, memory_order_acquire))
        sched_yield();
    pthread_cond_destroy(&b->arrived);
    pthread_mutex_destroy(&b->lock);
    free(b);
}
