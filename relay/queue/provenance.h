/*
 * provenance.h - how the header of a message came to be: the record that was put with it
 * (rewrite/provenance.h), out of the queue while the message is there, out of the history after
 * that.
 *
 * The record moves when the message has ended: the commit that deletes the message takes it along,
 * and it is posted to the history behind that commit. It is lost in a crash between the two, and
 * with the history.
 * Thread: done() runs on the loop of reply; the work is a job of the disk pool.
 */
#ifndef RELAY_QUEUE_PROVENANCE_H
#define RELAY_QUEUE_PROVENANCE_H

#include "relay/queue/store.h"

struct store_provenance {
    struct pool_job job;
    struct mailbox *reply;
    char id[QUEUE_ID_LEN + 1];
    void (*done)(struct store_provenance *p); /* frees with store_provenance_free() */
    void *arg;
    int err;             /* ERR_NOT_FOUND: nothing is known, or there is none */
    struct buf record;   /* as it lies on the disk: to be checked by who reads it */
    struct store *store; /* private */
};
/* id must be a queue id (queue_id_valid()). */
struct store_provenance *store_provenance_new(const char *id, struct mailbox *reply,
                                              void (*done)(struct store_provenance *p), void *arg);
void store_provenance(struct store *s, struct store_provenance *p);
void store_provenance_free(struct store_provenance *p);

#endif
