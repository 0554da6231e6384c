/*
 * process_args.h - what the master tells a child on its command line, and a child's entry points.
 *
 * --child=NAME UID GID CHANGE PARENT, written by child.c.
 */
#ifndef MSA_DAEMON_PROCESS_ARGS_H
#define MSA_DAEMON_PROCESS_ARGS_H

#include <stdbool.h>
#include <sys/types.h>

struct process_args {
    uid_t uid;
    gid_t gid;
    bool change; /* of user */
    pid_t parent;
};

/* Run until told to stop or the master is gone; the process's exit code. */
int keeper_process(const struct process_args *args);
int server_process(const struct process_args *args);

#endif
