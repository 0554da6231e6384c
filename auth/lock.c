/*
 * lock.c - lock files beside databases.
 */
#include "auth/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define LOOK_MS 20

int auth_lock_folder(const char *path, char *out, unsigned size)
{
    const char *slash = strrchr(path, '/');
    int len = slash == NULL ? 1 : slash == path ? 1 : (int)(slash - path);

    return snprintf(out, size, "%.*s", len, slash == NULL ? "." : path) >= (int)size ? -ENAMETOOLONG
                                                                                     : 0;
}

int auth_lock_give(int fd, unsigned uid, unsigned gid)
{
    return geteuid() == 0 && fchown(fd, uid, gid) < 0 ? -errno : 0;
}

/* -EAGAIN: another program has held it for too long. */
static int take(int fd, const struct stat *folder)
{
    for (unsigned waited_ms = 0; flock(fd, LOCK_EX | LOCK_NB) < 0; waited_ms += LOOK_MS) {
        if (errno != EWOULDBLOCK && errno != EINTR)
            return -errno;
        if (waited_ms >= AUTH_LOCK_WAIT_MS)
            return -EAGAIN;
        usleep(LOOK_MS * 1000);
    }
    return auth_lock_give(fd, folder->st_uid, folder->st_gid);
}

int auth_lock_take(const char *path, int *fd_out)
{
    char folder[PATH_MAX], file[PATH_MAX];
    struct stat st;
    int fd, err = auth_lock_folder(path, folder, sizeof(folder));

    if (err < 0)
        return err;
    if (snprintf(file, sizeof(file), "%s.lock", path) >= (int)sizeof(file))
        return -ENAMETOOLONG;
    if (stat(folder, &st) < 0)
        return -errno;
    fd = open(file, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return -errno;
    err = take(fd, &st);
    if (err < 0)
        close(fd);
    else
        *fd_out = fd;
    return err;
}
