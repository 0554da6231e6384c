/*
 * privileges.h - users, folders and the loss of rights.
 *
 * All of it in the master before it starts children, or in a child before it reads its first
 * byte. Errors are negative errno values; error gets a sentence for the operator.
 */
#ifndef MSA_DAEMON_PRIVILEGES_H
#define MSA_DAEMON_PRIVILEGES_H

#include "msa/base/buf.h"

#include <stdbool.h>
#include <sys/types.h>

struct priv_ids {
    bool change; /* started as root: children change to these */
    uid_t server_uid, keeper_uid;
    gid_t server_gid, keeper_gid;
};

/* Looks the two users up; without root nothing changes. -ENOENT with the useradd lines to run. */
int priv_lookup(const char *user, const char *auth_user, struct priv_ids *out,
                struct buf *error) MUST_CHECK;
/* <state> 0755 root, <state>/auth 0700 keeper, <state>/queue 0700 server; also the relay.capture
 * folder ("" for none), for the server. Existing ones get their owner and mode. */
int priv_make_state(const char *state, const char *capture, const struct priv_ids *ids,
                    struct buf *error) MUST_CHECK;
/* Locks <state>/lock for the life of the process: waits up to wait_ms, then -EBUSY with the
 * holder's process id in error. */
int priv_lock_state(const char *state, unsigned wait_ms, struct buf *error) MUST_CHECK;
/* Child: gives up root for good, no way back; sets no-new-privileges, no core of secrets, and
 * asks the kernel for SIGKILL when the parent dies (-ESRCH: it is dead already). groups: the user
 * keeps the further groups that it is a member of, else it has none. */
int priv_become(uid_t uid, gid_t gid, bool change, bool groups, pid_t parent) MUST_CHECK;
/* Child: a terminal and a service manager send their signals to every process of a service; the
 * master alone answers SIGTERM, SIGINT and SIGHUP, and tells its children in good order. */
void priv_leave_signals_to_master(void);
/* Raises the descriptor limit to what is wanted or the hard limit; gives the limit reached. */
size_t priv_raise_descriptors(size_t wanted);

#endif
