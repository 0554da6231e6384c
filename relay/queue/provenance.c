/*
 * Both ends of a record's life: taken out of the queue with its message, and read by who asks.
 */
#include "relay/queue/provenance.h"

#include "msa/base/mem.h"
#include "msa/base/require.h"
#include "relay/queue/history_files.h"
#include "relay/queue/store_private.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RECORD_MAX (64u << 20) /* bytes; what is larger was not written by us */

/* ---- at the end of the message ---- */

struct store_ended {
    struct store_ended *next;
    char id[QUEUE_ID_LEN + 1];
    size_t len;
    char record[];
};

void store_end_provenance(struct store *s, const char *id, struct sv record)
{
    if (record.len == 0)
        return;
    struct store_ended *e = mem_new(1, sizeof *e + record.len);
    snprintf(e->id, sizeof e->id, "%s", id);
    e->len = record.len;
    memcpy(e->record, record.ptr, record.len);
    e->next = s->ended;
    s->ended = e;
}

void store_settle_provenance(struct store *s, int err)
{
    while (s->ended) {
        struct store_ended *e = s->ended;
        s->ended = e->next;
        if (err == 0)
            history_post(s->history, &(struct history_event){.time_ms = s->wall_ms,
                                                             .kind = HISTORY_PROVENANCE,
                                                             .id = e->id,
                                                             .record = {e->record, e->len}});
        free(e);
    }
}

/* ---- reading, on the disk pool ---- */

enum { HAS_TABLE, BY_ID };
static const char *const sql[] = {
    [HAS_TABLE] = "SELECT 1 FROM sqlite_master WHERE name='provenance'",
    [BY_ID] = "SELECT record FROM provenance WHERE id=?1",
};

/* One row's record; ERR_NOT_FOUND: there is none. */
static int take(struct store_provenance *p, struct sql *db, sqlite3_stmt *st)
{
    int got = sql_step(db, st);
    if (got != 1)
        return got < 0 ? got : ERR_NOT_FOUND;
    struct sv record = sql_column_blob(st, 0);
    int err = record.len ? buf_put(&p->record, record) : ERR_NOT_FOUND;
    sqlite3_reset(st);
    return err;
}

static int read_queue(struct store_provenance *p)
{
    int err;
    struct store_reader *reader = store_reader_take(p->store, &err);
    if (!reader)
        return err;
    sqlite3_stmt *st = sql_use(&reader->db, STORE_READ_PROVENANCE);
    sql_text(st, 1, p->id);
    err = take(p, &reader->db, st);
    store_reader_give(p->store, reader, err == 0 || err == ERR_NOT_FOUND);
    return err;
}

static int read_day(struct store_provenance *p, const char *day)
{
    struct sql db;
    const struct history *h = p->store->history;
    char *path = history_file_path(history_dir(h), day, "");
    int err =
        sql_open(&db, path, history_vfs(h), SQL_READONLY, sql, sizeof sql / sizeof *sql, NULL);
    free(path);
    if (err < 0)
        return err == -ENOENT ? ERR_NOT_FOUND : err; /* removed meanwhile */
    int has = sql_step(&db, sql_use(&db, HAS_TABLE));
    err = has < 0 ? has : ERR_NOT_FOUND; /* a day before there were records */
    if (has == 1) {
        sqlite3_stmt *st = sql_use(&db, BY_ID);
        sql_text(st, 1, p->id);
        err = take(p, &db, st);
    }
    sql_close(&db);
    return err;
}

/* The latest first: who asks wants to know of today's mail. */
static int read_history(struct store_provenance *p)
{
    struct history_days d;
    int err = history_files_list(history_dir(p->store->history), &d);
    if (err == 0)
        err = ERR_NOT_FOUND;
    for (size_t i = d.count; i-- > 0 && err == ERR_NOT_FOUND;)
        err = read_day(p, d.days[i]);
    history_days_free(&d);
    return err;
}

static void on_work(struct pool_job *job)
{
    struct store_provenance *p = (struct store_provenance *)job;
    p->err = read_queue(p);
    if (p->err == ERR_NOT_FOUND)
        p->err = read_history(p);
}

static void on_done(struct pool_job *job)
{
    struct store_provenance *p = (struct store_provenance *)job;
    p->done(p);
}

struct store_provenance *store_provenance_new(const char *id, struct mailbox *reply,
                                              void (*done)(struct store_provenance *p), void *arg)
{
    REQUIRE(queue_id_valid(sv_of(id)));
    struct store_provenance *p = NEW(struct store_provenance);
    memcpy(p->id, id, sizeof p->id);
    p->reply = reply;
    p->done = done;
    p->arg = arg;
    buf_init(&p->record, RECORD_MAX, 0);
    return p;
}

void store_provenance(struct store *s, struct store_provenance *p)
{
    p->store = s;
    p->job.reply = p->reply;
    p->job.work = on_work;
    p->job.done = on_done;
    pool_submit(s->disk, &p->job);
}

void store_provenance_free(struct store_provenance *p)
{
    buf_deinit(&p->record);
    free(p);
}
