/*
 * store_db.h - one SQLite connection with its prepared statements.
 *
 * All SQL is fixed text in a table; values are bound, never pasted. Statements are prepared at
 * their first use. A connection belongs to one thread at a time. Errors: negative, see
 * store_db_error().
 *
 *     st = store_db_use(db, STORE_END_ROW);
 *     store_db_int(st, 1, id);
 *     err = store_db_run(db, st);
 */
#ifndef RELAY_QUEUE_STORE_DB_H
#define RELAY_QUEUE_STORE_DB_H

#include "msa/base/buf.h"

#include <sqlite3.h>

struct store_db {
    sqlite3 *handle;
    const char *const *sql; /* nsql texts */
    sqlite3_stmt **statements;
    size_t nsql;
};

#define STORE_DB_CREATE   1u /* read and write, made if absent */
#define STORE_DB_READONLY 2u

/* error may be NULL; it gets words for the operator. */
int store_db_open(struct store_db *db, const char *path, const char *vfs, unsigned flags,
                  const char *const *sql, size_t nsql, struct buf *error) MUST_CHECK;
void store_db_close(struct store_db *db);
/* Text without values: schema and pragmas. Fixed texts only. */
int store_db_exec(struct store_db *db, const char *sql) MUST_CHECK;
/* The first column of the first row of a fixed text. */
int store_db_value(struct store_db *db, const char *sql, int64_t *out) MUST_CHECK;

/* Statement number n, reset and ready to bind; NULL if it cannot be prepared. */
sqlite3_stmt *store_db_use(struct store_db *db, size_t n);
void store_db_int(sqlite3_stmt *st, int at, int64_t value);
/* Not copied: stays untouched until the statement has run. */
void store_db_text(sqlite3_stmt *st, int at, const char *text);
void store_db_blob(sqlite3_stmt *st, int at, struct sv bytes);
/* 1: a row, 0: the end (statement reset), negative: an error (statement reset). */
int store_db_step(struct store_db *db, sqlite3_stmt *st) MUST_CHECK;
/* Runs a statement that gives no rows. */
int store_db_run(struct store_db *db, sqlite3_stmt *st) MUST_CHECK;
/* A column as text; valid until the next step; never NULL. */
const char *store_db_column(sqlite3_stmt *st, int column);

/* The error for a result code: -ENOSPC, -EIO or the system's own, ERR_CORRUPT, ERR_EXISTS for a
 * broken UNIQUE, else ERR_DB. */
int store_db_error(struct store_db *db, int rc);

#endif
