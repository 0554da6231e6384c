/*
 * watch.h - tells when a descriptor of somebody else's library can be read or written.
 *
 * The descriptor stays its owner's. Level triggered. Thread: the loop's.
 */
#ifndef MSA_LOOP_WATCH_H
#define MSA_LOOP_WATCH_H

#include "msa/loop/loop.h"

#define WATCH_READ  1
#define WATCH_WRITE 2

struct watch;
/* on_ready gets WATCH_* bits, or a negative error. */
struct watch *watch_new(struct loop *l, int fd, void (*on_ready)(void *arg, int events), void *arg);
void watch_set(struct watch *w, int events); /* 0: pause */
void watch_close(struct watch *w);           /* no further callback; before the fd is closed */

#endif
