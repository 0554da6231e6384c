/*
 * process.h - child processes and signals, for the master and msactl. Thread: the loop's.
 */
#ifndef MSA_LOOP_PROCESS_H
#define MSA_LOOP_PROCESS_H

#include "msa/loop/loop.h"

#include <sys/types.h>

struct process;
/* Runs argv[0] (no shell, no PATH search) with fds[i] as descriptor 3 + i in the child; 0 to 2 are
 * inherited, everything else is closed. on_exit: status is the exit code, or -1 with the signal. */
int process_start(struct loop *l, char *const argv[], const int *fds, size_t nfds,
                  void (*on_exit)(void *arg, int status, int signal), void *arg,
                  struct process **out) MUST_CHECK;
pid_t process_pid(const struct process *p);
void process_kill(struct process *p, int signal);
/* After on_exit, or to stop listening for it. */
void process_free(struct process *p);

struct signal_watch;
struct signal_watch *signal_watch_new(struct loop *l, int signal,
                                      void (*on_signal)(void *arg, int signal), void *arg);
void signal_watch_close(struct signal_watch *w);

#endif
