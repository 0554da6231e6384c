/*
 * sql.h - one SQLite connection with its prepared statements.
 *
 * All SQL is fixed text in a table; values are bound, never pasted. Statements are prepared at
 * their first use. A connection belongs to one thread at a time. Errors: negative, see
 * sql_error().
 *
 *     st = sql_use(db, STORE_END_ROW);
 *     sql_int(st, 1, id);
 *     err = sql_run(db, st);
 */
#ifndef MSA_SQL_SQL_H
#define MSA_SQL_SQL_H

#include "msa/base/buf.h"

#include <sqlite3.h>

struct sql {
    sqlite3 *handle;
    const char *const *texts; /* ntexts, the caller's */
    sqlite3_stmt **statements;
    size_t ntexts;
};

#define SQL_BUSY_MS 10000 /* how long a call waits for another connection's lock */

#define SQL_CREATE   1u /* read and write, made if absent */
#define SQL_READONLY 2u
#define SQL_CHANGE   4u /* read and write; -ENOENT if it is absent */

/* error may be NULL; it gets words for the operator. */
int sql_open(struct sql *db, const char *path, const char *vfs, unsigned flags,
             const char *const *texts, size_t ntexts, struct buf *error) MUST_CHECK;
void sql_close(struct sql *db);
/* Text without values: schema and pragmas. Fixed texts only. */
int sql_exec(struct sql *db, const char *sql) MUST_CHECK;
/* The first column of the first row of a fixed text. */
int sql_value(struct sql *db, const char *sql, int64_t *out) MUST_CHECK;

/* Statement number n, reset and ready to bind; NULL if it cannot be prepared. */
sqlite3_stmt *sql_use(struct sql *db, size_t n);
void sql_int(sqlite3_stmt *st, int at, int64_t value);
/* Not copied: stays untouched until the statement has run. */
void sql_text(sqlite3_stmt *st, int at, const char *text);
void sql_blob(sqlite3_stmt *st, int at, struct sv bytes);
/* 1: a row, 0: the end (statement reset), negative: an error (statement reset). */
int sql_step(struct sql *db, sqlite3_stmt *st) MUST_CHECK;
/* Runs a statement that gives no rows. */
int sql_run(struct sql *db, sqlite3_stmt *st) MUST_CHECK;
/* How long calls wait for a lock of another connection, in place of SQL_BUSY_MS. */
void sql_wait_at_most(struct sql *db, unsigned ms);
/* A column as text; valid until the next step; never NULL. */
const char *sql_column(sqlite3_stmt *st, int column);
/* A column's bytes; valid until the next step. */
struct sv sql_column_blob(sqlite3_stmt *st, int column);

/* The error for a result code: -ENOSPC, -EIO or the system's own, ERR_CORRUPT, ERR_EXISTS for a
 * broken UNIQUE, -EAGAIN where another connection holds a lock, else ERR_DB. */
int sql_error(struct sql *db, int rc);

#endif
