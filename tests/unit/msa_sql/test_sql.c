/* One connection: statements, values, and what each kind of trouble is called. */
#include "msa/sql/sql.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { PUT, GET, BAD };
static const char *const texts[] = {
    [PUT] = "INSERT INTO t(id, name, bytes) VALUES(?1, ?2, ?3)",
    [GET] = "SELECT name, bytes FROM t WHERE id=?1",
    [BAD] = "SELECT nothing FROM nowhere",
};

static char dir[] = "/tmp/test_sql.XXXXXX", path[64];

static int set_up(void **state)
{
    (void)state;
    strcpy(dir + sizeof(dir) - 7, "XXXXXX");
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof(path), "%s/db", dir);
    return 0;
}

static int tear_down(void **state)
{
    char command[64];

    (void)state;
    snprintf(command, sizeof(command), "rm -r %s", dir);
    return system(command);
}

static int open_as(struct sql *db, unsigned flags)
{
    return sql_open(db, path, NULL, flags, texts, 3, NULL);
}

static int put(struct sql *db, int64_t id, const char *name, struct sv bytes)
{
    sqlite3_stmt *st = sql_use(db, PUT);

    sql_int(st, 1, id);
    sql_text(st, 2, name);
    sql_blob(st, 3, bytes);
    return sql_run(db, st);
}

static void values(void **state)
{
    struct sql db;
    sqlite3_stmt *st;
    int64_t count = 0;

    (void)state;
    assert_int_equal(open_as(&db, SQL_CHANGE), -ENOENT);
    assert_int_equal(open_as(&db, SQL_CREATE), 0);
    assert_int_equal(
        sql_exec(&db, "CREATE TABLE t(id INTEGER PRIMARY KEY, name TEXT UNIQUE, bytes BLOB)"), 0);
    assert_int_equal(put(&db, 1, "it's", (struct sv){"\0\1", 2}), 0);
    assert_int_equal(put(&db, 2, "empty", SV_NONE), 0);
    assert_int_equal(put(&db, 3, "empty", SV_NONE), ERR_EXISTS);
    assert_int_equal(sql_value(&db, "SELECT count(*) FROM t", &count), 0);
    assert_int_equal(count, 2);
    assert_int_equal(sql_value(&db, "SELECT id FROM t WHERE id=9", &count), ERR_NOT_FOUND);
    st = sql_use(&db, GET);
    sql_int(st, 1, 1);
    assert_int_equal(sql_step(&db, st), 1);
    assert_string_equal(sql_column(st, 0), "it's");
    assert_true(sv_eq(sql_column_blob(st, 1), (struct sv){"\0\1", 2}));
    assert_int_equal(sql_step(&db, st), 0);
    st = sql_use(&db, GET); /* prepared once, used again */
    sql_int(st, 1, 2);
    assert_int_equal(sql_step(&db, st), 1);
    assert_int_equal(sql_column_blob(st, 1).len, 0);
    assert_int_equal(sql_step(&db, st), 0);
    assert_null(sql_use(&db, BAD));
    assert_int_equal(sql_run(&db, NULL), ERR_DB);
    sql_close(&db);
    assert_int_equal(open_as(&db, SQL_READONLY), 0);
    assert_int_equal(put(&db, 3, "new", SV_NONE), -EROFS);
    sql_close(&db);
    assert_int_equal(open_as(&db, SQL_CHANGE), 0);
    assert_int_equal(put(&db, 3, "new", SV_NONE), 0);
    sql_close(&db);
    sql_close(&db); /* nothing is open */
}

static void trouble(void **state)
{
    struct sql db, other;
    struct buf error;
    FILE *f;

    (void)state;
    assert_int_equal(open_as(&db, SQL_CREATE), 0);
    assert_int_equal(sql_exec(&db, "CREATE TABLE t(id INTEGER PRIMARY KEY, name, bytes)"), 0);
    assert_int_equal(open_as(&other, SQL_CHANGE), 0);
    sql_wait_at_most(&other, 1);
    assert_int_equal(sql_exec(&db, "BEGIN EXCLUSIVE"), 0);
    assert_int_equal(put(&other, 1, "a", SV_NONE), -EAGAIN);
    assert_int_equal(sql_exec(&db, "COMMIT"), 0);
    assert_int_equal(put(&other, 1, "a", SV_NONE), 0);
    sql_close(&other);
    sql_close(&db);
    f = fopen(path, "wb");
    for (unsigned i = 0; i < 1000; i++)
        fputs("no database ", f);
    fclose(f);
    assert_int_equal(open_as(&db, SQL_CHANGE), 0);
    assert_int_equal(put(&db, 1, "a", SV_NONE), ERR_CORRUPT);
    sql_close(&db);
    buf_init(&error, 512, 0);
    assert_int_equal(sql_open(&db, "/nonexistent/db", NULL, SQL_CREATE, texts, 3, &error), -ENOENT);
    assert_int_equal(buf_append(&error, "", 1), 0);
    assert_non_null(strstr(buf_view(&error).ptr, "/nonexistent/db: "));
    buf_deinit(&error);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(values, set_up, tear_down),
        cmocka_unit_test_setup_teardown(trouble, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
