#include "msa/loop/logring.h"
#include "msa/base/log.h"
#include "msa/base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { THREADS = 3, LINES = 3000 };

static void *log_lines(void *arg)
{
    for (int i = 1; i <= LINES; i++)
        log_event(LOG_INFO, "line", NULL, "t%d n%d", *(int *)arg, i);
    return NULL;
}

static FILE *open_temp(void)
{
    FILE *f = tmpfile();
    assert_non_null(f);
    return f;
}

static void all_lines_in_each_threads_order(void **state)
{
    (void)state;
    FILE *f = open_temp();
    char line[LOG_LINE_MAX];
    int last[THREADS] = {0}, numbers[THREADS], total = 0;
    pthread_t ids[THREADS];
    struct logring *r = logring_start(fileno(f), 16384);
    for (int i = 0; i < THREADS; i++) {
        numbers[i] = i;
        pthread_create(&ids[i], NULL, log_lines, &numbers[i]);
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(ids[i], NULL);
    assert_int_equal(logring_dropped(r), 0);
    logring_stop(r);
    rewind(f);
    while (fgets(line, sizeof line, f)) {
        int thread, number;
        assert_int_equal(sscanf(strstr(line, "line: "), "line: t%d n%d", &thread, &number), 2);
        assert_int_equal(number, last[thread] + 1);
        last[thread] = number;
        total++;
    }
    assert_int_equal(total, THREADS * LINES);
    fclose(f);
}

static void sleeping_writer_is_woken(void **state)
{
    (void)state;
    int fds[2];
    char line[LOG_LINE_MAX];
    assert_int_equal(pipe(fds), 0);
    struct logring *r = logring_start(fds[1], 4);
    for (int i = 0; i < 200; i++) {
        log_event(LOG_INFO, "one", NULL, "%d", i);
        assert_true(read(fds[0], line, sizeof line) > 0); /* hangs if nobody woke it */
        if (i % 50 == 0)
            usleep(2000);
    }
    logring_stop(r);
    close(fds[0]);
    close(fds[1]);
}

/* Nobody reads the pipe: the ring fills, nobody waits, and the number is told afterwards. */
static void full_ring_drops_and_tells(void **state)
{
    (void)state;
    enum { N = 5000, TEXT = 1000 };
    int fds[2];
    static char text[TEXT + 1];
    static char all[16 << 20];
    size_t len = 0;
    ssize_t n;
    memset(text, 'x', TEXT);
    assert_int_equal(pipe(fds), 0);
    struct logring *r = logring_start(fds[1], 64);
    for (int i = 0; i < N; i++)
        log_event(LOG_INFO, "big", NULL, "%s", text);
    uint64_t dropped = logring_dropped(r);
    assert_in_range(dropped, N - 400, N - 64);
    size_t big = 0, told = 0;
    while (told < dropped) {
        n = read(fds[0], all + len, sizeof all - 1 - len);
        assert_true(n > 0);
        len += (size_t)n;
        all[len] = '\0';
        const char *at = strstr(all, "log-dropped: ");
        told = 0;
        for (; at; at = strstr(at + 1, "log-dropped: "))
            told += strtoul(at + 13, NULL, 10);
    }
    for (const char *at = all; (at = strstr(at, " big: ")) != NULL; at++)
        big++;
    assert_int_equal(big + told, N);
    logring_stop(r);
    close(fds[0]);
    close(fds[1]);
}

int main(void)
{
    log_setup("test", LOG_TEXT, LOG_INFO);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_lines_in_each_threads_order),
        cmocka_unit_test(sleeping_writer_is_woken),
        cmocka_unit_test(full_ring_drops_and_tells),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
