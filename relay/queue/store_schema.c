/*
 * store_schema.c - the tables, and what opening an existing queue checks and repairs.
 *
 * message: the envelope, small and dense, so that listings and claims read little. content: the
 * bytes of small messages, and how any came to be what it is (provenance). recipient: what is to be
 * done; its id joins message sequence and row number, so that "the rows of a message" needs no
 * index. Two partial indexes: what may be tried, by (destination, due), and what waits for the
 * operator. totals: one row of counters; it is also what a compensation writes
 * (store_compensate.c). partial: messages on their way in that can be continued (store_partial.c).
 * spent, known: what logins have sent, and to whom (store_spent.c). paused: what the operator has
 * stopped (store_pause.c).
 *
 * A queue of an earlier version gets what it lacks in one transaction when it is opened.
 */
#include "msa/base/require.h"
#include "msa/loop/clock.h"
#include "relay/queue/store_private.h"

#include <string.h>

#define SQL_TEXT(name, text) text,
const char *const store_sql_texts[] = {STORE_SQL(SQL_TEXT)};
const char *const store_read_sql_texts[] = {STORE_READ_SQL(SQL_TEXT)};
#undef SQL_TEXT
const size_t store_sql_count = sizeof store_sql_texts / sizeof *store_sql_texts;
const size_t store_read_sql_count = sizeof store_read_sql_texts / sizeof *store_read_sql_texts;

#define APPLICATION_ID "1297301809" /* "MSA1" */
#define SCHEMA_VERSION 7

/* page_size by measurement: tests/bench/store_put.c. */
static const char pragmas_new[] = "PRAGMA page_size=8192; PRAGMA auto_vacuum=INCREMENTAL;";

static const char pragmas[] = "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
                              "PRAGMA wal_autocheckpoint=0; PRAGMA temp_store=MEMORY;"
                              "PRAGMA cache_size=-16384; PRAGMA foreign_keys=OFF;";

/* Unfinished messages (store_partial.c); came with version 2. */
#define SCHEMA_PARTIAL                                                                           \
    "CREATE TABLE partial(login TEXT NOT NULL, transid TEXT NOT NULL, state INTEGER NOT NULL,"   \
    " expiry INTEGER NOT NULL, length INTEGER NOT NULL, bytes INTEGER NOT NULL,"                 \
    " file TEXT NOT NULL, message TEXT NOT NULL, mail TEXT NOT NULL, recipients TEXT NOT NULL);" \
    "CREATE UNIQUE INDEX partial_key ON partial(login, transid);"                                \
    "CREATE INDEX partial_expiry ON partial(expiry);"                                            \
    "CREATE INDEX partial_file ON partial(file) WHERE state<>2;"

/* What logins have sent (store_spent.c); came with version 3. */
#define SCHEMA_SPENT                                                                            \
    "CREATE TABLE spent(login TEXT NOT NULL, slot INTEGER NOT NULL, messages INTEGER NOT NULL," \
    " recipients INTEGER NOT NULL, fresh INTEGER NOT NULL, PRIMARY KEY(login, slot))"           \
    " WITHOUT ROWID;"                                                                           \
    "CREATE TABLE known(login TEXT NOT NULL, recipient INTEGER NOT NULL,"                       \
    " PRIMARY KEY(login, recipient)) WITHOUT ROWID;"

/* What is sent before the content, and what was changed in it; came with version 4. */
#define SCHEMA_CHANGED                                                \
    "ALTER TABLE message ADD COLUMN prefix TEXT NOT NULL DEFAULT '';" \
    "ALTER TABLE content ADD COLUMN provenance BLOB;"

/* Which budgets are broken, and when a recipient was last written to; came with version 5. */
#define SCHEMA_BUDGETS                                                \
    "ALTER TABLE spent ADD COLUMN broken INTEGER NOT NULL DEFAULT 0;" \
    "ALTER TABLE known ADD COLUMN seen INTEGER NOT NULL DEFAULT 0;"   \
    "UPDATE known SET seen=CAST(strftime('%s', 'now') AS INTEGER);"

/* What the operator has stopped (store_pause.c); came with version 6. */
#define SCHEMA_PAUSED "CREATE TABLE paused(what TEXT PRIMARY KEY) WITHOUT ROWID;"

/* What is to be returned to its author has a state of its own; came with version 7. */
#define SCHEMA_RETURNED "UPDATE recipient SET state=3 WHERE state=0 AND warned&8;"

#define SCHEMA_IS_NOW "PRAGMA user_version=7; COMMIT;"

/* What a queue of an earlier version lacks, by that version. */
static const char *const upgrades[SCHEMA_VERSION] = {
    [1] = "BEGIN IMMEDIATE;" SCHEMA_PARTIAL SCHEMA_SPENT SCHEMA_CHANGED SCHEMA_BUDGETS SCHEMA_PAUSED
        SCHEMA_RETURNED SCHEMA_IS_NOW,
    [2] = "BEGIN IMMEDIATE;" SCHEMA_SPENT SCHEMA_CHANGED SCHEMA_BUDGETS SCHEMA_PAUSED
        SCHEMA_RETURNED SCHEMA_IS_NOW,
    [3] = "BEGIN IMMEDIATE;" SCHEMA_CHANGED SCHEMA_BUDGETS SCHEMA_PAUSED SCHEMA_RETURNED
        SCHEMA_IS_NOW,
    [4] = "BEGIN IMMEDIATE;" SCHEMA_BUDGETS SCHEMA_PAUSED SCHEMA_RETURNED SCHEMA_IS_NOW,
    [5] = "BEGIN IMMEDIATE;" SCHEMA_PAUSED SCHEMA_RETURNED SCHEMA_IS_NOW,
    [6] = "BEGIN IMMEDIATE;" SCHEMA_RETURNED SCHEMA_IS_NOW,
};

static const char schema[] =
    "BEGIN IMMEDIATE;"
    "CREATE TABLE message(seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE,"
    " received INTEGER NOT NULL, reverse_path TEXT NOT NULL, params TEXT NOT NULL,"
    " login TEXT NOT NULL, client TEXT NOT NULL, message_id TEXT NOT NULL, size INTEGER NOT NULL,"
    " flags INTEGER NOT NULL, spooled INTEGER NOT NULL);"
    "CREATE TABLE content(seq INTEGER PRIMARY KEY, bytes BLOB NOT NULL);"
    "CREATE TABLE recipient(id INTEGER PRIMARY KEY, destination TEXT NOT NULL,"
    " due INTEGER NOT NULL, state INTEGER NOT NULL, address TEXT NOT NULL, params TEXT NOT NULL,"
    " attempts INTEGER NOT NULL, warned INTEGER NOT NULL, status TEXT NOT NULL,"
    " text TEXT NOT NULL, held INTEGER NOT NULL);"
    "CREATE INDEX recipient_due ON recipient(destination, due) WHERE state=0;"
    "CREATE INDEX recipient_parked ON recipient(state) WHERE state<>0;"
    "CREATE TABLE totals(messages INTEGER NOT NULL, rows INTEGER NOT NULL,"
    " compensations INTEGER NOT NULL);"
    "INSERT INTO totals VALUES(0, 0, 0);" SCHEMA_PARTIAL SCHEMA_SPENT SCHEMA_CHANGED SCHEMA_BUDGETS
        SCHEMA_PAUSED "PRAGMA application_id=" APPLICATION_ID ";" SCHEMA_IS_NOW;

static int tell(struct store *s, struct buf *error, int err, const char *what)
{
    if (error && buf_printf(error, "%s: %s: %s (%s)", s->path, what, sqlite3_errmsg(s->db.handle),
                            err_text(err)) < 0)
        buf_reset(error);
    return err;
}

/* Any change of ours gives up after a second: a check is worth a short wait, a start without
 * mail is not. */
static int check_stop(void *arg)
{
    const uint64_t *end_ms = arg;
    return clock_mono_ms() > *end_ms;
}

static int check(struct store *s, struct buf *error)
{
    uint64_t end_ms = clock_mono_ms() + 1000;
    sqlite3_stmt *st = NULL;
    sqlite3_progress_handler(s->db.handle, 10000, check_stop, &end_ms);
    int rc = sqlite3_prepare_v2(s->db.handle, "PRAGMA quick_check(1)", -1, &st, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_step(st);
    int err = 0;
    if (rc == SQLITE_ROW && strcmp(sql_column(st, 0), "ok") != 0) {
        err = ERR_CORRUPT;
        if (error &&
            buf_printf(error, "%s: the queue is damaged: %s", s->path, sql_column(st, 0)) < 0)
            buf_reset(error);
    } else if (rc != SQLITE_ROW && rc != SQLITE_INTERRUPT) {
        err = tell(s, error, sql_error(&s->db, rc), "the queue cannot be checked");
    }
    sqlite3_finalize(st);
    sqlite3_progress_handler(s->db.handle, 0, NULL, NULL);
    return err;
}

static int create_or_check(struct store *s, struct buf *error)
{
    int64_t version = 0, tables = 0;
    int err = sql_value(&s->db, "PRAGMA user_version", &version);
    if (err == 0)
        err = sql_value(&s->db, "SELECT count(*) FROM sqlite_schema", &tables);
    if (err < 0)
        return tell(s, error, err, "the queue cannot be read");
    if (tables == 0) {
        err = sql_exec(&s->db, pragmas_new);
        if (err == 0)
            err = sql_exec(&s->db, pragmas);
        if (err == 0)
            err = sql_exec(&s->db, schema);
        return err < 0 ? tell(s, error, err, "the queue cannot be created") : 0;
    }
    int64_t application = 0;
    err = sql_value(&s->db, "PRAGMA application_id", &application);
    if (err < 0 || version < 1 || version > SCHEMA_VERSION || application != 1297301809) {
        err = err < 0 ? err : ERR_CORRUPT;
        if (error && buf_printf(error, "%s: not a queue of this version (version %lld)", s->path,
                                (long long)version) < 0)
            buf_reset(error);
        return err;
    }
    err = sql_exec(&s->db, pragmas);
    if (err < 0)
        return tell(s, error, err, "the queue cannot be opened");
    err = check(s, error);
    if (err < 0 || version == SCHEMA_VERSION)
        return err;
    err = sql_exec(&s->db, upgrades[version]);
    return err < 0 ? tell(s, error, err, "the queue cannot be brought to this version") : 0;
}

/* A VFS without shared memory leaves the journal as it was, and says nothing. */
static int require_wal(struct store *s, struct buf *error)
{
    int64_t is_wal = 0;
    int err = sql_value(&s->db, "SELECT journal_mode='wal' FROM pragma_journal_mode", &is_wal);
    if (err == 0 && !is_wal)
        err = ERR_DB;
    return err < 0 ? tell(s, error, err, "no write-ahead log can be used here") : 0;
}

/* Rows that the operator deleted under a delivery whose result never came. */
static int end_deleted(struct store *s)
{
    int64_t key = 0;
    for (;;) {
        int err =
            sql_value(&s->db, "SELECT id FROM recipient WHERE state<>0 AND state=2 LIMIT 1", &key);
        if (err == ERR_NOT_FOUND)
            return 0;
        bool ended = false;
        s->put_messages = s->put_rows = 0;
        if (err == 0)
            err = sql_run(&s->db, sql_use(&s->db, STORE_BEGIN));
        if (err == 0)
            err = store_end_row(s, key);
        if (err == 0)
            err = store_end_message(s, key >> STORE_ROW_BITS, &ended);
        s->messages += s->put_messages;
        s->rows += s->put_rows;
        sqlite3_stmt *count = sql_use(&s->db, STORE_COUNT);
        sql_int(count, 1, s->messages);
        sql_int(count, 2, s->rows);
        if (err == 0)
            err = sql_run(&s->db, count);
        if (err == 0)
            err = sql_run(&s->db, sql_use(&s->db, STORE_COMMIT));
        if (err < 0)
            return err;
    }
}

int store_schema_open(struct store *s, struct buf *error)
{
    int err = sql_open(&s->db, s->path, s->config.vfs, SQL_CREATE, store_sql_texts, store_sql_count,
                       error);
    if (err < 0)
        return err;
    err = create_or_check(s, error);
    if (err == 0)
        err = require_wal(s, error);
    if (err < 0)
        return err;
    int64_t last = 0, page = 0;
    err = sql_value(&s->db, "SELECT ifnull(max(seq), 0) FROM message", &last);
    if (err == 0)
        err = sql_value(&s->db, "SELECT messages FROM totals", &s->messages);
    if (err == 0)
        err = sql_value(&s->db, "SELECT rows FROM totals", &s->rows);
    if (err == 0)
        err = sql_value(&s->db, "PRAGMA page_size", &page);
    if (err == 0)
        err = end_deleted(s);
    if (err < 0)
        return tell(s, error, err, "the queue cannot be read");
    s->next_seq = last + 1;
    s->page_bytes = (int)page;
    return 0;
}
