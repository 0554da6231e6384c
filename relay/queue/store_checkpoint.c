/*
 * store_checkpoint.c - the write-ahead log goes back into the database, beside the commits.
 *
 * A thread of its own runs PASSIVE checkpoints when the log holds FRAMES_PASSIVE frames: it takes
 * no lock that a commit waits for. Under constant load the log is never empty at its end and
 * grows; at RESTART_BYTES the store itself copies the rest and starts the log over.
 *
 * Pages that ended messages left free are given back to the file system a few at each tick, and
 * only in a turn that writes nothing else; FREE_PAGES_KEPT are kept for what comes next.
 */
#include "msa/base/log.h"
#include "relay/queue/store_private.h"

#define FRAMES_PASSIVE 1000
#define RESTART_BYTES  (64 << 20)

#define FREE_PAGES_KEPT 2000
#define VACUUM_PAGES    "250"

/* Tells how many frames the log holds after each commit. */
static int on_wal(void *arg, sqlite3 *db, const char *name, int frames)
{
    (void)db, (void)name;
    struct store *s = arg;
    s->wal_frames = frames;
    return SQLITE_OK;
}

static void passive(struct task *task)
{
    struct store *s = (struct store *)((char *)task - offsetof(struct store, checkpoint_task));
    int rc = sqlite3_wal_checkpoint_v2(s->checkpoint_db.handle, NULL, SQLITE_CHECKPOINT_PASSIVE,
                                       NULL, NULL);
    if (rc != SQLITE_OK && rc != SQLITE_BUSY)
        log_event(LOG_WARNING, "queue-checkpoint", NULL, "checkpoint failed: %s",
                  sqlite3_errstr(rc));
    atomic_store(&s->checkpointing, false);
}

static void checkpoint_turn(void *arg, struct task *list)
{
    (void)arg;
    while (list) {
        struct task *next = list->next;
        list->run(list);
        list = next;
    }
}

int store_checkpoint_open(struct store *s, struct buf *error)
{
    int err =
        store_db_open(&s->checkpoint_db, s->path, s->config.vfs, STORE_DB_CREATE, NULL, 0, error);
    if (err == 0)
        err = store_db_exec(&s->checkpoint_db, "PRAGMA synchronous=FULL");
    if (err < 0)
        return err;
    sqlite3_wal_hook(s->db.handle, on_wal, s);
    s->checkpoint_task.run = passive;
    s->checkpointer = batch_start("checkpoint", checkpoint_turn, s);
    return 0;
}

void store_checkpoint_turn(struct store *s)
{
    if (s->wal_frames < FRAMES_PASSIVE || s->down || atomic_load(&s->checkpointing))
        return;
    if ((int64_t)s->wal_frames * s->page_bytes >= RESTART_BYTES) {
        int rc =
            sqlite3_wal_checkpoint_v2(s->db.handle, NULL, SQLITE_CHECKPOINT_RESTART, NULL, NULL);
        if (rc == SQLITE_OK)
            s->wal_frames = 0;
        else
            log_event(LOG_WARNING, "queue-checkpoint", NULL, "restart of the log failed: %s",
                      sqlite3_errstr(rc));
        return;
    }
    atomic_store(&s->checkpointing, true);
    batch_post(s->checkpointer, &s->checkpoint_task);
}

void store_vacuum_turn(struct store *s)
{
    if (s->down || !s->may_vacuum)
        return;
    int64_t free_pages = 0;
    int err = store_db_value(&s->db, "PRAGMA freelist_count", &free_pages);
    if (err == 0 && free_pages > FREE_PAGES_KEPT) {
        err = store_db_exec(&s->db, "PRAGMA incremental_vacuum(" VACUUM_PAGES ")");
    } else if (err == 0) {
        s->may_vacuum = false;
        atomic_store(&s->want_tick, false);
    }
    if (err < 0)
        store_go_down(s, err);
}

void store_checkpoint_close(struct store *s)
{
    if (s->checkpointer)
        batch_stop(s->checkpointer);
    s->checkpointer = NULL;
    store_db_close(&s->checkpoint_db);
}
