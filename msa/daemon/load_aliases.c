#include "msa/daemon/load_aliases.h"

#include "msa/base/log.h"
#include "msa/daemon/load.h"
#include "msa/server/pattern.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define STEPS 10000 /* of SQLite between two looks at the clock */

struct query {
    struct sv source;
    sqlite3 *db;
    sqlite3_stmt *rows;
    struct timespec end;
    struct buf *why;
    size_t ignored; /* rows */
    char example[100];
};

static bool fail(struct query *q, const char *what, const char *words)
{
    int cut = buf_printf(q->why, "%s: %.300s", what, words);
    (void)cut;
    return false;
}

static int allow_reading(void *arg, int action, const char *a, const char *b, const char *c,
                         const char *d)
{
    (void)arg, (void)a, (void)c, (void)d;
    bool good = action == SQLITE_SELECT || action == SQLITE_READ || action == SQLITE_RECURSIVE ||
                (action == SQLITE_FUNCTION && b && strcmp(b, "load_extension") != 0);
    return good ? SQLITE_OK : SQLITE_DENY;
}

static int is_late(void *arg)
{
    struct query *q = arg;
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec > q->end.tv_sec ||
           (now.tv_sec == q->end.tv_sec && now.tv_nsec > q->end.tv_nsec);
}

static bool open_database(struct query *q, const char *path)
{
    if (sqlite3_open_v2(path, &q->db, SQLITE_OPEN_READONLY, NULL) != SQLITE_OK)
        return fail(q, "cannot open the database", q->db ? sqlite3_errmsg(q->db) : "no memory");
    clock_gettime(CLOCK_MONOTONIC, &q->end);
    q->end.tv_sec += LOAD_QUERY_MS / 1000;
    sqlite3_db_config(q->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    sqlite3_db_config(q->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    sqlite3_busy_timeout(q->db, 1000);
    sqlite3_progress_handler(q->db, STEPS, is_late, q);
    sqlite3_set_authorizer(q->db, allow_reading, NULL);
    return true;
}

static struct sv column(struct query *q, int i)
{
    const char *text = (const char *)sqlite3_column_text(q->rows, i);
    return text ? (struct sv){text, (size_t)sqlite3_column_bytes(q->rows, i)} : SV_NONE;
}

/* What would be another line, or another address, of a file. */
static bool is_clean(struct sv text, const char *never)
{
    for (size_t i = 0; i < text.len; i++)
        if ((unsigned char)text.ptr[i] < ' ' || strchr(never, text.ptr[i]))
            return false;
    return true;
}

/* Data is no configuration: it cannot allow a domain, or everything. */
static bool is_wider(struct sv text)
{
    struct arena scratch;
    struct pattern p;
    const char *wrong, *right;
    arena_init(&scratch);
    bool wider = pattern_parse(&scratch, text, &p, &wrong, &right) && p.form != PATTERN_ADDRESS;
    arena_deinit(&scratch);
    return wider;
}

static void ignore(struct query *q, struct sv login, struct sv address)
{
    if (q->ignored++ == 0)
        snprintf(q->example, sizeof q->example, "%.*s: %.*s", SV_ARG(sv_first(login, 40)),
                 SV_ARG(sv_first(address, 40)));
}

static void tell_ignored(const struct query *q)
{
    if (q->ignored)
        log_event(
            LOG_WARNING, "aliases", NULL,
            "%.*s: %zu rows are ignored, as they give no address but a pattern, such as \"%s\"",
            SV_ARG(sv_first(q->source, 300)), q->ignored, q->example);
}

static bool put_row(struct query *q, struct buf *out)
{
    struct sv login = column(q, 0), address = sv_trim(column(q, 1));
    if (!login.len || !address.len)
        return true;
    if (!is_clean(login, ":") || !is_clean(address, ","))
        return fail(q, "the query gives what cannot stand in a row",
                    "a login with a colon, an address with a comma, or a control character");
    if (is_wider(address)) {
        ignore(q, login, address);
        return true;
    }
    if (buf_printf(out, "%.*s: %.*s\n", SV_ARG(login), SV_ARG(address)) == 0)
        return true;
    return fail(q, "the query gives too much", "at most 4M of logins and addresses can be kept");
}

static bool run_query(struct query *q, struct sv sql, struct buf *out)
{
    const char *rest;
    if (sqlite3_prepare_v2(q->db, sql.ptr, (int)sql.len, &q->rows, &rest) != SQLITE_OK)
        return fail(q, "the query cannot be run", sqlite3_errmsg(q->db));
    if (sqlite3_column_count(q->rows) != 2)
        return fail(q, "the query cannot be used", "it must give two columns, login and address");
    if (sv_trim(sv_range(rest, sql.ptr + sql.len)).len)
        return fail(q, "the query cannot be used", "it must be one statement");
    int step;
    while ((step = sqlite3_step(q->rows)) == SQLITE_ROW)
        if (!put_row(q, out))
            return false;
    return step == SQLITE_DONE ||
           fail(q, "the query failed",
                step == SQLITE_INTERRUPT ? "it took more than 5 seconds" : sqlite3_errmsg(q->db));
}

bool load_aliases(struct sv pattern, struct buf *out, struct buf *why)
{
    struct query q = {.source = pattern, .why = why};
    struct sv sql, path = pattern_source_path(pattern, &sql);
    char *path_text = sv_dup(path);
    bool good;
    if (sql.len) {
        good = open_database(&q, path_text) && run_query(&q, sql, out);
        tell_ignored(&q);
        sqlite3_finalize(q.rows);
        sqlite3_close(q.db);
    } else {
        int err = load_file(path_text, out);
        good = err == 0 || fail(&q, "cannot read it", err_text(err));
    }
    free(path_text);
    return good;
}
