/*
 * Senders push onto an atomic stack; the receiver takes all of it at once and turns it round. Only
 * the sender that finds the stack empty wakes the loop, so a busy mailbox costs no system call.
 * What is taken but not yet run stands in ready, so that a task may close the mailbox. posting
 * counts the senders inside mailbox_post(): a task can be run, and make its receiver close the
 * mailbox, before its sender has come to the wake-up.
 */
#include "msa/loop/internal.h"
#include "msa/base/mem.h"
#include "msa/base/require.h"

#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>

struct mailbox {
    uv_async_t wake;
    struct loop *loop;
    _Atomic(struct task *) stack;
    atomic_uint posting;
    struct task *ready;
};

/* Takes what has arrived; in order of arrival behind what is ready already. */
static void take_all(struct mailbox *m)
{
    struct task *t = atomic_exchange_explicit(&m->stack, NULL, memory_order_acquire);
    struct task *in_order = NULL, **end = &m->ready;
    while (t) {
        struct task *next = t->next;
        t->next = in_order;
        in_order = t;
        t = next;
    }
    while (*end)
        end = &(*end)->next;
    *end = in_order;
}

static void run_ready(struct mailbox *m)
{
    while (m->ready) {
        struct task *t = m->ready;
        m->ready = t->next;
        t->next = NULL;
        t->run(t);
    }
}

static void on_wake(uv_async_t *wake)
{
    struct mailbox *m = wake->data;
    take_all(m);
    run_ready(m);
}

struct mailbox *mailbox_new(struct loop *l)
{
    struct mailbox *m = NEW(struct mailbox);
    int err = uv_async_init(&l->uv, &m->wake, on_wake);
    REQUIRE(err == 0);
    m->loop = l;
    m->wake.data = m;
    return m;
}

void mailbox_post(struct mailbox *m, struct task *task)
{
    atomic_fetch_add_explicit(&m->posting, 1, memory_order_relaxed);
    struct task *head = atomic_load_explicit(&m->stack, memory_order_relaxed);
    do {
        task->next = head;
    } while (!atomic_compare_exchange_weak_explicit(&m->stack, &head, task, memory_order_release,
                                                    memory_order_relaxed));
    if (!head)
        uv_async_send(&m->wake);
    atomic_fetch_sub_explicit(&m->posting, 1, memory_order_release);
}

static void on_closed(uv_handle_t *handle)
{
    struct mailbox *m = handle->data;
    loop_closed(m->loop);
    free(m);
}

void mailbox_close(struct mailbox *m)
{
    do {
        take_all(m);
        run_ready(m);
        while (atomic_load_explicit(&m->posting, memory_order_acquire))
            sched_yield();
    } while (atomic_load(&m->stack));
    loop_close(m->loop, (uv_handle_t *)&m->wake, on_closed);
}
