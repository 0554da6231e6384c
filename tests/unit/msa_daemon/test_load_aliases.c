/* Addresses out of files and databases, and what is refused of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "msa/daemon/load_aliases.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static char dir[] = "/tmp/test_load_aliases.XXXXXX";

static void change(const char *sql)
{
    char path[128];
    sqlite3 *db;
    snprintf(path, sizeof path, "%s/db", dir);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static int setup(void **state)
{
    (void)state;
    if (!mkdtemp(dir))
        return -1;
    change("CREATE TABLE a(login, address, n); INSERT INTO a VALUES('alice', 'x@example.net', 1),"
           "('alice', '@c.example', 2), (NULL, 'y@example.net', 3), ('bob', NULL, 4),"
           "('a:b', 'z@example.net', 10), ('a', 'b@example.net, c@example.net', 11),"
           "('a', 'b@example.net' || char(10) || 'x: *', 12);"
           "CREATE VIEW v AS SELECT login, address FROM a WHERE n < 3;");
    return 0;
}

static int teardown(void **state)
{
    char command[64];
    (void)state;
    snprintf(command, sizeof command, "rm -r %s", dir);
    return system(command);
}

/* query behind the database's path; what it gives, or words of why not */
static const struct {
    const char *query, *text, *why;
} rows[] = {
    {"SELECT login, address FROM a WHERE n < 10 ORDER BY n", "alice: x@example.net\n", NULL},
    {"SELECT login, address FROM v ORDER BY address DESC", "alice: x@example.net\n", NULL},
    {"SELECT 'eve', '*' UNION ALL SELECT 'eve', ' *' UNION ALL SELECT 'eve', '@*.c.example' UNION "
     "ALL SELECT 'eve', '%u+*' UNION ALL SELECT 'eve', 'a+*@c.example' UNION ALL SELECT 'eve', "
     "'file:/x' UNION ALL SELECT 'eve', ' e@c.example '",
     "eve: e@c.example\n", NULL},
    {"SELECT lower(login), max(address) FROM a WHERE n < 3 ; ", "alice: x@example.net\n", NULL},
    {"SELECT login, address FROM a WHERE n = 99", "", NULL},
    {"SELECT login FROM a", NULL, "two columns"},
    {"SELECT login, address, n FROM a", NULL, "two columns"},
    {"SELECT login, address FROM nowhere", NULL, "no such table: nowhere"},
    {"SELECT login, address FROM", NULL, "the query cannot be run"},
    {"SELECT login, address FROM a; DELETE FROM a", NULL, "one statement"},
    {"SELECT 'a', load_extension('/x')", NULL, "the query cannot be run"},
    {"SELECT login, address FROM a WHERE n = 10", NULL, "a login with a colon"},
    {"SELECT login, address FROM a WHERE n = 11", NULL, "an address with a comma"},
    {"SELECT login, address FROM a WHERE n = 12", NULL, "a control character"},
    {"SELECT 'a', hex(zeroblob(5000000))", NULL, "too much"},
    {"SELECT 'a', count(*) FROM (WITH RECURSIVE r(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM r) "
     "SELECT i FROM r)",
     NULL, "it took more than 5 seconds"},
};

static void queries(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct buf out, why;
        char pattern[512];
        buf_init(&out, 4u << 20, 0);
        buf_init(&why, 500, 0);
        snprintf(pattern, sizeof pattern, "sqlite:%s/db?%s", dir, rows[i].query);
        bool good = load_aliases(sv_of(pattern), &out, &why);
        struct sv words = buf_view(&why);
        if (good != (rows[i].text != NULL) ||
            (good ? !sv_eq(buf_view(&out), sv_of(rows[i].text))
                  : !memmem(words.ptr, words.len, rows[i].why, strlen(rows[i].why))))
            fail_msg("%s: %d \"%.*s\" %.*s", rows[i].query, good,
                     SV_ARG(sv_first(buf_view(&out), 200)), SV_ARG(words));
        buf_deinit(&out);
        buf_deinit(&why);
    }
}

static void no_database(void **state)
{
    (void)state;
    struct buf out, why;
    char pattern[512];
    buf_init(&out, 4096, 0);
    buf_init(&why, 500, 0);
    snprintf(pattern, sizeof pattern, "sqlite:%s/none?SELECT a, b FROM c", dir);
    assert_false(load_aliases(sv_of(pattern), &out, &why));
    assert_true(sv_starts(buf_view(&why), SV("cannot open the database: ")));
    snprintf(pattern, sizeof pattern, "%s/none", dir);
    assert_int_equal(access(pattern, F_OK), -1); /* it was not made */
    snprintf(pattern, sizeof pattern, "%s/text", dir);
    FILE *f = fopen(pattern, "we");
    assert_non_null(f);
    assert_true(fputs("alice: x@example.net\n", f) >= 0 && fclose(f) == 0);
    snprintf(pattern, sizeof pattern, "file:%s/text", dir);
    buf_reset(&why);
    assert_true(load_aliases(sv_of(pattern), &out, &why));
    assert_true(sv_eq(buf_view(&out), SV("alice: x@example.net\n")));
    snprintf(pattern, sizeof pattern, "sqlite:%s/text?SELECT a, b FROM c", dir);
    assert_false(load_aliases(sv_of(pattern), &out, &why));
    buf_reset(&why);
    snprintf(pattern, sizeof pattern, "file:%s/none", dir);
    assert_false(load_aliases(sv_of(pattern), &out, &why));
    assert_true(sv_starts(buf_view(&why), SV("cannot read it: ")));
    buf_deinit(&out);
    buf_deinit(&why);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(queries), cmocka_unit_test(no_database)};
    return cmocka_run_group_tests(tests, setup, teardown);
}
