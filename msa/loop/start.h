/*
 * start.h - how the loop's files make a thread; private to msa/loop.
 *
 * The thread has a name (at most 15 characters are shown) and blocks all signals but those of its
 * own faults, so that signals reach the main thread's loop.
 */
#ifndef MSA_LOOP_START_H
#define MSA_LOOP_START_H

#include <pthread.h>

pthread_t thread_new(const char *name, void *(*run)(void *arg), void *arg);

#endif
