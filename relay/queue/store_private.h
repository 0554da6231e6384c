/*
 * store_private.h - what the files of the SQLite store share. Not for others.
 *
 * Threads: everything here belongs to the store thread, but for the fields marked otherwise. A
 * posted request's task runs on the store thread and files the request in the turn; the turn then
 * writes, commits, settles, and only then reads (store.c).
 */
#ifndef RELAY_QUEUE_STORE_PRIVATE_H
#define RELAY_QUEUE_STORE_PRIVATE_H

#include "relay/queue/history.h"
#include "relay/queue/store.h"
#include "relay/queue/store_claims.h"
#include "msa/sql/sql.h"

#include <pthread.h>

/* Statements of the store's connection. "recipient.state": 0 active, 1 held, 2 deleted by the
 * operator while being delivered, 3 to be returned to its author. "recipient.held": milliseconds
 * that it was held; less the wall time of its hold while it is. A recipient's id is its key
 * (store_claims.h). */
#define STORE_SQL(XX)                                                                              \
    XX(BEGIN, "BEGIN IMMEDIATE")                                                                   \
    XX(COMMIT, "COMMIT")                                                                           \
    XX(ROLLBACK, "ROLLBACK")                                                                       \
    XX(COUNT, "UPDATE totals SET messages=?1, rows=?2")                                            \
    XX(COMPENSATE, "UPDATE totals SET compensations=compensations+1")                              \
    XX(PUT_MESSAGE, "INSERT INTO message VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12)")          \
    XX(PUT_CONTENT, "INSERT INTO content VALUES(?1,?2,?3)")                                        \
    XX(PUT_ROW, "INSERT INTO recipient VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11)")                \
    XX(END_ROW, "DELETE FROM recipient WHERE id=?1")                                               \
    XX(DEFER_ROW, "UPDATE recipient SET due=?2, attempts=attempts+?6, warned=?3, status=?4, "      \
                  "text=?5" /* what the operator has decided meanwhile holds */                    \
                  " WHERE id=?1 AND state<>3 AND destination=?7 AND address=?8")                   \
    XX(ANY_ROW, "SELECT 1 FROM recipient WHERE id BETWEEN ?1 AND ?2 LIMIT 1")                      \
    XX(END_ROWS, "DELETE FROM recipient WHERE id BETWEEN ?1 AND ?2")                               \
    XX(END_MESSAGE, "DELETE FROM message WHERE seq=?1 RETURNING id")                               \
    XX(END_CONTENT, "DELETE FROM content WHERE seq=?1 RETURNING provenance")                       \
    XX(FIND_ID, "SELECT seq FROM message WHERE id=?1")                                             \
    XX(GET_MESSAGE, "SELECT id, received, reverse_path, params, login, client, message_id, size,"  \
                    " flags, spooled, prefix FROM message WHERE seq=?1")                           \
    XX(GET_ROW, "SELECT destination, due, state, address, params, attempts, warned, status, text," \
                " held FROM recipient WHERE id=?1")                                                \
    /* Two parts: SQLite seeks by a comparison of (due,id) only as far as due. */                  \
    XX(SCAN, "SELECT due, id FROM recipient INDEXED BY recipient_due WHERE destination=?1 AND"     \
             " state=0 AND due=?2 AND id>?3"                                                       \
             " UNION ALL SELECT due, id FROM recipient INDEXED BY recipient_due"                   \
             " WHERE destination=?1 AND state=0 AND due>?2 ORDER BY 1, 2")                         \
    XX(NEXT_DESTINATION, "SELECT destination, due, id FROM recipient INDEXED BY recipient_due"     \
                         " WHERE destination>?1 AND state=0 ORDER BY destination, due LIMIT 1")    \
    XX(HOLD_ROW, "UPDATE recipient SET state=1, held=held-?2 WHERE id=?1 AND state=0")             \
    XX(FREE_ROW, "UPDATE recipient SET state=0, held=max(held+?2,0) WHERE id=?1 AND state=1")      \
    XX(DELETE_LATER, "UPDATE recipient SET state=2 WHERE id=?1 AND state<>2")                      \
    XX(RETURN_ROW, "UPDATE recipient SET held=CASE state WHEN 1 THEN max(held+?2,0) ELSE held END" \
                   ", state=3 WHERE id=?1 AND state IN (0,1)")                                     \
    XX(RETURNED, "SELECT id FROM recipient INDEXED BY recipient_parked WHERE state<>0 AND state=3" \
                 " ORDER BY id")                                                                   \
    XX(REDIRECT_ROW, "UPDATE recipient SET due=?2, destination=?3, address=?4, params=?5,"         \
                     " attempts=0, warned=warned&~4, status='', text=''"                           \
                     " WHERE id=?1 AND state IN (0,1)")                                            \
    XX(SET_DUE, "UPDATE recipient SET due=?2 WHERE id=?1 AND state=0 AND due>?2")                  \
    XX(SPOOL_NAMED, "SELECT 1 FROM message WHERE id=?1 AND spooled<>0")                            \
    XX(PARTIAL_GET, "SELECT state, length, bytes, file, message, mail, recipients FROM partial"    \
                    " WHERE login=?1 AND transid=?2")                                              \
    XX(PARTIAL_PUT, "REPLACE INTO partial VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9,?10)")                 \
    XX(PARTIAL_GROW, "UPDATE partial SET length=?3, bytes=?4, expiry=?5"                           \
                     " WHERE login=?1 AND transid=?2")                                             \
    XX(PARTIAL_END, "DELETE FROM partial WHERE login=?1 AND transid=?2")                           \
    XX(PARTIAL_REFUSED, "DELETE FROM partial WHERE message=?1")                                    \
    XX(PARTIAL_NAMED, "SELECT 1 FROM partial WHERE file=?1 AND state<>2")                          \
    XX(PARTIAL_SHARE, "SELECT count(*), ifnull(sum(bytes),0) FROM partial WHERE login=?1")         \
    XX(PARTIAL_OLDEST, "SELECT expiry, rowid, login, transid, bytes, file FROM partial"            \
                       " INDEXED BY partial_expiry WHERE (expiry,rowid)>(?1,?2)"                   \
                       " ORDER BY expiry, rowid LIMIT 1")                                          \
    XX(PARTIAL_OLDEST_OF, "SELECT expiry, rowid, login, transid, bytes, file FROM partial"         \
                          " INDEXED BY partial_key WHERE login=?3 AND (expiry,rowid)>(?1,?2)"      \
                          " ORDER BY expiry, rowid LIMIT 1")                                       \
    XX(SPENT_ADD, "INSERT INTO spent VALUES(?1,?2,?3,?4,?5,?6) ON CONFLICT(login, slot) DO UPDATE" \
                  " SET messages=messages+?3, recipients=recipients+?4, fresh=fresh+?5,"           \
                  " broken=broken|?6")                                                             \
    XX(KNOWN_ADD, "INSERT INTO known VALUES(?1,?2,?3)"                                             \
                  " ON CONFLICT(login, recipient) DO UPDATE SET seen=max(seen, ?3)")               \
    XX(SPENT_SWEEP, "DELETE FROM spent WHERE slot<?1")                                             \
    XX(KNOWN_SWEEP, "DELETE FROM known WHERE seen<?1")                                             \
    XX(SPENT_ALL, "SELECT login, slot, messages, recipients, fresh, broken FROM spent")            \
    XX(KNOWN_ALL, "SELECT login, recipient, seen FROM known")                                      \
    XX(PAUSED_ADD, "INSERT OR IGNORE INTO paused VALUES(?1)")                                      \
    XX(PAUSED_END, "DELETE FROM paused WHERE what=?1")                                             \
    XX(PAUSED_ALL, "SELECT what FROM paused")                                                      \
    XX(SPENT_FORGET, "DELETE FROM spent WHERE login=?1")

enum store_sql {
#define STORE_SQL_ENUM(name, text) STORE_##name,
    STORE_SQL(STORE_SQL_ENUM)
#undef STORE_SQL_ENUM
};

/* Statements of a reading connection. */
#define STORE_READ_SQL(XX)                                                                    \
    XX(FIND, "SELECT seq FROM message WHERE id=?1")                                           \
    XX(PROVENANCE, "SELECT c.provenance FROM message m CROSS JOIN content c ON c.seq=m.seq"   \
                   " WHERE m.id=?1")                                                          \
    XX(LIST, "SELECT m.id, m.received, m.reverse_path, m.login, m.size, r.id, r.destination," \
             " r.due, r.state, r.address, r.attempts, r.status, r.text, m.spooled, r.held,"   \
             " r.params, r.warned"                                                            \
             " FROM message m CROSS JOIN recipient r"                                         \
             " ON r.id BETWEEN m.seq<<20 AND (m.seq<<20)|1048575"                             \
             " WHERE m.id BETWEEN ?1 AND ?3 AND (m.id>?1 OR r.id&1048575>=?2)"                \
             " ORDER BY m.id, r.id")

enum store_read_sql {
#define STORE_READ_SQL_ENUM(name, text) STORE_READ_##name,
    STORE_READ_SQL(STORE_READ_SQL_ENUM)
#undef STORE_READ_SQL_ENUM
};

/* message.flags: bits, and from STORE_PRIORITY_SHIFT on the priority plus STORE_PRIORITY_BASE, or
 * nothing for 0. */
#define STORE_EIGHT_BIT      1
#define STORE_SMTPUTF8       2
#define STORE_BINARY         4
#define STORE_TLS_OPTIONAL   8
#define STORE_LONG_LINES     16
#define STORE_PRIORITY_SHIFT 8
#define STORE_PRIORITY_BASE  16
/* recipient.warned: bits */
#define STORE_DELAY_WARNED 1
#define STORE_BY_TOLD      2
#define STORE_V4_ONLY      4

enum { STATE_ACTIVE, STATE_HELD, STATE_DELETED, STATE_RETURNED };

/* A request that writes. apply() runs inside the transaction and touches nothing but the database
 * and private fields of the request; settle() runs after the commit (err 0, or apply's own
 * ERR_EXISTS or ERR_CANCELED) or after its failure. */
struct store_write_ops {
    int (*apply)(struct store *s, struct task *task);
    void (*settle)(struct store *s, struct task *task, int err);
    /* After a failed transaction: names what it would have put, for the compensation. */
    void (*refuse)(struct store *s, struct task *task);
    bool waits; /* kept until a transaction commits, instead of being answered with the error */
};

struct store_write {
    const struct store_write_ops *ops;
    struct task *task;
    int err;
    bool applied;
};

struct store_writes {
    struct store_write *list;
    size_t count, cap;
};
void store_writes_add(struct store_writes *w, const struct store_write *write);

struct store_refused {
    char id[QUEUE_ID_LEN + 1];
    bool spooled;
};

/* Names of files that go with the transaction that is running. */
struct store_names {
    char (*list)[QUEUE_ID_LEN + 1];
    size_t count, cap;
};

struct store_reader {
    struct sql db;
    struct store_reader *next;
};

struct store {
    struct store_config config; /* texts copied */
    char *path, *spool;         /* of the database, of the spool folder */
    char *partial_dir;          /* of the folder of unfinished content */
    struct batch *batch;
    struct pool *disk;
    struct history *history;
    struct queue_memory *memory;

    struct sql db;
    struct claims claims;
    int64_t next_seq, messages, rows;
    int64_t put_messages, put_rows; /* change of the two by the running transaction */
    bool sync_spool;                /* the running transaction names new spool files */
    int64_t wall_ms;                /* of this turn */
    int64_t spent_swept_s;          /* wall time */
    int64_t known_swept_s;
    struct store_writes writes;      /* of this turn; between turns: records that wait */
    struct task *reads, **reads_end; /* of this turn, run after the commit */
    uint64_t records_since_us;       /* when records began to wait for company; 0: none do */
    uint64_t commits, puts, failed_commits;

    /* After a failed transaction, until the compensation has committed. */
    bool down;
    int down_err;
    uint64_t next_try_ms; /* monotonic */
    struct store_refused *refused;
    size_t nrefused, refused_cap;
    struct store_writes doubt; /* puts that are answered then, but not later than: */
    uint64_t doubt_until_ms;   /* monotonic */

    /* Unfinished messages (store_partial.c). */
    struct partial_hold *holds; /* hash of the transactions that sessions hold */
    uint64_t partial_bytes;     /* of all records, and what the running transaction changes */
    int64_t put_partial_bytes;
    int64_t partial_next_ms;          /* found by the sweep that is running */
    struct store_names partial_ended; /* files to remove after the commit */
    struct task partial_sweep;
    unsigned partial_waiting;
    _Atomic uint64_t partial_max;
    _Atomic int64_t partial_due_ms; /* wall time of the next expiry; INT64_MAX: none */
    atomic_bool partial_wants_tick; /* a session waits for another */

    struct store_ended *ended; /* provenance of what the running transaction ends */

    /* Checkpoints (store_checkpoint.c). */
    struct batch *checkpointer;
    struct sql checkpoint_db;
    struct task checkpoint_task;
    atomic_bool checkpointing, checkpointed; /* checkpointed: its end is to be looked at */
    int wal_frames, page_bytes;
    int passive_at;          /* frames */
    bool ticked, may_vacuum; /* a tick came in this turn; messages have ended since */

    struct timer tick; /* of the thread that opened; its task wakes a store that must try again */
    struct task tick_task;
    atomic_bool tick_posted, want_tick;

    pthread_mutex_t lock; /* of the two below; any thread */
    struct store_reader *readers;
    struct store_stats stats;
};

/* store_turn.c */
void store_turn(void *arg, struct task *list); /* batch_start()'s; arg: the store */
void store_keep_stats(struct store *s);
void store_write(struct store *s, struct task *task, const struct store_write_ops *ops);
void store_read_later(struct store *s, struct task *task); /* task->run() after the commit */
/* Commits; where err, or the commit, is negative, rolls back and returns that. */
int store_end_transaction(struct store *s, int err) MUST_CHECK;

/* store_spool.c */
void store_spool_path(struct store *s, const char *id, struct buf *out); /* NUL behind it */
void store_remove_spool(struct store *s, const char *id); /* later, on the disk pool */
void store_partial_path(struct store *s, const char *file, struct buf *out); /* likewise */
void store_remove_partial(struct store *s, const char *file);
int store_remove_orphans(struct store *s) MUST_CHECK; /* content that no row and no record names */

/* store_readers.c */
struct store_reader *store_reader_take(struct store *s, int *err); /* any thread; NULL: err */
void store_reader_give(struct store *s, struct store_reader *r, bool healthy);
void store_readers_free(struct store *s); /* all are given back */

/* store_schema.c */
int store_schema_open(struct store *s, struct buf *error) MUST_CHECK;
extern const char *const store_sql_texts[];
extern const char *const store_read_sql_texts[];
extern const size_t store_sql_count, store_read_sql_count;

/* store_put.c: also for the report of a record */
int store_apply_put(struct store *s, const struct queue_message *m, const struct queue_batch *rows,
                    int64_t *seq_out) MUST_CHECK;
/* store_spent.c */
int store_apply_spent(struct store *s, const struct store_spent *spent) MUST_CHECK;
int store_read_spent(struct store *s) MUST_CHECK;  /* tells on_spent */
int store_read_paused(struct store *s) MUST_CHECK; /* store_pause.c: tells on_paused */
void store_announce(struct store *s, struct queue_message *m, struct queue_batch *rows,
                    int64_t seq); /* after the commit; takes rows, drops one reference of m */
void store_refuse(struct store *s, const struct queue_message *m);
void store_notify_due(struct store *s, const char *destination, int64_t due_ms);

/* store_wish.c: what the operator wants is told to the scheduler */
void store_wish_retry(struct store *s, const char *destination, uint64_t number);
void store_wish_return(struct store *s);
/* Claimed rows are not any more what they were when they were claimed. Copied. */
void store_wish_recall(struct store *s, const struct store_taken *taken, size_t count);

/* store_record.c: also for deletion by the operator */
int store_end_row(struct store *s, int64_t key) MUST_CHECK;
/* Deletes the message if no row is left; *ended_out says so. */
int store_end_message(struct store *s, int64_t seq, bool *ended_out) MUST_CHECK;

/* provenance.c: of a message that the running transaction deletes; the transaction has ended */
void store_end_provenance(struct store *s, const char *id, struct sv record);
void store_settle_provenance(struct store *s, int err);

/* store_compensate.c */
void store_go_down(struct store *s, int err);
void store_try_up(struct store *s);
void store_tell_refused(struct store *s); /* the failure to all that waits in doubt */

/* store_partial.c, store_partial_room.c */
int store_partial_open(struct store *s) MUST_CHECK;
/* In the transaction of a put: the message with this id completes p. */
int store_partial_finish(struct store *s, struct partial *p, const char *id) MUST_CHECK;
int store_partial_refused(struct store *s, const char *id) MUST_CHECK; /* in the compensation */
void store_partial_turn(struct store *s);            /* before the writes of a turn */
void store_partial_settle(struct store *s, int err); /* after them */
void store_partial_free(struct store *s);

/* store_checkpoint.c */
int store_checkpoint_open(struct store *s, struct buf *error) MUST_CHECK;
void store_checkpoint_turn(struct store *s); /* after a turn */
void store_vacuum_turn(struct store *s);     /* in a turn of the tick that writes nothing */
void store_checkpoint_close(struct store *s);

#endif
