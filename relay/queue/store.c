/*
 * store.c - life of the store: its files, its threads, its tick. What its thread does is in
 * store_turn.c.
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

#define TICK_MS 1000

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
        err = file_mkdir(s->partial_dir);
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
    err = store_remove_orphans(s);
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
    store_readers_free(s);
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
    store_keep_stats(s);
    s->tick_task.run = tick_arrive;
    timer_init(&s->tick, config->loop, on_tick, s);
    timer_start(&s->tick, TICK_MS);
    s->batch = batch_start("store", store_turn, s);
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
