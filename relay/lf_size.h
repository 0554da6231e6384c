/*
 * lf_size.h - how long a message's content is with LF line ends, which QMTP must know before the
 * first byte is sent: the content is read once for it.
 *
 * Ownership: the owner's struct, with the fields of the first group set; a message stays the
 * owner's for as long as its size is kept. Thread: the reply mailbox's. Memory: one piece at a
 * time.
 *
 *     if (!relay_lf_size_know(&s, message)) return;      // done() comes later
 *     use(s.bytes);
 */
#ifndef RELAY_LF_SIZE_H
#define RELAY_LF_SIZE_H

#include "relay/qmtp/lf.h"
#include "relay/queue/store.h"

struct relay_lf_size {
    struct store *store;
    struct mailbox *reply;
    const char *queue_id; /* of the message whose content, or a form of it, that is */
    /* err 0: relay_lf_size_know() is true now; else the content could not be read */
    void (*done)(void *arg, int err);
    void *arg;

    const struct queue_message *of; /* NULL: no size is known */
    uint64_t bytes;                 /* of its content, what goes before it included */

    /* private */
    struct queue_message *message; /* that is being read */
    struct qmtp_lf lf;
    uint64_t offset;
    struct store_read *read;
};

/* Whether the size of this message is known; if not, it is found out. */
bool relay_lf_size_know(struct relay_lf_size *s, struct queue_message *message);
void relay_lf_size_stop(struct relay_lf_size *s); /* done() does not come; safe at any time */

#endif
