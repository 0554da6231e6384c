/*
 * wake.h - when threads wake each other; private to msa/loop.
 *
 * To wake a thread costs more than most tasks that it is woken for. So what a thread posts in one
 * turn (of its loop, or of a batch) reaches the receivers as one wake-up each, at the turn's end,
 * or after WAKE_LATE_US of a long turn. A loop runs its own mailboxes before it sleeps, and is not
 * woken while it is awake.
 * Order: wake_turn_begin(), wake_flush() and wake_flush_late() any number of times,
 * wake_turn_end(). Outside of a turn nothing is deferred.
 */
#ifndef MSA_LOOP_WAKE_H
#define MSA_LOOP_WAKE_H

#include <stdbool.h>

#define WAKE_LATE_US 200u

struct loop;

void wake_turn_begin(struct loop *l); /* NULL: a thread without a loop */
void wake_turn_end(void);
/* At the end of a turn, and before this thread waits for another one. */
void wake_flush(void);
void wake_flush_late(void); /* if something waits for longer than WAKE_LATE_US */
/* The loop whose turn this thread runs, or NULL. */
struct loop *wake_loop(void);
/* send(to) is called by a flush of this thread. False: not in a turn, the caller sends itself. */
bool wake_defer(void (*send)(void *to), void *to);

#endif
