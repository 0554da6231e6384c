/* Folders, lock and the loss of rights; what only root can do is tested where root runs this. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "msa/daemon/privileges.h"

#include <errno.h>
#include <pwd.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char dir[] = "/tmp/test_privileges.XXXXXX";

static int setup(void **state)
{
    (void)state;
    return mkdtemp(dir) ? 0 : -1;
}

static int teardown(void **state)
{
    char command[64];
    (void)state;
    snprintf(command, sizeof command, "rm -r %s", dir);
    return system(command);
}

static void the_two_users(void **state)
{
    struct priv_ids ids;
    struct buf error;
    (void)state;
    buf_init(&error, 2000, 0);
    if (geteuid() != 0) {
        assert_int_equal(priv_lookup("none", "none", &ids, &error), 0);
        assert_false(ids.change);
        assert_int_equal(ids.server_uid, geteuid());
        assert_int_equal(ids.keeper_uid, geteuid());
    } else {
        assert_int_equal(priv_lookup("daemon", "nobody", &ids, &error), 0);
        assert_true(ids.change);
        assert_int_equal(ids.server_uid, getpwnam("daemon")->pw_uid);
        assert_int_equal(ids.keeper_uid, getpwnam("nobody")->pw_uid);
        assert_int_equal(priv_lookup("daemon", "no-such-user", &ids, &error), -ENOENT);
        struct sv words = buf_view(&error);
        assert_non_null(memmem(words.ptr, words.len, "useradd", 7));
        assert_int_equal(priv_lookup("daemon", "daemon", &ids, &error), -EINVAL);
        assert_int_equal(priv_lookup("root", "nobody", &ids, &error), -EINVAL);
    }
    buf_deinit(&error);
}

static void assert_folder(const char *path, mode_t mode, uid_t uid)
{
    struct stat st;
    assert_int_equal(lstat(path, &st), 0);
    assert_int_equal(st.st_mode, S_IFDIR | mode);
    assert_int_equal(st.st_uid, uid);
}

static void folders(void **state)
{
    struct priv_ids ids = {.server_uid = geteuid(),
                           .server_gid = getegid(),
                           .keeper_uid = geteuid(),
                           .keeper_gid = getegid()};
    char state_path[64], auth[96], queue[96], capture[96];
    struct buf error;
    (void)state;
    buf_init(&error, 2000, 0);
    if (geteuid() == 0)
        assert_int_equal(priv_lookup("daemon", "nobody", &ids, &error), 0);
    snprintf(state_path, sizeof state_path, "%s/a/b", dir);
    snprintf(auth, sizeof auth, "%s/auth", state_path);
    snprintf(queue, sizeof queue, "%s/queue", state_path);
    snprintf(capture, sizeof capture, "%s/c/captured", dir);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(priv_make_state(state_path, capture, &ids, &error), 0);
        assert_folder(state_path, 0755, geteuid());
        assert_folder(auth, 0700, ids.keeper_uid);
        assert_folder(queue, 0700, ids.server_uid);
        assert_folder(capture, 0700, ids.server_uid);
        assert_int_equal(chmod(queue, 0777), 0); /* is set right the second time */
    }
    /* a link in the place of a folder is not followed */
    assert_int_equal(rmdir(queue), 0);
    assert_int_equal(symlink("/tmp", queue), 0);
    assert_int_not_equal(priv_make_state(state_path, "", &ids, &error), 0);
    struct sv words = buf_view(&error);
    assert_non_null(memmem(words.ptr, words.len, queue, strlen(queue)));
    buf_deinit(&error);
}

/* Whoever comes second is told who was first; the end of the first frees it. */
static void the_lock(void **state)
{
    char words[96];
    struct buf error;
    int go[2], status;
    char byte;
    (void)state;
    buf_init(&error, 2000, 0);
    assert_int_equal(pipe(go), 0);
    pid_t first = fork();
    if (first == 0) {
        if (priv_lock_state(dir, 0, &error) < 0 || write(go[1], "x", 1) != 1)
            _exit(1);
        for (;;)
            pause();
    }
    assert_int_equal(read(go[0], &byte, 1), 1);
    assert_int_equal(priv_lock_state(dir, 100, &error), -EBUSY);
    snprintf(words, sizeof words, "%s is in use by process %d", dir, (int)first);
    assert_true(sv_eq(buf_view(&error), sv_of(words)));
    kill(first, SIGKILL);
    assert_int_equal(waitpid(first, &status, 0), first);
    assert_int_equal(priv_lock_state(dir, 0, &error), 0);
    close(go[0]);
    close(go[1]);
    buf_deinit(&error);
}

/* In a child: no way back to root, no new rights, dead with its parent. */
static int become(bool change, pid_t parent)
{
    int status, signal = 0;
    pid_t pid = fork();
    if (pid == 0) {
        uid_t uid = change ? 12345 : geteuid(), r, e, s;
        int err = priv_become(uid, change ? 12345 : getegid(), change, false, parent);
        if (err < 0)
            _exit(err == -ESRCH ? 2 : 1);
        bool good = getresuid(&r, &e, &s) == 0 && r == uid && e == uid && s == uid &&
                    prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 &&
                    prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 0 &&
                    prctl(PR_GET_PDEATHSIG, &signal) == 0 && signal == SIGKILL;
        if (change)
            good = good && setuid(0) < 0 && getgroups(0, NULL) == 0;
        _exit(good ? 0 : 3);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* Wait status of one that becomes the user with its groups: the first group that it has then. */
static int first_group(const char *name)
{
    const struct passwd *pw = getpwnam(name);
    int status;
    pid_t parent = getpid(), pid = fork();
    if (pid == 0) {
        gid_t list[16];
        if (priv_become(pw->pw_uid, pw->pw_gid, true, true, parent) < 0)
            _exit(255);
        int n = getgroups(16, list);
        _exit(n == 1 ? (int)(list[0] & 127) : n == 0 ? 0 : 254);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WEXITSTATUS(status);
}

/* Groups of the user that the system's files name, without its own. */
static void further_groups_are_kept(void **state)
{
    (void)state;
    char command[600];
    /* in a mount namespace of its own, so that the system's file stays as it is */
    if (geteuid() != 0 || unshare(CLONE_NEWNS) < 0)
        skip();
    assert_int_equal(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
    snprintf(command, sizeof command,
             "cp /etc/group %s/group && echo 'further:x:64777:nobody' >> %s/group && "
             "mount --bind %s/group /etc/group && rm %s/group",
             dir, dir, dir, dir);
    assert_int_equal(system(command), 0);
    assert_int_equal(first_group("nobody"), 64777 & 127);
    assert_int_equal(first_group("daemon"), 0);
}

static void rights_are_lost(void **state)
{
    (void)state;
    assert_int_equal(become(false, getpid()), 0);
    assert_int_equal(become(false, 1), getppid() == 1 ? 0 : 2); /* the master died meanwhile */
    if (geteuid() == 0)
        assert_int_equal(become(true, getpid()), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_two_users),
        cmocka_unit_test(folders),
        cmocka_unit_test(the_lock),
        cmocka_unit_test(rights_are_lost),
        cmocka_unit_test(further_groups_are_kept),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
