/*
 * Destinations. What waits and what is due moves only through sched_dest_advance(), which looks at
 * the route: none (resolve), a failure (drain), a site (stand in its ring for a slot).
 *
 * What waits is served fairly by login, small messages ahead of bulk: each gets a tag, that of the
 * one before it of the same login (at least what was served last) plus what it costs, and the least
 * tag goes first. So a login with a thousand messages, or one with a thousand recipients, delays
 * another's by about one; and as tags only grow, nobody waits for ever. Before all that stands the
 * message's own priority (RFC 6710): whoever may raise it may make others wait.
 */
#include "relay/queue/sched_internal.h"

#include "msa/base/mem.h"
#include "msa/base/require.h"
#include "msa/loop/clock.h"

#include <stdlib.h>
#include <string.h>

#define NO_ATTEMPTS_OF_DEST 16  /* jobs without an attempt that one destination has out */
#define NO_ATTEMPTS_IN_ALL  256 /* beyond, a destination has one at a time, and none is resolved */
#define DRAIN_ROWS          256 /* rows of one claim that are only put off */
#define STORE_PAUSE_MS      5000

/* What a message costs: recipients, and content in pieces of so many bytes. */
#define COST_BYTES (16u << 10)

struct sched_dest *sched_dest_get(struct sched *s, const char *name)
{
    struct sched_dest *d;
    HASH_FIND_STR(s->dests, name, d);
    if (d)
        return d;
    d = NEW(struct sched_dest);
    d->name = mem_str(name);
    HASH_ADD_KEYPTR(hh, s->dests, d->name, strlen(d->name), d);
    return d;
}

/* ---- what waits in memory ---- */

static uint32_t hash(const char *text)
{
    uint32_t h = 2166136261u; /* FNV-1a */
    for (; *text; text++)
        h = (h ^ (unsigned char)*text) * 16777619u;
    return h;
}

/* Within one priority the list is in the order of tags: the last of the login is found from behind.
 */
static uint64_t next_tag(const struct sched_dest *d, const struct sched_wait *w)
{
    const struct queue_batch *batch = w->batch;
    const struct sched_wait *at = d->waiting ? d->waiting->prev : NULL;
    while (at && (at->login != w->login || at->priority != w->priority))
        at = at == d->waiting ? NULL : at->prev;
    uint64_t after = at && at->tag > d->turn ? at->tag : d->turn;
    return after + batch->nrows + batch->message->size / COST_BYTES;
}

/* Behind all of a higher priority, and of the same one behind all that have this tag or a lower
 * one. */
static void insert(struct sched_dest *d, struct sched_wait *w)
{
    struct sched_wait *at = d->waiting ? d->waiting->prev : NULL;
    while (at && (at->priority < w->priority || (at->priority == w->priority && at->tag > w->tag)))
        at = at == d->waiting ? NULL : at->prev;
    if (at)
        DL_APPEND_ELEM(d->waiting, at, w);
    else
        DL_PREPEND(d->waiting, w);
}

void sched_dest_wait(struct sched *s, struct sched_dest *d, struct queue_batch *batch, bool claimed)
{
    struct sched_wait *w = NEW(struct sched_wait);
    w->batch = batch;
    w->since_ms = sched_now(s);
    w->login = hash(batch->message->login);
    w->priority = batch->message->priority;
    w->tag = next_tag(d, w);
    w->claimed = claimed;
    insert(d, w);
    d->nwaiting++;
    d->nclaimed += claimed;
    s->nwaiting++;
}

static struct queue_batch *take(struct sched *s, struct sched_dest *d, struct sched_wait *w)
{
    struct queue_batch *batch = w->batch;
    DL_DELETE(d->waiting, w);
    d->nwaiting--;
    d->nclaimed -= w->claimed;
    s->nwaiting--;
    free(w);
    return batch;
}

struct queue_batch *sched_dest_take(struct sched *s, struct sched_dest *d)
{
    if (d->waiting->tag > d->turn)
        d->turn = d->waiting->tag;
    return take(s, d, d->waiting);
}

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

static bool may_run_no_attempt(const struct sched *s, const struct sched_dest *d)
{
    size_t most = s->no_attempts < NO_ATTEMPTS_IN_ALL ? NO_ATTEMPTS_OF_DEST : 1;
    return !s->stopping && d->nwaiting > 0 && d->no_attempts < most;
}

void sched_dest_drain(struct sched *s, struct sched_dest *d, enum sched_job_kind kind,
                      const char *status, const char *text)
{
    while (may_run_no_attempt(s, d))
        run_no_attempt(s, d, sched_dest_take(s, d), kind, status, text);
    if (d->due && d->nwaiting == 0 && d->no_attempts < NO_ATTEMPTS_OF_DEST)
        sched_dest_claim(s, d, DRAIN_ROWS);
}

void sched_dest_expire(struct sched *s, struct sched_dest *d)
{
    struct sched_wait *w, *tmp;
    DL_FOREACH_SAFE(d->waiting, w, tmp)
    {
        if (sched_now(s) - w->since_ms < s->config.wait_ms)
            continue;
        if (!may_run_no_attempt(s, d))
            return;
        run_no_attempt(s, d, take(s, d, w), SCHED_DEFER, "4.4.5",
                       "all permitted connections to the destination were busy");
    }
}

/* ---- claims ---- */

static void on_claimed(struct store_claim *c)
{
    struct sched *s = c->arg;
    struct sched_dest *d;
    HASH_FIND_STR(s->dests, c->destination, d);
    REQUIRE(d && d->claiming);
    d->claiming = false;
    if (d->site)
        d->site->claims--;
    if (c->err < 0) {
        sched_note_due(s, clock_wall_ms() + STORE_PAUSE_MS);
        d->due = false;
    } else {
        for (size_t i = 0; i < c->nbatches; i++) {
            sched_dest_wait(s, d, c->batches[i], true);
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

void sched_dest_claim(struct sched *s, struct sched_dest *d, size_t max_rows)
{
    if (d->claiming || s->stopping)
        return;
    d->claiming = true;
    d->due = false; /* set again by what falls due from here on */
    if (d->site)
        d->site->claims++;
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
        if (d->in_ring)
            sched_site_remove(d->site, d);
        if (d->claiming)
            d->site->claims--;
        sched_site_unuse(d->site);
        d->site = NULL;
    }
    drop_route(s, &d->route);
}

/* Questions are asked in order of arrival. resolve() may answer at once: the guard keeps that from
 * becoming recursion. */
void sched_resolve_pump(struct sched *s)
{
    if (s->resolve_guard)
        return;
    s->resolve_guard = true;
    while (s->resolve_queue && s->nresolving < s->config.resolve_max && !s->stopping &&
           s->no_attempts < NO_ATTEMPTS_IN_ALL) {
        struct sched_dest *d = s->resolve_queue;
        DL_DELETE2(s->resolve_queue, d, resolve_prev, resolve_next);
        d->state = SCHED_DEST_RESOLVING;
        s->nresolving++;
        s->config.ops->resolve(s->config.arg, d->name);
    }
    s->resolve_guard = false;
}

void sched_resolved(struct sched *s, const char *destination, struct sched_route *route)
{
    struct sched_dest *d;
    HASH_FIND_STR(s->dests, destination, d);
    REQUIRE(d && d->state == SCHED_DEST_RESOLVING);
    s->nresolving--;
    if (s->stopping) {
        d->state = SCHED_DEST_NEW;
        drop_route(s, route);
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
        if (d->claiming)
            d->site->claims++;
    }
    /* An answer is used at least once, or one that is not to be kept would be asked for forever. */
    if (d->fresh_until_ms <= sched_now(s))
        d->fresh_until_ms = sched_now(s) + 1;
    sched_dest_advance(s, d);
    sched_resolve_pump(s);
}

/* ---- the one place that decides ---- */

void sched_dest_advance(struct sched *s, struct sched_dest *d)
{
    if (s->stopping || (d->nwaiting == 0 && !d->due))
        return;
    if (d->state == SCHED_DEST_ROUTED && !sched_dest_is_fresh(s, d))
        sched_dest_forget_route(s, d);
    if (d->state == SCHED_DEST_NEW) {
        d->state = SCHED_DEST_QUEUED;
        DL_APPEND2(s->resolve_queue, d, resolve_prev, resolve_next);
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

bool sched_dest_is_unused(const struct sched *s, const struct sched_dest *d)
{
    return d->nwaiting == 0 && !d->due && !d->claiming && d->jobs == 0 &&
           (d->state == SCHED_DEST_NEW ||
            (d->state == SCHED_DEST_ROUTED && !sched_dest_is_fresh(s, d)));
}

void sched_dest_free(struct sched *s, struct sched_dest *d)
{
    sched_dest_forget_route(s, d);
    if (d->state == SCHED_DEST_QUEUED)
        DL_DELETE2(s->resolve_queue, d, resolve_prev, resolve_next);
    while (d->waiting)
        queue_batch_free(sched_dest_take(s, d));
    HASH_DEL(s->dests, d);
    free(d->name);
    free(d);
}
