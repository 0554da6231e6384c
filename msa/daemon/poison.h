/*
 * poison.h - messages that were in hand when the server crashed, counted; at two a message is held.
 *
 * Pure. The list is bounded; the oldest that is not held goes first.
 */
#ifndef MSA_DAEMON_POISON_H
#define MSA_DAEMON_POISON_H

#include "msa/base/crashring.h"

#include <stdbool.h>
#include <stddef.h>

#define POISON_MAX 256

struct poison {
    struct poison_entry {
        char id[CRASHRING_ID_MAX + 1];
        unsigned crashes;
        bool hold;
    } * list;
    size_t count;
};

/* True when this is the crash that makes it one to be held. */
bool poison_crashed(struct poison *p, const char *id);
/* The server has been told to hold those that are to be held: a further crash, after an operator
 * has released one, makes it one to be held again. */
void poison_held(struct poison *p);
void poison_deinit(struct poison *p);

#endif
