/*
 * The system call list is what the server's libraries were seen to use on Debian 12 (strace) and
 * nothing that makes processes, changes rights, loads code or reaches other processes. Arguments
 * are checked where a call is broad: threads only, no executable memory, internet sockets only, but
 * for unix sockets where milters or the policy service listen on one (Landlock does not look at
 * connecting; their modes decide).
 */
#include "msa/daemon/sandbox.h"
#include "msa/base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <sched.h>
#include <seccomp.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifdef MSA_SANITIZED

int sandbox_enter(const char *const *folders, size_t count, bool unix_sockets)
{
    (void)folders;
    (void)count;
    (void)unix_sockets;
    return 0;
}

int sandbox_keeper(bool network)
{
    (void)network;
    return 0;
}

#else

#ifndef LANDLOCK_ACCESS_FS_REFER
#define LANDLOCK_ACCESS_FS_REFER (1ULL << 13)
#endif
#ifndef LANDLOCK_ACCESS_FS_TRUNCATE
#define LANDLOCK_ACCESS_FS_TRUNCATE (1ULL << 14)
#endif

#define FS_FILES                                                                                  \
    (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_READ_DIR | \
     LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_DIR)
#define FS_OTHERS                                                                                  \
    (LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_REMOVE_DIR | LANDLOCK_ACCESS_FS_MAKE_CHAR |   \
     LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_MAKE_FIFO | LANDLOCK_ACCESS_FS_MAKE_BLOCK | \
     LANDLOCK_ACCESS_FS_MAKE_SYM)

static int allow(int rules, const char *path, uint64_t access)
{
    struct landlock_path_beneath_attr beneath = {.allowed_access = access};
    int err = 0;
    beneath.parent_fd = open(path, O_PATH | O_CLOEXEC);
    if (beneath.parent_fd < 0)
        return -errno;
    if (syscall(SYS_landlock_add_rule, rules, LANDLOCK_RULE_PATH_BENEATH, &beneath, 0) < 0)
        err = -errno;
    close(beneath.parent_fd);
    return err;
}

static int landlock(const char *const *folders, size_t count)
{
    long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
    if (abi < 1) {
        log_event(LOG_WARNING, "sandbox", NULL,
                  "this kernel has no Landlock: files are protected by their modes alone");
        return 0;
    }
    uint64_t allowed = FS_FILES;
    struct landlock_ruleset_attr attr = {.handled_access_fs = FS_FILES | FS_OTHERS};
    if (abi >= 2) {
        attr.handled_access_fs |= LANDLOCK_ACCESS_FS_REFER;
        allowed |= LANDLOCK_ACCESS_FS_REFER; /* a Maildir moves from tmp to new */
    }
    if (abi >= 3) {
        attr.handled_access_fs |= LANDLOCK_ACCESS_FS_TRUNCATE;
        allowed |= LANDLOCK_ACCESS_FS_TRUNCATE;
    }
    int rules = (int)syscall(SYS_landlock_create_ruleset, &attr, sizeof attr, 0);
    if (rules < 0)
        return -errno;
    /* libuv keeps it open as a spare descriptor, and would try again with each connection */
    int err = allow(rules, "/dev/null", LANDLOCK_ACCESS_FS_READ_FILE);
    for (size_t i = 0; i < count && err == 0; i++)
        err = allow(rules, folders[i], allowed);
    if (err == 0 && syscall(SYS_landlock_restrict_self, rules, 0) < 0)
        err = -errno;
    close(rules);
    return err;
}

/* clang-format off */ /* which would give each call a line */
/* Calls allowed whatever their arguments. */
static const int plain_calls[] = {
    /* files and descriptors */
    SCMP_SYS(read), SCMP_SYS(write), SCMP_SYS(readv), SCMP_SYS(writev), SCMP_SYS(pread64),
    SCMP_SYS(pwrite64), SCMP_SYS(preadv), SCMP_SYS(pwritev), SCMP_SYS(lseek), SCMP_SYS(open),
    SCMP_SYS(openat), SCMP_SYS(close), SCMP_SYS(close_range), SCMP_SYS(dup), SCMP_SYS(dup2),
    SCMP_SYS(dup3), SCMP_SYS(fcntl), SCMP_SYS(stat), SCMP_SYS(fstat), SCMP_SYS(lstat),
    SCMP_SYS(newfstatat), SCMP_SYS(statx), SCMP_SYS(fstatfs), SCMP_SYS(statfs), SCMP_SYS(access),
    SCMP_SYS(faccessat), SCMP_SYS(faccessat2), SCMP_SYS(ftruncate), SCMP_SYS(fallocate),
    SCMP_SYS(fsync), SCMP_SYS(fdatasync), SCMP_SYS(sync_file_range), SCMP_SYS(fadvise64),
    SCMP_SYS(unlink), SCMP_SYS(unlinkat), SCMP_SYS(rename), SCMP_SYS(renameat),
    SCMP_SYS(renameat2), SCMP_SYS(mkdir), SCMP_SYS(mkdirat), SCMP_SYS(getdents64),
    SCMP_SYS(readlink), SCMP_SYS(readlinkat), SCMP_SYS(getcwd), SCMP_SYS(fchmod), SCMP_SYS(fchown),
    SCMP_SYS(flock), SCMP_SYS(umask), SCMP_SYS(pipe2),
    /* sockets and waiting */
    SCMP_SYS(bind), SCMP_SYS(connect), SCMP_SYS(listen), SCMP_SYS(accept), SCMP_SYS(accept4),
    SCMP_SYS(shutdown), SCMP_SYS(getsockname), SCMP_SYS(getpeername), SCMP_SYS(getsockopt),
    SCMP_SYS(setsockopt), SCMP_SYS(sendto), SCMP_SYS(recvfrom), SCMP_SYS(sendmsg),
    SCMP_SYS(recvmsg), SCMP_SYS(sendmmsg), SCMP_SYS(recvmmsg), SCMP_SYS(epoll_create1),
    SCMP_SYS(epoll_ctl), SCMP_SYS(epoll_wait), SCMP_SYS(epoll_pwait), SCMP_SYS(epoll_pwait2),
    SCMP_SYS(poll), SCMP_SYS(ppoll), SCMP_SYS(select), SCMP_SYS(pselect6), SCMP_SYS(eventfd2),
    SCMP_SYS(timerfd_create), SCMP_SYS(timerfd_settime),
    /* memory, threads, time */
    SCMP_SYS(brk), SCMP_SYS(munmap), SCMP_SYS(mremap), SCMP_SYS(madvise), SCMP_SYS(futex),
    SCMP_SYS(set_robust_list), SCMP_SYS(rseq), SCMP_SYS(set_tid_address), SCMP_SYS(gettid),
    SCMP_SYS(getpid), SCMP_SYS(getppid), SCMP_SYS(getuid), SCMP_SYS(geteuid), SCMP_SYS(getgid),
    SCMP_SYS(getegid), SCMP_SYS(sched_yield), SCMP_SYS(sched_getaffinity), SCMP_SYS(nanosleep),
    SCMP_SYS(clock_nanosleep), SCMP_SYS(clock_gettime), SCMP_SYS(clock_getres),
    SCMP_SYS(gettimeofday), SCMP_SYS(time), SCMP_SYS(times), SCMP_SYS(getrusage),
    SCMP_SYS(sysinfo), SCMP_SYS(uname), SCMP_SYS(getrandom), SCMP_SYS(membarrier),
    SCMP_SYS(prlimit64), SCMP_SYS(getrlimit),
    /* signals and the end */
    SCMP_SYS(rt_sigaction), SCMP_SYS(rt_sigprocmask), SCMP_SYS(rt_sigreturn),
    SCMP_SYS(sigaltstack), SCMP_SYS(restart_syscall), SCMP_SYS(tgkill), SCMP_SYS(exit),
    SCMP_SYS(exit_group),
};
/* clang-format on */

static int add_checked_calls(scmp_filter_ctx ctx, bool unix_sockets)
{
    static const int families[] = {AF_INET, AF_INET6};
    static const unsigned long requests[] = {FIONBIO, FIONREAD, FIOCLEX};
    int err = 0;
    /* no executable memory is made any more */
    err |= seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1,
                            SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
    err |= seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 1,
                            SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
    /* threads, not processes; glibc falls back from clone3, whose flags cannot be seen */
    err |= seccomp_rule_add(ctx, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
    err |= seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(clone), 1,
                            SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD, CLONE_THREAD));
    err |= seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(prctl), 1,
                            SCMP_A0(SCMP_CMP_EQ, PR_SET_NAME));
    for (size_t i = 0; i < sizeof families / sizeof *families; i++)
        err |= seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(socket), 1,
                                SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)families[i]));
    /* asked by libraries that can live without it */
    err |= seccomp_rule_add(ctx, unix_sockets ? SCMP_ACT_ALLOW : SCMP_ACT_ERRNO(EAFNOSUPPORT),
                            SCMP_SYS(socket), 1, SCMP_A0(SCMP_CMP_EQ, AF_UNIX));
    err |= seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EAFNOSUPPORT), SCMP_SYS(socket), 1,
                            SCMP_A0(SCMP_CMP_EQ, AF_NETLINK));
    err |= seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(socketpair), 0);
    for (size_t i = 0; i < sizeof requests / sizeof *requests; i++)
        err |= seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), 1,
                                SCMP_A1(SCMP_CMP_EQ, requests[i]));
    return err;
}

static int seccomp(bool unix_sockets)
{
    scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_KILL_PROCESS);
    if (!ctx)
        return -ENOMEM;
    int err = 0;
    for (size_t i = 0; i < sizeof plain_calls / sizeof *plain_calls && err == 0; i++)
        err = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, plain_calls[i], 0);
    if (err == 0 && add_checked_calls(ctx, unix_sockets) != 0)
        err = -EINVAL;
    if (err == 0)
        err = seccomp_load(ctx);
    seccomp_release(ctx);
    return err;
}

int sandbox_enter(const char *const *folders, size_t count, bool unix_sockets)
{
    int err = landlock(folders, count);
    return err < 0 ? err : seccomp(unix_sockets);
}

/* What is not named works: the keeper loads plugins of other people's, whose calls nobody can list.
 */
int sandbox_keeper(bool network)
{
    static const int refused[] = {
        SCMP_SYS(execve),           SCMP_SYS(execveat),          SCMP_SYS(ptrace),
        SCMP_SYS(process_vm_readv), SCMP_SYS(process_vm_writev), SCMP_SYS(io_uring_setup)};
    scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ALLOW);
    if (!ctx)
        return -ENOMEM;
    int err = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_TSYNC, 1);
    if (err == 0 && !network)
        err = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EAFNOSUPPORT), SCMP_SYS(socket), 1,
                               SCMP_A0(SCMP_CMP_NE, AF_UNIX));
    for (size_t i = 0; i < sizeof refused / sizeof *refused && err == 0; i++)
        err = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EPERM), refused[i], 0);
    if (err == 0)
        err = seccomp_load(ctx);
    seccomp_release(ctx);
    return err;
}

#endif
