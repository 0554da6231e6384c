/* Messages in hand at a crash: what the ring keeps of a process that died, and when one is held. */
#include "msa/daemon/poison.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static void the_second_crash_holds(void **state)
{
    struct poison p = {0};
    (void)state;
    assert_false(poison_crashed(&p, "a"));
    assert_false(poison_crashed(&p, "b"));
    assert_true(poison_crashed(&p, "a"));
    assert_false(poison_crashed(&p, "a")); /* told once */
    assert_int_equal(p.count, 2);
    assert_true(p.list[0].hold);
    assert_false(p.list[1].hold);
    poison_deinit(&p);
}

/* The list is bounded, and forgets the oldest that is not held. */
static void the_list_is_bounded(void **state)
{
    struct poison p = {0};
    char id[16];
    (void)state;
    poison_crashed(&p, "held");
    assert_true(poison_crashed(&p, "held"));
    for (unsigned i = 0; i < 2 * POISON_MAX; i++) {
        snprintf(id, sizeof id, "id%u", i);
        assert_false(poison_crashed(&p, id));
    }
    assert_int_equal(p.count, POISON_MAX);
    assert_string_equal(p.list[0].id, "held");
    assert_true(p.list[0].hold);
    assert_string_equal(p.list[POISON_MAX - 1].id, id);
    assert_true(poison_crashed(&p, id));
    poison_deinit(&p);
}

/* A process that crashes with one message done and one in hand. */
static void crash(int fd, const char *done, const char *in_hand)
{
    pid_t pid = fork();
    int status;
    if (pid == 0) {
        if (crashring_attach(fd) < 0)
            _exit(1);
        crashring_hold(done);
        crashring_done();
        crashring_hold(in_hand);
        signal(SIGSEGV, SIG_DFL);
        raise(SIGSEGV);
        _exit(1);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
}

static void the_ring_outlives_the_process(void **state)
{
    struct crashring *ring;
    int fd;
    (void)state;
    assert_int_equal(crashring_create(&fd, &ring), 0);
    crash(fd, "first", "second");
    assert_string_equal(ring->slot[0].id, "second");
    assert_string_equal(ring->slot[1].id, "");
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_second_crash_holds),
        cmocka_unit_test(the_list_is_bounded),
        cmocka_unit_test(the_ring_outlives_the_process),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
