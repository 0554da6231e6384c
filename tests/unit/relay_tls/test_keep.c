/* What is kept over restarts, in a real folder. */
#include "relay/tls/keep.h"

#include "msa/base/log.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static char dir[64], path[96], rows[4096], said[4096];

static void on_row(void *arg, enum keep_kind kind, struct sv key, struct sv value)
{
    (void)arg;
    snprintf(rows + strlen(rows), sizeof rows - strlen(rows), "%d %.*s=%.*s;", kind, SV_ARG(key),
             SV_ARG(value));
}

static void on_log(void *arg, const char *line, size_t len)
{
    (void)arg;
    snprintf(said + strlen(said), sizeof said - strlen(said), "%.*s", (int)len, line);
}

static struct keep *open_keep(void)
{
    rows[0] = said[0] = '\0';
    return keep_open(path, on_row, NULL);
}

static void test_rows(void **state)
{
    struct stat st;
    (void)state;
    struct keep *k = open_keep();
    assert_string_equal(rows, "");
    keep_close(k);
    assert_int_equal(stat(path, &st), -1); /* nothing to keep, no file */
    k = open_keep();
    keep_put(k, KEEP_POLICY, SV("a.test"), SV("1"));
    keep_put(k, KEEP_POLICY, SV("b.test"), SV("x\0y"));
    keep_put(k, KEEP_HOST, SV("a.test"), SV("2"));
    keep_put(k, KEEP_POLICY, SV("a.test"), SV("3"));
    keep_put(k, KEEP_RESULT, SV("gone"), SV("4"));
    keep_remove(k, KEEP_RESULT, SV("gone"));
    keep_remove(k, KEEP_RESULT, SV("never was"));
    keep_close(k);
    k = open_keep();
    assert_string_equal(rows, "1 a.test=3;1 b.test=x;2 a.test=2;");
    assert_string_equal(said, "");
    keep_remove(k, KEEP_POLICY, SV("b.test"));
    keep_remove(k, KEEP_POLICY, SV("a.test"));
    keep_close(k);
    k = open_keep();
    assert_string_equal(rows, "2 a.test=2;");
    assert_int_equal(keep_dropped(k), 0);
    keep_close(k);
}

static void overwrite(const char *text)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
}

static void test_damaged(void **state)
{
    char aside[128];
    struct stat st;
    (void)state;
    overwrite("this is no database, and long enough for SQLite to say so; it was something else");
    struct keep *k = open_keep();
    assert_string_equal(rows, "");
    assert_non_null(strstr(said, "is damaged"));
    keep_put(k, KEEP_HOST, SV("h"), SV("1"));
    keep_close(k);
    snprintf(aside, sizeof aside, "%s.damaged", path);
    assert_int_equal(stat(aside, &st), 0);
    k = open_keep();
    assert_string_equal(rows, "2 h=1;");
    keep_close(k);
}

/* The folder is gone: said once, and nothing else happens. */
static void test_no_place(void **state)
{
    (void)state;
    snprintf(path, sizeof path, "%s/none/tls.db", dir);
    struct keep *k = open_keep();
    for (int i = 0; i < 100; i++)
        keep_put(k, KEEP_HOST, SV("h"), SV("1"));
    keep_close(k);
    assert_non_null(strstr(said, "cannot be written"));
    assert_null(strstr(strstr(said, "cannot be written") + 1, "cannot be written"));
}

static int set_up(void **state)
{
    (void)state;
    strcpy(dir, "/tmp/test_keep.XXXXXX");
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/tls.db", dir);
    log_set_sink(on_log, NULL);
    return 0;
}

static int tear_down(void **state)
{
    char command[96];
    (void)state;
    log_set_sink(NULL, NULL);
    snprintf(command, sizeof command, "rm -r %s", dir);
    return system(command);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_rows, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_damaged, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_no_place, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
