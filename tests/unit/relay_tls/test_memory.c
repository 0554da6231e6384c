/* Hosts where TLS has worked. */
#include "tests/sim/loop/sim.h"

#include "msa/loop/loop.h"
#include "relay/tls/memory.h"
#include "tests/sim/vfs.h"

#include <sqlite3.h>
#include <stdio.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#define DAY_MS  INT64_C(86400000)
#define WEEK_MS (7 * DAY_MS)

static struct tls_memory *m;
static struct keep *keep;
static unsigned rows;

static void on_row(void *arg, enum keep_kind kind, struct sv key, struct sv value)
{
    rows++;
    assert_int_equal(kind, KEEP_HOST);
    tls_memory_remember(arg, key, value);
}

static void begin(void)
{
    rows = 0;
    m = tls_memory_new();
    keep = keep_open("/tls.db", on_row, m);
    tls_memory_set_keep(m, keep);
}

static void end(void)
{
    tls_memory_free(m);
    keep_close(keep);
}

static int set_up(void **state)
{
    (void)state;
    sim_start(1);
    sim_vfs_register();
    sqlite3_vfs_register(sqlite3_vfs_find(SIM_VFS), 1);
    begin();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    end();
    sim_stop();
    return 0;
}

static void test_memory(void **state)
{
    (void)state;
    assert_false(tls_memory_has(m, "mx.test"));
    assert_false(tls_memory_is_news(m, "mx.test"));
    assert_true(tls_memory_worked(m, "mx.test"));
    assert_false(tls_memory_worked(m, "mx.test"));
    assert_true(tls_memory_has(m, "mx.test"));
    assert_false(tls_memory_has(m, "mx2.test"));
    /* told once a day, and again when it has worked meanwhile */
    assert_true(tls_memory_is_news(m, "mx.test"));
    assert_false(tls_memory_is_news(m, "mx.test"));
    sim_run_for(DAY_MS);
    assert_true(tls_memory_is_news(m, "mx.test"));
    tls_memory_worked(m, "mx.test");
    assert_true(tls_memory_is_news(m, "mx.test"));
}

static void test_kept(void **state)
{
    (void)state;
    tls_memory_worked(m, "a.test");
    tls_memory_worked(m, "b.test");
    end();
    begin();
    assert_int_equal(rows, 2);
    assert_true(tls_memory_has(m, "a.test") && tls_memory_has(m, "b.test"));
    /* a's success 80 days later is kept, b's first one ends after 90 */
    sim_run_for(80 * DAY_MS);
    assert_true(tls_memory_has(m, "b.test"));
    tls_memory_worked(m, "a.test");
    end();
    begin();
    sim_run_for(10 * DAY_MS);
    assert_true(tls_memory_has(m, "a.test"));
    assert_false(tls_memory_has(m, "b.test"));
    assert_false(tls_memory_is_news(m, "b.test"));
    end();
    begin();
    assert_int_equal(tls_memory_count(m), 1); /* nor kept */
}

/* A clock that is ahead forgets nobody: not while we run, and for a day when we start. */
static void test_clock_ahead(void **state)
{
    (void)state;
    tls_memory_worked(m, "a.test");
    sim_wall_jump(400 * DAY_MS);
    assert_true(tls_memory_has(m, "a.test"));
    end();
    begin();
    sim_run_for(DAY_MS - 1000);
    assert_true(tls_memory_has(m, "a.test"));
    /* put right within that day it is as if nothing had been */
    sim_wall_jump(-400 * DAY_MS);
    sim_run_for(80 * DAY_MS);
    assert_true(tls_memory_has(m, "a.test"));
    sim_run_for(10 * DAY_MS);
    assert_false(tls_memory_has(m, "a.test"));
    /* else it counts in the end, and the row goes with the host */
    tls_memory_worked(m, "b.test");
    end();
    sim_wall_jump(91 * DAY_MS);
    begin();
    assert_int_equal(rows, 1);
    assert_true(tls_memory_has(m, "b.test"));
    sim_run_for(DAY_MS + 1000);
    assert_false(tls_memory_has(m, "b.test"));
    end();
    begin();
    assert_int_equal(rows, 0);
}

/* Rows of hosts that nobody asks for go a year after their end, but by no clock that knows nothing
 * of the last row. */
static void test_old_rows(void **state)
{
    (void)state;
    tls_memory_worked(m, "a.test");
    end();
    sim_wall_jump(5000 * DAY_MS);
    begin();
    end();
    begin();
    assert_int_equal(rows, 1);
    sim_wall_jump(-(5000 - MEMORY_DAYS - MEMORY_ROW_DAYS + 1) * DAY_MS);
    tls_memory_worked(m, "b.test");
    end();
    begin();
    assert_int_equal(rows, 2);
    assert_int_equal(tls_memory_count(m), 2);
    sim_wall_jump(WEEK_MS);
    tls_memory_worked(m, "b.test");
    end();
    begin();
    assert_int_equal(rows, 2);
    assert_int_equal(tls_memory_count(m), 1);
    end();
    begin();
    assert_int_equal(rows, 1);
}

static void test_bounds(void **state)
{
    char name[400];
    (void)state;
    for (unsigned i = 0; i < MEMORY_HOSTS_MAX + 10; i++) {
        snprintf(name, sizeof name, "mx%u.test", i);
        tls_memory_worked(m, name);
    }
    assert_int_equal(tls_memory_count(m), MEMORY_HOSTS_MAX);
    assert_false(tls_memory_has(m, "mx0.test"));
    assert_true(tls_memory_has(m, name));
    memset(name, 'a', 300);
    name[300] = '\0';
    tls_memory_worked(m, name); /* no host has such a name */
    assert_false(tls_memory_has(m, name));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {TEST(test_memory), TEST(test_kept), TEST(test_clock_ahead),
                                       TEST(test_old_rows), TEST(test_bounds)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
