#include "relay/tls/keep.h"

#include "msa/base/log.h"
#include "msa/base/mem.h"
#include "msa/loop/clock.h"
#include "msa/loop/file.h"
#include "msa/loop/thread.h"
#include "msa/sql/sql.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PAUSE_MS   60000 /* after an error */
#define COLLECT_MS 200

struct keep {
    char *path;
    struct batch *batch;
    atomic_ullong dropped;
    /* the thread's, once it runs */
    struct sql db;
    uint64_t paused_until_ms;
};

struct change {
    struct task task; /* read by turn(), never run */
    enum keep_kind kind;
    bool removes;
    struct sv key, value; /* behind it */
    char bytes[];
};

enum { BEGIN, COMMIT, ALL, PUT, REMOVE };
static const char *const sql[] = {
    [BEGIN] = "BEGIN IMMEDIATE",
    [COMMIT] = "COMMIT",
    [ALL] = "SELECT kind,key,value FROM row",
    [PUT] = "REPLACE INTO row VALUES(?1,?2,?3)",
    [REMOVE] = "DELETE FROM row WHERE kind=?1 AND key=?2",
};

static const char schema[] =
    "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA cache_size=-1024;"
    "CREATE TABLE IF NOT EXISTS row(kind INTEGER, key BLOB, value BLOB NOT NULL,"
    " PRIMARY KEY(kind,key)) WITHOUT ROWID;";

/* ---- the file ---- */

static int open_file(struct keep *k, unsigned flags)
{
    int err = sql_open(&k->db, k->path, NULL, flags, sql, sizeof sql / sizeof *sql, NULL);
    if (err == 0)
        err = sql_exec(&k->db, schema);
    if (err < 0)
        sql_close(&k->db);
    return err;
}

static int read_all(struct keep *k,
                    void (*on_row)(void *arg, enum keep_kind kind, struct sv key, struct sv value),
                    void *arg)
{
    sqlite3_stmt *st = sql_use(&k->db, ALL);
    int more;
    while ((more = sql_step(&k->db, st)) == 1)
        on_row(arg, (enum keep_kind)sqlite3_column_int(st, 0), sql_column_blob(st, 1),
               sql_column_blob(st, 2));
    return more;
}

/* What is damaged is worth less than a start without complaints: the rest of it is made anew. */
static void set_aside(struct keep *k)
{
    static const char *const endings[] = {"-wal", "-shm", ""};
    sql_close(&k->db);
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
        char from[4096], to[4096];
        snprintf(from, sizeof from, "%s%s", k->path, endings[i]);
        snprintf(to, sizeof to, "%s.damaged%s", k->path, endings[i]);
        int err = file_rename(from, to);
        (void)err; /* it may not be there */
    }
    log_event(LOG_ERROR, "tls-memory", NULL,
              "%s is damaged and has become %s.damaged: policies and TLS of other sites are learnt "
              "anew",
              k->path, k->path);
}

/* ---- the thread ---- */

static int write_change(struct keep *k, const struct change *c)
{
    sqlite3_stmt *st = sql_use(&k->db, c->removes ? REMOVE : PUT);
    sql_int(st, 1, c->kind);
    sql_blob(st, 2, c->key);
    if (!c->removes)
        sql_blob(st, 3, c->value);
    return sql_run(&k->db, st);
}

static int write_list(struct keep *k, const struct task *list)
{
    int err = k->db.handle ? 0 : open_file(k, SQL_CREATE);
    if (err < 0)
        return err;
    err = sql_run(&k->db, sql_use(&k->db, BEGIN));
    for (; list && err == 0; list = list->next)
        err = write_change(k, (const struct change *)(const void *)list);
    if (err == 0)
        err = sql_run(&k->db, sql_use(&k->db, COMMIT));
    if (err < 0)
        sql_close(&k->db); /* rolls back */
    return err;
}

static void turn(void *arg, struct task *list)
{
    struct keep *k = arg;
    uint64_t now_ms = clock_mono_ms();
    int err = now_ms < k->paused_until_ms ? -EAGAIN : write_list(k, list);
    if (err < 0 && now_ms >= k->paused_until_ms) {
        log_event(LOG_WARNING, "tls-memory", NULL, "%s cannot be written: %s", k->path,
                  err_text(err));
        k->paused_until_ms = now_ms + PAUSE_MS;
    }
    while (list) {
        struct task *next = list->next;
        atomic_fetch_add(&k->dropped, err < 0);
        free(list);
        list = next;
    }
    batch_collect(k->batch, COLLECT_MS);
}

/* ---- the main thread ---- */

static void post(struct keep *k, enum keep_kind kind, bool removes, struct sv key, struct sv value)
{
    if (batch_waiting(k->batch) >= KEEP_WAITING_MAX) {
        atomic_fetch_add(&k->dropped, 1);
        return;
    }
    struct change *c = mem_new(1, sizeof *c + key.len + value.len);
    c->kind = kind;
    c->removes = removes;
    c->key = (struct sv){c->bytes, key.len};
    c->value = (struct sv){c->bytes + key.len, value.len};
    memcpy(c->bytes, key.ptr, key.len);
    if (value.len)
        memcpy(c->bytes + key.len, value.ptr, value.len);
    batch_post(k->batch, &c->task);
}

void keep_put(struct keep *k, enum keep_kind kind, struct sv key, struct sv value)
{
    post(k, kind, false, key, value);
}

void keep_remove(struct keep *k, enum keep_kind kind, struct sv key)
{
    post(k, kind, true, key, SV_NONE);
}

uint64_t keep_dropped(const struct keep *k)
{
    return atomic_load(&k->dropped);
}

static bool exists(const char *path)
{
    struct file *f = NULL;
    bool there = file_open(path, FILE_READ, &f) != -ENOENT;
    file_close(f);
    return there;
}

struct keep *
keep_open(const char *path,
          void (*on_row)(void *arg, enum keep_kind kind, struct sv key, struct sv value), void *arg)
{
    struct keep *k = NEW(struct keep);
    k->path = mem_str(path);
    int err = exists(path) ? open_file(k, SQL_CHANGE) : -ENOENT;
    if (err == 0)
        err = read_all(k, on_row, arg);
    if (err == ERR_CORRUPT)
        set_aside(k); /* as one that is absent: made when there is something to keep */
    else if (err < 0 && err != -ENOENT)
        log_event(LOG_WARNING, "tls-memory", NULL, "%s cannot be read: %s", path, err_text(err));
    k->batch = batch_start("tls", turn, k);
    return k;
}

void keep_close(struct keep *k)
{
    if (!k)
        return;
    batch_stop(k->batch);
    sql_close(&k->db);
    free(k->path);
    free(k);
}
