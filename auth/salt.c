/*
 * salt.c - the secret behind made-up salts. It is written to a file of another name and linked into
 * place: whoever comes second finds the first one's.
 */
#include "auth/salt.h"

#include "msa/loop/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int read_secret(const char *file, uint8_t out[AUTH_SALT_SECRET_BYTES])
{
    uint8_t bytes[AUTH_SALT_SECRET_BYTES];
    int fd = open(file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    ssize_t got;
    int err;

    if (fd < 0)
        return -errno;
    got = read(fd, bytes, sizeof(bytes));
    err = got < 0 ? -errno : got == (ssize_t)sizeof(bytes) ? 0 : ERR_CORRUPT;
    close(fd);
    if (err == 0)
        memcpy(out, bytes, sizeof(bytes));
    return err;
}

static int make_secret(const char *file)
{
    uint8_t bytes[AUTH_SALT_SECRET_BYTES];
    char fresh[PATH_MAX];
    int fd, err = 0;

    if (snprintf(fresh, sizeof(fresh), "%s.%016llx", file, (unsigned long long)random_u64()) >=
        (int)sizeof(fresh))
        return -ENAMETOOLONG;
    fd = open(fresh, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return -errno;
    random_fill(bytes, sizeof(bytes));
    if (write(fd, bytes, sizeof(bytes)) != (ssize_t)sizeof(bytes) || fsync(fd) < 0)
        err = errno ? -errno : -EIO;
    close(fd);
    if (err == 0 && link(fresh, file) < 0 && errno != EEXIST)
        err = -errno;
    unlink(fresh);
    return err;
}

int auth_salt_secret(const char *path, uint8_t out[AUTH_SALT_SECRET_BYTES])
{
    char file[PATH_MAX];
    int err;

    if (snprintf(file, sizeof(file), "%s.salt", path) >= (int)sizeof(file))
        return -ENAMETOOLONG;
    err = read_secret(file, out);
    if (err != -ENOENT)
        return err;
    err = make_secret(file);
    return err < 0 ? err : read_secret(file, out);
}
