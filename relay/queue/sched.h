/*
 * sched.h - the scheduler: which message goes where next, on the main thread.
 *
 * Two steps: a destination that has due rows is resolved to a site when it is
 * due and has no fresh route; rows are claimed only when the site has a free slot, one permitted
 * connection, bound to one worker while it lives. Jobs are posted to slots, an idle open
 * connection first. Memory: one small record a destination with due rows, one a site in use.
 *
 * The in-memory path: batches that a put claimed for us wait in their destination, at most
 * wait_max of them, for a route and a slot; beyond that they are given back to the store, and what
 * has waited longer than wait_ms is put off. A site whose hosts fail, or that asks for it, is down
 * for a while: what is due for it then is put off without an attempt, and the first job afterwards
 * probes it alone.
 *
 * The scheduler knows no protocol and no DNS: its owner gives it the functions below. Main thread
 * only. Every job has a deadline here. Timers run on the monotonic clock; a wall clock that jumps
 * forward makes all that waits due once, within the slots, and one that jumps backward does not
 * leave it waiting: it is made due. The same calls in the same order give the same jobs.
 *
 *     s = sched_new(&config); sched_start(s);
 *     resolve(destination) -> sched_resolved(); run_job(job) -> ... -> sched_job_done(s, job);
 *     sched_stop(s, on_idle, arg); ... sched_free(s);
 */
#ifndef RELAY_QUEUE_SCHED_H
#define RELAY_QUEUE_SCHED_H

#include "msa/loop/loop.h"
#include "relay/queue/store.h"

#define SCHED_TEXT_MAX 256 /* bytes with NUL; longer words are cut */

struct sched;

/* What a site permits; 0: no limit of its own. */
struct sched_limits {
    size_t connections;
    unsigned per_minute; /* jobs that begin, evenly spread */
    unsigned per_connection;
};

/* The answer of a resolution; sched_resolved() takes what it points to. */
struct sched_route {
    char *site; /* key: the set of MX hosts, or the static route; NULL without a plan */
    struct sched_limits limits; /* of the site, from here on */
    void *plan;        /* opaque: ordered attempts; one reference, given back by drop_plan() */
    uint64_t fresh_ms; /* how long the answer may be used */
    /* Instead of a plan: the destination's rows get this result (NXDOMAIN, null MX, DNS trouble).
     */
    bool failed, deferred;
    char *status, *text; /* enhanced status and words for it */
};

/* How a job ended, for slots and site: results are in the store already. */
enum sched_slot_state { SCHED_SLOT_IDLE, SCHED_SLOT_CLOSED };
struct sched_job_end {
    enum sched_slot_state slot;
    bool site_failed;    /* no host of the site could be used, or one asked for what follows */
    bool nothing_learnt; /* no host was asked, or what came of it says nothing about others' mail */
    bool by_policy;      /* site_failed: a host may be had without a policy that asks for TLS */
    bool was_told;       /* site_failed: hosts have said so, in words: once is enough */
    bool backs_off;      /* the site wants to be left alone: at once, whatever else was delivered */
    char status[12], text[SCHED_TEXT_MAX]; /* of that failure */
    bool second_best;                      /* the connection is not to the plan's first host */
    bool delivered;                        /* something was accepted: the site is alive */
    int64_t next_due_ms; /* earliest new due time among the rows; INT64_MAX: none */
};

/* What the rows of a job get. */
enum sched_job_kind {
    SCHED_DELIVER, /* attempts along the plan, over the slot's connection */
    SCHED_FAIL,    /* no attempt: the route says so (status, text) */
    SCHED_DEFER,   /* no attempt: there is no route now (status, text) */
    SCHED_PUT_OFF, /* nothing was tried: the site is down, or it waited too long (status, text) */
};

/* One message's rows in one domain. */
struct sched_job {
    struct task task;          /* for posting to the worker */
    struct queue_batch *batch; /* owned by whoever holds the job; NULL once it is in the store */
    enum sched_job_kind kind;
    void *plan;                /* SCHED_DELIVER: a reference, given back by the scheduler */
    const char *destination;   /* the domain in it; valid while the job is out */
    const char *site;          /* SCHED_DELIVER: likewise */
    uint32_t slot;             /* id of the slot, never used twice; 0: not a delivery */
    unsigned worker;           /* index */
    uint64_t deadline_ms;      /* monotonic: the worker must have answered */
    int64_t age_ms;            /* of the message when the job was made (relay/queue/age.h) */
    uint64_t made_ms;          /* monotonic */
    const char *status, *text; /* but of SCHED_DELIVER; in batch->arena */
    struct sched_job_end end;  /* filled by the worker */
    void *user;                /* the owner's own */
    struct sched_job_private *private;
};

struct sched_ops {
    /* Resolve; answer with sched_resolved(). At most resolve_max are asked at once, and as many
     * more that have not been answered for a while. */
    void (*resolve)(void *arg, const char *destination);
    /* Post to the worker; the worker records results in the store, and when they are committed
     * sched_job_done() is called on this thread. */
    void (*run_job)(void *arg, struct sched_job *job);
    /* The deadline has passed: the owner sees that the worker gives the job up. Its slot is no
     * longer counted; sched_job_done() still has to come. */
    void (*job_late)(void *arg, struct sched_job *job);
    /* The slot's idle connection is to be closed; the slot is forgotten here already. */
    void (*close_slot)(void *arg, unsigned worker, uint32_t slot);
    void *(*keep_plan)(void *plan);
    void (*drop_plan)(void *plan);
    /* Where rows of this domain (queue_row.domain) belong, by the rules of today, if that is not
     * the domain itself: the name of a destination, to be freed; else NULL. */
    char *(*destination_of)(void *arg, const char *domain, const struct queue_message *m);
    /* Whether it may say so of any message to domain. Both or none are NULL. */
    bool (*has_ways)(void *arg, const char *domain);
};

struct sched_config {
    struct loop *loop;
    struct mailbox *mailbox; /* the main thread's */
    struct store *store;
    unsigned workers;
    size_t per_site;    /* slots of a site (relay.per_site) */
    size_t slots_max;   /* all sites together */
    size_t resolve_max; /* look-ups at once: see resolve() */
    size_t wait_max;    /* batches that wait in one destination */
    uint64_t wait_ms;   /* the longest they wait */
    uint64_t retry_ms;  /* no row falls due later than this after a try; as it is at the start */
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

/* With end filled in; frees the job. Its batch went to the store with the results. */
void sched_job_done(struct sched *s, struct sched_job *job);
/* An idle connection of a slot went away by itself (the peer closed, or it was idle too long). */
void sched_slot_closed(struct sched *s, uint32_t slot);
/* Other rules: change() puts them into force for destination_of() and resolve(), and begins again
 * the look-ups that are under way. Nothing waits meanwhile: all of it is filed by the new rules
 * afterwards, and no route of the old ones serves another job. Before sched_wake(). */
void sched_refile(struct sched *s, void (*change)(void *arg), void *arg);
/* Another configuration: forget all routes and back-off, look again. */
void sched_wake(struct sched *s);
/* What the operator wants (store_config.on_wish). */
void sched_on_wish(struct sched *s, const struct store_wish *wish);
/* What is known since makes plans wrong: those that is_stale says so of, or all routes (NULL),
 * serve no other job until they have been asked for again. Back-off and what is due stay as they
 * are. */
void sched_forget_plans(struct sched *s, bool (*is_stale)(void *arg, const void *plan), void *arg);

/* Nothing begins at the site that a pattern names ("mx.example", "*.mx.example": a host of it), or
 * anywhere (NULL), until that is taken back. A pattern is paused once. */
void sched_pause(struct sched *s, const char *site, bool paused);
/* Whether the pattern names a host of the site with this key, or is the key itself. */
bool sched_site_matches(const char *key, const char *pattern);

/* Whether a host, by its name, is one of those that the pattern names; also a key names hosts. */
bool sched_site_has_host(const char *pattern, const char *host);
/* The key of the site that mail of this destination goes to, where that is known now and may be
 * used; else NULL. Valid during the call of the asker. */
const char *sched_site_of(const struct sched *s, const char *destination);

/* What is known of a site; texts are valid during the call. */
struct sched_site_info {
    const char *site, *state; /* "up", "new", "failing", "down", "probing", "paused" */
    bool paused;
    size_t slots, busy, limit; /* open; of these with a job; allowed now */
    struct sched_limits limits;
    size_t destinations;       /* that have something to do there */
    size_t failures;           /* in a row */
    uint64_t down_ms;          /* for so long from now */
    const char *status, *text; /* of the last failure; "" */
};
void sched_each_site(struct sched *s, void (*on_site)(void *arg, const struct sched_site_info *i),
                     void *arg);

/* Why a message that is due to a destination is not under way there. */
enum sched_waits {
    SCHED_OUT,         /* it is: in a job */
    SCHED_WAITS_TURN,  /* the next look at it; nothing is in its way */
    SCHED_WAITS_PAUSE, /* the operator's */
    SCHED_WAITS_DNS,   /* its look-up, under way for_ms; 0: or to begin it */
    SCHED_WAITS_SITE,  /* which is down, for left_ms more */
    SCHED_WAITS_PACE,  /* of its site; the next may go in left_ms */
    SCHED_WAITS_SLOT,  /* a free connection to the site, or of all */
};
struct sched_why {
    enum sched_waits waits;
    uint64_t for_ms, left_ms;
};
struct sched_why sched_why(const struct sched *s, const char *destination, const char *id);

struct sched_stats {
    size_t destinations, sites, slots, idle_slots, jobs, resolving, waiting;
    size_t sites_down;
    uint64_t late_jobs; /* since the start */
};
void sched_get_stats(const struct sched *s, struct sched_stats *out);

#endif
