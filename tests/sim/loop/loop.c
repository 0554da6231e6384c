/* Loops and mailboxes. A mailbox runs one task at a time: whatever else is due may come between. */
#include "msa/base/mem.h"
#include "msa/base/require.h"
#include "tests/sim/loop/world.h"

#include <stdlib.h>

struct mailbox {
    struct actor actor;
    struct task *first, **end;
};

static uint64_t timers_due(struct actor *a)
{
    uint64_t due;
    return timers_next(&((struct loop *)a)->timers, &due) ? due : NEVER;
}

static void timers_act(struct actor *a)
{
    timers_fire_one(&((struct loop *)a)->timers);
}

struct loop *loop_new(void)
{
    struct loop *l = NEW(struct loop);
    world_add(&l->actor, l, timers_due, timers_act);
    return l;
}

void loop_free(struct loop *l)
{
    loop_finish_closing(l);
    timers_deinit(&l->timers);
    world_remove(&l->actor);
    free(l);
}

void loop_run(struct loop *l)
{
    while (!l->stopping && sim_step())
        ;
    loop_finish_closing(l);
    l->stopping = false;
}

void loop_stop(struct loop *l)
{
    l->stopping = true;
}

uint64_t loop_now_ms(const struct loop *l)
{
    (void)l;
    return sim_now();
}

struct timers *loop_timers(struct loop *l)
{
    return &l->timers;
}

void loop_timers_changed(struct loop *l)
{
    (void)l; /* the world asks before each step */
}

static uint64_t mailbox_due(struct actor *a)
{
    return ((struct mailbox *)a)->first ? sim_now() : NEVER;
}

static void run_first(struct mailbox *m)
{
    struct task *t = m->first;
    m->first = t->next;
    if (!m->first)
        m->end = &m->first;
    t->next = NULL;
    t->run(t);
}

static void mailbox_act(struct actor *a)
{
    run_first((struct mailbox *)a);
}

struct mailbox *mailbox_new(struct loop *l)
{
    struct mailbox *m = NEW(struct mailbox);
    m->end = &m->first;
    world_add(&m->actor, l, mailbox_due, mailbox_act);
    return m;
}

void mailbox_post(struct mailbox *m, struct task *task)
{
    task->next = NULL;
    *m->end = task;
    m->end = &task->next;
}

void mailbox_close(struct mailbox *m)
{
    while (m->first)
        run_first(m);
    world_remove(&m->actor);
    free(m);
}
