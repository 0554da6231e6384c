/*
 * store_db.c - SQLite behind few calls.
 *
 * Memory statistics are off: their one mutex would be shared by all connections. Connections have
 * no mutex of their own, because one thread at a time uses each.
 */
#include "relay/queue/store_db.h"

#include "msa/base/mem.h"
#include "msa/base/require.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

int store_db_error(struct store_db *db, int rc)
{
    int system = db->handle ? sqlite3_system_errno(db->handle) : 0;
    switch (rc & 0xff) {
    case SQLITE_OK:
    case SQLITE_ROW:
    case SQLITE_DONE:
        return 0;
    case SQLITE_FULL:
        return -ENOSPC;
    case SQLITE_IOERR:
    case SQLITE_CANTOPEN:
        return system > 0 && system < 4096 ? -system : -EIO;
    case SQLITE_NOMEM:
        return -ENOMEM;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return ERR_CORRUPT;
    case SQLITE_CONSTRAINT:
        return ERR_EXISTS;
    case SQLITE_READONLY:
        return -EROFS;
    default:
        return ERR_DB;
    }
}

int store_db_open(struct store_db *db, const char *path, const char *vfs, unsigned flags,
                  const char *const *sql, size_t nsql, struct buf *error)
{
    /* Refused when SQLite runs already: the first call of the process counts. */
    sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
    int open_flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
    open_flags |=
        flags & STORE_DB_CREATE ? SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE : SQLITE_OPEN_READONLY;
    *db = (struct store_db){.sql = sql, .nsql = nsql};
    int rc = sqlite3_open_v2(path, &db->handle, open_flags, vfs);
    if (rc == SQLITE_OK) {
        db->statements = mem_new(nsql ? nsql : 1, sizeof(sqlite3_stmt *));
        sqlite3_busy_timeout(db->handle, 10000);
        return 0;
    }
    int err = store_db_error(db, rc);
    if (error &&
        buf_printf(error, "%s: %s (%s)", path,
                   db->handle ? sqlite3_errmsg(db->handle) : sqlite3_errstr(rc), err_text(err)) < 0)
        buf_reset(error);
    sqlite3_close(db->handle);
    db->handle = NULL;
    return err;
}

void store_db_close(struct store_db *db)
{
    if (!db->handle)
        return;
    for (size_t i = 0; i < db->nsql; i++)
        sqlite3_finalize(db->statements[i]);
    free(db->statements);
    sqlite3_close(db->handle);
    *db = (struct store_db){0};
}

int store_db_exec(struct store_db *db, const char *sql)
{
    return store_db_error(db, sqlite3_exec(db->handle, sql, NULL, NULL, NULL));
}

int store_db_value(struct store_db *db, const char *sql, int64_t *out)
{
    sqlite3_stmt *st = NULL;
    int rc = sqlite3_prepare_v2(db->handle, sql, -1, &st, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_step(st);
    if (rc == SQLITE_ROW)
        *out = sqlite3_column_int64(st, 0);
    int err = rc == SQLITE_DONE ? ERR_NOT_FOUND : store_db_error(db, rc);
    sqlite3_finalize(st);
    return err;
}

sqlite3_stmt *store_db_use(struct store_db *db, size_t n)
{
    REQUIRE(n < db->nsql);
    sqlite3_stmt *st = db->statements[n];
    if (!st) {
        int rc =
            sqlite3_prepare_v3(db->handle, db->sql[n], -1, SQLITE_PREPARE_PERSISTENT, &st, NULL);
        db->statements[n] = rc == SQLITE_OK ? st : NULL;
    }
    return db->statements[n];
}

/* Binding fails only for a number out of range, too large a value or no statement; the last is
 * found by the step that follows. */
void store_db_int(sqlite3_stmt *st, int at, int64_t value)
{
    int rc = st ? sqlite3_bind_int64(st, at, value) : SQLITE_OK;
    REQUIRE(rc == SQLITE_OK);
}

void store_db_text(sqlite3_stmt *st, int at, const char *text)
{
    int rc = st ? sqlite3_bind_text(st, at, text, -1, SQLITE_STATIC) : SQLITE_OK;
    REQUIRE(rc == SQLITE_OK);
}

void store_db_blob(sqlite3_stmt *st, int at, struct sv bytes)
{
    REQUIRE(bytes.len <= INT_MAX);
    const char *ptr = bytes.ptr ? bytes.ptr : "";
    int rc = st ? sqlite3_bind_blob(st, at, ptr, (int)bytes.len, SQLITE_STATIC) : SQLITE_OK;
    REQUIRE(rc == SQLITE_OK);
}

int store_db_step(struct store_db *db, sqlite3_stmt *st)
{
    int rc = st ? sqlite3_step(st) : sqlite3_extended_errcode(db->handle);
    if (rc == SQLITE_ROW)
        return 1;
    int err = store_db_error(db, rc);
    if (st)
        sqlite3_reset(st);
    else if (err == 0)
        err = ERR_DB;
    return err;
}

int store_db_run(struct store_db *db, sqlite3_stmt *st)
{
    int rc = store_db_step(db, st);
    REQUIRE(rc <= 0);
    return rc;
}

const char *store_db_column(sqlite3_stmt *st, int column)
{
    const unsigned char *text = sqlite3_column_text(st, column);
    return text ? (const char *)text : "";
}
