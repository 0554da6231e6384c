#include "msa/loop/process.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static struct loop *l;
static struct {
    int exits, status, signal;
} got;

static void on_exit_of(void *arg, int status, int signal)
{
    (void)arg;
    got.exits++;
    got.status = status;
    got.signal = signal;
    loop_stop(l);
}

static int set_up(void **state)
{
    (void)state;
    memset(&got, 0, sizeof got);
    l = loop_new();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    loop_free(l);
    return 0;
}

static struct process *start_shell(const char *script, const int *fds, size_t nfds)
{
    char *argv[] = {(char *)"/bin/sh", (char *)"-c", (char *)script, NULL};
    struct process *p;
    assert_int_equal(process_start(l, argv, fds, nfds, on_exit_of, NULL, &p), 0);
    assert_true(process_pid(p) > 0);
    return p;
}

static void exit_code(void **state)
{
    (void)state;
    struct process *p = start_shell("exit 7", NULL, 0);
    loop_run(l);
    assert_int_equal(got.exits, 1);
    assert_int_equal(got.status, 7);
    assert_int_equal(got.signal, 0);
    process_kill(p, SIGTERM); /* of a process that has ended: nothing */
    process_free(p);
}

static void killed_by_signal(void **state)
{
    (void)state;
    struct process *p = start_shell("exec sleep 30", NULL, 0);
    process_kill(p, SIGKILL);
    loop_run(l);
    assert_int_equal(got.status, -1);
    assert_int_equal(got.signal, SIGKILL);
    process_free(p);
}

/* Exactly 3 and 4 are passed; a descriptor without close-on-exec must not go along. */
static void descriptors_passed_and_no_others(void **state)
{
    (void)state;
    int out[2], second[2], stray = dup(STDERR_FILENO), high = fcntl(stray, F_DUPFD, 40);
    char text[256] = "";
    size_t len = 0;
    ssize_t n;
    assert_int_equal(pipe2(out, O_CLOEXEC), 0);
    assert_int_equal(pipe2(second, O_CLOEXEC), 0);
    const int fds[] = {second[1], out[1]};
    struct process *p = start_shell("echo on3 >&3; cd /proc/self/fd && echo * >&4", fds, 2);
    close(out[1]);
    close(second[1]);
    loop_run(l);
    assert_int_equal(got.status, 0);
    while ((n = read(second[0], text + len, sizeof text - 1 - len)) > 0)
        len += (size_t)n;
    assert_string_equal(text, "on3\n");
    memset(text, 0, sizeof text);
    len = 0;
    while ((n = read(out[0], text + len, sizeof text - 1 - len)) > 0)
        len += (size_t)n;
    /* one more may be the shell's own, of the folder it reads */
    assert_int_equal(strncmp(text, "0 1 2 3 4", 9), 0);
    assert_true(strcmp(text + 9, "\n") == 0 || strcmp(text + 9, " 5\n") == 0);
    process_free(p);
    close(out[0]);
    close(second[0]);
    close(stray);
    close(high);
}

static void missing_program(void **state)
{
    (void)state;
    char *argv[] = {(char *)"/nonexistent/program", NULL};
    struct process *p;
    assert_int_equal(process_start(l, argv, NULL, 0, on_exit_of, NULL, &p), -ENOENT);
}

static void freed_before_its_end(void **state)
{
    (void)state;
    struct process *p = start_shell("exec sleep 30", NULL, 0);
    pid_t pid = process_pid(p);
    process_kill(p, SIGKILL);
    process_free(p);
    loop_free(l);
    assert_int_equal(got.exits, 0);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    l = loop_new();
}

static int signals;

static void on_signal(void *arg, int signal)
{
    assert_ptr_equal(arg, &signals);
    assert_int_equal(signal, SIGHUP);
    signals++;
    loop_stop(l);
}

static void signal_is_told(void **state)
{
    (void)state;
    struct signal_watch *w = signal_watch_new(l, SIGHUP, on_signal, &signals);
    raise(SIGHUP);
    assert_int_equal(signals, 0);
    loop_run(l);
    assert_int_equal(signals, 1);
    signal_watch_close(w);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(exit_code),
        CASE(killed_by_signal),
        CASE(missing_program),
        CASE(descriptors_passed_and_no_others),
        CASE(freed_before_its_end),
        CASE(signal_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
