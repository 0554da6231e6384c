/*
 * timers.h - the timer heap inside a loop; private to the loop's real and simulated forms.
 *
 * A binary heap of pointers to timers that their callers own, so starting or stopping a timer
 * allocates nothing (but for growth of the heap). Timers due at the same time fire in the order of
 * the heap, which is not the order of their start. Thread: the loop's.
 */
#ifndef MSA_LOOP_TIMERS_H
#define MSA_LOOP_TIMERS_H

#include "msa/loop/loop.h"

struct timers {
    struct timer **heap;
    size_t count, cap;
};

void timers_deinit(struct timers *t); /* no timer may be armed */
/* When the next timer is due; false if none is armed. */
bool timers_next(const struct timers *t, uint64_t *due_out);
/* Disarms and fires what is due at now, at most as many as are armed when it is called. */
void timers_run(struct timers *t, uint64_t now_ms);
/* Disarms and fires the next timer. */
void timers_fire_one(struct timers *t);

/* What a form of the loop gives. */
struct timers *loop_timers(struct loop *l);
void loop_timers_changed(struct loop *l); /* the first timer may be another or earlier one */

#endif
