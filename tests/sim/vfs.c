/*
 * vfs.c - the simulated disk as SQLite sees it.
 *
 * Locks and shared memory hang on the file (disk_shared()), where all its handles find them and
 * where they end with the power. One thread: a lock that is not free is busy for ever.
 */
#include "tests/sim/vfs.h"

#include "msa/base/mem.h"
#include "msa/base/require.h"
#include "msa/loop/clock.h"
#include "tests/sim/loop/disk.h"

#include <sqlite3.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REGIONS_MAX 64

struct shared {
    unsigned readers;
    bool reserved, pending, exclusive;
    void *regions[REGIONS_MAX];
    unsigned shm_readers[SQLITE_SHM_NLOCK];
    bool shm_writer[SQLITE_SHM_NLOCK];
};

struct handle {
    sqlite3_file base;
    struct disk_file *disk;
    struct shared *shared;
    int level;                    /* SQLITE_LOCK_x held */
    unsigned shm_read, shm_write; /* bits of locks held */
    bool remove, sync_name;
    char path[512];
};

static void shared_drop(void *value)
{
    struct shared *s = value;
    for (size_t i = 0; i < REGIONS_MAX; i++)
        free(s->regions[i]);
    free(s);
}

static int code(int err, int otherwise)
{
    return err == 0 ? SQLITE_OK : err == -ENOSPC ? SQLITE_FULL : otherwise;
}

/* ---- a file ---- */

static int sync_name(const char *path)
{
    char dir[512];
    snprintf(dir, sizeof dir, "%s", path);
    char *slash = strrchr(dir, '/');
    if (slash)
        *slash = '\0';
    return disk_sync_dir(dir);
}

static int h_unlock(sqlite3_file *file, int level)
{
    struct handle *h = (struct handle *)file;
    if (h->level > SQLITE_LOCK_SHARED && level <= SQLITE_LOCK_SHARED) {
        h->shared->reserved = false;
        if (h->level >= SQLITE_LOCK_PENDING)
            h->shared->pending = h->shared->exclusive = false;
    }
    if (h->level >= SQLITE_LOCK_SHARED && level == SQLITE_LOCK_NONE)
        h->shared->readers--;
    if (level < h->level)
        h->level = level;
    return SQLITE_OK;
}

static int h_lock(sqlite3_file *file, int level)
{
    struct handle *h = (struct handle *)file;
    struct shared *s = h->shared;
    if (level <= h->level)
        return SQLITE_OK;
    if (h->level == SQLITE_LOCK_NONE) {
        if (s->pending || s->exclusive)
            return SQLITE_BUSY;
        s->readers++;
        h->level = SQLITE_LOCK_SHARED;
    }
    if (level == SQLITE_LOCK_SHARED)
        return SQLITE_OK;
    if (h->level < SQLITE_LOCK_RESERVED) {
        if (s->reserved)
            return SQLITE_BUSY;
        s->reserved = true;
        h->level = SQLITE_LOCK_RESERVED;
    }
    if (level == SQLITE_LOCK_RESERVED)
        return SQLITE_OK;
    s->pending = true;
    h->level = SQLITE_LOCK_PENDING;
    if (s->readers > 1)
        return SQLITE_BUSY;
    s->exclusive = true;
    h->level = SQLITE_LOCK_EXCLUSIVE;
    return SQLITE_OK;
}

static int h_reserved(sqlite3_file *file, int *out)
{
    *out = ((struct handle *)file)->shared->reserved;
    return SQLITE_OK;
}

static void shm_release(struct handle *h)
{
    for (int i = 0; i < SQLITE_SHM_NLOCK; i++) {
        if (h->shm_read & (1u << i))
            h->shared->shm_readers[i]--;
        if (h->shm_write & (1u << i))
            h->shared->shm_writer[i] = false;
    }
    h->shm_read = h->shm_write = 0;
}

static int h_close(sqlite3_file *file)
{
    struct handle *h = (struct handle *)file;
    shm_release(h);
    h_unlock(file, SQLITE_LOCK_NONE);
    disk_close(h->disk);
    return h->remove ? code(disk_delete(h->path), SQLITE_IOERR_DELETE) : SQLITE_OK;
}

static int h_read(sqlite3_file *file, void *at, int len, sqlite3_int64 offset)
{
    struct handle *h = (struct handle *)file;
    ssize_t got = disk_read(h->disk, (uint64_t)offset, at, (size_t)len);
    if (got < 0)
        return SQLITE_IOERR_READ;
    if (got == len)
        return SQLITE_OK;
    memset((char *)at + got, 0, (size_t)(len - got));
    return SQLITE_IOERR_SHORT_READ;
}

static int h_write(sqlite3_file *file, const void *at, int len, sqlite3_int64 offset)
{
    struct handle *h = (struct handle *)file;
    return code(disk_write(h->disk, (uint64_t)offset, at, (size_t)len), SQLITE_IOERR_WRITE);
}

static int h_truncate(sqlite3_file *file, sqlite3_int64 size)
{
    struct handle *h = (struct handle *)file;
    return code(disk_truncate(h->disk, (uint64_t)size), SQLITE_IOERR_TRUNCATE);
}

static int h_sync(sqlite3_file *file, int flags)
{
    (void)flags;
    struct handle *h = (struct handle *)file;
    int err = disk_sync(h->disk);
    if (err == 0 && h->sync_name)
        err = sync_name(h->path);
    h->sync_name = h->sync_name && err < 0;
    return code(err, SQLITE_IOERR_FSYNC);
}

static int h_size(sqlite3_file *file, sqlite3_int64 *out)
{
    int64_t size = disk_size(((struct handle *)file)->disk);
    *out = size < 0 ? 0 : size;
    return size < 0 ? SQLITE_IOERR_FSTAT : SQLITE_OK;
}

static int h_control(sqlite3_file *file, int op, void *arg)
{
    (void)file, (void)op, (void)arg;
    return SQLITE_NOTFOUND;
}

static int h_sector(sqlite3_file *file)
{
    (void)file;
    return 512;
}

/* A torn write of the disk changes no byte outside the write. */
static int h_character(sqlite3_file *file)
{
    (void)file;
    return SQLITE_IOCAP_POWERSAFE_OVERWRITE;
}

/* ---- shared memory ---- */

static int h_shm_map(sqlite3_file *file, int region, int size, int extend, void volatile **out)
{
    struct shared *s = ((struct handle *)file)->shared;
    *out = NULL;
    if (region >= REGIONS_MAX)
        return SQLITE_IOERR_SHMMAP;
    if (!s->regions[region] && extend)
        s->regions[region] = mem_new(1, (size_t)size);
    *out = s->regions[region];
    return SQLITE_OK;
}

static int h_shm_lock(sqlite3_file *file, int first, int count, int flags)
{
    struct handle *h = (struct handle *)file;
    struct shared *s = h->shared;
    for (int i = first; i < first + count && flags & SQLITE_SHM_LOCK; i++) {
        bool mine = h->shm_read & (1u << i);
        if (s->shm_writer[i] && !(h->shm_write & (1u << i)))
            return SQLITE_BUSY;
        if (flags & SQLITE_SHM_EXCLUSIVE && s->shm_readers[i] > (mine ? 1u : 0u))
            return SQLITE_BUSY;
    }
    for (int i = first; i < first + count; i++) {
        unsigned bit = 1u << i, *held = flags & SQLITE_SHM_SHARED ? &h->shm_read : &h->shm_write;
        bool want = flags & SQLITE_SHM_LOCK;
        if (want == ((*held & bit) != 0))
            continue;
        *held ^= bit;
        if (flags & SQLITE_SHM_SHARED)
            s->shm_readers[i] += want ? 1u : -1u;
        else
            s->shm_writer[i] = want;
    }
    return SQLITE_OK;
}

static void h_shm_barrier(sqlite3_file *file)
{
    (void)file;
}

static int h_shm_unmap(sqlite3_file *file, int remove)
{
    struct handle *h = (struct handle *)file;
    shm_release(h);
    for (size_t i = 0; remove && i < REGIONS_MAX; i++) {
        free(h->shared->regions[i]);
        h->shared->regions[i] = NULL;
    }
    return SQLITE_OK;
}

static const sqlite3_io_methods methods = {
    .iVersion = 2,
    .xClose = h_close,
    .xRead = h_read,
    .xWrite = h_write,
    .xTruncate = h_truncate,
    .xSync = h_sync,
    .xFileSize = h_size,
    .xLock = h_lock,
    .xUnlock = h_unlock,
    .xCheckReservedLock = h_reserved,
    .xFileControl = h_control,
    .xSectorSize = h_sector,
    .xDeviceCharacteristics = h_character,
    .xShmMap = h_shm_map,
    .xShmLock = h_shm_lock,
    .xShmBarrier = h_shm_barrier,
    .xShmUnmap = h_shm_unmap,
};

/* ---- the file system ---- */

static int v_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags, int *out)
{
    (void)vfs;
    static unsigned temporary;
    struct handle *h = (struct handle *)file;
    memset(h, 0, sizeof *h);
    if (name)
        snprintf(h->path, sizeof h->path, "%s", name);
    else
        snprintf(h->path, sizeof h->path, "/temporary/%u", temporary++);
    bool create = flags & SQLITE_OPEN_CREATE && !disk_exists(h->path);
    unsigned how = flags & SQLITE_OPEN_CREATE ? DISK_CREATE : 0;
    how |= flags & SQLITE_OPEN_EXCLUSIVE ? DISK_EXCLUSIVE : 0;
    int err = disk_open(h->path, how, &h->disk);
    if (err < 0)
        return err == -ENOSPC ? SQLITE_FULL : SQLITE_CANTOPEN;
    void **slot = disk_shared(h->disk, shared_drop);
    if (!*slot)
        *slot = NEW(struct shared);
    h->shared = *slot;
    h->remove = flags & SQLITE_OPEN_DELETEONCLOSE;
    /* As the system's VFS does: the name of a new log is synced with its first content. */
    h->sync_name = create && flags & (SQLITE_OPEN_WAL | SQLITE_OPEN_MAIN_JOURNAL);
    h->base.pMethods = &methods;
    if (out)
        *out = flags;
    return SQLITE_OK;
}

static int v_delete(sqlite3_vfs *vfs, const char *path, int sync)
{
    (void)vfs;
    int err = disk_delete(path);
    if (err == -ENOENT)
        return SQLITE_IOERR_DELETE_NOENT;
    if (err == 0 && sync)
        err = sync_name(path);
    return code(err, SQLITE_IOERR_DELETE);
}

static int v_access(sqlite3_vfs *vfs, const char *path, int flags, int *out)
{
    (void)vfs, (void)flags;
    *out = disk_exists(path);
    return SQLITE_OK;
}

static int v_full(sqlite3_vfs *vfs, const char *path, int size, char *out)
{
    (void)vfs;
    snprintf(out, (size_t)size, "%s", path);
    return SQLITE_OK;
}

static int v_random(sqlite3_vfs *vfs, int size, char *out)
{
    (void)vfs;
    random_fill(out, (size_t)size);
    return size;
}

static int v_sleep(sqlite3_vfs *vfs, int us)
{
    (void)vfs;
    return us;
}

static int v_time(sqlite3_vfs *vfs, sqlite3_int64 *out)
{
    (void)vfs;
    *out = clock_wall_ms() + INT64_C(210866760000000); /* Julian day of 1970, in milliseconds */
    return SQLITE_OK;
}

static int v_error(sqlite3_vfs *vfs, int size, char *out)
{
    (void)vfs, (void)size, (void)out;
    return 0;
}

void sim_vfs_register(void)
{
    static sqlite3_vfs vfs = {
        .iVersion = 2,
        .szOsFile = sizeof(struct handle),
        .mxPathname = 500,
        .zName = SIM_VFS,
        .xOpen = v_open,
        .xDelete = v_delete,
        .xAccess = v_access,
        .xFullPathname = v_full,
        .xRandomness = v_random,
        .xSleep = v_sleep,
        .xGetLastError = v_error,
        .xCurrentTimeInt64 = v_time,
    };
    int rc = sqlite3_vfs_register(&vfs, 0);
    REQUIRE(rc == SQLITE_OK);
}
