/*
 * store.c - life of the store, and its turn.
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
#include "relay/queue/store.h"

#include "msa/base/log.h"
#include "msa/base/mem.h"
#include "msa/base/require.h"
#include "msa/loop/clock.h"
#include "msa/loop/file.h"
#include "relay/queue/store_private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define TICK_MS         1000
#define RECORDS_WAIT_US 2000

/* ---- the turn ---- */

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

static void keep_stats(struct store *s)
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

static void turn(void *arg, struct task *list)
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
    keep_stats(s);
}

/* ---- the tick: from the opener's loop to a store that must try again ---- */

static struct store *of_tick(struct task *task)
{
    return (struct store *)((char *)task - offsetof(struct store, tick_task));
}

/* On the store thread. */
static void tick_arrive(struct task *task)
{
    atomic_store(&of_tick(task)->tick_posted, false);
    of_tick(task)->ticked = true;
}

static bool wants_tick(struct store *s)
{
    return atomic_load(&s->want_tick) || atomic_load(&s->partial_wants_tick) ||
           clock_wall_ms() >= atomic_load(&s->partial_due_ms);
}

static void on_tick(void *arg)
{
    struct store *s = arg;
    timer_start(&s->tick, TICK_MS);
    if (!wants_tick(s) || atomic_exchange(&s->tick_posted, true))
        return;
    batch_post(s->batch, &s->tick_task);
}

/* ---- reading connections ---- */

struct store_reader *store_reader_take(struct store *s, int *err)
{
    pthread_mutex_lock(&s->lock);
    struct store_reader *r = s->readers;
    if (r)
        s->readers = r->next;
    pthread_mutex_unlock(&s->lock);
    *err = 0;
    if (r)
        return r;
    r = NEW(struct store_reader);
    *err = sql_open(&r->db, s->path, s->config.vfs, SQL_READONLY, store_read_sql_texts,
                    store_read_sql_count, NULL);
    if (*err == 0)
        return r;
    free(r);
    return NULL;
}

static void reader_free(struct store_reader *r)
{
    sql_close(&r->db);
    free(r);
}

void store_reader_give(struct store *s, struct store_reader *r, bool healthy)
{
    if (!healthy) {
        reader_free(r);
        return;
    }
    pthread_mutex_lock(&s->lock);
    r->next = s->readers;
    s->readers = r;
    pthread_mutex_unlock(&s->lock);
}

/* ---- spool files ---- */

static void file_path(const char *dir, const char *id, struct buf *out)
{
    buf_init(out, 4096 + QUEUE_ID_LEN, 0);
    int err = buf_printf(out, "%s/%s", dir, id);
    if (err == 0)
        err = buf_append(out, "", 1);
    REQUIRE(err == 0); /* store_open() has seen that it fits */
}

void store_spool_path(struct store *s, const char *id, struct buf *out)
{
    file_path(s->spool, id, out);
}

void store_partial_path(struct store *s, const char *file, struct buf *out)
{
    file_path(s->partial_dir, file, out);
}

struct removal {
    struct pool_job job;
    const char *dir;
    char id[QUEUE_ID_LEN + 1];
};

static void remove_file(const char *dir, const char *id)
{
    struct buf path;
    file_path(dir, id, &path);
    int err = file_unlink(buf_view(&path).ptr);
    if (err < 0 && err != -ENOENT)
        log_event(LOG_WARNING, "spool-left", &(struct log_ctx){.queue = sv_of(id)},
                  "a spool file could not be removed: %s", err_text(err));
    buf_deinit(&path);
}

static void removal_work(struct pool_job *job)
{
    struct removal *r = (struct removal *)job;
    remove_file(r->dir, r->id);
}

static void removal_done(struct pool_job *job)
{
    free(job);
}

static void remove_later(struct store *s, const char *dir, const char *id)
{
    struct removal *r = NEW(struct removal);
    r->job.reply = s->config.notify;
    r->job.work = removal_work;
    r->job.done = removal_done;
    r->dir = dir;
    memcpy(r->id, id, sizeof r->id);
    pool_submit(s->disk, &r->job);
}

void store_remove_spool(struct store *s, const char *id)
{
    remove_later(s, s->spool, id);
}

void store_remove_partial(struct store *s, const char *file)
{
    remove_later(s, s->partial_dir, file);
}

struct orphans {
    struct store *store;
    int err;
    size_t removed;
};

static void check_spool_file(void *arg, const char *name)
{
    struct orphans *o = arg;
    struct store *s = o->store;
    if (o->err < 0 || !queue_id_valid(sv_of(name)))
        return;
    sqlite3_stmt *st = sql_use(&s->db, STORE_FIND_ID);
    sql_text(st, 1, name);
    int got = sql_step(&s->db, st);
    bool named = got == 1 && sqlite3_column_int(st, 1) != 0;
    if (got == 1)
        sqlite3_reset(st);
    if (got < 0)
        o->err = got;
    else if (!named) {
        remove_file(s->spool, name);
        o->removed++;
    }
}

static int remove_orphans(struct store *s)
{
    struct orphans o = {.store = s};
    int err = file_list(s->spool, check_spool_file, &o);
    if (o.removed > 0)
        log_event(LOG_INFO, "spool-cleaned", NULL, "%zu unfinished spool files removed", o.removed);
    return err < 0 ? err : o.err;
}

/* ---- life ---- */

static char *join(const char *dir, const char *name)
{
    struct buf b;
    size_t len;
    buf_init(&b, strlen(dir) + strlen(name) + 1, 0);
    int err = buf_printf(&b, "%s/%s", dir, name);
    REQUIRE(err == 0);
    return buf_take(&b, &len);
}

static void say(struct buf *error, const char *path, int err)
{
    if (error && buf_len(error) == 0 && buf_printf(error, "%s: %s", path, err_text(err)) < 0)
        buf_reset(error);
}

static int make_folders(struct store *s, struct buf *error)
{
    int err = file_mkdir(s->config.dir);
    if (err == 0)
        err = file_mkdir(s->spool);
    if (err == 0)
        err = file_sync_dir(s->config.dir);
    if (err < 0)
        say(error, s->spool, err);
    return err;
}

static int open_files(struct store *s, struct buf *error)
{
    int err = make_folders(s, error);
    if (err == 0)
        err = store_schema_open(s, error);
    if (err < 0)
        return err;
    err = remove_orphans(s);
    if (err == 0)
        err = store_partial_open(s);
    if (err == 0)
        err = store_read_spent(s);
    if (err == 0)
        err = store_read_paused(s);
    /* The database file's own name must survive as well. */
    if (err == 0)
        err = file_sync_dir(s->config.dir);
    if (err < 0) {
        say(error, s->spool, err);
        return err;
    }
    char *dir = join(s->config.dir, "history");
    err = history_open(dir, s->config.vfs, s->config.history_days, s->config.history_bytes,
                       &s->history);
    if (err < 0)
        say(error, dir, err);
    free(dir);
    if (err < 0)
        return err;
    s->wall_ms = clock_wall_ms();
    store_settle_provenance(s, 0); /* of what was found to have ended */
    return store_checkpoint_open(s, error);
}

static void free_store(struct store *s)
{
    store_settle_provenance(s, ERR_CANCELED);
    if (s->history)
        history_close(s->history);
    store_checkpoint_close(s);
    store_partial_free(s);
    claims_deinit(&s->claims);
    sql_close(&s->db);
    while (s->readers) {
        struct store_reader *r = s->readers;
        s->readers = r->next;
        reader_free(r);
    }
    queue_memory_drop(s->memory);
    pthread_mutex_destroy(&s->lock);
    free(s->writes.list);
    free(s->refused);
    free(s->doubt.list);
    free((char *)s->config.vfs);
    free((char *)s->config.dir);
    free(s->path);
    free(s->spool);
    free(s->partial_dir);
    free(s);
}

int store_open(const struct store_config *config, struct buf *error, struct store **out)
{
    REQUIRE(config->loop && config->notify && config->disk_threads > 0);
    struct store *s = NEW(struct store);
    s->config = *config;
    s->config.dir = mem_str(config->dir);
    s->config.vfs = config->vfs ? mem_str(config->vfs) : NULL;
    s->path = join(config->dir, "queue.db");
    s->spool = join(config->dir, "spool");
    s->partial_dir = join(config->dir, "partial");
    s->memory = queue_memory_new(config->memory_bytes);
    s->reads_end = &s->reads;
    pthread_mutex_init(&s->lock, NULL);
    int err = strlen(s->partial_dir) < 4000 ? open_files(s, error) : -ENAMETOOLONG;
    if (err < 0) {
        say(error, s->path, err);
        free_store(s);
        return err;
    }
    s->disk = pool_start("disk", config->disk_threads);
    keep_stats(s);
    s->tick_task.run = tick_arrive;
    timer_init(&s->tick, config->loop, on_tick, s);
    timer_start(&s->tick, TICK_MS);
    s->batch = batch_start("store", turn, s);
    *out = s;
    return 0;
}

void store_close(struct store *s)
{
    timer_stop(&s->tick);
    batch_stop(s->batch);
    pool_stop(s->disk);
    store_checkpoint_close(s);
    for (size_t i = 0; i < s->writes.count; i++)
        s->writes.list[i].ops->settle(s, s->writes.list[i].task, ERR_CANCELED);
    store_tell_refused(s);
    /* All frames into the database: a copy of the one file is then the whole queue. Should it
     * fail, the log holds them. */
    int rc = sqlite3_wal_checkpoint_v2(s->db.handle, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
    if (rc != SQLITE_OK)
        log_event(LOG_WARNING, "queue-checkpoint", NULL, "last checkpoint failed: %s",
                  sqlite3_errstr(rc));
    free_store(s);
}

void store_get_stats(struct store *s, struct store_stats *out)
{
    pthread_mutex_lock(&s->lock);
    *out = s->stats;
    pthread_mutex_unlock(&s->lock);
}

void store_set_history(struct store *s, unsigned days, uint64_t bytes)
{
    history_set(s->history, days, bytes);
}

void store_trace(struct store *s, struct history_query *q)
{
    history_read(s->history, s->disk, q);
}

void store_note(struct store *s, const struct history_event *e)
{
    history_post(s->history, e);
}
