#include "msa/loop/thread.h"
#include "msa/base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

struct worker {
    struct loop *l;
    struct mailbox *box;
    pthread_t id;
    char name[16];
    int finished;
};

static void worker_start(struct loop *l, void *arg)
{
    struct worker *w = arg;
    w->l = l;
    w->box = mailbox_new(l);
    w->id = pthread_self();
    usleep(2000); /* the starter must wait */
    pthread_getname_np(w->id, w->name, sizeof w->name);
}

static void worker_finish(void *arg)
{
    struct worker *w = arg;
    assert_true(pthread_equal(w->id, pthread_self()));
    mailbox_close(w->box);
    w->finished++;
}

static struct worker worker;

static void stop_worker(struct task *task)
{
    (void)task;
    loop_stop(worker.l);
}

static void loop_thread_lives_and_ends(void **state)
{
    (void)state;
    struct task stop = {.run = stop_worker};
    struct loop_thread *t =
        loop_thread_start("a-name-that-is-too-long", worker_start, worker_finish, &worker);
    mailbox_post(worker.box, &stop);
    loop_thread_join(t);
    assert_int_equal(worker.finished, 1);
    assert_false(pthread_equal(worker.id, pthread_self()));
    assert_int_equal(strncmp(worker.name, "a-name-that", 11), 0);
}

struct item {
    struct task task;
    int sender, number;
};

static struct {
    struct batch *b;
    int last[4], got, turns;
    atomic_bool open;
} fed;

static void on_turn(void *arg, struct task *list)
{
    int n = 0;
    assert_ptr_equal(arg, &fed);
    while (!atomic_load(&fed.open))
        usleep(100);
    while (list) {
        struct item *i = (struct item *)list;
        list = list->next;
        assert_int_equal(i->number, fed.last[i->sender] + 1);
        fed.last[i->sender] = i->number;
        free(i);
        n++;
    }
    fed.turns++;
    fed.got += n;
}

static void *post_items(void *arg)
{
    for (int i = 1; i <= 1000; i++) {
        struct item *item = NEW(struct item);
        item->sender = *(int *)arg;
        item->number = i;
        batch_post(fed.b, &item->task);
    }
    return NULL;
}

static void batch_takes_all_that_waits(void **state)
{
    (void)state;
    pthread_t ids[3];
    int numbers[3] = {0, 1, 2};
    struct item *first = NEW(struct item);
    first->sender = 3;
    first->number = 1;
    fed.b = batch_start("batch", on_turn, &fed);
    batch_post(fed.b, &first->task);
    while (batch_waiting(fed.b))
        usleep(100);
    for (int i = 0; i < 3; i++)
        pthread_create(&ids[i], NULL, post_items, &numbers[i]);
    for (int i = 0; i < 3; i++)
        pthread_join(ids[i], NULL);
    /* the first turn, with one task, is held until now */
    assert_int_equal(batch_waiting(fed.b), 3000);
    atomic_store(&fed.open, true);
    batch_stop(fed.b);
    assert_int_equal(fed.got, 3001);
    assert_int_equal(fed.turns, 2);
}

static struct {
    struct batch *b;
    atomic_int turns, tasks;
    atomic_bool more;
} slow;

static void count_tasks(struct task *list)
{
    for (; list; list = list->next)
        atomic_fetch_add(&slow.tasks, 1);
    atomic_fetch_add(&slow.turns, 1);
}

static void on_awaiting_turn(void *arg, struct task *list)
{
    (void)arg;
    count_tasks(list);
    atomic_store(&slow.more, batch_await(slow.b, 30000000));
}

/* Else the turns would take half a minute each. */
static void batch_await_ends_with_a_task_or_the_batch(void **state)
{
    (void)state;
    struct task tasks[2];
    slow.b = batch_start("batch", on_awaiting_turn, NULL);
    batch_post(slow.b, &tasks[0]);
    while (atomic_load(&slow.turns) < 1)
        usleep(100);
    batch_post(slow.b, &tasks[1]);
    while (atomic_load(&slow.turns) < 2)
        usleep(100);
    assert_true(atomic_load(&slow.more));
    batch_stop(slow.b);
    assert_false(atomic_load(&slow.more));
    assert_int_equal(slow.tasks, 2);
}

static void on_collecting_turn(void *arg, struct task *list)
{
    count_tasks(list);
    batch_collect(slow.b, *(unsigned *)arg);
}

static void batch_collects_for_a_while(void **state)
{
    (void)state;
    struct task tasks[101];
    unsigned ms = 200;
    atomic_store(&slow.turns, 0);
    atomic_store(&slow.tasks, 0);
    slow.b = batch_start("batch", on_collecting_turn, &ms);
    batch_post(slow.b, &tasks[100]);
    while (atomic_load(&slow.turns) < 1)
        usleep(100);
    for (size_t i = 0; i < 100; i++)
        batch_post(slow.b, &tasks[i]);
    while (atomic_load(&slow.turns) < 2)
        usleep(1000);
    assert_int_equal(slow.tasks, 101);
    batch_stop(slow.b);
    assert_int_equal(slow.turns, 2);
    ms = 60000; /* the end does not wait for it */
    slow.b = batch_start("batch", on_collecting_turn, &ms);
    batch_post(slow.b, &tasks[0]);
    while (batch_waiting(slow.b))
        usleep(100);
    batch_stop(slow.b);
}

struct ender {
    struct task task;
    struct loop *l;
    struct loop_thread *thread;
    struct task stop;
    struct batch *b;
    struct task item;
};

static void discard(void *arg, struct task *list)
{
    *(int *)arg += list != NULL;
}

/* What this turn has posted must be under way before the turn waits for its receivers. */
static void end_others(struct task *task)
{
    struct ender *e = (struct ender *)task;
    e->stop.run = stop_worker;
    mailbox_post(worker.box, &e->stop);
    loop_thread_join(e->thread);
    batch_post(e->b, &e->item);
    batch_stop(e->b);
    loop_stop(e->l);
}

static void a_turn_may_wait_for_whom_it_posted_to(void **state)
{
    (void)state;
    int turns = 0;
    struct ender e = {.task.run = end_others, .l = loop_new()};
    struct mailbox *own = mailbox_new(e.l);
    e.thread = loop_thread_start("worker", worker_start, worker_finish, &worker);
    e.b = batch_start("batch", discard, &turns);
    mailbox_post(own, &e.task);
    loop_run(e.l);
    assert_int_equal(turns, 1);
    mailbox_close(own);
    loop_free(e.l);
}

struct job {
    struct pool_job job;
    int number;
    bool worked;
    pthread_t by;
};

static struct {
    struct loop *l;
    struct mailbox *box;
    atomic_int working, most;
    int done;
} pooled;

static void on_work(struct pool_job *job)
{
    struct job *j = (struct job *)job;
    int now = atomic_fetch_add(&pooled.working, 1) + 1;
    if (now > atomic_load(&pooled.most))
        atomic_store(&pooled.most, now);
    usleep(500);
    j->worked = true;
    j->by = pthread_self();
    atomic_fetch_sub(&pooled.working, 1);
}

static void on_done(struct pool_job *job)
{
    struct job *j = (struct job *)job;
    assert_true(j->worked);
    assert_false(pthread_equal(j->by, pthread_self()));
    if (++pooled.done == 100)
        loop_stop(pooled.l);
}

static void pool_works_in_parallel(void **state)
{
    (void)state;
    static struct job jobs[100];
    struct pool *p = pool_start("pool", 4);
    pooled.l = loop_new();
    pooled.box = mailbox_new(pooled.l);
    for (int i = 0; i < 100; i++) {
        jobs[i].job = (struct pool_job){.reply = pooled.box, .work = on_work, .done = on_done};
        pool_submit(p, &jobs[i].job);
    }
    loop_run(pooled.l);
    assert_int_equal(pooled.done, 100);
    assert_in_range(pooled.most, 2, 4);
    assert_int_equal(pool_waiting(p), 0);
    pool_stop(p);
    mailbox_close(pooled.box);
    loop_free(pooled.l);
}

static void pool_stop_finishes_all(void **state)
{
    (void)state;
    static struct job jobs[20];
    struct pool *p = pool_start("pool", 2);
    pooled.l = loop_new();
    pooled.box = mailbox_new(pooled.l);
    pooled.done = 0;
    for (int i = 0; i < 20; i++) {
        jobs[i].job = (struct pool_job){.reply = pooled.box, .work = on_work, .done = on_done};
        pool_submit(p, &jobs[i].job);
    }
    pool_stop(p);
    mailbox_close(pooled.box);
    assert_int_equal(pooled.done, 20);
    loop_free(pooled.l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(loop_thread_lives_and_ends),
        cmocka_unit_test(batch_takes_all_that_waits),
        cmocka_unit_test(batch_await_ends_with_a_task_or_the_batch),
        cmocka_unit_test(batch_collects_for_a_while),
        cmocka_unit_test(a_turn_may_wait_for_whom_it_posted_to),
        cmocka_unit_test(pool_works_in_parallel),
        cmocka_unit_test(pool_stop_finishes_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
