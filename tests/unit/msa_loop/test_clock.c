#include "msa/loop/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void clocks_agree_with_the_system(void **state)
{
    (void)state;
    int64_t wall = time(NULL);
    assert_in_range(clock_wall_s() - wall, 0, 2);
    assert_in_range(clock_wall_ms() / 1000 - wall, 0, 2);
    uint64_t ms = clock_mono_ms(), us = clock_mono_us();
    assert_in_range(us / 1000 - ms, 0, 1000);
    usleep(3000);
    assert_in_range(clock_mono_us() - us, 3000, 2000000);
}

static void fill_reaches_every_byte_and_no_other(void **state)
{
    (void)state;
    static const size_t sizes[] = {1, 7, 16, 127, 128, 129, 512, 5000};
    static unsigned char seen[5002], now[5002];
    for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++) {
        size_t n = sizes[k];
        memset(seen, 0, sizeof seen);
        for (int round = 0; round < 20; round++) {
            memset(now, 0, sizeof now);
            random_fill(now + 1, n);
            assert_int_equal(now[0], 0);
            assert_int_equal(now[n + 1], 0);
            for (size_t i = 1; i <= n; i++)
                seen[i] |= now[i];
        }
        for (size_t i = 1; i <= n; i++)
            assert_int_not_equal(seen[i], 0);
    }
}

static void values_do_not_repeat(void **state)
{
    (void)state;
    enum { N = 2000 };
    static uint64_t values[N];
    for (int i = 0; i < N; i++) {
        values[i] = random_u64();
        for (int k = 0; k < i; k++)
            assert_true(values[i] != values[k]);
    }
}

static void child_draws_others(void **state)
{
    (void)state;
    int fds[2], status;
    uint64_t mine, theirs;
    (void)random_u64();
    assert_int_equal(pipe(fds), 0);
    pid_t pid = fork();
    if (pid == 0) {
        theirs = random_u64();
        _exit(write(fds[1], &theirs, sizeof theirs) != sizeof theirs);
    }
    mine = random_u64();
    assert_int_equal(read(fds[0], &theirs, sizeof theirs), sizeof theirs);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(mine != theirs);
    close(fds[0]);
    close(fds[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(clocks_agree_with_the_system),
        cmocka_unit_test(fill_reaches_every_byte_and_no_other),
        cmocka_unit_test(values_do_not_repeat),
        cmocka_unit_test(child_draws_others),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
