/*
 * Senders push onto an atomic stack; the receiver takes all of it at once and turns it round. Only
 * the sender that finds the stack empty wakes the loop, and only if it sleeps (wake.h), so a busy
 * mailbox costs no system call. A loop says that it sleeps before it looks at its mailboxes for the
 * last time, and a sender pushes before it looks at that word: one of them sees the other.
 * What is taken but not yet run stands in ready, so that a task may close the mailbox. posting
 * counts the senders that are not done with the wake-up: a task can be run, and make its receiver
 * close the mailbox, before its sender has come to the wake-up.
 */
#include "msa/loop/internal.h"
#include "msa/base/mem.h"
#include "msa/base/require.h"
#include "msa/loop/wake.h"

#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <utlist.h>

#define ROUNDS 8u /* of tasks that post tasks, before the loop looks at its streams again */

struct mailbox {
    uv_async_t wake;
    struct loop *loop;
    struct mailbox *next; /* of the loop's */
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
    LL_PREPEND(l->mailboxes, m);
    return m;
}

static bool has_waiting(const struct mailbox *m)
{
    return m->ready || atomic_load(&m->stack);
}

static struct mailbox *find_waiting(const struct loop *l)
{
    struct mailbox *m;
    LL_FOREACH(l->mailboxes, m)
    {
        if (has_waiting(m))
            return m;
    }
    return NULL;
}

void loop_mailboxes_run(struct loop *l)
{
    for (unsigned i = 0; i < ROUNDS; i++) {
        atomic_store(&l->asleep, false);
        struct mailbox *m, *next;
        LL_FOREACH_SAFE(l->mailboxes, m, next)
        {
            take_all(m);
            run_ready(m);
        }
        atomic_store(&l->asleep, true);
        if (!find_waiting(l))
            return;
    }
    struct mailbox *more = find_waiting(l);
    if (more)
        uv_async_send(&more->wake);
}

static void wake(void *to)
{
    struct mailbox *m = to;
    if (atomic_exchange(&m->loop->asleep, false))
        uv_async_send(&m->wake);
    atomic_fetch_sub_explicit(&m->posting, 1, memory_order_release);
}

void mailbox_post(struct mailbox *m, struct task *task)
{
    atomic_fetch_add_explicit(&m->posting, 1, memory_order_relaxed);
    struct task *head = atomic_load_explicit(&m->stack, memory_order_relaxed);
    do {
        task->next = head;
    } while (!atomic_compare_exchange_weak(&m->stack, &head, task));
    if (head || wake_loop() == m->loop) /* woken already; or looks before it sleeps */
        atomic_fetch_sub_explicit(&m->posting, 1, memory_order_release);
    else if (!wake_defer(wake, m))
        wake(m);
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
    LL_DELETE(m->loop->mailboxes, m);
    loop_close(m->loop, (uv_handle_t *)&m->wake, on_closed);
}
