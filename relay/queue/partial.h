/*
 * partial.h - a message on its way in that can be continued after an interruption (RFC 1845).
 *
 * A transaction is known by login and TRANSID, and one handle is one session's hold on it. What the
 * client sends is kept as it was submitted (canonical octets, before anything is rewritten) in a
 * file of <queue>/partial, and a record in the queue database says who the recipients are and how
 * many octets are on stable storage: only those are ever promised. The put of the complete message
 * turns the record to finished in its own transaction, so that a client that never saw the 250 is
 * told so instead of submitting once more. A record lives for PARTIAL_KEPT_MS after its last
 * change; what is unfinished then is removed, never delivered.
 *
 *     partial_begin -> on_begun --NEW---------> partial_open -> on_opened -----> partial_append ...
 *                              \--UNFINISHED--> partial_read -> on_read, ""  ----^
 *                               \--FINISHED--> nothing more is taken
 *     ... [store_put with it] -> partial_end -> on_gone
 *
 * Two sessions never hold the same transaction: the later one asks the earlier to end (on_wanted)
 * and gets it when it has; -EBUSY if that takes longer than PARTIAL_WAIT_MS, or if yet another
 * session asks.
 *
 * Limits: all contents and records together (store_config.partial_bytes), a quarter of that and
 * PARTIAL_RECORDS records for one login. The ones that were not touched for the longest time go
 * first; those held by a session never. What has no room then is not kept: the transaction goes on
 * as if it had no TRANSID, and is only marked finished at its end. Memory: at most two pieces of
 * 256 KiB.
 *
 * Ownership: the handle from partial_begin() on until on_gone(). Thread: the one of reply's loop.
 * Callbacks never run from inside a call. All handles must be gone before store_close().
 */
#ifndef RELAY_QUEUE_PARTIAL_H
#define RELAY_QUEUE_PARTIAL_H

#include "msa/base/sv.h"
#include "msa/loop/thread.h"

#define PARTIAL_KEPT_MS (48 * 3600 * INT64_C(1000)) /* RFC 1845 3 */
#define PARTIAL_WAIT_MS 30000u
#define PARTIAL_RECORDS 1000 /* of one login */

struct store;
struct partial;

enum partial_state {
    PARTIAL_NEW,
    PARTIAL_UNFINISHED, /* interrupted after its record was written */
    PARTIAL_FINISHED,   /* the message is in the queue, or was */
};

struct partial_ops {
    void (*on_begun)(void *arg, int err);                 /* 0: held, partial_info() is filled */
    void (*on_opened)(void *arg, int err);                /* 0: the record is on stable storage */
    void (*on_room)(void *arg);                           /* partial_full() turned false */
    void (*on_read)(void *arg, int err, struct sv bytes); /* empty: all was read */
    void (*on_wanted)(void *arg); /* another session continues the transaction: end it */
};

/* The envelope is text that the store only keeps: for the reverse-path, and for the recipients. */
struct partial_info {
    enum partial_state state;
    uint64_t offset; /* octets that are kept; finished: of the whole content */
    const char *mail, *recipients, *queue_id;
};

struct partial *partial_begin(struct store *s, struct sv login, struct sv transid,
                              struct mailbox *reply, const struct partial_ops *ops, void *arg);
/* After on_begun(0), until partial_end(). */
const struct partial_info *partial_info(const struct partial *p);
/* Content of a new transaction will come: writes its record. any_offset: continuing is possible
 * anywhere, else only where a line begins. expected: octets, 0: not known. on_opened follows. */
void partial_open(struct partial *p, struct sv mail, struct sv recipients, bool any_offset,
                  uint64_t expected);
/* An unfinished one: the next piece of what is kept, or the first one. on_read follows; with the
 * empty piece content may come. */
void partial_read(struct partial *p, bool first);
/* Takes all bytes even when full. */
void partial_append(struct partial *p, struct sv bytes);
/* What comes from now on is counted, but not kept: a later session goes on before it. */
void partial_keep_no_more(struct partial *p);
bool partial_full(const struct partial *p); /* stop reading from the client until on_room */
/* No callback follows any more; for a put under way whose session is gone. */
void partial_detach(struct partial *p);
/* The session's part is over, and no callback follows but on_gone(arg), when the handle is freed.
 * forget: the client knows how it ended, or has given it up; else what is there is made durable and
 * stays. */
void partial_end(struct partial *p, bool forget, void (*on_gone)(void *arg), void *arg);

#endif
