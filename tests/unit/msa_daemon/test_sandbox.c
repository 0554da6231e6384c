/*
 * The cage from inside: each attempt runs in a child process that has entered it. Needs the release
 * build; a sanitizer's runtime could not live in it, and all is skipped there.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "msa/base/log.h"
#include "msa/daemon/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static char dir[] = "/tmp/test_sandbox.XXXXXX";
static char inside[64], outside[64];

/* ---- attempts: 0, or what errno says ---- */

static int opened(const char *path, int flags)
{
    int fd = open(path, flags | O_CLOEXEC, 0600);
    if (fd >= 0)
        close(fd);
    return fd < 0 ? errno : 0;
}

static int read_outside(void)
{
    return opened(outside, O_RDONLY);
}

static int create_outside(void)
{
    char path[80];
    snprintf(path, sizeof path, "%s.new", outside);
    return opened(path, O_WRONLY | O_CREAT);
}

static int remove_outside(void)
{
    return unlink(outside) < 0 ? errno : 0;
}

static int read_passwords(void)
{
    return opened("/etc/passwd", O_RDONLY);
}

static int write_inside(void)
{
    char path[80], other[80];
    snprintf(path, sizeof path, "%s/f", inside);
    snprintf(other, sizeof other, "%s/g", inside);
    int err = opened(path, O_RDWR | O_CREAT);
    if (err == 0 && rename(path, other) < 0)
        err = errno;
    if (err == 0 && unlink(other) < 0)
        err = errno;
    return err;
}

static int run_program(void)
{
    execl("/bin/true", "true", NULL);
    return errno;
}

static int unix_socket(void)
{
    return socket(AF_UNIX, SOCK_STREAM, 0) < 0 ? errno : 0;
}

static int inet_socket(void)
{
    return socket(AF_INET, SOCK_STREAM, 0) < 0 ? errno : 0;
}

static int packet_socket(void)
{
    return socket(AF_PACKET, SOCK_RAW, 0) < 0 ? errno : 0;
}

static int map(int protection)
{
    void *at = mmap(NULL, 4096, protection, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return at == MAP_FAILED ? errno : 0;
}

static int executable_memory(void)
{
    return map(PROT_READ | PROT_WRITE | PROT_EXEC);
}

static int plain_memory(void)
{
    return map(PROT_READ | PROT_WRITE);
}

static int made_executable(void)
{
    void *at = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return mprotect(at, 4096, PROT_READ | PROT_EXEC) < 0 ? errno : 0;
}

static int new_process(void)
{
    pid_t pid = fork();
    if (pid == 0)
        _exit(0);
    return pid < 0 ? errno : 0;
}

static void *nothing(void *arg)
{
    return arg;
}

static int new_thread(void)
{
    pthread_t thread;
    int err = pthread_create(&thread, NULL, nothing, NULL);
    return err ? err : pthread_join(thread, NULL);
}

static int trace_parent(void)
{
    return ptrace(PTRACE_ATTACH, getppid(), NULL, NULL) < 0 ? errno : 0;
}

static int kill_parent(void)
{
    return kill(getppid(), 0) < 0 ? errno : 0;
}

static int become_root(void)
{
    return setuid(0) < 0 ? errno : 0;
}

enum expected { WORKS, FAILS, KILLED };

static const struct row {
    const char *name;
    int (*attempt)(void);
    enum expected expected;
    bool landlock; /* it is Landlock that refuses */
} rows[] = {
    {"write inside", write_inside, WORKS, false},
    {"a thread", new_thread, WORKS, false},
    {"memory", plain_memory, WORKS, false},
    {"an internet socket", inet_socket, WORKS, false},
    {"read outside", read_outside, FAILS, true},
    {"create outside", create_outside, FAILS, true},
    {"remove outside", remove_outside, FAILS, true},
    {"read /etc/passwd", read_passwords, FAILS, true},
    {"a unix socket", unix_socket, FAILS, false},
    {"a packet socket", packet_socket, KILLED, false},
    {"execve", run_program, KILLED, false},
    {"executable memory", executable_memory, KILLED, false},
    {"memory made executable", made_executable, KILLED, false},
    {"fork", new_process, KILLED, false},
    {"ptrace", trace_parent, KILLED, false},
    {"kill", kill_parent, KILLED, false},
    {"setuid", become_root, KILLED, false},
};

static int setup(void **state)
{
    (void)state;
    assert_non_null(mkdtemp(dir));
    snprintf(inside, sizeof inside, "%s/inside", dir);
    snprintf(outside, sizeof outside, "%s/outside", dir);
    assert_int_equal(mkdir(inside, 0700), 0);
    assert_int_equal(opened(outside, O_WRONLY | O_CREAT), 0);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    unlink(outside);
    rmdir(inside);
    return rmdir(dir);
}

/* Wait status of the attempt; its errno is the exit code. 255: no cage. */
static int in_the_cage(int (*attempt)(void), bool unix_sockets)
{
    int status;
    pid_t pid = fork();
    if (pid == 0) {
        const char *folders[] = {inside};
        if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
            sandbox_enter(folders, 1, unix_sockets) < 0)
            _exit(255);
        _exit(attempt());
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

static void attempts(void **state)
{
    (void)state;
#ifdef MSA_SANITIZED
    skip();
#endif
    bool landlock =
        syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION) > 0;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (rows[i].landlock && !landlock) {
            print_message("%s: this kernel has no Landlock\n", rows[i].name);
            continue;
        }
        int status = in_the_cage(rows[i].attempt, false);
        enum expected got = WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS ? KILLED
                            : WIFEXITED(status) && WEXITSTATUS(status) == 0   ? WORKS
                            : WIFEXITED(status) && WEXITSTATUS(status) < 255  ? FAILS
                                                                              : (enum expected) - 1;
        if (got != rows[i].expected)
            print_error("%s: wait status %#x\n", rows[i].name, (unsigned)status);
        assert_int_equal(got, rows[i].expected);
    }
}

static int connect_outside(void)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    snprintf(to.sun_path, sizeof to.sun_path, "%s/socket", dir);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    return fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof to) < 0 ? errno : 0;
}

/* A milter's socket can be connected to, wherever it lies, where the cage was made for that. */
static void unix_sockets_where_wanted(void **state)
{
    (void)state;
#ifdef MSA_SANITIZED
    skip();
#endif
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    snprintf(at.sun_path, sizeof at.sun_path, "%s/socket", dir);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(listen(fd, 5), 0);
    assert_int_equal(in_the_cage(connect_outside, true), 0);
    assert_int_equal(in_the_cage(connect_outside, false), EAFNOSUPPORT << 8);
    close(fd);
    unlink(at.sun_path);
}

static void *make_socket(void *arg)
{
    int *result = arg;
    usleep(50000); /* the thread is older than the sandbox */
    *result = socket(AF_INET, SOCK_STREAM, 0) < 0 ? errno : 0;
    return NULL;
}

static int try_to_reach_others(void)
{
    static const long calls[] = {SYS_execveat, SYS_ptrace, SYS_process_vm_readv,
                                 SYS_process_vm_writev, SYS_io_uring_setup};
    char name[] = "/bin/true", *const words[] = {name, NULL};
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++)
        if (syscall(calls[i], 0, 0, 0, 0, 0, 0) != -1 || errno != EPERM)
            return 10 + (int)i;
    execv(words[0], words);
    return errno == EPERM ? 0 : 6;
}

static int try_all_without_network(void)
{
    int in_thread = 0;
    pthread_t thread;
    if (pthread_create(&thread, NULL, make_socket, &in_thread) != 0 || sandbox_keeper(false) < 0)
        return 1;
    pthread_join(thread, NULL);
    if (in_thread != EAFNOSUPPORT)
        return 2;
    if (socket(AF_INET6, SOCK_DGRAM, 0) >= 0 || errno != EAFNOSUPPORT)
        return 3;
    if (socket(AF_NETLINK, SOCK_RAW, 0) >= 0)
        return 4;
    if (opened(outside, O_RDONLY) != 0 || socket(AF_UNIX, SOCK_STREAM, 0) < 0)
        return 5;
    return try_to_reach_others();
}

static int try_all_with_a_network(void)
{
    if (sandbox_keeper(true) < 0)
        return 1;
    if (socket(AF_INET, SOCK_STREAM, 0) < 0 || socket(AF_NETLINK, SOCK_RAW, 0) < 0)
        return 2;
    return try_to_reach_others();
}

/* The keeper's: files and unix sockets as before. */
static void of_the_keeper(void **state)
{
    (void)state;
#ifdef MSA_SANITIZED
    skip();
#endif
    int (*const tries[])(void) = {try_all_without_network, try_all_with_a_network};
    for (size_t i = 0; i < 2; i++) {
        int status;
        pid_t pid = fork();
        if (pid == 0) {
            prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
            _exit(tries[i]());
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(status, 0);
    }
}

/* A folder that is not there is an error, not a cage without it. */
static void no_such_folder(void **state)
{
    (void)state;
#ifdef MSA_SANITIZED
    skip();
#endif
    int status;
    pid_t pid = fork();
    if (pid == 0) {
        const char *folders[] = {"/nonexistent/folder"};
        prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
        _exit(sandbox_enter(folders, 1, false) == -ENOENT ? 0 : 1);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    bool landlock =
        syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION) > 0;
    assert_int_equal(status, landlock ? 0 : 1 << 8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(attempts),
        cmocka_unit_test(unix_sockets_where_wanted),
        cmocka_unit_test(no_such_folder),
        cmocka_unit_test(of_the_keeper),
    };
    log_setup("test", LOG_TEXT, LOG_ERROR);
    return cmocka_run_group_tests(tests, setup, teardown);
}
