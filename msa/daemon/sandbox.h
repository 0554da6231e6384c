/*
 * sandbox.h - the server's cage: Landlock for files, seccomp for system calls; and the keeper's,
 * who has secrets but reads no byte of strangers: no other program or process, no network where it
 * needs none.
 *
 * Entered once, after the generation with its folders is known and before the first byte of a
 * peer; threads started later inherit it. What is not on the list ends the process (SIGSYS). Both
 * are off in sanitizer builds, whose runtime needs more. A kernel without Landlock is said in a
 * warning and the rest holds.
 */
#ifndef MSA_DAEMON_SANDBOX_H
#define MSA_DAEMON_SANDBOX_H

#include "msa/base/err.h"

#include <stdbool.h>
#include <stddef.h>

/* Only files below the folders can be opened, made or removed from here on. Every thread that
 * exists already must be this one. unix_sockets: some may be connected to. 0 or a negative errno.
 */
int sandbox_enter(const char *const *folders, size_t count, bool unix_sockets) MUST_CHECK;
/* From here on no thread of the process, those that exist included, runs another program, reaches
 * into another process or, without network, makes a socket but unix ones. 0 or a negative errno. */
int sandbox_keeper(bool network) MUST_CHECK;

#endif
