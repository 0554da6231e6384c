#include "msa/daemon/privileges.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define GROUPS_MAX 256 /* of one user; with more of them it has none */

static int say(struct buf *error, int err, const char *fmt, ...) PRINTF_LIKE(3, 4);

static int say(struct buf *error, int err, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    int cut = buf_vprintf(error, fmt, args);
    (void)cut; /* a sentence that does not fit is still a reason */
    va_end(args);
    return err;
}

static bool lookup(const char *name, uid_t *uid, gid_t *gid)
{
    const struct passwd *pw = getpwnam(name);
    if (pw) {
        *uid = pw->pw_uid;
        *gid = pw->pw_gid;
    }
    return pw != NULL;
}

int priv_lookup(const char *user, const char *auth_user, struct priv_ids *out, struct buf *error)
{
    struct priv_ids ids = {.change = geteuid() == 0};
    if (!ids.change) {
        ids.server_uid = ids.keeper_uid = geteuid();
        ids.server_gid = ids.keeper_gid = getegid();
    } else {
        bool server = lookup(user, &ids.server_uid, &ids.server_gid);
        bool keeper = lookup(auth_user, &ids.keeper_uid, &ids.keeper_gid);
        if (!server || !keeper)
            return say(error, -ENOENT,
                       "started as root, but a system user is missing (settings user and "
                       "auth_user). Run:\n"
                       "  useradd --system --no-create-home --shell /usr/sbin/nologin %s\n"
                       "  useradd --system --no-create-home --shell /usr/sbin/nologin %s",
                       user, auth_user);
        if (ids.server_uid == 0 || ids.keeper_uid == 0 || ids.server_uid == ids.keeper_uid)
            return say(error, -EINVAL,
                       "user and auth_user must be two users, neither of them root");
    }
    *out = ids;
    return 0;
}

static int make_dir(const char *path, mode_t mode, uid_t uid, gid_t gid, bool change,
                    struct buf *error)
{
    struct stat st;
    if (mkdir(path, mode) < 0 && errno != EEXIST)
        return say(error, -errno, "cannot create %s: %s", path, strerror(errno));
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return say(error, -errno, "cannot open %s: %s", path, strerror(errno));
    int err = 0;
    if (fstat(fd, &st) < 0) {
        err = say(error, -errno, "cannot look at %s: %s", path, strerror(errno));
    } else if (change && (st.st_uid != uid || st.st_gid != gid) && fchown(fd, uid, gid) < 0) {
        err = say(error, -errno, "cannot give %s to its user: %s", path, strerror(errno));
    } else if ((st.st_mode & 07777) != mode && fchmod(fd, mode) < 0) {
        err = say(error, -errno, "cannot set the mode of %s: %s", path, strerror(errno));
    }
    close(fd);
    return err;
}

/* parents of the state folder, as "mkdir -p" would */
static int make_parents(const char *path, struct buf *error)
{
    char *copy = strdup(path);
    int err = 0;
    for (char *at = strchr(copy + 1, '/'); at && err == 0; at = strchr(at + 1, '/')) {
        *at = '\0';
        if (mkdir(copy, 0755) < 0 && errno != EEXIST)
            err = say(error, -errno, "cannot create %s: %s", copy, strerror(errno));
        *at = '/';
    }
    free(copy);
    return err;
}

int priv_make_state(const char *state, const char *capture, const struct priv_ids *ids,
                    struct buf *error)
{
    char auth[4096], queue[4096];
    if (snprintf(auth, sizeof auth, "%s/auth", state) >= (int)sizeof auth ||
        snprintf(queue, sizeof queue, "%s/queue", state) >= (int)sizeof queue)
        return say(error, -ENAMETOOLONG, "state: the path is too long");
    int err = make_parents(state, error);
    if (err == 0)
        err = make_dir(state, 0755, geteuid(), getegid(), ids->change, error);
    if (err == 0)
        err = make_dir(auth, 0700, ids->keeper_uid, ids->keeper_gid, ids->change, error);
    if (err == 0)
        err = make_dir(queue, 0700, ids->server_uid, ids->server_gid, ids->change, error);
    if (err == 0 && *capture) {
        err = make_parents(capture, error);
        if (err == 0)
            err = make_dir(capture, 0700, ids->server_uid, ids->server_gid, ids->change, error);
    }
    return err;
}

int priv_lock_state(const char *state, unsigned wait_ms, struct buf *error)
{
    char path[4096], holder[32] = "";
    if (snprintf(path, sizeof path, "%s/lock", state) >= (int)sizeof path)
        return say(error, -ENAMETOOLONG, "state: the path is too long");
    /* the descriptor stays open, and with it the lock, as long as this process lives */
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return say(error, -errno, "cannot open %s: %s", path, strerror(errno));
    for (unsigned waited = 0; flock(fd, LOCK_EX | LOCK_NB) < 0; waited += 50) {
        if (errno != EWOULDBLOCK && errno != EINTR) {
            int err = -errno;
            close(fd);
            return say(error, err, "cannot lock %s: %s", path, strerror(-err));
        }
        if (waited >= wait_ms) {
            ssize_t n = pread(fd, holder, sizeof holder - 1, 0);
            holder[n > 0 ? n : 0] = '\0';
            close(fd);
            return say(error, -EBUSY, "%s is in use by process %s", state,
                       *holder ? holder : "(unknown)");
        }
        struct timespec pause = {.tv_nsec = 50 * 1000000};
        nanosleep(&pause, NULL);
    }
    int n = snprintf(holder, sizeof holder, "%d", (int)getpid());
    if (ftruncate(fd, 0) < 0 || pwrite(fd, holder, (size_t)n, 0) != n) {
        int err = -errno;
        close(fd);
        return say(error, err, "cannot write %s: %s", path, strerror(-err));
    }
    return 0;
}

/* The operator has made the user a member of them, for the sockets of milters. */
static size_t further_groups(uid_t uid, gid_t gid, gid_t list[GROUPS_MAX])
{
    const struct passwd *pw = getpwuid(uid);
    int n = GROUPS_MAX;
    size_t kept = 0;
    if (!pw || getgrouplist(pw->pw_name, gid, list, &n) < 0)
        return 0;
    for (int i = 0; i < n; i++)
        if (list[i] != gid && list[i] != 0)
            list[kept++] = list[i];
    return kept;
}

int priv_become(uid_t uid, gid_t gid, bool change, bool groups, pid_t parent)
{
    gid_t list[GROUPS_MAX];
    if (change) {
        size_t count = groups ? further_groups(uid, gid, list) : 0;
        if (setgroups(count, list) < 0 || setresgid(gid, gid, gid) < 0 ||
            setresuid(uid, uid, uid) < 0)
            return -errno;
        if (setuid(0) == 0)
            return -EPERM;
    }
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || prctl(PR_SET_DUMPABLE, 0) < 0)
        return -errno;
    /* a change of user clears this, so it comes last; the parent may have died before it */
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
        return -errno;
    return getppid() == parent ? 0 : -ESRCH;
}

void priv_leave_signals_to_master(void)
{
    signal(SIGTERM, SIG_IGN);
    signal(SIGINT, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
}

size_t priv_raise_descriptors(size_t wanted)
{
    struct rlimit lim;
    if (getrlimit(RLIMIT_NOFILE, &lim) < 0)
        return 1024;
    if (lim.rlim_cur < wanted) {
        struct rlimit more = lim;
        /* root may go above the hard limit */
        if (more.rlim_max < wanted) {
            more.rlim_max = wanted;
            more.rlim_cur = wanted;
            if (setrlimit(RLIMIT_NOFILE, &more) == 0)
                return wanted;
        }
        lim.rlim_cur = lim.rlim_max < wanted ? lim.rlim_max : wanted;
        if (setrlimit(RLIMIT_NOFILE, &lim) < 0 && getrlimit(RLIMIT_NOFILE, &lim) < 0)
            return 1024;
    }
    return lim.rlim_cur;
}
