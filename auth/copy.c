/*
 * copy.c - copies of configured files, written whole and renamed.
 */
#include "auth/copy.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

void auth_copy_path(const char *accounts_path, const char *prefix, const char *name,
                    char out[PATH_MAX])
{
    size_t folder = sv_rfind(sv_of(accounts_path), '/');

    snprintf(out, PATH_MAX, "%s%.*s/%s", prefix, (int)folder, accounts_path, name);
}

static int write_all(int fd, struct sv bytes)
{
    while (bytes.len > 0) {
        ssize_t n = write(fd, bytes.ptr, bytes.len);

        if (n < 0)
            return -errno;
        bytes = sv_skip(bytes, (size_t)n);
    }
    return fsync(fd) < 0 ? -errno : 0;
}

int auth_copy_keep(const char *accounts_path, const char *name, struct sv bytes)
{
    char path[PATH_MAX], fresh[PATH_MAX];
    int fd, err;

    auth_copy_path(accounts_path, "", name, path);
    if (snprintf(fresh, sizeof(fresh), "%s.new", path) >= (int)sizeof(fresh))
        return -ENAMETOOLONG;
    if (bytes.len == 0)
        return unlink(path) < 0 && errno != ENOENT ? -errno : 0;
    fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return -errno;
    err = write_all(fd, bytes);
    close(fd);
    if (err == 0 && rename(fresh, path) < 0)
        err = -errno;
    if (err < 0)
        unlink(fresh);
    return err;
}
