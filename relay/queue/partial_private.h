/*
 * partial_private.h - the inside of a handle, for partial.c (its owner's side: the file),
 * store_partial.c and store_partial_room.c (the store thread's side: the record). Not for others.
 *
 * A handle asks the store one thing at a time; while asking is set, the fields of the request
 * belong to the store thread.
 */
#ifndef RELAY_QUEUE_PARTIAL_PRIVATE_H
#define RELAY_QUEUE_PARTIAL_PRIVATE_H

#include "relay/queue/partial.h"
#include "relay/queue/store_private.h"

enum partial_ask {
    PARTIAL_ASK_NOTHING,
    PARTIAL_ASK_BEGIN,
    PARTIAL_ASK_OPEN,
    PARTIAL_ASK_GROW,
    PARTIAL_ASK_RELEASE,
};

struct partial {
    struct pool_job job; /* one at a time: piece, end of the file, or reading */
    struct task ask;     /* to the store, and its answer */
    struct task wanted;  /* from the store, at most once */
    struct store *store;
    struct mailbox *reply;
    const struct partial_ops *ops;
    void *arg;
    struct arena arena; /* owns the texts */
    const char *login, *transid;
    struct partial_info info;
    char file[QUEUE_ID_LEN + 1]; /* "": none yet */

    /* The owner's. */
    enum partial_ask asking;
    bool busy;      /* the job is under way */
    bool held;      /* BEGIN was answered 0 */
    bool opened;    /* content may come */
    bool kept;      /* it goes into the file */
    bool sealed;    /* but what comes from now on does not */
    bool told_full; /* on_room is owed */
    bool detached, ended, forget, reading;
    void (*on_gone)(void *arg);
    void *gone_arg;
    uint64_t size;       /* octets of the content so far */
    uint64_t line_start; /* where the last line begins */
    uint64_t recorded;   /* synced octets that the record was told of */
    bool any_offset;
    struct buf fill; /* what has not been given to the job */

    /* The job's. */
    struct buf out, path;
    struct file *fd;
    uint64_t written, synced, read_at;
    uint64_t out_line;    /* where the last line of what is written begins */
    uint64_t synced_line; /* and of what is synced */
    bool last, created;   /* close behind it; the file's name must be synced */
    int job_err;

    /* The request's. */
    int err;
    uint64_t length, bytes, expected; /* to be recorded: offset, octets that count */
    bool no_room;                     /* the record is gone */
    bool has_record;
    int64_t waits_until_ms; /* monotonic */

    atomic_bool finished; /* by a put that has committed */
    bool wanted_posted;   /* the store's */
};

/* partial.c: the answer has come. */
void partial_on_answer(struct task *ask);
/* What follows is of the store thread. store_partial.c: */
void store_partial_ask(struct task *ask);
bool store_partial_is_held(struct store *s, const char *login, const char *transid);

/* store_partial_room.c: */
/* The record, which counts so many bytes, is deleted. */
int store_partial_end(struct store *s, const char *login, const char *transid,
                      uint64_t bytes) MUST_CHECK;
/* The record of p has been written with so many bytes, of those that it will have: others go for
 * it (1), or it goes itself (0). */
int store_partial_make_room(struct store *s, struct partial *p, uint64_t bytes,
                            uint64_t expected) MUST_CHECK;
void store_partial_sweep(struct store *s); /* those whose time is over go in this turn's writes */

#endif
