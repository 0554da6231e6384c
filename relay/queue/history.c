/*
 * history.c - writing what happened, a file a day, behind the queue.
 *
 * A turn writes all events that wait in one transaction, ten turns a second at most. WAL with
 * synchronous=NORMAL: a crash loses the last commits and damages nothing. Whatever fails, events
 * are dropped and counted and writing rests for a minute: history never holds up mail, nor takes
 * the space it needs.
 */
#include "relay/queue/history.h"

#include "msa/base/log.h"
#include "msa/base/mem.h"
#include "msa/base/require.h"
#include "msa/loop/clock.h"
#include "msa/loop/file.h"
#include "relay/queue/history_files.h"
#include "msa/sql/sql.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define WAITING_MAX    20000
#define WAITING_BYTES  (64u << 20) /* of events and records that wait */
#define PAUSE_MS       60000
#define PRUNE_EVERY_MS 60000
#define SPACE_EVERY_MS 1000
/* The queue's share of the disk that history leaves free: a twentieth, at most so much. */
#define SPACE_PART 20
#define SPACE_MAX  (UINT64_C(1) << 30)
#define COLLECT_MS 100 /* a transaction costs more than the events of such a while */

struct item {
    struct task task;
    struct history *history;
    size_t bytes;               /* of texts */
    struct history_event event; /* texts behind it */
    char texts[];
};

struct history {
    char *dir, *vfs;
    struct batch *batch;
    int64_t opened_wall_ms;
    uint64_t opened_ms;
    atomic_uint days;
    atomic_ullong bytes, dropped, paused_until_ms;
    atomic_uint waiting;
    atomic_size_t waiting_bytes;

    /* The history thread's. */
    struct sql db;
    char day[HISTORY_DAY_LEN + 1]; /* of the open file; "" if none is */
    uint64_t next_prune_ms, next_space_ms;
};

enum { BEGIN, COMMIT, ROLLBACK, ADD, ADD_PROVENANCE };
static const char *const sql[] = {
    [BEGIN] = "BEGIN IMMEDIATE",
    [COMMIT] = "COMMIT",
    [ROLLBACK] = "ROLLBACK",
    [ADD] = "INSERT INTO event VALUES(NULL,?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12)",
    [ADD_PROVENANCE] = "REPLACE INTO provenance VALUES(?1,?2)",
};

static const char schema[] =
    "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA wal_autocheckpoint=4000;"
    "PRAGMA cache_size=-4096;"
    "CREATE TABLE IF NOT EXISTS event(row INTEGER PRIMARY KEY, time INTEGER, kind INTEGER,"
    " id TEXT, login TEXT, reverse_path TEXT, address TEXT, message_id TEXT, client TEXT,"
    " size INTEGER, status TEXT, text TEXT, remote TEXT);"
    "CREATE INDEX IF NOT EXISTS event_id ON event(id);"
    "CREATE INDEX IF NOT EXISTS event_message_id ON event(message_id) WHERE message_id<>'';"
    "CREATE TABLE IF NOT EXISTS provenance(id TEXT PRIMARY KEY, record BLOB NOT NULL);";

const char *history_kind_text(enum history_kind kind)
{
    static const char *const texts[] = {
        [HISTORY_ACCEPTED] = "accepted",     [HISTORY_DELIVERED] = "delivered",
        [HISTORY_DEFERRED] = "deferred",     [HISTORY_FAILED] = "failed",
        [HISTORY_REPORTED] = "reported",     [HISTORY_DELETED] = "deleted",
        [HISTORY_REFUSED] = "refused",       [HISTORY_DISCARDED] = "discarded",
        [HISTORY_PROVENANCE] = "provenance", [HISTORY_RETURNED] = "returned",
    };
    return kind <= HISTORY_RETURNED ? texts[kind] : "unknown";
}

/* ---- any thread ---- */

static const char *put_text(char **at, const char *text)
{
    size_t len = text ? strlen(text) : 0;
    char *start = *at;
    if (len > 0)
        memcpy(start, text, len);
    start[len] = '\0';
    *at = start + len + 1;
    return start;
}

static size_t text_len(const char *text)
{
    return (text ? strlen(text) : 0) + 1;
}

static void item_run(struct task *task);

void history_post(struct history *h, const struct history_event *e)
{
    if (atomic_load(&h->days) == 0)
        return;
    unsigned most = e->kind == HISTORY_REFUSED ? WAITING_MAX / 2 : WAITING_MAX;
    size_t len = text_len(e->id) + text_len(e->login) + text_len(e->reverse_path) +
                 text_len(e->address) + text_len(e->message_id) + text_len(e->client) +
                 text_len(e->status) + text_len(e->text) + text_len(e->remote) + e->record.len;
    if (atomic_load(&h->waiting) >= most || len > WAITING_BYTES ||
        atomic_load(&h->waiting_bytes) > WAITING_BYTES - len) {
        atomic_fetch_add(&h->dropped, 1);
        return;
    }
    struct item *item = mem_new(1, sizeof *item + len);
    char *at = item->texts;
    item->task.run = item_run;
    item->history = h;
    item->bytes = len;
    item->event = *e;
    item->event.id = put_text(&at, e->id);
    item->event.login = put_text(&at, e->login);
    item->event.reverse_path = put_text(&at, e->reverse_path);
    item->event.address = put_text(&at, e->address);
    item->event.message_id = put_text(&at, e->message_id);
    item->event.client = put_text(&at, e->client);
    item->event.status = put_text(&at, e->status);
    item->event.text = put_text(&at, e->text);
    item->event.remote = put_text(&at, e->remote);
    item->event.record = (struct sv){at, e->record.len};
    if (e->record.len)
        memcpy(at, e->record.ptr, e->record.len);
    atomic_fetch_add(&h->waiting, 1);
    atomic_fetch_add(&h->waiting_bytes, len);
    batch_post(h->batch, &item->task);
}

void history_set(struct history *h, unsigned days, uint64_t bytes)
{
    atomic_store(&h->days, days);
    atomic_store(&h->bytes, bytes);
}

void history_pause(struct history *h)
{
    atomic_store(&h->paused_until_ms, clock_mono_ms() + PAUSE_MS);
}

uint64_t history_dropped(const struct history *h)
{
    return atomic_load(&h->dropped);
}

/* ---- the history thread ---- */

static void close_day(struct history *h)
{
    sql_close(&h->db);
    h->day[0] = '\0';
}

static int open_day(struct history *h, const char *day)
{
    close_day(h);
    char *path = history_file_path(h->dir, day, "");
    int err = sql_open(&h->db, path, h->vfs, SQL_CREATE, sql, sizeof sql / sizeof *sql, NULL);
    free(path);
    if (err == 0)
        err = sql_exec(&h->db, schema);
    if (err < 0)
        close_day(h);
    else
        memcpy(h->day, day, sizeof h->day);
    return err;
}

static int write_provenance(struct history *h, const struct history_event *e)
{
    sqlite3_stmt *st = sql_use(&h->db, ADD_PROVENANCE);
    sql_text(st, 1, e->id);
    sql_blob(st, 2, e->record);
    return sql_run(&h->db, st);
}

static int write_event(struct history *h, const struct history_event *e)
{
    if (e->kind == HISTORY_PROVENANCE)
        return write_provenance(h, e);
    sqlite3_stmt *st = sql_use(&h->db, ADD);
    sql_int(st, 1, e->time_ms);
    sql_int(st, 2, e->kind);
    sql_text(st, 3, e->id);
    sql_text(st, 4, e->login);
    sql_text(st, 5, e->reverse_path);
    sql_text(st, 6, e->address);
    sql_text(st, 7, e->message_id);
    sql_text(st, 8, e->client);
    sql_int(st, 9, (int64_t)e->size);
    sql_text(st, 10, e->status);
    sql_text(st, 11, e->text);
    sql_text(st, 12, e->remote);
    return sql_run(&h->db, st);
}

/* The events of one day, from *list on; moves it behind them. */
static int write_day(struct history *h, struct task **list, const char *day)
{
    int err = strcmp(h->day, day) == 0 ? 0 : open_day(h, day);
    if (err == 0)
        err = sql_run(&h->db, sql_use(&h->db, BEGIN));
    for (; *list && err == 0; *list = (*list)->next) {
        const struct item *item = (const struct item *)*list;
        char its_day[HISTORY_DAY_LEN + 1];
        history_day(its_day, item->event.time_ms);
        if (strcmp(its_day, day) != 0)
            break;
        err = write_event(h, &item->event);
    }
    if (err == 0)
        err = sql_run(&h->db, sql_use(&h->db, COMMIT));
    if (err < 0 && h->db.handle && !sqlite3_get_autocommit(h->db.handle) &&
        sql_run(&h->db, sql_use(&h->db, ROLLBACK)) < 0)
        close_day(h);
    return err;
}

static void fail(struct history *h, int err, uint64_t lost)
{
    log_event(LOG_WARNING, "history-failed", NULL, "%llu events are not in the history: %s",
              (unsigned long long)lost, err_text(err));
    atomic_fetch_add(&h->dropped, lost);
    close_day(h);
    history_pause(h);
}

static void write_list(struct history *h, struct task *list)
{
    while (list) {
        char day[HISTORY_DAY_LEN + 1];
        struct task *from = list;
        history_day(day, ((struct item *)list)->event.time_ms);
        int err = write_day(h, &list, day);
        if (err == 0)
            continue;
        uint64_t lost = 0;
        for (; from; from = from->next)
            lost++;
        fail(h, err, lost);
        return;
    }
}

/* The last of the disk is the queue's. */
static void look_at_space(struct history *h)
{
    uint64_t now_ms = clock_mono_ms(), left, total;
    if (now_ms < h->next_space_ms || now_ms < atomic_load(&h->paused_until_ms))
        return;
    h->next_space_ms = now_ms + SPACE_EVERY_MS;
    if (file_space(h->dir, &left, &total) < 0)
        return; /* writing will say what is wrong */
    uint64_t least = total / SPACE_PART < SPACE_MAX ? total / SPACE_PART : SPACE_MAX;
    if (left >= least)
        return;
    log_event(LOG_WARNING, "history-paused", NULL,
              "the disk is nearly full (%llu MiB left): nothing is written for %u s",
              (unsigned long long)(left >> 20), PAUSE_MS / 1000);
    history_pause(h);
}

/* What is old by a clock that was set forward meanwhile is not old. */
static int64_t prune_time(const struct history *h)
{
    int64_t steady_ms = h->opened_wall_ms + (int64_t)(clock_mono_ms() - h->opened_ms);
    int64_t wall_ms = clock_wall_ms();
    return wall_ms < steady_ms ? wall_ms : steady_ms;
}

static void prune(struct history *h)
{
    uint64_t now_ms = clock_mono_ms();
    if (now_ms < h->next_prune_ms)
        return;
    h->next_prune_ms = now_ms + PRUNE_EVERY_MS;
    int err = history_files_prune(h->dir, prune_time(h), atomic_load(&h->days),
                                  atomic_load(&h->bytes), h->day);
    if (err < 0)
        log_event(LOG_WARNING, "history-failed", NULL, "old history could not be removed: %s",
                  err_text(err));
}

static void turn(void *arg, struct task *list)
{
    struct history *h = arg;
    unsigned count = 0;
    size_t bytes = 0;
    for (struct task *t = list; t; t = t->next) {
        bytes += ((struct item *)t)->bytes;
        count++;
    }
    atomic_fetch_sub(&h->waiting, count);
    look_at_space(h);
    if (clock_mono_ms() >= atomic_load(&h->paused_until_ms))
        write_list(h, list);
    else
        atomic_fetch_add(&h->dropped, count);
    prune(h);
    atomic_fetch_sub(&h->waiting_bytes, bytes);
    while (list) {
        struct task *next = list->next;
        free(list);
        list = next;
    }
    batch_collect(h->batch, COLLECT_MS);
}

/* Items are read by turn(), never run. */
static void item_run(struct task *task)
{
    (void)task;
    REQUIRE(false);
}

int history_open(const char *dir, const char *vfs, unsigned days, uint64_t bytes,
                 struct history **out)
{
    int err = file_mkdir(dir);
    if (err < 0)
        return err;
    struct history *h = NEW(struct history);
    h->dir = mem_str(dir);
    h->vfs = vfs ? mem_str(vfs) : NULL;
    h->opened_wall_ms = clock_wall_ms();
    h->opened_ms = clock_mono_ms();
    history_set(h, days, bytes);
    h->batch = batch_start("history", turn, h);
    *out = h;
    return 0;
}

void history_close(struct history *h)
{
    batch_stop(h->batch);
    close_day(h);
    free(h->dir);
    free(h->vfs);
    free(h);
}

const char *history_dir(const struct history *h)
{
    return h->dir;
}

const char *history_vfs(const struct history *h)
{
    return h->vfs;
}
