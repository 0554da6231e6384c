#include "msa/loop/file.h"
#include "msa/base/mem.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

struct file {
    int fd;
};

static int open_fd(const char *path, int flags)
{
    int fd;
    do {
        fd = open(path, flags | O_CLOEXEC, 0600);
    } while (fd < 0 && errno == EINTR);
    return fd < 0 ? -errno : fd;
}

int file_open(const char *path, unsigned flags, struct file **out)
{
    bool writes = flags & (FILE_WRITE | FILE_CREATE | FILE_APPEND);
    int mode = !writes ? O_RDONLY : flags & FILE_READ ? O_RDWR : O_WRONLY;
    if (flags & FILE_CREATE)
        mode |= O_CREAT | O_EXCL;
    if (flags & FILE_APPEND)
        mode |= O_CREAT | O_APPEND;
    int fd = open_fd(path, mode);
    if (fd < 0)
        return fd;
    struct file *f = NEW(struct file);
    f->fd = fd;
    *out = f;
    return 0;
}

void file_close(struct file *f)
{
    if (f) {
        close(f->fd);
        free(f);
    }
}

int file_write(struct file *f, uint64_t offset, struct sv bytes)
{
    while (bytes.len) {
        ssize_t n = pwrite(f->fd, bytes.ptr, bytes.len, (off_t)offset);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? -errno : -EIO;
        bytes = sv_skip(bytes, (size_t)n);
        offset += (uint64_t)n;
    }
    return 0;
}

ssize_t file_read(struct file *f, uint64_t offset, void *at, size_t len)
{
    size_t got = 0;
    while (got < len) {
        ssize_t n = pread(f->fd, (char *)at + got, len - got, (off_t)(offset + got));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        if (n == 0)
            break;
        got += (size_t)n;
    }
    return (ssize_t)got;
}

int file_sync(struct file *f)
{
    return fdatasync(f->fd) < 0 ? -errno : 0;
}

int64_t file_size(struct file *f)
{
    struct stat st;
    return fstat(f->fd, &st) < 0 ? -errno : st.st_size;
}

int file_unlink(const char *path)
{
    return unlink(path) < 0 ? -errno : 0;
}

int file_rename(const char *from, const char *to)
{
    return rename(from, to) < 0 ? -errno : 0;
}

int file_mkdir(const char *path)
{
    return mkdir(path, 0700) < 0 && errno != EEXIST ? -errno : 0;
}

int file_sync_dir(const char *path)
{
    int fd = open_fd(path, O_RDONLY | O_DIRECTORY);
    if (fd < 0)
        return fd;
    int err = fsync(fd) < 0 ? -errno : 0;
    close(fd);
    return err;
}

int file_space(const char *path, uint64_t *free_out, uint64_t *total_out)
{
    struct statvfs st;
    int rc;
    do {
        rc = statvfs(path, &st);
    } while (rc < 0 && errno == EINTR);
    if (rc < 0)
        return -errno;
    *free_out = (uint64_t)st.f_bavail * st.f_frsize;
    *total_out = (uint64_t)st.f_blocks * st.f_frsize;
    return 0;
}

int file_list(const char *dir, void (*each)(void *arg, const char *name), void *arg)
{
    DIR *d = opendir(dir);
    int err = 0;
    if (!d)
        return -errno;
    for (;;) {
        errno = 0;
        const struct dirent *entry = readdir(d);
        if (!entry) {
            err = -errno;
            break;
        }
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            each(arg, entry->d_name);
    }
    closedir(d);
    return err;
}
