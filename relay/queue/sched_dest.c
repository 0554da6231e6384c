/*
 * Destinations. What waits and what is due moves only through sched_dest_advance(), which looks at
 * the route: none (resolve), a failure (drain), a site (stand in its ring for a slot).
 */
#include "relay/queue/sched_internal.h"

#include "msa/base/log.h"
#include "msa/base/mem.h"
#include "msa/base/require.h"
#include "msa/loop/clock.h"

#include <stdlib.h>
#include <string.h>

#define NO_ATTEMPTS_OF_DEST 16    /* jobs without an attempt that one destination has out */
#define DRAIN_ROWS          64    /* rows of one claim that are only put off */
#define CLAIMED_IN_ALL      10000 /* rows that came by claims and wait; twice that for the living */
#define LATE_MS             120000 /* a look-up or a claim should have ended */
#define STORE_PAUSE_MS      5000
#define IDLE_MAX            10000 /* destinations without anything to do whose route is kept */
#define WAYS_ROWS           50    /* of a claim for other ways */
#define WAYS_ROWS_PASSED    1000  /* of the domain's own, claimed in front of them */

/* ---- those that have nothing to do ---- */

static void leave_idle(struct sched *s, struct sched_dest *d)
{
    if (!d->idle)
        return;
    d->idle = false;
    s->nidle_dests--;
    DL_DELETE2(s->idle_dests, d, idle_prev, idle_next);
}

static void join_idle(struct sched *s, struct sched_dest *d)
{
    if (d->idle)
        return;
    d->idle = true;
    s->nidle_dests++;
    DL_APPEND2(s->idle_dests, d, idle_prev, idle_next);
}

static bool has_nothing_to_do(const struct sched_dest *d)
{
    return d->nwaiting == 0 && !d->due && !d->claiming && d->jobs == 0 && d->nclaimed == 0 &&
           (d->state == SCHED_DEST_NEW || d->state == SCHED_DEST_ROUTED);
}

void sched_dest_look_idle(struct sched *s, struct sched_dest *d)
{
    if (!has_nothing_to_do(d))
        return;
    if (sched_dest_is_fresh(s, d))
        join_idle(s, d);
    else
        sched_dest_free(s, d);
}

void sched_dests_forget(struct sched *s)
{
    while (s->nidle_dests > IDLE_MAX)
        sched_dest_free(s, s->idle_dests);
}

struct sched_dest *sched_dest_get(struct sched *s, const char *name)
{
    struct sched_dest *d;
    HASH_FIND_STR(s->dests, name, d);
    if (d) {
        leave_idle(s, d);
        return d;
    }
    d = NEW(struct sched_dest);
    d->name = mem_str(name);
    d->domain = mem_str(name);
    d->domain[strcspn(name, "@")] = '\0';
    HASH_ADD_KEYPTR(hh, s->dests, d->name, strlen(d->name), d);
    return d;
}

/* ---- jobs without an attempt ---- */

/* Takes batch. */
static void run_no_attempt(struct sched *s, struct sched_dest *d, struct queue_batch *batch,
                           enum sched_job_kind kind, const char *status, const char *text)
{
    struct sched_job *job = sched_job_new(s, d, batch);
    job->kind = kind;
    job->status = arena_str(&job->batch->arena, sv_of(status));
    job->text = arena_str(&job->batch->arena, sv_of(text));
    job->worker = (unsigned)(s->njobs % s->config.workers);
    d->no_attempts++;
    s->no_attempts++;
    s->config.ops->run_job(s->config.arg, job);
}

struct sched_dest *sched_dest_admit(struct sched *s, struct sched_dest *d,
                                    struct queue_batch *batch, bool claimed)
{
    char *name = s->config.ops->destination_of
                     ? s->config.ops->destination_of(s->config.arg, d->domain, batch->message)
                     : NULL;
    struct sched_dest *to = sched_dest_get(s, name ? name : d->domain);
    free(name);
    sched_wait_add(s, to, batch, claimed ? d : NULL);
    if (to->wish < d->wish)
        sched_dest_want(to, d->wish);
    if (to != d)
        sched_dest_advance(s, to);
    return to;
}

struct moved {
    struct queue_batch *batch;
    struct sched_dest *claimed_by;
};

void sched_refile(struct sched *s, void (*change)(void *arg), void *arg)
{
    struct moved *all = mem_new(s->nwaiting + 1, sizeof *all);
    struct sched_dest *d, *tmp;
    size_t n = 0;
    HASH_ITER(hh, s->dests, d, tmp)
    {
        d->fresh_until_ms = 0; /* "domain@N" may be another way now */
        while (d->flows) {
            all[n].claimed_by = d->flows->waits->claimed_by;
            all[n++].batch = sched_wait_take(s, d);
        }
    }
    change(arg);
    for (size_t i = 0; i < n; i++) {
        bool claimed = all[i].claimed_by != NULL;
        d = claimed ? all[i].claimed_by : sched_dest_get(s, all[i].batch->rows[0].domain);
        sched_dest_admit(s, d, all[i].batch, claimed);
        sched_dest_advance(s, d);
    }
    free(all);
}

static bool may_run_no_attempt(const struct sched *s, const struct sched_dest *d)
{
    size_t most = s->no_attempts < SCHED_NO_ATTEMPTS_MAX ? NO_ATTEMPTS_OF_DEST : 1;
    return !s->stopping && !sched_dest_is_paused(s, d) && d->nwaiting > 0 && d->no_attempts < most;
}

void sched_dest_drain(struct sched *s, struct sched_dest *d, enum sched_job_kind kind,
                      const char *status, const char *text)
{
    bool spares = d->site && d->site->by_policy;
    while (may_run_no_attempt(s, d)) {
        struct queue_batch *batch = spares ? sched_wait_take_bound(s, d) : sched_wait_take(s, d);
        if (!batch)
            break;
        run_no_attempt(s, d, batch, kind, status, text);
    }
    if (!d->due || d->nwaiting > 0 || sched_dest_is_paused(s, d) ||
        d->no_attempts >= NO_ATTEMPTS_OF_DEST)
        return;
    if (sched_has_room(s, false))
        sched_dest_claim(s, d, DRAIN_ROWS, NULL);
    else
        s->drains_wait = true;
}

/* Of one flow; false: no more now. */
static bool expire(struct sched *s, struct sched_flow *f)
{
    struct sched_dest *d = f->dest;
    struct sched_wait *w, *tmp;
    DL_FOREACH_SAFE(f->waits, w, tmp)
    {
        if (sched_now(s) - w->since_ms < s->config.wait_ms)
            continue;
        if (sched_dest_is_paused(s, d)) {
            sched_release(s, sched_wait_remove(s, f, w)); /* f may be gone */
            sched_dest_get(s, d->domain)->due = true;
            continue;
        }
        if (!may_run_no_attempt(s, d))
            return false;
        run_no_attempt(s, d, sched_wait_remove(s, f, w), SCHED_PUT_OFF, "4.4.5",
                       "all permitted connections to the destination were busy");
    }
    return true;
}

static bool is_late(const struct sched *s, uint64_t since_ms)
{
    return sched_now(s) - since_ms >= LATE_MS;
}

/* Their owners have deadlines of their own: to be here is a fault of ours, and it is told of. A
 * look-up without an answer holds neither others' nor this mail, which is put off. */
static void watch_answers(struct sched *s, struct sched_dest *d)
{
    if (d->state == SCHED_DEST_RESOLVING && is_late(s, d->asked_ms) && !d->route_late) {
        log_event(LOG_ERROR, "look-up-late", NULL, "destination %s: no route within %d s", d->name,
                  LATE_MS / 1000);
        d->route_late = true;
        sched_resolve_ended(s, d);
        sched_resolve_pump(s);
    }
    if (d->claiming && is_late(s, d->claimed_ms) && !d->claim_late) {
        log_event(LOG_ERROR, "queue-late", NULL, "destination %s: no rows within %d s", d->name,
                  LATE_MS / 1000);
        d->claim_late = true;
    }
    if (d->route_late)
        sched_dest_drain(s, d, SCHED_DEFER, "4.4.3", "the look-up of its route does not end");
}

void sched_dest_watch(struct sched *s, struct sched_dest *d)
{
    struct sched_flow *f, *tmp;
    watch_answers(s, d);
    DL_FOREACH_SAFE(d->flows, f, tmp)
    {
        if (!expire(s, f))
            return;
    }
}

/* ---- claims ---- */

bool sched_has_room(const struct sched *s, bool alive)
{
    return s->nclaims < s->config.slots_max &&
           s->nclaimed + s->nasked < (alive ? 2 * CLAIMED_IN_ALL : CLAIMED_IN_ALL);
}

bool sched_has_much_room(const struct sched *s)
{
    return s->nclaimed + s->nasked < CLAIMED_IN_ALL / 2;
}

/* One of the site's is free for what is being claimed; NULL: none is kept any more. */
static void keep_slot(struct sched_dest *d, struct sched_site *site)
{
    if (d->claims_at)
        d->claims_at->claims--;
    d->claims_at = site;
    if (site)
        site->claims++;
}

static void on_claimed(struct store_claim *c)
{
    struct sched *s = c->arg;
    struct sched_dest *d;
    HASH_FIND_STR(s->dests, c->destination, d);
    REQUIRE(d && d->claiming);
    d->claiming = false;
    s->nclaims--;
    s->nasked -= c->max_rows;
    keep_slot(d, NULL);
    if (c->err < 0) {
        sched_note_due(s, clock_wall_ms() + STORE_PAUSE_MS);
        d->due = false;
    } else {
        for (size_t i = 0; i < c->nbatches; i++) {
            sched_dest_admit(s, d, c->batches[i], true);
            c->batches[i] = NULL;
        }
        d->due = d->due || (c->more && c->nbatches > 0);
        if (!c->more && c->next_due_ms != INT64_MAX)
            sched_note_due(s, c->next_due_ms);
    }
    store_claim_free(c);
    sched_dest_advance(s, d);
    if (d->site) /* the slot that was kept for the claim may be another's turn now */
        sched_site_pump(s, d->site);
    sched_request_over(s);
}

void sched_dest_claim(struct sched *s, struct sched_dest *d, size_t max_rows,
                      struct sched_site *site)
{
    if (d->claiming || s->stopping)
        return;
    d->claiming = true;
    d->due = false; /* set again by what falls due from here on */
    s->nclaims++;
    s->nasked += max_rows;
    d->claimed_ms = sched_now(s);
    d->claim_late = false;
    keep_slot(d, site);
    s->requests++;
    store_claim(s->config.store, store_claim_new(d->name, clock_wall_ms(), max_rows,
                                                 s->config.mailbox, on_claimed, s));
}

/* ---- routes ---- */

bool sched_dest_is_fresh(const struct sched *s, const struct sched_dest *d)
{
    return d->state == SCHED_DEST_ROUTED && sched_now(s) < d->fresh_until_ms;
}

static void drop_route(struct sched *s, struct sched_route *route)
{
    if (route->plan)
        s->config.ops->drop_plan(route->plan);
    free(route->site);
    free(route->status);
    free(route->text);
    *route = (struct sched_route){0};
}

void sched_dest_forget_route(struct sched *s, struct sched_dest *d)
{
    if (d->state != SCHED_DEST_ROUTED)
        return;
    d->state = SCHED_DEST_NEW;
    if (d->site) {
        sched_site_remove(d->site, d);
        keep_slot(d, NULL);
        sched_site_unuse(d->site);
        d->site = NULL;
    }
    drop_route(s, &d->route);
}

void sched_resolved(struct sched *s, const char *destination, struct sched_route *route)
{
    struct sched_dest *d;
    HASH_FIND_STR(s->dests, destination, d);
    REQUIRE(d && d->state == SCHED_DEST_RESOLVING);
    if (!d->route_late)
        sched_resolve_ended(s, d);
    d->route_late = false;
    if (s->stopping || d->outdated) {
        d->outdated = false;
        d->state = SCHED_DEST_NEW;
        drop_route(s, route);
        sched_dest_advance(s, d);
        sched_resolve_pump(s);
        return;
    }
    d->state = SCHED_DEST_ROUTED;
    d->route = *route;
    d->fresh_until_ms = sched_now(s) + route->fresh_ms;
    *route = (struct sched_route){0};
    if (!d->route.failed && !d->route.deferred) {
        REQUIRE(d->route.site && d->route.plan);
        d->site = sched_site_use(s, d->route.site);
        sched_site_limit(s, d->site, &d->route.limits);
        if (d->wanted)
            sched_site_forgive(d->site);
    }
    d->wanted = false;
    /* An answer is used at least once, or one that is not to be kept would be asked for forever. */
    if (d->fresh_until_ms <= sched_now(s))
        d->fresh_until_ms = sched_now(s) + 1;
    sched_dest_advance(s, d);
    sched_resolve_pump(s);
}

/* ---- the one place that decides ---- */

static void move_on(struct sched *s, struct sched_dest *d)
{
    if (d->state == SCHED_DEST_ROUTED && !sched_dest_is_fresh(s, d))
        sched_dest_forget_route(s, d);
    if (d->state == SCHED_DEST_NEW || d->state == SCHED_DEST_QUEUED) {
        sched_resolve_add(s, d);
        sched_resolve_pump(s);
        return;
    }
    if (d->state != SCHED_DEST_ROUTED)
        return;
    if (d->site) {
        sched_site_add(d->site, d);
        sched_site_pump(s, d->site);
        return;
    }
    sched_dest_drain(s, d, d->route.failed ? SCHED_FAIL : SCHED_DEFER, d->route.status,
                     d->route.text);
}

/* Rows are claimed by their domain, but those with a way of their own need neither its route nor a
 * slot of its site: where nothing of theirs waits they are claimed without. What is claimed along
 * with them waits for the domain's own. */
static void claim_for_ways(struct sched *s, struct sched_dest *d)
{
    if (!d->due || d->claiming || s->stopping || s->paused || d->nclaimed > d->nclaimed_own ||
        d->nclaimed_own >= WAYS_ROWS_PASSED || !sched_has_room(s, false) ||
        !s->config.ops->has_ways || !s->config.ops->has_ways(s->config.arg, d->domain))
        return;
    if (d->claims)
        sched_site_leave_claimers(d->site, d);
    sched_dest_claim(s, d, WAYS_ROWS, NULL);
}

void sched_dest_advance(struct sched *s, struct sched_dest *d)
{
    if (s->stopping || (d->nwaiting == 0 && !d->due))
        return;
    move_on(s, d);
    claim_for_ways(s, d);
}

void sched_dest_free(struct sched *s, struct sched_dest *d)
{
    leave_idle(s, d);
    sched_dest_forget_route(s, d);
    if (d->state == SCHED_DEST_QUEUED)
        sched_resolve_remove(s, d);
    while (d->flows)
        queue_batch_free(sched_wait_take(s, d));
    HASH_DEL(s->dests, d);
    free(d->name);
    free(d->domain);
    free(d);
}
