/*
 * keep.h - what is known of other sites' TLS, kept over restarts: rows of a kind, a key and a
 * value.
 *
 * One SQLite file, read as a whole when it is opened and then written behind, by a thread of its
 * own: everything is in its users' memory, and what a row means is theirs. A crash loses the last
 * second. Nothing here stops the mail: a file that cannot be used is said and set aside (damaged)
 * or left (no rights, no space), and then nothing is kept; rows that cannot be written are dropped
 * and counted.
 *
 * Ownership: keys and values are copied. Thread: the main thread.
 * Bounds: KEEP_WAITING_MAX rows wait to be written.
 */
#ifndef RELAY_TLS_KEEP_H
#define RELAY_TLS_KEEP_H

#include "msa/base/sv.h"

#define KEEP_WAITING_MAX 10000

enum keep_kind {
    KEEP_POLICY = 1, /* MTA-STS: sts.h; key: domain */
    KEEP_HOST = 2,   /* hosts where TLS has worked: memory.h; key: name */
    KEEP_RESULT = 3, /* sessions that are to be reported: results.h */
};

struct keep;
/* path: of the file, in a folder that exists. on_row comes for every row, from inside this call;
 * views are valid during it. Blocking. */
struct keep *keep_open(const char *path,
                       void (*on_row)(void *arg, enum keep_kind kind, struct sv key,
                                      struct sv value),
                       void *arg);
void keep_put(struct keep *k, enum keep_kind kind, struct sv key, struct sv value);
void keep_remove(struct keep *k, enum keep_kind kind, struct sv key);
uint64_t keep_dropped(const struct keep *k); /* rows that could not be written, since the start */
void keep_close(struct keep *k);             /* writes what waits; NULL is allowed */

#endif
