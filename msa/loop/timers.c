/*
 * Invariants: heap[i]->slot == i + 1 for every i < count, and no timer is due before its parent
 * (i - 1) / 2. Only loop_timers() and loop_timers_changed() tie it to a form of the loop.
 */
#include "msa/loop/timers.h"
#include "msa/base/mem.h"
#include "msa/base/require.h"

#include <stdlib.h>

static void place(struct timers *h, size_t at, struct timer *t)
{
    h->heap[at] = t;
    t->slot = at + 1;
}

static void sift_up(struct timers *h, size_t at, struct timer *t)
{
    while (at > 0) {
        size_t parent = (at - 1) / 2;
        if (h->heap[parent]->due_ms <= t->due_ms)
            break;
        place(h, at, h->heap[parent]);
        at = parent;
    }
    place(h, at, t);
}

static void sift_down(struct timers *h, size_t at, struct timer *t)
{
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= h->count)
            break;
        if (child + 1 < h->count && h->heap[child + 1]->due_ms < h->heap[child]->due_ms)
            child++;
        if (t->due_ms <= h->heap[child]->due_ms)
            break;
        place(h, at, h->heap[child]);
        at = child;
    }
    place(h, at, t);
}

/* Puts t where the hole at is, up or down. */
static void settle(struct timers *h, size_t at, struct timer *t)
{
    if (at > 0 && t->due_ms < h->heap[(at - 1) / 2]->due_ms)
        sift_up(h, at, t);
    else
        sift_down(h, at, t);
}

static void take_out(struct timers *h, struct timer *t)
{
    size_t at = t->slot - 1;
    struct timer *last = h->heap[--h->count];
    t->slot = 0;
    if (last != t)
        settle(h, at, last);
}

void timer_init(struct timer *t, struct loop *l, void (*fire)(void *arg), void *arg)
{
    *t = (struct timer){.loop = l, .fire = fire, .arg = arg};
}

void timer_start(struct timer *t, uint64_t delay_ms)
{
    struct timers *h = loop_timers(t->loop);
    uint64_t now = loop_now_ms(t->loop);
    t->due_ms = delay_ms > UINT64_MAX - now ? UINT64_MAX : now + delay_ms;
    if (t->slot) {
        settle(h, t->slot - 1, t);
    } else {
        if (h->count == h->cap) {
            h->cap = h->cap ? h->cap * 2 : 64;
            h->heap = mem_resize(h->heap, h->cap, sizeof *h->heap);
        }
        sift_up(h, h->count++, t);
    }
    if (t->slot == 1)
        loop_timers_changed(t->loop);
}

void timer_stop(struct timer *t)
{
    if (t->slot)
        take_out(loop_timers(t->loop), t);
}

void timers_deinit(struct timers *t)
{
    REQUIRE(t->count == 0);
    free(t->heap);
    *t = (struct timers){0};
}

bool timers_next(const struct timers *t, uint64_t *due_out)
{
    if (t->count == 0)
        return false;
    *due_out = t->heap[0]->due_ms;
    return true;
}

void timers_fire_one(struct timers *t)
{
    struct timer *first = t->heap[0];
    take_out(t, first);
    first->fire(first->arg);
}

void timers_run(struct timers *t, uint64_t now_ms)
{
    /* a timer that arms itself again with delay 0 must not keep the loop here */
    for (size_t most = t->count; most && t->count && t->heap[0]->due_ms <= now_ms; most--)
        timers_fire_one(t);
}
