/*
 * store_turn.c - what the store thread does.
 *
 * One thread alone writes. A turn takes all requests that wait and does them in this order:
 *
 *   1 file      each posted request puts itself among the writes or the reads of the turn
 *   2 recover   after a failed transaction: the compensation (store_compensate.c)
 *   3 write     all puts, records and changes in one transaction, the spool folder synced before
 *               its COMMIT: content, then the name of its file, then the row
 *   4 settle    answers, claims, history; only now does anybody learn of what was written
 *   5 read      claims and due destinations, from committed rows only
 *
 * So commits group by themselves: the more requests come in during a sync, the more ride in the
 * next.
 */
#include "msa/base/log.h"
#include "msa/base/mem.h"
#include "msa/loop/clock.h"
#include "msa/loop/file.h"
#include "relay/queue/store_private.h"

#define RECORDS_WAIT_US 2000

void store_writes_add(struct store_writes *w, const struct store_write *write)
{
    if (w->count == w->cap) {
        w->cap = w->cap ? w->cap * 2 : 64;
        w->list = mem_resize(w->list, w->cap, sizeof *w->list);
    }
    w->list[w->count++] = *write;
}

void store_write(struct store *s, struct task *task, const struct store_write_ops *ops)
{
    store_writes_add(&s->writes, &(struct store_write){.ops = ops, .task = task});
}

void store_read_later(struct store *s, struct task *task)
{
    task->next = NULL;
    *s->reads_end = task;
    s->reads_end = &task->next;
}

static int sync_spool(struct store *s)
{
    return s->sync_spool ? file_sync_dir(s->spool) : 0;
}

static int count_totals(struct store *s)
{
    if (s->put_messages == 0 && s->put_rows == 0)
        return 0;
    sqlite3_stmt *st = sql_use(&s->db, STORE_COUNT);
    sql_int(st, 1, s->messages + s->put_messages);
    sql_int(st, 2, s->rows + s->put_rows);
    return sql_run(&s->db, st);
}

int store_end_transaction(struct store *s, int err)
{
    if (err == 0)
        err = sql_run(&s->db, sql_use(&s->db, STORE_COMMIT));
    if (err < 0 && !sqlite3_get_autocommit(s->db.handle) &&
        sql_run(&s->db, sql_use(&s->db, STORE_ROLLBACK)) < 0)
        log_event(LOG_ERROR, "queue-failed", NULL, "a failed transaction could not be rolled back");
    return err;
}

/* A used id (whose statement has undone itself) and a put given up concern one request alone. */
static bool is_own_fault(int err)
{
    return err == ERR_EXISTS || err == ERR_CANCELED;
}

static int transaction(struct store *s)
{
    s->put_messages = s->put_rows = 0;
    s->sync_spool = false;
    int err = sql_run(&s->db, sql_use(&s->db, STORE_BEGIN));
    for (size_t i = 0; i < s->writes.count && err == 0; i++) {
        struct store_write *w = &s->writes.list[i];
        w->applied = true;
        w->err = w->ops->apply(s, w->task);
        if (!is_own_fault(w->err))
            err = w->err;
    }
    if (err == 0)
        err = count_totals(s);
    if (err == 0)
        err = sync_spool(s);
    return store_end_transaction(s, err);
}

/* Answers, or lets wait, what cannot be written now. */
static void refuse_writes(struct store *s, int err)
{
    size_t kept = 0;
    for (size_t i = 0; i < s->writes.count; i++) {
        struct store_write w = s->writes.list[i];
        bool in_doubt = w.applied && w.ops->refuse && !is_own_fault(w.err);
        if (in_doubt)
            w.ops->refuse(s, w.task);
        w.applied = false;
        if (w.ops->waits)
            s->writes.list[kept++] = w;
        else if (in_doubt)
            store_writes_add(&s->doubt, &w);
        else
            w.ops->settle(s, w.task, is_own_fault(w.err) ? w.err : err);
    }
    s->writes.count = kept;
}

static void write_all(struct store *s)
{
    if (s->writes.count == 0)
        return;
    if (s->down) {
        refuse_writes(s, s->down_err);
        return;
    }
    int err = transaction(s);
    if (err < 0) {
        store_partial_settle(s, err);
        store_settle_provenance(s, err);
        store_go_down(s, err);
        refuse_writes(s, err);
        return;
    }
    s->commits++;
    if (s->put_rows < 0 && !s->may_vacuum) {
        s->may_vacuum = true;
        atomic_store(&s->want_tick, true);
    }
    s->messages += s->put_messages;
    s->rows += s->put_rows;
    size_t count = s->writes.count;
    s->writes.count = 0;
    for (size_t i = 0; i < count; i++) {
        struct store_write w = s->writes.list[i];
        w.ops->settle(s, w.task, w.err);
    }
    store_partial_settle(s, 0);
    store_settle_provenance(s, 0);
}

static void run_reads(struct store *s)
{
    struct task *list = s->reads;
    s->reads = NULL;
    s->reads_end = &s->reads;
    while (list) {
        struct task *next = list->next;
        list->run(list);
        list = next;
    }
}

void store_keep_stats(struct store *s)
{
    pthread_mutex_lock(&s->lock);
    s->stats = (struct store_stats){
        .messages = (uint64_t)s->messages,
        .rows = (uint64_t)s->rows,
        .claimed_rows = s->claims.nrows,
        .commits = s->commits,
        .puts = s->puts,
        .failed_commits = s->failed_commits,
        .memory_bytes = queue_memory_used(s->memory),
        .wal_bytes = (uint64_t)s->wal_frames * (uint64_t)s->page_bytes,
        .history_dropped = history_dropped(s->history),
        .partial_bytes = s->partial_bytes,
        .accepting = !s->down,
    };
    pthread_mutex_unlock(&s->lock);
}

/* Nobody waits for a delivery's result as a client waits for its 250, and the next message is
 * often on its way: a short wait saves the sync of its own, and keeps that message from waiting
 * behind it. */
static bool records_wait(struct store *s)
{
    if (s->down || s->reads || s->writes.count == 0)
        return false;
    for (size_t i = 0; i < s->writes.count; i++)
        if (!s->writes.list[i].ops->waits)
            return false;
    uint64_t now = clock_mono_us();
    if (s->records_since_us == 0)
        s->records_since_us = now;
    uint64_t waited = now - s->records_since_us;
    return waited < RECORDS_WAIT_US && batch_await(s->batch, (unsigned)(RECORDS_WAIT_US - waited));
}

void store_turn(void *arg, struct task *list)
{
    struct store *s = arg;
    s->wall_ms = clock_wall_ms();
    while (list) {
        struct task *next = list->next;
        list->run(list);
        list = next;
    }
    if (records_wait(s))
        return;
    s->records_since_us = 0;
    store_try_up(s);
    if (s->ticked && s->writes.count == 0)
        store_vacuum_turn(s);
    s->ticked = false;
    store_partial_turn(s);
    write_all(s);
    run_reads(s);
    store_checkpoint_turn(s);
    store_keep_stats(s);
}
