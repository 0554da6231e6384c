/*
 * store.h - the durable queue: an asynchronous interface that names no database.
 *
 * The promise: a put that is answered 0 is on stable storage, envelope and content, and will be
 * delivered or reported; one that is answered with an error left nothing.
 * Requests come from any thread; each carries its reply mailbox, on whose loop done() runs, after
 * the commit it rode in. Several nodes may share one store: claims are leases of this node,
 * content may be far away, an id is a text.
 *
 * Ownership: a request struct (zeroed when it is made) belongs to the store until its done() and
 * to the receiver again then. What a request points to stays untouched until then. Fields marked
 * private are the store's.
 *
 *     worker:    content_begin .. content_append .. content_finish -> put -> 250
 *     scheduler: store_due -> store_claim(destination) -> job -> worker
 *     worker:    store_record(results, report)     -> done on the scheduler's mailbox
 *
 * Errors: -ENOSPC, -EIO, -EMFILE..., ERR_DB, ERR_CORRUPT; none of them leaves anything
 * half-written. After a failed commit or sync the store does not accept (store_stats.accepting)
 * until one transaction that deletes what it refused has committed; it tries that once a second
 * by itself. Meanwhile puts, claims and changes are answered with the error at once, reads and
 * listings go on, and records wait in the store: their done() comes after the commit, whenever
 * that is.
 */
#ifndef RELAY_QUEUE_STORE_H
#define RELAY_QUEUE_STORE_H

#include "msa/loop/thread.h"
#include "relay/queue/destinations.h"
#include "relay/queue/message.h"
#include "relay/queue/partial.h"

struct store;

/* What a message costs its login, kept in the transaction that puts it. */
#define STORE_SPENT_KINDS 3 /* messages, recipients, new recipients */
struct store_spent {
    const char *login;
    int64_t slot_s; /* wall time; what is counted in one slot is added up */
    uint32_t count[STORE_SPENT_KINDS];
    unsigned broken; /* a bit (1 << kind) for each budget that was broken in this slot */
    /* Recipients that the login had not written to before, or not for long, each once; seen_s: wall
     * time. */
    const uint64_t *known;
    size_t nknown;
    int64_t seen_s;
};
#define STORE_SPENT_KEPT_S 90000         /* slots that are older are forgotten */
#define STORE_KNOWN_KEPT_S (400 * 86400) /* and recipients that were not written to for longer */

/* ---- the operator's wishes ---- */
struct store_taken {
    char id[QUEUE_ID_LEN + 1];
    uint32_t number; /* of the row */
};
/* Any of: */
struct store_wish {
    const char *retry; /* this destination is to be tried now, whatever is known of it */
    uint64_t number;   /* store_admin.wish */
    bool returns;      /* rows wait to be returned to their authors: store_claim.returned */
    /* Claimed rows have been changed: what has not begun is given back, and claimed as it is now */
    const struct store_taken *taken;
    size_t ntaken;
};

/* ---- life ---- */
struct store_config {
    const char *dir;        /* <state>/queue; created 0700 */
    uint64_t memory_bytes;  /* most bytes of content kept in blocks between put and delivery */
    unsigned disk_threads;  /* of the disk pool; at least 1 */
    unsigned history_days;  /* files of trace kept; 0: none written */
    uint64_t history_bytes; /* most bytes of them */
    uint64_t partial_bytes; /* most bytes of unfinished messages (partial.h) */
    const char *vfs;        /* name of SQLite's VFS; NULL: the system's */
    struct loop *loop;      /* notify's; carries one timer of the store */
    /* Committed messages, told on notify's loop: rows that this put claimed for us come as a batch
     * for each destination (the in-memory path; the receiver owns it); rows not claimed as a
     * destination with its due time, to be claimed later. */
    struct mailbox *notify;
    void (*on_queued)(void *arg, struct queue_batch *claimed);
    void (*on_due)(void *arg, const char *destination, int64_t due_ms);
    /* What the operator wants of the scheduler. May be NULL. */
    void (*on_wish)(void *arg, const struct store_wish *wish);
    /* From inside store_open(): what an earlier run has kept of budgets, piece by piece. May be
     * NULL. */
    void (*on_spent)(void *arg, const struct store_spent *spent);
    /* Likewise: what store_pause() has kept. May be NULL. */
    void (*on_paused)(void *arg, const char *what);
    void *arg;
};
/* Opens or creates the queue, recovers, removes spool files that no message names. error says what
 * is wrong, in words for the operator. Blocking, on the thread of config->loop, before it runs. */
int store_open(const struct store_config *config, struct buf *error, struct store **out) MUST_CHECK;
/* Finishes what was posted, checkpoints and closes; records that could not be written are answered
 * ERR_CANCELED. On the thread of config->loop, before its mailbox is closed; every mailbox that
 * waits for an answer must outlive this call. Content writers must be gone. */
void store_close(struct store *s);
/* New values of a generation. Any thread. */
void store_set_history(struct store *s, unsigned days, uint64_t bytes);
void store_set_partial(struct store *s, uint64_t bytes);

/* ---- content ---- */
/* Writing: memory up to QUEUE_SMALL_BYTES, a spool file beyond, written and synced on the disk
 * pool as it comes; at most two pieces of 256 KiB of it are in memory. One loop's thread. */
struct content_writer;
struct content_writer_ops {
    void (*on_room)(void *arg); /* content_full() turned false */
    void (*on_finished)(void *arg,
                        int err); /* after content_finish(): synced, or the first error */
};
struct content_writer *content_begin(struct store *s, const char *id, struct mailbox *reply,
                                     const struct content_writer_ops *ops, void *arg);
/* Other content for a message whose content was taken and that is not yet put. It gathers under
 * temporary_id, and is the message's own after content_take(), which has to follow on_finished(0)
 * unless the message is given up. */
struct content_writer *content_begin_other(struct store *s, const struct queue_message *m,
                                           const char *temporary_id, struct mailbox *reply,
                                           const struct content_writer_ops *ops, void *arg);
/* The first error so far, or 0. Takes all bytes even when full: the excess is bounded only by what
 * the caller appends before it looks at content_full(). */
int content_append(struct content_writer *w, struct sv bytes) MUST_CHECK;
bool content_full(const struct content_writer *w); /* stop reading from the client until on_room */
/* Then on_finished: for a spool file later, for small content (which cannot fail) from inside this
 * call. */
void content_finish(struct content_writer *w);
/* After on_finished(0): moves the result into the message (size, eight_bit, long_lines, content or
 * spooled). */
void content_take(struct content_writer *w, struct queue_message *m);
/* Frees at any time; what was not taken is removed, no callback follows. */
void content_free(struct content_writer *w);
/* Content that was taken, of a message that will not be put: its spool file is removed. */
void content_give_up(struct store *s, const struct queue_message *m);

/* Reading a piece of a message's content, from the block, the database or the spool file. */
struct store_read {
    struct pool_job job;
    struct mailbox *reply;
    struct queue_message *message; /* a reference is held by the request */
    struct store *store;           /* private */
    uint64_t offset;
    size_t len;                         /* wanted; bytes */
    void (*done)(struct store_read *r); /* frees with store_read_free() */
    void *arg;
    int err;              /* 0 or negative */
    struct buf bytes;     /* what was read; shorter only at the end */
    atomic_bool canceled; /* set by the asker: done() only frees */
};
struct store_read *store_read_new(struct queue_message *m, uint64_t offset, size_t len,
                                  struct mailbox *reply, void (*done)(struct store_read *r),
                                  void *arg);
void store_read_start(struct store *s, struct store_read *r);
void store_read_free(struct store_read *r);

/* ---- budgets ---- */
/* Adds what belongs to no message of the queue; copied. */
void store_add_spent(struct store *s, const struct store_spent *spent);
/* The login has spent nothing. */
void store_forget_spent(struct store *s, struct sv login);

/* ---- put ---- */
/* A further message of one submission, whose recipients get another form of it. */
struct store_also {
    struct queue_message *message; /* reference moves to the store */
    struct queue_batch *rows;      /* likewise */
    struct store_also *next;
    int64_t seq; /* private */
};
void store_also_free(struct store_also *list); /* of what was not put; NULL is allowed */
/* On an error a spool file of the message is removed as well. ERR_EXISTS: the id is in use. Rows
 * whose due time is in the future (FUTURERELEASE) or that are held wait in the store. */
struct store_put {
    struct task task;
    struct mailbox *reply;
    struct queue_message *message; /* reference moves to the store */
    struct queue_batch *rows;      /* all recipients; owned by the store from here on */
    struct store_also *also;       /* put in the same transaction, or none of all; the store's */
    struct partial *partial; /* NULL, or what this message completes: finished with it; stays */
    const struct store_spent *spent; /* NULL: nothing; in the message's arena, as what is in it */
    void (*done)(struct store_put *p, int err); /* frees p */
    void *arg;
    /* Set by the asker before done(): a put that has not been begun is answered ERR_CANCELED and
     * leaves nothing; one that has been goes on. */
    atomic_bool canceled;
    struct store *store; /* private, as what follows */
    int64_t seq;
    int err;
    bool refused; /* by a failed transaction */
};
void store_put(struct store *s, struct store_put *p);

/* ---- claim ---- */
/* Rows of one destination that are due, oldest first, at most max_rows and whole messages where
 * they fit; but a message that comes first and does not fit comes with STORE_CLAIM_WHOLE of its
 * rows, so that its content is sent once for all of them. They are ours until recorded. batches are
 * owned by the receiver. */
#define STORE_CLAIM_WHOLE 100
struct store_claim {
    struct task task;
    struct mailbox *reply;
    const char *destination; /* owned by the request, free()d with it */
    int64_t now_ms;
    size_t max_rows;
    bool returned; /* instead: what the operator returns, of any destination and whether it is due
                      or not; batches are whole messages, more says whether there is more */
    void (*done)(struct store_claim *c); /* frees c with store_claim_free() */
    void *arg;
    int err;
    struct queue_batch **batches;
    size_t nbatches;
    bool more;           /* further due rows remain */
    int64_t next_due_ms; /* of the first row not claimed; INT64_MAX: none */
    struct store *store; /* private */
};
struct store_claim *store_claim_new(const char *destination, int64_t now_ms, size_t max_rows,
                                    struct mailbox *reply, void (*done)(struct store_claim *c),
                                    void *arg);
void store_claim(struct store *s, struct store_claim *c);
void store_claim_free(struct store_claim *c); /* batches not taken (set NULL) are freed */

/* Destinations by their next due time, a page at a time: all whose first unclaimed, unheld row is
 * due by until_ms, names above after. For start and for the periodic sweep. */
struct store_due {
    struct task task;
    struct mailbox *reply;
    char *after; /* "" at first; with more set by the store to where to go on; owned */
    int64_t until_ms;
    size_t max;
    void (*done)(struct store_due *d);
    void *arg;
    int err;
    struct store_due_item {
        char *destination;
        int64_t due_ms;
    } * items;
    size_t nitems; /* may be 0 although there is more: a page also ends after a bounded look */
    bool more;
    int64_t next_ms;     /* earliest due time after until_ms on this page; INT64_MAX: none */
    struct store *store; /* private */
};
struct store_due *store_due_new(const char *after, int64_t until_ms, size_t max,
                                struct mailbox *reply, void (*done)(struct store_due *d),
                                void *arg);
void store_due(struct store *s, struct store_due *d);
void store_due_free(struct store_due *d);

/* ---- record ---- */
enum store_verdict {
    STORE_DELIVERED, /* the row is done */
    STORE_FAILED,    /* the row is done; reported where it had to be */
    STORE_DEFERRED,  /* tried again at due_ms */
    STORE_RELEASED,  /* not tried: as before the claim */
};
struct store_result {
    uint32_t number; /* of the row */
    enum store_verdict verdict;
    int64_t due_ms;     /* STORE_DEFERRED */
    bool delay_warned;  /* new value */
    bool by_told;       /* likewise */
    bool v4_only;       /* likewise */
    bool untried;       /* STORE_DEFERRED: nothing was tried, so that no attempt is counted */
    const char *status; /* enhanced status; text of the request's arena */
    const char *text;   /* what was said, for trace and the report */
    const char *shown;  /* the same for list, with who said it and when; NULL: as text */
    const char *remote; /* host [address]:port, or "" */
};
/* Results of one batch, and the report that goes out with them, in one transaction. Rows of the
 * batch without a result are released. A record is never lost to a full disk: it waits for the
 * next transaction that commits. Rows deleted by the operator meanwhile end here, whatever the
 * result. */
struct store_record {
    struct task task;
    struct mailbox *reply;
    struct queue_batch *batch; /* whose rows are recorded; freed with the request */
    struct store_result *results;
    size_t nresults;
    struct queue_message *report;    /* a DSN to queue in the same transaction, or NULL */
    struct queue_batch *report_rows; /* both are freed with the request, if still there */
    struct arena arena;              /* owns results and their text */
    bool message_ended;              /* for done(): no row of the message is left */
    void (*done)(struct store_record *r, int err); /* 0; ERR_CANCELED: the store closed before */
    void *arg;
    struct store *store; /* private, as what follows */
    int64_t report_seq;
    int err;
};
struct store_record *store_record_new(struct queue_batch *batch, struct mailbox *reply,
                                      void (*done)(struct store_record *r, int err), void *arg);
void store_record(struct store *s, struct store_record *r);
void store_record_free(struct store_record *r);

/* ---- administration ---- */
/* What an operator may select by; NULL or 0: any. Addresses, user and texts match as substrings
 * without ASCII case, id and domain as a whole, and so does a user with its realm. */
struct store_filter {
    const char *id, *user, *from, *to, *domain, *error;
    int64_t older_than_ms;                   /* received before this wall time; 0: any */
    int64_t due_after_ms;                    /* due later than this wall time; 0: any */
    const struct destinations *destinations; /* NULL: any */
};
enum store_admin_op {
    STORE_LIST,
    STORE_SUMMARY,
    STORE_SHOW,
    STORE_RETRY,
    STORE_DELETE,
    STORE_HOLD,
    STORE_RELEASE,
    STORE_RETURN,
    STORE_REDIRECT
};
/* Where STORE_REDIRECT sends rows; text of the request's arena. address NULL: they keep theirs. */
struct store_target {
    const char *destination;    /* as queue_row.domain, or the URL of a next hop */
    const char *address, *path; /* mailbox; and in angle brackets, as in queue_row.rcpt_params */
};
/* One line for a row (LIST, SHOW) or a destination (SUMMARY). */
struct store_listed {
    const char *id, *reverse_path, *login, *address, *domain, *status, *text;
    int64_t received_ms, due_ms;
    uint64_t size;
    uint32_t number, attempts;
    bool held, claimed, returning, v4_only; /* v4_only: as in queue_row */
    uint64_t
        rows; /* SUMMARY: of the destination; received_ms is then the oldest, due_ms the next */
};
/* Reading runs in slices on the disk pool, changes in slices of transactions, so that neither
 * stops the mail. RETRY makes unheld rows due now, but those that wait for their author's release
 * time (FUTURERELEASE) only where the filter names their id; RELEASE ends a hold; DELETE sends no
 * report. A row being delivered is deleted when its result is recorded. RETURN puts rows, held ones
 * too, among those of store_claim.returned, to be reported instead of tried. REDIRECT leaves a hold
 * as it is. A row being delivered is returned or redirected when its result is recorded, unless it
 * has ended then; so that it does not take longer than need be, the scheduler is told (on_wish). */
struct store_admin {
    struct pool_job job;
    struct mailbox *reply;
    enum store_admin_op op;
    struct store_filter filter;        /* text in arena */
    struct store_target target;        /* likewise; REDIRECT */
    const struct destinations *sum_by; /* SUMMARY: by what this set's rule names; NULL: by domain */
    bool dry_run;                      /* of a change: only counted */
    bool listing;                      /* likewise: and listed, page by page as LIST does it */
    uint64_t wish; /* RETRY, REDIRECT: told with each destination, so that sites that are left alone
                      are tried; one number for one wish. 0: what is due is due, no more */
    char after_id[QUEUE_ID_LEN + 1]; /* LIST, SHOW: page key, set by the store; "" at first */
    uint32_t after_number;
    size_t max;         /* most rows (or destinations) listed */
    struct arena arena; /* owns filter and listed */
    void (*done)(struct store_admin *a);
    void *arg;
    int err;
    struct store_listed *listed; /* LIST, SHOW, SUMMARY */
    size_t nlisted;
    bool more;
    uint64_t touched;        /* rows changed, or that would be */
    struct store *store;     /* private */
    struct store_scan *scan; /* private */
};
struct store_admin *store_admin_new(enum store_admin_op op, struct mailbox *reply,
                                    void (*done)(struct store_admin *a), void *arg);
void store_admin(struct store *s, struct store_admin *a);
void store_admin_free(struct store_admin *a);

/* What the operator has stopped, kept over a restart: a name that means something to the asker. */
struct store_pause {
    struct task task;
    struct mailbox *reply;
    char *what; /* owned */
    bool paused;
    void (*done)(struct store_pause *p); /* frees p with store_pause_free() */
    void *arg;
    int err;
    struct store *store; /* private */
};
struct store_pause *store_pause_new(const char *what, bool paused, struct mailbox *reply,
                                    void (*done)(struct store_pause *p), void *arg);
void store_pause(struct store *s, struct store_pause *p);
void store_pause_free(struct store_pause *p);

/* What happened to messages: relay/queue/history.h. How their headers came to be:
 * relay/queue/provenance.h. */
struct history_query;
void store_trace(struct store *s, struct history_query *q);
/* Adds what happened outside the queue: HISTORY_REFUSED. Copies the event; never blocks. Any
 * thread. */
struct history_event;
void store_note(struct store *s, const struct history_event *e);

/* Figures for status; any thread, taken at the last turn. */
struct store_stats {
    uint64_t messages, rows, claimed_rows, commits, puts, failed_commits, memory_bytes;
    uint64_t wal_bytes, history_dropped;
    uint64_t partial_bytes; /* of unfinished messages and of what is known of finished ones */
    bool accepting;         /* false while a failed commit is not yet compensated */
};
void store_get_stats(struct store *s, struct store_stats *out);

#endif
