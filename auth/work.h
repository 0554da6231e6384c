/*
 * work.h - a pool of few threads that serves many askers in turn.
 *
 * Each asker has a lane of waiting jobs; lanes with jobs are served round robin and no more jobs
 * run than there are threads, so that one asker's thousand requests cost another one a turn. A lane
 * is bounded, and a job that waited past its deadline is not run. Ownership: a job is its maker's
 * again when done() is called. Thread: the loop's, but run().
 */
#ifndef AUTH_WORK_H
#define AUTH_WORK_H

#include "msa/loop/thread.h"

struct auth_work;

struct auth_work_job {
    struct pool_job pool; /* first */
    struct auth_work *work;
    struct auth_work_job *next;
    uint64_t due_ms;                                       /* monotonic */
    void (*run)(struct auth_work_job *job);                /* on a pool thread */
    void (*done)(struct auth_work_job *job, bool has_run); /* on the loop */
};

struct auth_work_lane {
    struct auth_work_job *first, *last;
    size_t count;
    struct auth_work_lane *prev, *next; /* in the ring of lanes with jobs */
};

struct auth_work *auth_work_new(struct loop *l, struct mailbox *mailbox, const char *name,
                                unsigned threads, size_t lane_max, uint64_t wait_max_ms);
/* Waits for what runs; their done() is posted to the mailbox, after which *w may not be used: close
 * the mailbox, then auth_work_free(). All lanes must be empty. */
void auth_work_stop(struct auth_work *w);
void auth_work_free(struct auth_work *w);
/* Whether a job runs. */
bool auth_work_is_busy(const struct auth_work *w);
/* False if the lane is full: the job is not taken. */
bool auth_work_add(struct auth_work *w, struct auth_work_lane *lane, struct auth_work_job *job);
/* done(job, false) for all that wait in the lane. */
void auth_work_drop(struct auth_work *w, struct auth_work_lane *lane);

#endif
