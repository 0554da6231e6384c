/*
 * sched_internal.h - the records of the scheduler, shared by its files only.
 *
 * sched.c: life, sweep, timers, what the store and the workers say.
 * sched_dest.c: destinations: claims, routes, jobs without an attempt.
 * sched_fair.c: what waits, and whose turn it is.
 * sched_resolve.c: which destination is looked up next.
 * sched_pause.c: what the operator has stopped.
 * sched_wish.c: what else he wants.
 * sched_why.c: what he sees of mail that waits.
 * sched_site.c: sites and slots: which of them get the next connection.
 */
#ifndef RELAY_QUEUE_SCHED_INTERNAL_H
#define RELAY_QUEUE_SCHED_INTERNAL_H

#include "relay/queue/age.h"
#include "relay/queue/sched.h"

#include <uthash.h>
#include <utlist.h>

#define SCHED_NO_ATTEMPTS_MAX                                                                    \
    256 /* jobs without one: beyond, a destination has one at a time, and none is resolved again \
         */

#define SCHED_WAIT_MAX 20000 /* batches of new mail that wait in all destinations together */

struct sched_wait {
    struct queue_batch *batch;
    uint64_t since_ms;
    int64_t key;                   /* its place among what waits: sched_fair.c */
    int64_t cost;                  /* what it takes of its login's share */
    struct sched_dest *claimed_by; /* NULL: it came from a put */
    struct sched_wait *next, *prev;
};

/* What waits of one login in one destination; exists while something does. What waives policies on
 * TLS is apart: it may go to a site that is left alone for such a policy. */
struct sched_flow {
    uint32_t login; /* a hash of it */
    bool waives;
    struct sched_dest *dest;
    struct sched_wait *waits; /* by key */
    size_t nwaits;
    int64_t start, key;      /* in its lane: the turn from which its next counts; its place */
    struct sched_lane *lane; /* of the destination's site; NULL: in none */
    struct sched_flow *next, *prev;           /* dest->flows */
    struct sched_flow *lane_next, *lane_prev; /* lane->flows */
};

/* What waits of one login at one site. */
struct sched_lane {
    uint32_t login;
    int64_t start;            /* the site's turn from which its next message counts */
    int64_t turn;             /* likewise, of what its flows had */
    struct sched_flow *flows; /* by key */
    UT_hash_handle hh;        /* site->lanes */
};

/* Whether a destination knows where its mail goes. */
enum sched_dest_state {
    SCHED_DEST_NEW,       /* no route, or one that is no longer fresh */
    SCHED_DEST_QUEUED,    /* asker is whose turn it waits for */
    SCHED_DEST_RESOLVING, /* its owner has been asked */
    SCHED_DEST_ROUTED,
};

struct sched_dest {
    char *name;
    char *domain; /* what stands before "@" in it */
    enum sched_dest_state state;
    struct sched_route route; /* site is NULL here: see below */
    uint64_t fresh_until_ms;
    bool outdated;                /* RESOLVING: what is asked for is already wrong */
    uint64_t wish;                /* of the operator, to try it now; of several the last */
    bool wanted;                  /* likewise: the back-off of its site ends when that is known */
    struct sched_site *site;      /* holds a use of it; NULL: the route is a failure */
    struct sched_flow *flows;     /* what waits */
    size_t nwaiting;              /* all of these */
    size_t nclaimed;              /* what waits that it has claimed, here or where it belongs */
    size_t nclaimed_own;          /* of these here */
    struct sched_site *claims_at; /* keeps a slot for what is being claimed; NULL: none does */
    size_t jobs;                  /* out */
    size_t no_attempts;           /* of these without an attempt */
    bool due;                     /* the store has due rows that nobody claimed */
    bool claiming;
    bool route_late, claim_late; /* should have been answered: told once */
    uint64_t asked_ms;           /* the route; the claim */
    uint64_t claimed_ms;
    bool claims; /* in site->claimers */
    bool again;  /* RESOLVING or QUEUED: for mail that is tried again */
    bool slow;   /* RESOLVING: in sched.nslow instead of sched.resolving */
    struct sched_asker *asker;
    bool idle;                                  /* in sched.idle_dests */
    struct sched_dest *claim_next, *claim_prev; /* site->claimers */
    struct sched_dest *idle_next, *idle_prev;
    struct sched_dest *resolve_next, *resolve_prev; /* asker->dests; sched.quick */
    UT_hash_handle hh;
};

/* How much is known for a site: the less, the fewer of all slots it may wait for an answer on. */
enum sched_rank {
    SCHED_RANK_ALIVE,
    SCHED_RANK_NEW,   /* nothing, and there is new mail for it */
    SCHED_RANK_AGAIN, /* nothing, and all that is for it comes from the disk */
    SCHED_RANK_FAILING,
    SCHED_RANK_FULL, /* not what is known: it wants rows, and memory has no room for more */
    SCHED_RANKS
};

struct sched_slot {
    uint32_t id;
    unsigned worker;
    struct sched_site *site; /* holds a use of it */
    bool busy;
    bool unproven;    /* counted in sched.unproven: its site has not answered yet */
    uint64_t idle_ms; /* since when it is not busy */
    unsigned served;  /* jobs */
    uint64_t made_ms;
    bool closed;                              /* while busy: a connection of it went away */
    struct sched_slot *next, *prev;           /* site->idle */
    struct sched_slot *idle_next, *idle_prev; /* sched.idle: longest idle first */
    UT_hash_handle hh;
};

struct sched_site {
    char *key;
    size_t uses;                 /* destinations, slots and jobs that name it */
    struct sched_lane *lanes;    /* of those that wait for a slot */
    struct sched_dest *claimers; /* whose due rows do, in order of arrival */
    size_t nflows, nclaimers;
    int64_t turn;            /* grows with what is served: sched_fair.c */
    int64_t claim_start;     /* as a lane's */
    struct sched_slot *idle; /* the one used last first */
    size_t busy;
    size_t claims; /* under way, each for one free slot */
    size_t limit;  /* slots allowed now: grows with success, shrinks with failure */
    struct sched_limits limits;
    uint64_t next_us;   /* monotonic: when its pace lets the next job begin */
    bool paced;         /* in sched.paced: waits for that */
    size_t failures;    /* in a row */
    uint64_t failed_ms; /* the last of them */
    uint64_t down_until_ms, backoff_ms;
    bool probing;   /* was down: one job finds out whether it is alive */
    bool by_policy; /* likewise or failing: a policy on TLS is why; the mail that waives it goes on
                     */
    size_t waiving; /* jobs of such mail */
    bool asked;     /* it is down because it asked for it: what still succeeds does not end that */
    bool alive;     /* it has answered, and not failed since */
    bool paused;    /* by the operator */
    size_t ndests;  /* counted when they are listed */
    bool starved;   /* in sched.starved: no slot, or no room, left in all */
    enum sched_rank starved_rank;
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
    bool waives;               /* see sched_flow */
    bool returns;              /* no delivery: its rows go back to their author */
    char id[QUEUE_ID_LEN + 1]; /* queue id: the batch is somebody else's while the job is out */
};

struct sched_pause {
    char *pattern;
    struct sched_pause *next, *prev;
};

struct sched {
    struct sched_config config;
    struct sched_dest *dests;
    struct sched_site *sites;
    struct sched_dest *idle_dests; /* with nothing to do and a fresh route: longest idle first */
    size_t nidle_dests;
    struct sched_slot *slots, *idle;
    struct sched_job_private *jobs;
    /* of look-ups, two each: for new mail; for mail that is tried again */
    struct sched_asker *askers[2], *turns[2];
    size_t resolving[2];
    struct sched_dest *quick; /* of resolving: asked earliest first */
    size_t nslow;             /* look-ups that are none of these any more */
    struct sched_site *starved[SCHED_RANKS], *paced;
    size_t nstarved[SCHED_RANKS];
    size_t unproven;         /* slots */
    size_t nclaims;          /* under way */
    size_t nclaimed, nasked; /* batches that wait and came by a claim; rows that claims ask for */
    bool drains_wait;        /* what is to be put off stays on the disk: no room */
    int64_t arrivals;
    size_t njobs, nwaiting, no_attempts, requests;
    size_t *worker_slots; /* slots of each worker */
    uint32_t last_slot;
    uint64_t late_jobs;
    struct sched_pause *pauses;   /* of sites */
    bool paused;                  /* all */
    bool returns, claims_returns; /* rows may wait to be returned; they are being claimed */
    size_t returning;             /* jobs for that */
    bool resolve_guard, sweeping, stopping, idle_told;
    struct age_clock clock;
    int64_t hint_ms; /* earliest due time heard of since the sweep began */
    struct timer sweep_timer, tick_timer, idle_timer, pace_timer, slow_timer;
    void (*on_idle)(void *arg);
    void *on_idle_arg;
};

/* ---- sched.c ---- */
uint64_t sched_now(const struct sched *s);
/* Rows fall due at due_ms (wall): a sweep will find them. */
void sched_note_due(struct sched *s, int64_t due_ms);
void sched_request_over(struct sched *s); /* of the store */
void sched_look_soon(struct sched *s);    /* at all destinations, before the next tick */
struct sched_job *sched_job_new(struct sched *s, struct sched_dest *d, struct queue_batch *batch);

void sched_release(struct sched *s, struct queue_batch *batch); /* back to the store, as it was */
void sched_mark_due(struct sched *s, const char *destination);

/* ---- sched_wish.c ---- */
void sched_returns_pump(struct sched *s); /* where rows may wait to be returned */
/* The operator wants mail of d tried now: what is known of it is forgotten. */
void sched_dest_want(struct sched_dest *d, uint64_t wish);

/* ---- sched_pause.c ---- */
void sched_site_look_paused(struct sched *s, struct sched_site *site);
bool sched_dest_is_paused(const struct sched *s, const struct sched_dest *d);
void sched_pauses_free(struct sched *s);

/* ---- sched_fair.c ---- */
void sched_wait_add(struct sched *s, struct sched_dest *d, struct queue_batch *batch,
                    struct sched_dest *claimed_by);
/* Any of what waits; that of the login with the most that came last. */
struct queue_batch *sched_wait_take(struct sched *s, struct sched_dest *d);
/* Likewise, but for what waives policies; NULL: nothing else waits. */
struct queue_batch *sched_wait_take_bound(struct sched *s, struct sched_dest *d);
struct queue_batch *sched_wait_take_last(struct sched *s, struct sched_dest *d);
struct queue_batch *sched_wait_remove(struct sched *s, struct sched_flow *f, struct sched_wait *w);
/* d stands in line for the site's slots, with all that waits and what is due; not any more. */
void sched_site_add(struct sched_site *site, struct sched_dest *d);
void sched_site_remove(struct sched_site *site, struct sched_dest *d);
/* Whether what is next of any login has not been on the disk before. */
bool sched_site_has_new(const struct sched_site *site);
void sched_site_add_waiving(struct sched_site *site, struct sched_dest *d);
enum sched_who { SCHED_ANY, SCHED_BOUND, SCHED_WAIVING }; /* by policies; who claims is both */
/* Whose turn it is; flow NULL: d's, to claim, if any may. False: nobody stands there. */
struct sched_turn {
    struct sched_dest *dest;
    struct sched_flow *flow;
};
bool sched_turn_next(const struct sched_site *site, enum sched_who who, bool may_claim,
                     struct sched_turn *out);
struct queue_batch *sched_turn_take(struct sched *s, struct sched_site *site, struct sched_flow *f);
void sched_turn_claim(struct sched_site *site, struct sched_dest *d);
void sched_site_leave_claimers(struct sched_site *site, struct sched_dest *d); /* d->claims */

/* ---- sched_dest.c ---- */
/* What came for d waits, there or where it belongs today: that is answered. Takes batch. */
struct sched_dest *sched_dest_admit(struct sched *s, struct sched_dest *d,
                                    struct queue_batch *batch, bool claimed);
struct sched_dest *sched_dest_get(struct sched *s, const char *name);
/* Does whatever can be done for it now. */
void sched_dest_advance(struct sched *s, struct sched_dest *d);
bool sched_dest_is_fresh(const struct sched *s, const struct sched_dest *d);
/* site: it keeps a free slot for them; NULL: none does. */
void sched_dest_claim(struct sched *s, struct sched_dest *d, size_t max_rows,
                      struct sched_site *site);
/* Whether more rows may come into memory, by a claim for one whose hosts are, or not, known to
 * live. */
bool sched_has_room(const struct sched *s, bool alive);
bool sched_has_much_room(const struct sched *s); /* for several claims of whatever size */
/* Puts off (or fails) what waits and what is due, without an attempt. */
void sched_dest_drain(struct sched *s, struct sched_dest *d, enum sched_job_kind kind,
                      const char *status, const char *text);
/* What has waited too long; a look-up and a claim that should have ended. */
void sched_dest_watch(struct sched *s, struct sched_dest *d);
void sched_dest_forget_route(struct sched *s, struct sched_dest *d);
/* Where d has nothing to do: it is one of the idle; without a fresh route it is freed. */
void sched_dest_look_idle(struct sched *s, struct sched_dest *d);
void sched_dests_forget(struct sched *s); /* those that have been idle longest, if they are many */
void sched_dest_free(struct sched *s, struct sched_dest *d);

/* ---- sched_resolve.c ---- */
/* d wants a route; again where its mail has changed since. */
void sched_resolve_add(struct sched *s, struct sched_dest *d);
void sched_resolve_remove(struct sched *s, struct sched_dest *d); /* QUEUED: it does not any more */
void sched_resolve_ended(struct sched *s, struct sched_dest *d);  /* its look-up has no place now */
void sched_resolve_pump(struct sched *s);
void sched_slow_pump(void *sched); /* of slow_timer */

/* ---- sched_site.c ---- */
struct sched_site *sched_site_use(struct sched *s, const char *key);
void sched_site_unuse(struct sched_site *site);
/* Frees it if nobody uses it and what is known of it is of no interest any more. */
void sched_site_forget(struct sched *s, struct sched_site *site, bool anyway);
void sched_site_pump(struct sched *s, struct sched_site *site);
bool sched_site_is_down(const struct sched *s, const struct sched_site *site);
void sched_site_forgive(struct sched_site *site); /* it is left alone no longer */
void sched_site_ended(struct sched *s, struct sched_site *site, const struct sched_job *job);
void sched_slot_release(struct sched *s, struct sched_slot *slot, const struct sched_job_end *end);
void sched_slot_forget(struct sched *s, struct sched_slot *slot);
void sched_starved_pump(struct sched *s);
void sched_slots_watch(struct sched *s); /* those that are idle for too long */
void sched_site_limit(struct sched *s, struct sched_site *site, const struct sched_limits *limits);
void sched_paced_pump(void *sched); /* of pace_timer */

#endif
