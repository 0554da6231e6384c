/*
 * sched.h - the scheduler: which message goes where next, on the main thread.
 *
 * Two steps (DESIGN section 4): a destination that has due rows is resolved to a site when it is
 * due and has no fresh route; rows are claimed only when the site has a free slot, one permitted
 * connection, bound to one worker while it lives. Jobs are posted to slots, an idle open
 * connection first. Memory: one small record a destination with due rows, one a site in use.
 *
 * The scheduler knows no protocol and no DNS: its owner gives it the functions below. Main thread
 * only. Every job has a deadline here.
 */
#ifndef RELAY_QUEUE_SCHED_H
#define RELAY_QUEUE_SCHED_H

#include "msa/loop/loop.h"
#include "relay/queue/store.h"

struct sched;
struct sched_site;

/* The answer of a resolution, owned by the scheduler until free_plan(). */
struct sched_route {
    char *site;     /* key: the set of MX hosts, or the static route; free()d by the scheduler */
    void *plan;     /* opaque: ordered attempts, shared by the jobs of a destination */
    uint64_t fresh_ms; /* how long the answer may be used */
    /* Instead of a plan: the destination's rows get this result (NXDOMAIN, null MX, DNS trouble). */
    bool failed, deferred;
    char *status, *text; /* enhanced status and words for it; free()d by the scheduler */
};

/* One message's rows in one domain, for one slot. */
struct sched_job {
    struct task task;         /* for posting to the worker and back */
    struct queue_batch *batch; /* owned by whoever holds the job */
    void *plan;               /* one reference of the route's plan */
    const char *site;         /* valid while the job is out */
    uint32_t slot;            /* id of the slot */
    unsigned worker;          /* index */
    uint64_t deadline_ms;     /* monotonic: the worker must have answered */
    /* Not a delivery: rows whose route says failed or deferred, or that expired while waiting. The
     * worker makes the results (and the report) without connecting. */
    bool no_attempt, expired;
    const char *status, *text; /* with no_attempt; in batch->arena */
    void *sched_private;
};

struct sched_ops {
    /* Resolve; answer with sched_resolved(). At most resolve_max are asked at once. */
    void (*resolve)(void *arg, const char *destination);
    /* Post to the worker; the worker records results in the store and then calls sched_job_done()
     * by a task on the scheduler's mailbox. */
    void (*run_job)(void *arg, struct sched_job *job);
    void *(*keep_plan)(void *plan);
    void (*drop_plan)(void *plan);
};

struct sched_config {
    struct loop *loop;
    struct mailbox *mailbox; /* the main thread's */
    struct store *store;
    unsigned workers;
    size_t per_site;      /* slots of a site (relay.per_site) */
    size_t slots_max;     /* all sites together */
    size_t resolve_max;   /* look-ups at once */
    uint64_t job_deadline_ms;
    const struct sched_ops *ops;
    void *arg;
};

struct sched *sched_new(const struct sched_config *config);
void sched_start(struct sched *s); /* first sweep */
/* No new jobs from here on; on_idle when none is out. */
void sched_stop(struct sched *s, void (*on_idle)(void *arg), void *arg);
void sched_free(struct sched *s);
/* New values of a generation. */
void sched_set_per_site(struct sched *s, size_t per_site);

/* From the store (store_config.on_queued, on_due), main thread. */
void sched_on_queued(struct sched *s, struct queue_batch *claimed);
void sched_on_due(struct sched *s, const char *destination, int64_t due_ms);
/* Answer to resolve(); takes route's content. */
void sched_resolved(struct sched *s, const char *destination, struct sched_route *route);

/* How a job ended, for slots and site: results are in the store already. */
enum sched_slot_state { SCHED_SLOT_IDLE, SCHED_SLOT_CLOSED };
struct sched_job_end {
    enum sched_slot_state slot;
    bool site_failed; /* no host of the site could be used: back the whole site off */
    bool delivered;   /* something was accepted: the site is alive */
    int64_t next_due_ms; /* earliest new due time among the rows; INT64_MAX: none */
};
/* Frees the job; its batch went to the store with the results. */
void sched_job_done(struct sched *s, struct sched_job *job, const struct sched_job_end *end);
/* An idle connection of a slot went away by itself (the peer closed, or it was idle too long). */
void sched_slot_closed(struct sched *s, uint32_t slot);
/* Operator: forget back-off and due times of what matches are in the store already; look again. */
void sched_wake(struct sched *s);

struct sched_stats {
    size_t destinations, sites, slots, jobs, resolving;
};
void sched_get_stats(const struct sched *s, struct sched_stats *out);

#endif
