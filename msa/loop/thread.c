/* Threads with a loop. thread_new() is also used by batch.c and pool.c. */
#include "msa/loop/thread.h"
#include "msa/base/mem.h"
#include "msa/loop/start.h"
#include "msa/loop/wake.h"

#include <semaphore.h>
#include <stdlib.h>

struct loop_thread {
    pthread_t id;
    sem_t started;
    void (*start)(struct loop *l, void *arg);
    void (*finish)(void *arg);
    void *arg;
};

static void *loop_main(void *arg)
{
    struct loop_thread *t = arg;
    struct loop *l = loop_new();
    t->start(l, t->arg);
    sem_post(&t->started);
    loop_run(l);
    if (t->finish)
        t->finish(t->arg);
    loop_free(l);
    return NULL;
}

struct loop_thread *loop_thread_start(const char *name, void (*start)(struct loop *l, void *arg),
                                      void (*finish)(void *arg), void *arg)
{
    struct loop_thread *t = NEW(struct loop_thread);
    t->start = start;
    t->finish = finish;
    t->arg = arg;
    sem_init(&t->started, 0, 0);
    t->id = thread_new(name, loop_main, t);
    wake_flush();
    while (sem_wait(&t->started) < 0)
        ; /* interrupted by a signal */
    return t;
}

void loop_thread_join(struct loop_thread *t)
{
    wake_flush();
    pthread_join(t->id, NULL);
    sem_destroy(&t->started);
    free(t);
}
