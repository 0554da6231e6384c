/*
 * history_files.h - the day files of the history: names, order, removal.
 *
 * A file is <dir>/YYYY-MM-DD.db (UTC), with SQLite's -wal and -shm beside it. Pool or history
 * thread: these calls block.
 */
#ifndef RELAY_QUEUE_HISTORY_FILES_H
#define RELAY_QUEUE_HISTORY_FILES_H

#include "msa/base/err.h"

#include <stddef.h>
#include <stdint.h>

#define HISTORY_DAY_LEN 10

void history_day(char out[HISTORY_DAY_LEN + 1], int64_t wall_ms);
/* Heap text: the day's file, with suffix ("", "-wal", "-shm"). */
char *history_file_path(const char *dir, const char *day, const char *suffix);

struct history_days {
    char (*days)[HISTORY_DAY_LEN + 1]; /* in order */
    size_t count, cap;
};
int history_files_list(const char *dir, struct history_days *out) MUST_CHECK;
void history_days_free(struct history_days *d);
/* Removes whole days: older than keep days, then the oldest while all together are beyond bytes.
 * Never the open one. */
int history_files_prune(const char *dir, int64_t wall_ms, unsigned keep, uint64_t bytes,
                        const char *open_day) MUST_CHECK;

struct history;
const char *history_dir(const struct history *h);
const char *history_vfs(const struct history *h); /* NULL: the system's */

#endif
