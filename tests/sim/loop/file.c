#include "msa/loop/file.h"
#include "msa/base/mem.h"
#include "tests/sim/loop/disk.h"

#include <errno.h>
#include <stdlib.h>

struct file {
    struct disk_file *on_disk;
    bool append;
};

int file_open(const char *path, unsigned flags, struct file **out)
{
    unsigned how = flags & FILE_CREATE   ? DISK_CREATE | DISK_EXCLUSIVE
                   : flags & FILE_APPEND ? DISK_CREATE
                                         : 0;
    struct disk_file *d;
    int err = disk_open(path, how, &d);
    if (err < 0)
        return err;
    struct file *f = NEW(struct file);
    f->on_disk = d;
    f->append = flags & FILE_APPEND;
    *out = f;
    return 0;
}

void file_close(struct file *f)
{
    if (f) {
        disk_close(f->on_disk);
        free(f);
    }
}

int file_write(struct file *f, uint64_t offset, struct sv bytes)
{
    if (f->append) {
        int64_t size = disk_size(f->on_disk);
        if (size < 0)
            return (int)size;
        offset = (uint64_t)size;
    }
    return disk_write(f->on_disk, offset, bytes.ptr, bytes.len);
}

ssize_t file_read(struct file *f, uint64_t offset, void *at, size_t len)
{
    return disk_read(f->on_disk, offset, at, len);
}

int file_sync(struct file *f)
{
    return disk_sync(f->on_disk);
}

int64_t file_size(struct file *f)
{
    return disk_size(f->on_disk);
}

int file_unlink(const char *path)
{
    return disk_delete(path);
}

int file_rename(const char *from, const char *to)
{
    return disk_rename(from, to);
}

int file_mkdir(const char *path)
{
    int err = disk_mkdir(path);
    return err == -EEXIST ? 0 : err;
}

int file_sync_dir(const char *path)
{
    return disk_sync_dir(path);
}

int file_space(const char *path, uint64_t *free_out, uint64_t *total_out)
{
    uint64_t used = disk_used();
    (void)path;
    *total_out = disk_capacity();
    *free_out = used < *total_out ? *total_out - used : 0;
    return 0;
}

int file_list(const char *dir, void (*each)(void *arg, const char *name), void *arg)
{
    return disk_list(dir, each, arg);
}
