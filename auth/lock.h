/*
 * lock.h - one changes at a time: a lock file beside a database, for all processes.
 *
 * The lock is a file of its own, "<path>.lock", because the database may be another inode after a
 * change. It is never removed: a waiting process would then hold a lock that nobody sees. Ends with
 * close(). Blocking, any thread.
 */
#ifndef AUTH_LOCK_H
#define AUTH_LOCK_H

#include "msa/base/err.h"

#define AUTH_LOCK_WAIT_MS 15000

/* Waits until the lock is free, at most so long: -EAGAIN. As root the lock file is given to the
 * folder's owner. -ENOENT: there is no such folder. */
int auth_lock_take(const char *path, int *fd_out) MUST_CHECK;
/* Folder of a path, "." if it names none; -ENAMETOOLONG. size: of out. */
int auth_lock_folder(const char *path, char *out, unsigned size) MUST_CHECK;
/* As root (msactl) files are left to this owner, so that the keeper can use them. */
int auth_lock_give(int fd, unsigned uid, unsigned gid) MUST_CHECK;

#endif
