/*
 * child.h - one child process of the master: start, channel, end, start again.
 *
 * Ownership: the struct is the master's. The child is this program's own file, started with
 * --child=keeper or --child=server and its channel at WIRE_FD_MASTER. One that does not get so far
 * that child_serves() is called in time is ended, and started again like any other. Thread: the
 * master's loop.
 */
#ifndef MSA_DAEMON_CHILD_H
#define MSA_DAEMON_CHILD_H

#include "msa/base/sv.h"
#include "msa/daemon/restart.h"
#include "msa/loop/chan.h"
#include "msa/loop/process.h"

#include <sys/types.h>

#define CHILD_START_MS 30000

struct child {
    const char *name; /* "keeper" or "server" */
    struct loop *loop;
    uid_t uid;
    gid_t gid;
    bool change_user;
    int extra_fd;      /* inherited as WIRE_FD_EXTRA */
    uint64_t start_ms; /* from its start to child_serves() */
    /* told: after each start (send what the child needs), each message, and each end */
    void (*on_start)(void *arg, struct child *c);
    void (*on_message)(void *arg, struct child *c, uint32_t type, struct sv payload);
    void (*on_end)(void *arg, struct child *c, int status, int signal);
    void *arg;

    /* its own */
    struct process *process;
    struct chan *chan;
    struct restart restart;
    struct timer again, late;
    uint64_t started_ms;
    bool stopping; /* no further start */
};

void child_init(struct child *c);
/* 0 or a negative error; an end that follows is answered by a new start, after a pause if they
 * come often. */
int child_start(struct child *c) MUST_CHECK;
/* It has said that it does its work. */
void child_serves(struct child *c);
bool child_is_up(const struct child *c);
/* ERR_EOF if it is down; an unsendable message ends the child. */
int child_send(struct child *c, uint32_t type, struct sv payload, const int *fds,
               size_t nfds) MUST_CHECK;
void child_kill(struct child *c, int signal);
void child_deinit(struct child *c); /* after its end */

#endif
