/*
 * store_checkpoint.c - the write-ahead log goes back into the database, beside the commits.
 *
 * A thread of its own runs a PASSIVE checkpoint when the log holds FRAMES_PASSIVE frames: it takes
 * no lock that a commit waits for. The more frames, the better: of a page only the last version is
 * copied, and most messages are delivered, their pages free again, before their copy is due. When
 * it has ended, the store copies the little that was written meanwhile, so that the log is empty
 * and the next commit begins at its start. A reader may prevent that for a moment; then it is done
 * again some frames later. At RESTART_BYTES the store waits for readers.
 *
 * Pages that ended messages left free are given back to the file system a few at each tick, and
 * only in a turn that writes nothing else; FREE_PAGES_KEPT are kept for what comes next.
 */
#include "msa/base/log.h"
#include "relay/queue/store_private.h"

#define FRAMES_PASSIVE 4000
#define FRAMES_AGAIN   500
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
    atomic_store(&s->checkpointed, rc == SQLITE_OK);
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
    int err = sql_open(&s->checkpoint_db, s->path, s->config.vfs, SQL_CREATE, NULL, 0, error);
    if (err == 0)
        err = sql_exec(&s->checkpoint_db, "PRAGMA synchronous=FULL");
    if (err < 0)
        return err;
    sqlite3_wal_hook(s->db.handle, on_wal, s);
    s->passive_at = FRAMES_PASSIVE;
    s->checkpoint_task.run = passive;
    s->checkpointer = batch_start("checkpoint", checkpoint_turn, s);
    return 0;
}

/* What was written while the thread copied. */
static void copy_rest(struct store *s)
{
    int frames = 0, copied = 0;
    int rc =
        sqlite3_wal_checkpoint_v2(s->db.handle, NULL, SQLITE_CHECKPOINT_PASSIVE, &frames, &copied);
    if (rc != SQLITE_OK && rc != SQLITE_BUSY)
        log_event(LOG_WARNING, "queue-checkpoint", NULL, "checkpoint failed: %s",
                  sqlite3_errstr(rc));
    bool is_empty = rc == SQLITE_OK && copied == frames;
    s->passive_at = is_empty ? FRAMES_PASSIVE : s->wal_frames + FRAMES_AGAIN;
    if (is_empty)
        s->wal_frames = 0;
}

void store_checkpoint_turn(struct store *s)
{
    if (s->down || atomic_load(&s->checkpointing))
        return;
    if (atomic_exchange(&s->checkpointed, false))
        copy_rest(s);
    if (s->wal_frames < s->passive_at)
        return;
    if ((int64_t)s->wal_frames * s->page_bytes >= RESTART_BYTES) {
        int rc =
            sqlite3_wal_checkpoint_v2(s->db.handle, NULL, SQLITE_CHECKPOINT_RESTART, NULL, NULL);
        if (rc == SQLITE_OK) {
            s->wal_frames = 0;
            s->passive_at = FRAMES_PASSIVE;
        } else {
            log_event(LOG_WARNING, "queue-checkpoint", NULL, "restart of the log failed: %s",
                      sqlite3_errstr(rc));
        }
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
    int err = sql_value(&s->db, "PRAGMA freelist_count", &free_pages);
    if (err == 0 && free_pages > FREE_PAGES_KEPT) {
        err = sql_exec(&s->db, "PRAGMA incremental_vacuum(" VACUUM_PAGES ")");
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
    sql_close(&s->checkpoint_db);
}
