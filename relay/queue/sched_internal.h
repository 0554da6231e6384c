/*
 * sched_internal.h - the records of the scheduler, shared by its files only.
 *
 * sched.c: life, sweep, timers, what the store and the workers say.
 * sched_dest.c: destinations: waiting batches, claims, resolution, jobs without an attempt.
 * sched_site.c: sites and slots: who gets the next connection.
 */
#ifndef RELAY_QUEUE_SCHED_INTERNAL_H
#define RELAY_QUEUE_SCHED_INTERNAL_H

#include "relay/queue/age.h"
#include "relay/queue/sched.h"

#include <uthash.h>
#include <utlist.h>

struct sched_wait {
    struct queue_batch *batch;
    uint64_t since_ms;
    uint64_t tag;   /* its turn: sched_dest.c */
    uint32_t login; /* a hash of it */
    int priority;   /* of the message */
    bool claimed;   /* came by a claim, not from a put */
    struct sched_wait *next, *prev;
};

/* Whether a destination knows where its mail goes. */
enum sched_dest_state {
    SCHED_DEST_NEW,       /* no route, or one that is no longer fresh */
    SCHED_DEST_QUEUED,    /* in sched.resolve_queue */
    SCHED_DEST_RESOLVING, /* its owner has been asked */
    SCHED_DEST_ROUTED,
};

struct sched_dest {
    char *name;
    enum sched_dest_state state;
    struct sched_route route; /* site is NULL here: see below */
    uint64_t fresh_until_ms;
    struct sched_site *site;    /* holds a use of it; NULL: the route is a failure */
    struct sched_wait *waiting; /* by tag */
    uint64_t turn;              /* tag of what was served last */
    size_t nwaiting, nclaimed;  /* all; those that came by a claim */
    size_t jobs;                /* out */
    size_t no_attempts;         /* of these without an attempt */
    bool due;                   /* the store has due rows that nobody claimed */
    bool claiming;
    bool claim_turn; /* the next free slot is for a claim, although batches wait */
    bool in_ring;
    struct sched_dest *ring_next, *ring_prev;       /* site->ring */
    struct sched_dest *resolve_next, *resolve_prev; /* sched.resolve_queue */
    UT_hash_handle hh;
};

struct sched_slot {
    uint32_t id;
    unsigned worker;
    struct sched_site *site; /* holds a use of it */
    bool busy;
    unsigned served;                          /* jobs */
    bool closed;                              /* while busy: a connection of it went away */
    struct sched_slot *next, *prev;           /* site->idle */
    struct sched_slot *idle_next, *idle_prev; /* sched.idle: longest idle first */
    UT_hash_handle hh;
};

struct sched_site {
    char *key;
    size_t uses;             /* destinations, slots and jobs that name it */
    struct sched_dest *ring; /* destinations with something to do, served in turn */
    size_t nring;
    struct sched_slot *idle; /* the one used last first */
    size_t busy;
    size_t claims; /* under way, each for one free slot */
    size_t limit;  /* slots allowed now: grows with success, shrinks with failure */
    struct sched_limits limits;
    uint64_t next_us; /* monotonic: when its pace lets the next job begin */
    bool paced;       /* in sched.paced: waits for that */
    size_t failures;  /* in a row */
    uint64_t down_until_ms, backoff_ms;
    bool probing; /* was down: one job finds out whether it is alive */
    bool asked;   /* it is down because it asked for it: what still succeeds does not end that */
    bool starved; /* in sched.starved: no slot left in all */
    char status[12], text[SCHED_TEXT_MAX];
    struct sched_site *starved_next, *starved_prev;
    struct sched_site *paced_next, *paced_prev;
    UT_hash_handle hh;
};

struct sched_job_private {
    struct sched_job *job;
    struct sched_dest *dest;
    struct sched_site *site;               /* NULL: no attempt */
    struct sched_slot *slot;               /* NULL: none, or the job is late */
    struct sched_job_private *next, *prev; /* sched.jobs: oldest first, deadlines ascend */
    bool late;
    char id[QUEUE_ID_LEN + 1]; /* queue id: the batch is somebody else's while the job is out */
};

struct sched {
    struct sched_config config;
    struct sched_dest *dests;
    struct sched_site *sites;
    struct sched_slot *slots, *idle;
    struct sched_job_private *jobs;
    struct sched_dest *resolve_queue;
    struct sched_site *starved, *paced;
    size_t njobs, nresolving, nwaiting, no_attempts, requests;
    size_t *worker_slots; /* slots of each worker */
    uint32_t last_slot;
    uint64_t late_jobs;
    bool resolve_guard, sweeping, stopping, idle_told;
    struct age_clock clock;
    int64_t hint_ms; /* earliest due time heard of since the sweep began */
    struct timer sweep_timer, tick_timer, idle_timer, pace_timer;
    void (*on_idle)(void *arg);
    void *on_idle_arg;
};

/* ---- sched.c ---- */
uint64_t sched_now(const struct sched *s);
/* Rows fall due at due_ms (wall): a sweep will find them. */
void sched_note_due(struct sched *s, int64_t due_ms);
void sched_request_over(struct sched *s); /* of the store */
struct sched_job *sched_job_new(struct sched *s, struct sched_dest *d, struct queue_batch *batch);

/* ---- sched_dest.c ---- */
struct sched_dest *sched_dest_get(struct sched *s, const char *name);
/* Does whatever can be done for it now. */
void sched_dest_advance(struct sched *s, struct sched_dest *d);
void sched_dest_wait(struct sched *s, struct sched_dest *d, struct queue_batch *batch,
                     bool claimed);
struct queue_batch *sched_dest_take(struct sched *s, struct sched_dest *d);
bool sched_dest_is_fresh(const struct sched *s, const struct sched_dest *d);
void sched_dest_claim(struct sched *s, struct sched_dest *d, size_t max_rows);
/* Puts off (or fails) what waits and what is due, without an attempt. */
void sched_dest_drain(struct sched *s, struct sched_dest *d, enum sched_job_kind kind,
                      const char *status, const char *text);
void sched_dest_expire(struct sched *s, struct sched_dest *d); /* what has waited too long */
void sched_dest_forget_route(struct sched *s, struct sched_dest *d);
bool sched_dest_is_unused(const struct sched *s, const struct sched_dest *d);
void sched_dest_free(struct sched *s, struct sched_dest *d);
void sched_resolve_pump(struct sched *s);

/* ---- sched_site.c ---- */
struct sched_site *sched_site_use(struct sched *s, const char *key);
void sched_site_unuse(struct sched_site *site);
/* Frees it if nobody uses it and what is known of it is of no interest any more. */
void sched_site_forget(struct sched *s, struct sched_site *site, bool anyway);
void sched_site_add(struct sched_site *site, struct sched_dest *d);
void sched_site_remove(struct sched_site *site, struct sched_dest *d);
void sched_site_pump(struct sched *s, struct sched_site *site);
bool sched_site_is_down(const struct sched *s, const struct sched_site *site);
void sched_site_ended(struct sched *s, struct sched_site *site, const struct sched_job_end *end);
void sched_slot_release(struct sched *s, struct sched_slot *slot, enum sched_slot_state state);
void sched_slot_forget(struct sched *s, struct sched_slot *slot);
void sched_starved_pump(struct sched *s);
void sched_site_limit(struct sched *s, struct sched_site *site, const struct sched_limits *limits);
void sched_paced_pump(void *sched); /* of pace_timer */

#endif
