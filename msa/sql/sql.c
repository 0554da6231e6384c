/*
 * sql.c - SQLite behind few calls.
 *
 * Memory statistics are off: their one mutex would be shared by all connections. Connections have
 * no mutex of their own, because one thread at a time uses each.
 */
#include "msa/sql/sql.h"

#include "msa/base/mem.h"
#include "msa/base/require.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

int sql_error(struct sql *db, int rc)
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
    case SQLITE_BUSY:
        return -EAGAIN;
    default:
        return ERR_DB;
    }
}

int sql_open(struct sql *db, const char *path, const char *vfs, unsigned flags,
             const char *const *texts, size_t ntexts, struct buf *error)
{
    /* Refused when SQLite runs already: the first call of the process counts. */
    sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
    int open_flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
    open_flags |= flags & SQL_CREATE   ? SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE
                  : flags & SQL_CHANGE ? SQLITE_OPEN_READWRITE
                                       : SQLITE_OPEN_READONLY;
    *db = (struct sql){.texts = texts, .ntexts = ntexts};
    int rc = sqlite3_open_v2(path, &db->handle, open_flags, vfs);
    if (rc == SQLITE_OK) {
        db->statements = mem_new(ntexts ? ntexts : 1, sizeof(sqlite3_stmt *));
        sqlite3_busy_timeout(db->handle, SQL_BUSY_MS);
        return 0;
    }
    int err = sql_error(db, rc);
    if (error &&
        buf_printf(error, "%s: %s (%s)", path,
                   db->handle ? sqlite3_errmsg(db->handle) : sqlite3_errstr(rc), err_text(err)) < 0)
        buf_reset(error);
    sqlite3_close(db->handle);
    db->handle = NULL;
    return err;
}

void sql_close(struct sql *db)
{
    if (!db->handle)
        return;
    for (size_t i = 0; i < db->ntexts; i++)
        sqlite3_finalize(db->statements[i]);
    free(db->statements);
    sqlite3_close(db->handle);
    *db = (struct sql){0};
}

int sql_exec(struct sql *db, const char *sql)
{
    return sql_error(db, sqlite3_exec(db->handle, sql, NULL, NULL, NULL));
}

int sql_value(struct sql *db, const char *sql, int64_t *out)
{
    sqlite3_stmt *st = NULL;
    int rc = sqlite3_prepare_v2(db->handle, sql, -1, &st, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_step(st);
    if (rc == SQLITE_ROW)
        *out = sqlite3_column_int64(st, 0);
    int err = rc == SQLITE_DONE ? ERR_NOT_FOUND : sql_error(db, rc);
    sqlite3_finalize(st);
    return err;
}

sqlite3_stmt *sql_use(struct sql *db, size_t n)
{
    REQUIRE(n < db->ntexts);
    sqlite3_stmt *st = db->statements[n];
    if (!st) {
        int rc =
            sqlite3_prepare_v3(db->handle, db->texts[n], -1, SQLITE_PREPARE_PERSISTENT, &st, NULL);
        db->statements[n] = rc == SQLITE_OK ? st : NULL;
    }
    return db->statements[n];
}

void sql_wait_at_most(struct sql *db, unsigned ms)
{
    sqlite3_busy_timeout(db->handle, (int)ms);
}

/* Binding fails only for a number out of range, too large a value or no statement; the last is
 * found by the step that follows. */
void sql_int(sqlite3_stmt *st, int at, int64_t value)
{
    int rc = st ? sqlite3_bind_int64(st, at, value) : SQLITE_OK;
    REQUIRE(rc == SQLITE_OK);
}

void sql_text(sqlite3_stmt *st, int at, const char *text)
{
    int rc = st ? sqlite3_bind_text(st, at, text, -1, SQLITE_STATIC) : SQLITE_OK;
    REQUIRE(rc == SQLITE_OK);
}

void sql_blob(sqlite3_stmt *st, int at, struct sv bytes)
{
    REQUIRE(bytes.len <= INT_MAX);
    const char *ptr = bytes.ptr ? bytes.ptr : "";
    int rc = st ? sqlite3_bind_blob(st, at, ptr, (int)bytes.len, SQLITE_STATIC) : SQLITE_OK;
    REQUIRE(rc == SQLITE_OK);
}

int sql_step(struct sql *db, sqlite3_stmt *st)
{
    int rc = st ? sqlite3_step(st) : sqlite3_extended_errcode(db->handle);
    if (rc == SQLITE_ROW)
        return 1;
    int err = sql_error(db, rc);
    if (st)
        sqlite3_reset(st);
    else if (err == 0)
        err = ERR_DB;
    return err;
}

int sql_run(struct sql *db, sqlite3_stmt *st)
{
    int rc = sql_step(db, st);
    REQUIRE(rc <= 0);
    return rc;
}

const char *sql_column(sqlite3_stmt *st, int column)
{
    const unsigned char *text = sqlite3_column_text(st, column);
    return text ? (const char *)text : "";
}

struct sv sql_column_blob(sqlite3_stmt *st, int column)
{
    const void *bytes = sqlite3_column_blob(st, column);
    int len = sqlite3_column_bytes(st, column);

    return (struct sv){bytes, bytes ? (size_t)len : 0};
}
