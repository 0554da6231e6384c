/*
 * file.h - blocking file operations, for pool and batch threads; never on a loop's thread.
 *
 * Results: 0 or a count, or a negative errno. In a simulation the files live on the simulated
 * disk, which can drop, tear and reorder what was not synced.
 */
#ifndef MSA_LOOP_FILE_H
#define MSA_LOOP_FILE_H

#include "msa/base/err.h"
#include "msa/base/sv.h"

#include <sys/types.h>

struct file;

#define FILE_READ   1u
#define FILE_WRITE  2u
#define FILE_CREATE 4u /* mode 0600; fails if it exists */
#define FILE_APPEND 8u /* opened or created, written at its end */

int file_open(const char *path, unsigned flags, struct file **out) MUST_CHECK;
void file_close(struct file *f);                                             /* NULL is allowed */
int file_write(struct file *f, uint64_t offset, struct sv bytes) MUST_CHECK; /* all or an error */
/* Bytes read into at (fewer only at the end of the file), or a negative error. */
ssize_t file_read(struct file *f, uint64_t offset, void *at, size_t len) MUST_CHECK;
int file_sync(struct file *f) MUST_CHECK; /* data and size, fdatasync */
int64_t file_size(struct file *f) MUST_CHECK;
int file_unlink(const char *path) MUST_CHECK;
int file_rename(const char *from, const char *to) MUST_CHECK;
int file_mkdir(const char *path) MUST_CHECK; /* 0700; 0 also if it exists */
int file_sync_dir(const char *path) MUST_CHECK;
/* Space of the file system that path is on, for us; bytes. */
int file_space(const char *path, uint64_t *free_out, uint64_t *total_out) MUST_CHECK;
/* Calls each(arg, name) for every entry but "." and "..". */
int file_list(const char *dir, void (*each)(void *arg, const char *name), void *arg) MUST_CHECK;

#endif
