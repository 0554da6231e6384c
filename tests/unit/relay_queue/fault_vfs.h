/*
 * fault_vfs.h - a SQLite VFS over the system's that fails the n-th write or sync of queue.db and
 * its log, as a full or broken disk would. Any thread.
 */
#ifndef TESTS_UNIT_RELAY_QUEUE_FAULT_VFS_H
#define TESTS_UNIT_RELAY_QUEUE_FAULT_VFS_H

#include <sqlite3.h>

#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>

enum fault_kind { FAULT_WRITE_EIO, FAULT_WRITE_FULL, FAULT_SYNC };

static struct {
    atomic_int ops;   /* of the armed kind, since fault_arm() */
    atomic_int at;    /* this one fails; 0: none */
    atomic_int count; /* and so many after it, with it */
    atomic_bool fired;
    enum fault_kind kind;
    sqlite3_vfs vfs, *real;
    sqlite3_io_methods methods;
} fault;

struct fault_file {
    sqlite3_file base;
    bool counted;
    sqlite3_file *real; /* behind this struct */
};

static inline void fault_arm(enum fault_kind kind, int at, int count)
{
    fault.kind = kind;
    fault.fired = false;
    fault.ops = 0;
    fault.count = count;
    fault.at = at;
}

static bool fault_hits(struct fault_file *f, bool sync)
{
    if (!f->counted || fault.at == 0 || sync != (fault.kind == FAULT_SYNC))
        return false;
    int op = atomic_fetch_add(&fault.ops, 1) + 1;
    bool hit = op >= fault.at && op < fault.at + fault.count;
    if (hit)
        fault.fired = true;
    return hit;
}

#define FAULT_REAL(file) (((struct fault_file *)(file))->real)

static int fault_close(sqlite3_file *f)
{
    return FAULT_REAL(f)->pMethods ? FAULT_REAL(f)->pMethods->xClose(FAULT_REAL(f)) : SQLITE_OK;
}
static int fault_read(sqlite3_file *f, void *at, int n, sqlite3_int64 offset)
{
    return FAULT_REAL(f)->pMethods->xRead(FAULT_REAL(f), at, n, offset);
}
static int fault_write(sqlite3_file *f, const void *at, int n, sqlite3_int64 offset)
{
    if (fault_hits((struct fault_file *)f, false))
        return fault.kind == FAULT_WRITE_FULL ? SQLITE_FULL : SQLITE_IOERR_WRITE;
    return FAULT_REAL(f)->pMethods->xWrite(FAULT_REAL(f), at, n, offset);
}
static int fault_truncate(sqlite3_file *f, sqlite3_int64 size)
{
    return FAULT_REAL(f)->pMethods->xTruncate(FAULT_REAL(f), size);
}
static int fault_sync(sqlite3_file *f, int flags)
{
    if (fault_hits((struct fault_file *)f, true))
        return SQLITE_IOERR_FSYNC;
    return FAULT_REAL(f)->pMethods->xSync(FAULT_REAL(f), flags);
}
static int fault_size(sqlite3_file *f, sqlite3_int64 *out)
{
    return FAULT_REAL(f)->pMethods->xFileSize(FAULT_REAL(f), out);
}
static int fault_lock(sqlite3_file *f, int level)
{
    return FAULT_REAL(f)->pMethods->xLock(FAULT_REAL(f), level);
}
static int fault_unlock(sqlite3_file *f, int level)
{
    return FAULT_REAL(f)->pMethods->xUnlock(FAULT_REAL(f), level);
}
static int fault_reserved(sqlite3_file *f, int *out)
{
    return FAULT_REAL(f)->pMethods->xCheckReservedLock(FAULT_REAL(f), out);
}
static int fault_control(sqlite3_file *f, int op, void *arg)
{
    return FAULT_REAL(f)->pMethods->xFileControl(FAULT_REAL(f), op, arg);
}
static int fault_sector(sqlite3_file *f)
{
    return FAULT_REAL(f)->pMethods->xSectorSize(FAULT_REAL(f));
}
static int fault_character(sqlite3_file *f)
{
    return FAULT_REAL(f)->pMethods->xDeviceCharacteristics(FAULT_REAL(f));
}
static int fault_shm_map(sqlite3_file *f, int page, int size, int extend, void volatile **out)
{
    return FAULT_REAL(f)->pMethods->xShmMap(FAULT_REAL(f), page, size, extend, out);
}
static int fault_shm_lock(sqlite3_file *f, int offset, int n, int flags)
{
    return FAULT_REAL(f)->pMethods->xShmLock(FAULT_REAL(f), offset, n, flags);
}
static void fault_shm_barrier(sqlite3_file *f)
{
    FAULT_REAL(f)->pMethods->xShmBarrier(FAULT_REAL(f));
}
static int fault_shm_unmap(sqlite3_file *f, int remove)
{
    return FAULT_REAL(f)->pMethods->xShmUnmap(FAULT_REAL(f), remove);
}

static int fault_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags, int *out)
{
    (void)vfs;
    struct fault_file *f = (struct fault_file *)file;
    memset(f, 0, sizeof *f);
    f->real = (sqlite3_file *)(f + 1);
    f->counted = name && strstr(name, "queue.db");
    int rc = fault.real->xOpen(fault.real, name, f->real, flags, out);
    f->base.pMethods = f->real->pMethods ? &fault.methods : NULL;
    return rc;
}

/* Registers the VFS "fault". */
static inline void fault_vfs_register(void)
{
    fault.real = sqlite3_vfs_find(NULL);
    fault.vfs = *fault.real;
    fault.vfs.zName = "fault";
    fault.vfs.szOsFile = (int)sizeof(struct fault_file) + fault.real->szOsFile;
    fault.vfs.xOpen = fault_open;
    fault.methods = (sqlite3_io_methods){
        .iVersion = 2,
        .xClose = fault_close,
        .xRead = fault_read,
        .xWrite = fault_write,
        .xTruncate = fault_truncate,
        .xSync = fault_sync,
        .xFileSize = fault_size,
        .xLock = fault_lock,
        .xUnlock = fault_unlock,
        .xCheckReservedLock = fault_reserved,
        .xFileControl = fault_control,
        .xSectorSize = fault_sector,
        .xDeviceCharacteristics = fault_character,
        .xShmMap = fault_shm_map,
        .xShmLock = fault_shm_lock,
        .xShmBarrier = fault_shm_barrier,
        .xShmUnmap = fault_shm_unmap,
    };
    sqlite3_vfs_register(&fault.vfs, 0);
}

#endif
