/*
 * history.h - what happened to each message, and what was refused, for `msactl trace`.
 *
 * One SQLite file a day (UTC) in <dir>, written by a thread of its own after the queue's commit,
 * removed as a whole after so many days or beyond a total size. It may lose its last second in a
 * crash, never a message; when it cannot keep up, or the disk is nearly full, events are dropped
 * and counted.
 *
 * Thread: history_post() from any thread; readers are jobs of the disk pool.
 *
 *     q = history_query_new(reply, done, arg); q->id = ...; store_trace(s, q);
 */
#ifndef RELAY_QUEUE_HISTORY_H
#define RELAY_QUEUE_HISTORY_H

#include "msa/base/arena.h"
#include "msa/loop/thread.h"

enum history_kind {
    HISTORY_ACCEPTED,  /* address: all recipients, one a line; text: queue ids of the messages
                          that have the other recipients of this submission */
    HISTORY_DELIVERED, /* and the rest: address is one recipient */
    HISTORY_DEFERRED,
    HISTORY_FAILED,
    HISTORY_REPORTED, /* text: queue id of the report */
    HISTORY_DELETED,  /* by the operator */
    /* id: of the session, or of the message that was not accepted; address: the recipients it was
     * about, one a line; text: the reply. Anybody can cause these: they are dropped first. */
    HISTORY_REFUSED,
    HISTORY_DISCARDED,  /* by site policy, while the client was told yes; address: all recipients */
    HISTORY_PROVENANCE, /* record: how the header of a message that has ended came to be. Not among
                           the events of a query: relay/queue/provenance.h reads it */
    HISTORY_RETURNED,   /* to its client, by XRETURN, and not sent; as ACCEPTED */
};
const char *history_kind_text(enum history_kind kind);

/* Texts are never NULL in an event that was read; in one that is written NULL means "". */
struct history_event {
    int64_t time_ms;
    enum history_kind kind;
    const char *id, *login, *reverse_path, *address;
    const char *message_id; /* ACCEPTED */
    const char *client;     /* ACCEPTED, REFUSED */
    uint64_t size;          /* ACCEPTED */
    const char *status, *text, *remote;
    struct sv record; /* PROVENANCE */
};

struct history;
/* Creates dir. vfs as in store_config. days 0: events are not written. */
int history_open(const char *dir, const char *vfs, unsigned days, uint64_t bytes,
                 struct history **out) MUST_CHECK;
void history_set(struct history *h, unsigned days, uint64_t bytes); /* any thread */
/* Copies the event; drops it when too many wait. Never blocks. */
void history_post(struct history *h, const struct history_event *e);
/* The disk is full: nothing is written for a minute. Any thread. */
void history_pause(struct history *h);
uint64_t history_dropped(const struct history *h); /* events, since start; any thread */
/* Writes what waits. No query may be running. */
void history_close(struct history *h);

/* A page of events, oldest first. NULL or 0: any. id and message_id match as a whole (with or
 * without its <>); user, from and to are substrings without ASCII case. message_id stands in
 * ACCEPTED events only: ask again by id for the rest. */
struct history_query {
    struct pool_job job;
    struct mailbox *reply;
    const char *id, *message_id, *user, *from, *to; /* text in arena */
    const char *site; /* likewise: events at one of its hosts (sched_site_has_host()) */
    int64_t since_ms;
    size_t max;
    char after_day[11]; /* page key, set by the reader; "" at first */
    int64_t after_row;
    struct arena arena;
    void (*done)(struct history_query *q); /* frees with history_query_free() */
    void *arg;
    int err;
    struct history_event *events;
    size_t nevents;
    bool more;               /* ask again with the same query; nevents may be 0 */
    struct history *history; /* private */
};
struct history_query *history_query_new(struct mailbox *reply,
                                        void (*done)(struct history_query *q), void *arg);
/* Use store_trace(), which knows the pool. */
void history_read(struct history *h, struct pool *pool, struct history_query *q);
void history_query_free(struct history_query *q);

#endif
