/*
 * thread.h - the three kinds of thread: with a loop, batch, and pool.
 *
 * loop thread: makes and runs a loop of its own.
 * batch thread: no loop; turn(arg, list) gets all tasks that wait as one list in order of arrival
 *   and disposes of them (the store and history threads; group commit comes from this).
 * pool: n threads that run work() of each job, then post done() to the job's reply mailbox.
 * In a simulation there are no threads: each is stepped in seeded order.
 */
#ifndef MSA_LOOP_THREAD_H
#define MSA_LOOP_THREAD_H

#include "msa/loop/loop.h"

struct loop_thread;
/* start(loop, arg) runs on the new thread before its loop runs; loop_thread_start() returns after
 * it, so that mailboxes made there can be used. finish(arg) after loop_stop(), may be NULL: it
 * closes what is open. The loop belongs to the thread and is freed by it. */
struct loop_thread *loop_thread_start(const char *name, void (*start)(struct loop *l, void *arg),
                                      void (*finish)(void *arg), void *arg);
/* Waits for the thread's end; its loop must have been told to stop by a task of its mailbox. */
void loop_thread_join(struct loop_thread *t);

struct batch;
/* turn() must leave list empty: run, free or forward each task. */
struct batch *batch_start(const char *name, void (*turn)(void *arg, struct task *list), void *arg);
void batch_post(struct batch *b, struct task *task); /* any thread */
size_t batch_waiting(const struct batch *b); /* tasks posted and not yet taken; any thread */
/* The next two from turn() only, to let tasks of more senders share one turn (in a simulation
 * nobody waits). True as soon as a task waits: another turn follows at once. False: nothing came in
 * time, or batch_stop() was called. */
bool batch_await(struct batch *b, unsigned us);
/* Sleeps, whatever is posted, until ms have passed or batch_stop() is called. */
void batch_collect(struct batch *b, unsigned ms);
/* A last turn for what waits, then the thread ends and is joined. No sender may be left. */
void batch_stop(struct batch *b);

struct pool;
struct pool_job {
    struct task task;                   /* used by the pool */
    struct mailbox *reply;              /* done() runs on this mailbox's loop */
    void (*work)(struct pool_job *job); /* on a pool thread */
    void (*done)(struct pool_job *job); /* owns the job again */
};
struct pool *pool_start(const char *name, unsigned threads);
void pool_submit(struct pool *p, struct pool_job *job); /* any thread */
size_t pool_waiting(const struct pool *p);              /* jobs not yet begun; any thread */
void pool_stop(struct pool *p);                         /* finishes all jobs, then joins */

#endif
