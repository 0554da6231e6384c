/*
 * crashring.h - which message each thread of the server has in hand, in memory shared with the
 * master, so that a message that crashes the server twice is held instead of tried for ever.
 *
 * The server's threads write (each its own slot), the master reads after the server has died.
 * Ownership: the mapping lives as long as the process; the descriptor (a memfd) is the master's.
 */
#ifndef MSA_BASE_CRASHRING_H
#define MSA_BASE_CRASHRING_H

#include "msa/base/err.h"
#include "msa/base/sv.h"

#define CRASHRING_SLOTS  80 /* threads that can be told apart */
#define CRASHRING_ID_MAX 23 /* bytes of an id */

struct crashring {
    struct {
        char id[CRASHRING_ID_MAX + 1]; /* "" : nothing in hand */
    } slot[CRASHRING_SLOTS];
};

/* Master: makes the shared memory; the descriptor is inherited by the server. */
int crashring_create(int *fd_out, struct crashring **out) MUST_CHECK;
/* Server: maps what it inherited, before it gives up its rights. */
int crashring_attach(int fd) MUST_CHECK;
/* Server: this thread has the message in hand; "" when it is done. Without crashring_attach()
 * (tests) nothing happens. Threads beyond the slots are not recorded. */
void crashring_hold(const char *id);
void crashring_done(void);

#endif
