/*
 * disk.h - the simulated disk: files whose unsynced bytes and names a crash may lose.
 *
 * One disk exists from sim_start() to sim_stop(); msa/loop/file.h (simulated form) and a SQLite VFS
 * sit on it. What a file's handles see is its volatile content: all handles of one file see each
 * write at once. What survives a loss of power is what was synced, plus any part of the rest, as
 * the seed decides: each unsynced write may be there, be missing, be torn at a 512-byte sector, or
 * be applied in another order. Names (create, delete, rename) survive disk_sync_dir() of their
 * folder; of later changes in a folder some first ones survive.
 *
 * Power: when the n-th counted operation (disk_crash_at) or disk_power_off() comes, the disk is
 * off: every call gives -EIO, handles may still be closed, sim_step() returns false. The test then
 * drops the world with sim_crash() and calls disk_power_on(), which decides what is left; open
 * handles from before stay dead (-EIO) for ever.
 *
 * Paths are plain text and need not be normal; folders need not exist unless made by disk_mkdir():
 * a file may be created in any folder. Results: 0, a count, or a negative errno. One thread.
 */
#ifndef TESTS_SIM_LOOP_DISK_H
#define TESTS_SIM_LOOP_DISK_H

#include "msa/base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct disk_file; /* one handle; several may be open on one file */

#define DISK_CREATE    1u /* made if it does not exist; without it: -ENOENT */
#define DISK_EXCLUSIVE 2u /* with DISK_CREATE: -EEXIST if it exists */

int disk_open(const char *path, unsigned flags, struct disk_file **out) MUST_CHECK;
void disk_close(struct disk_file *f); /* NULL is allowed */
/* Bytes read, fewer only at the end of the file. */
ssize_t disk_read(struct disk_file *f, uint64_t offset, void *at, size_t len) MUST_CHECK;
/* All, or an error and nothing written. A gap before offset reads as zeros. */
int disk_write(struct disk_file *f, uint64_t offset, const void *bytes, size_t len) MUST_CHECK;
int disk_truncate(struct disk_file *f, uint64_t size) MUST_CHECK; /* also lengthens */
int64_t disk_size(struct disk_file *f) MUST_CHECK;
int disk_sync(struct disk_file *f) MUST_CHECK; /* content and size, not the name */

int disk_delete(const char *path) MUST_CHECK; /* open handles keep the content; -ENOENT */
int disk_rename(const char *from, const char *to) MUST_CHECK;
bool disk_exists(const char *path);          /* a file or a folder; false when the power is off */
int disk_mkdir(const char *path) MUST_CHECK; /* survives at once; -EEXIST */
int disk_sync_dir(const char *path) MUST_CHECK;
/* Names of the files directly in dir, in order of their bytes. */
int disk_list(const char *dir, void (*each)(void *arg, const char *name), void *arg) MUST_CHECK;

/*
 * A slot shared by all handles of one file, for the VFS (its locks and shared memory). *drop(value)
 * is called when the last handle is closed or, at the latest, when the power comes back.
 */
void **disk_shared(struct disk_file *f, void (*drop)(void *value));

/* Counted operations so far: write, truncate, sync, sync_dir, create, delete, rename. */
uint64_t disk_ops(void);
uint64_t disk_syncs(void); /* of these: sync and sync_dir */
/* The power fails in the operation that makes disk_ops() equal n: a write or name change of that
 * number may survive in part, a sync has synced nothing for sure. 0: never. */
void disk_crash_at(uint64_t n);
void disk_power_off(void);
bool disk_is_off(void);

enum disk_loss {
    DISK_LOSS_SEEDED, /* one of the others, or a mix, as the seed decides */
    DISK_LOSS_ALL,    /* everything unsynced is gone */
    DISK_LOSS_NONE,   /* everything unsynced is there (the process died, not the machine) */
    DISK_LOSS_TORN,   /* a first part of the writes; the last of them torn */
    DISK_LOSS_MIXED,  /* any subset, in any order, any of them torn */
};
void disk_power_on(enum disk_loss loss);

/* Faults. */
void disk_set_capacity(uint64_t bytes); /* beyond it: -ENOSPC; UINT64_MAX (default): none */
uint64_t disk_capacity(void);
uint64_t disk_used(void); /* bytes of all files */

#define DISK_OP_READ  1u
#define DISK_OP_WRITE 2u /* write and truncate */
#define DISK_OP_SYNC  4u /* sync and sync_dir */
#define DISK_OP_NAME  8u /* create, delete, rename */
/* The next count operations of these kinds, after skip good ones, fail with err (-EIO, -ENOSPC).
 * After a failed sync the unsynced bytes stay readable but no later sync saves them, as on Linux.
 * path_part: only paths that contain it; NULL: all. count 0 ends the fault. */
void disk_fail(unsigned ops, const char *path_part, uint64_t skip, uint64_t count, int err);

#endif
