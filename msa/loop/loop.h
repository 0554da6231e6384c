/*
 * loop.h - an event loop, its timers, and the mailbox by which other threads reach it.
 *
 * One loop belongs to one thread; everything in this header but mailbox_post() is called from
 * that thread only. Callbacks run from loop_run() and never from inside the call that armed them.
 * Making a loop sets SIGPIPE to be ignored, for the whole process.
 * In a simulation (tests/sim/loop) the same calls run on virtual time, all loops in one thread.
 *
 *     struct loop *l = loop_new();
 *     timer_init(&t, l, on_timer, self); timer_start(&t, 5000);
 *     loop_run(l); loop_free(l);
 */
#ifndef MSA_LOOP_LOOP_H
#define MSA_LOOP_LOOP_H

#include "msa/base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct loop;

struct loop *loop_new(void);
/* All streams, listeners, watches, channels and mailboxes of the loop must be closed before. */
void loop_free(struct loop *l);
/* Runs until loop_stop(), then what was closed has had its on_closed. */
void loop_run(struct loop *l);
void loop_stop(struct loop *l);
/* Monotonic milliseconds, taken when the loop woke. */
uint64_t loop_now_ms(const struct loop *l);

/* A timer is the caller's storage; init before use; no clean-up but timer_stop(). */
struct timer {
    struct loop *loop;
    void (*fire)(void *arg);
    void *arg;
    uint64_t due_ms; /* monotonic */
    size_t slot;     /* place in the loop's heap plus one; 0: not armed */
};

void timer_init(struct timer *t, struct loop *l, void (*fire)(void *arg), void *arg);
void timer_start(struct timer *t, uint64_t delay_ms); /* an armed timer is moved */
void timer_stop(struct timer *t);                     /* not armed: nothing happens */
static inline bool timer_armed(const struct timer *t)
{
    return t->slot != 0;
}

/*
 * A task is a message between threads: embed it first in a struct of your own, set run, post it.
 * Ownership goes with the message: run() (on the receiver's thread) frees or sends back. Tasks of
 * one sender arrive in the order in which they were posted.
 */
struct task {
    struct task *next;
    void (*run)(struct task *task);
};

struct mailbox;
struct mailbox *mailbox_new(struct loop *l);
/* Any thread, until mailbox_close(). */
void mailbox_post(struct mailbox *m, struct task *task);
/* From the loop's thread, when no sender is left: runs what waits, then frees. */
void mailbox_close(struct mailbox *m);

#endif
