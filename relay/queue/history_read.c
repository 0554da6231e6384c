/*
 * history_read.c - reading the history for `msactl trace`.
 *
 * On the disk pool, day after day, with a connection of its own for each page. A page ends after
 * SLICE_MS also when nothing was found, so that no read transaction is older than that.
 */
#include "msa/base/mem.h"
#include "msa/base/require.h"
#include "msa/loop/clock.h"
#include "relay/queue/history.h"
#include "relay/queue/history_files.h"
#include "relay/queue/sched.h"
#include "msa/sql/sql.h"
#include "relay/queue/store_filter.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SLICE_MS 50

#define COLUMNS                                                                                   \
    "SELECT row, time, kind, id, login, reverse_path, address, message_id, client, size, status," \
    " text, remote FROM event WHERE row>?1 AND "

enum { BY_ID, BY_MESSAGE_ID, ALL, BEGUN };
static const char *const sql[] = {
    [BY_ID] = COLUMNS "id=?2 ORDER BY row",
    [BY_MESSAGE_ID] = COLUMNS "message_id IN (?2, '<'||?2||'>') AND message_id<>'' ORDER BY row",
    [ALL] = COLUMNS "time>=?2 ORDER BY row",
    [BEGUN] = "SELECT 1 FROM sqlite_master WHERE name='event'",
};

/* remote: "host [address]:port", or "". */
static bool was_at(const char *remote, const char *site)
{
    char *host = sv_dup(sv_first(sv_of(remote), strcspn(remote, " ")));
    bool found = *host && sched_site_has_host(site, host);
    free(host);
    return found;
}

static bool match(const struct history_query *q, sqlite3_stmt *st)
{
    return sqlite3_column_int64(st, 1) >= q->since_ms &&
           (!q->user || store_filter_holds(sql_column(st, 4), q->user)) &&
           (!q->from || store_filter_holds(sql_column(st, 5), q->from)) &&
           (!q->to || store_filter_holds(sql_column(st, 6), q->to)) &&
           (!q->id || strcmp(sql_column(st, 3), q->id) == 0) &&
           (!q->site || was_at(sql_column(st, 12), q->site));
}

static const char *copy(struct history_query *q, sqlite3_stmt *st, int column)
{
    return arena_str(&q->arena, sv_of(sql_column(st, column)));
}

static void take(struct history_query *q, sqlite3_stmt *st)
{
    q->events[q->nevents++] = (struct history_event){
        .time_ms = sqlite3_column_int64(st, 1),
        .kind = (enum history_kind)sqlite3_column_int(st, 2),
        .id = copy(q, st, 3),
        .login = copy(q, st, 4),
        .reverse_path = copy(q, st, 5),
        .address = copy(q, st, 6),
        .message_id = copy(q, st, 7),
        .client = copy(q, st, 8),
        .size = (uint64_t)sqlite3_column_int64(st, 9),
        .status = copy(q, st, 10),
        .text = copy(q, st, 11),
        .remote = copy(q, st, 12),
    };
}

static sqlite3_stmt *start(struct history_query *q, struct sql *db)
{
    int which = q->message_id ? BY_MESSAGE_ID : q->id ? BY_ID : ALL;
    sqlite3_stmt *st = sql_use(db, (size_t)which);
    sql_int(st, 1, q->after_row);
    if (which == ALL)
        sql_int(st, 2, q->since_ms);
    else
        sql_text(st, 2, which == BY_ID ? q->id : q->message_id);
    return st;
}

/* 1: the page ended, 0: the day did, or an error. */
static int read_rows(struct history_query *q, struct sql *db, uint64_t end_ms)
{
    sqlite3_stmt *st = start(q, db);
    int got;
    while ((got = sql_step(db, st)) == 1) {
        if (q->nevents == q->max || clock_mono_ms() > end_ms) {
            sqlite3_reset(st);
            return 1;
        }
        q->after_row = sqlite3_column_int64(st, 0);
        if (match(q, st))
            take(q, st);
    }
    return got;
}

static int read_day(struct history_query *q, const char *day, uint64_t end_ms)
{
    struct sql db;
    char *path = history_file_path(history_dir(q->history), day, "");
    int err = sql_open(&db, path, history_vfs(q->history), SQL_READONLY, sql,
                       sizeof sql / sizeof *sql, NULL);
    free(path);
    if (err < 0)
        return err == -ENOENT ? 0 : err; /* removed meanwhile */
    if (strcmp(q->after_day, day) != 0) {
        memcpy(q->after_day, day, sizeof q->after_day);
        q->after_row = 0;
    }
    /* a file that is being made has nothing in it yet */
    sqlite3_stmt *begun = sql_use(&db, BEGUN);
    err = sql_step(&db, begun);
    if (err == 1) {
        sqlite3_reset(begun);
        err = read_rows(q, &db, end_ms);
    }
    sql_close(&db);
    return err;
}

static void on_work(struct pool_job *job)
{
    struct history_query *q = (struct history_query *)job;
    struct history_days d;
    char first[HISTORY_DAY_LEN + 1];
    uint64_t end_ms = clock_mono_ms() + SLICE_MS;
    history_day(first, q->since_ms);
    if (strcmp(q->after_day, first) > 0)
        memcpy(first, q->after_day, sizeof first);
    q->events = mem_new(q->max, sizeof *q->events);
    q->err = history_files_list(history_dir(q->history), &d);
    int got = q->err;
    for (size_t i = 0; i < d.count && got == 0; i++)
        if (strcmp(d.days[i], first) >= 0)
            got = read_day(q, d.days[i], end_ms);
    q->more = got == 1;
    q->err = got < 0 ? got : 0;
    history_days_free(&d);
}

static void on_done(struct pool_job *job)
{
    struct history_query *q = (struct history_query *)job;
    q->done(q);
}

struct history_query *history_query_new(struct mailbox *reply,
                                        void (*done)(struct history_query *q), void *arg)
{
    struct history_query *q = NEW(struct history_query);
    q->reply = reply;
    q->max = 1000;
    q->done = done;
    q->arg = arg;
    arena_init(&q->arena);
    return q;
}

void history_read(struct history *h, struct pool *pool, struct history_query *q)
{
    REQUIRE(q->max > 0);
    free(q->events); /* of the page before */
    q->events = NULL;
    q->nevents = 0;
    q->more = false;
    q->history = h;
    q->job.reply = q->reply;
    q->job.work = on_work;
    q->job.done = on_done;
    pool_submit(pool, &q->job);
}

void history_query_free(struct history_query *q)
{
    free(q->events);
    arena_deinit(&q->arena);
    free(q);
}
