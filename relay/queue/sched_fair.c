/*
 * What waits for a slot of a site, and whose turn it is.
 *
 *     site -> lanes, one a login -> flows, one a destination -> messages
 *
 * A site's turn is a count of what it has served, in units of cost: a message costs its recipients,
 * and its content in pieces of so many bytes. A lane starts at the turn at which it came, and moves
 * on by the cost of each of its messages that is served; next is the lane whose start and next cost
 * are the least together. So a login with a thousand messages, to one domain or to many, or one
 * with a thousand recipients, delays another's by about one. Claims of rows that are due are a lane
 * too, and what they bring takes its place in the lanes of its logins.
 *
 * Within a lane the flows take turns in the same way. Within a flow the first to come is the first
 * served, but a message may be overtaken by as many as it costs: small ones pass bulk. A step of
 * priority (RFC 6710) weighs PRIORITY_COST, at each choice. All of this is bounded, and what counts
 * only grows: nobody waits for ever.
 */
#include "relay/queue/sched_internal.h"

#include "msa/base/mem.h"

#include <stdlib.h>

#define COST_BYTES    (16u << 10)
#define COST_MAX      1024
#define PRIORITY_COST 256
#define CLAIM_COST    1

static uint32_t hash(const char *text)
{
    uint32_t h = 2166136261u; /* FNV-1a */
    for (; *text; text++)
        h = (h ^ (unsigned char)*text) * 16777619u;
    return h;
}

static int64_t cost_of(const struct queue_batch *batch)
{
    uint64_t cost = batch->nrows + batch->message->size / COST_BYTES;
    return cost < COST_MAX ? (int64_t)cost : COST_MAX;
}

static int64_t weight_of(const struct sched_wait *w)
{
    return w->cost - (int64_t)w->batch->message->priority * PRIORITY_COST;
}

/* ---- lanes ---- */

/* Most come last: the place is looked for from behind. */
static void lane_put(struct sched_lane *lane, struct sched_flow *f)
{
    struct sched_flow *at = lane->flows ? lane->flows->lane_prev : NULL;
    f->key = f->start + weight_of(f->waits);
    while (at && at->key > f->key)
        at = at == lane->flows ? NULL : at->lane_prev;
    if (at)
        DL_APPEND_ELEM2(lane->flows, at, f, lane_prev, lane_next);
    else
        DL_PREPEND2(lane->flows, f, lane_prev, lane_next);
}

/* Its first has changed. */
static void lane_move(struct sched_flow *f)
{
    DL_DELETE2(f->lane->flows, f, lane_prev, lane_next);
    lane_put(f->lane, f);
}

static void lane_join(struct sched_site *site, struct sched_flow *f)
{
    struct sched_lane *lane;
    HASH_FIND(hh, site->lanes, &f->login, sizeof f->login, lane);
    if (!lane) {
        lane = NEW(struct sched_lane);
        lane->login = f->login;
        lane->start = site->turn;
        HASH_ADD(hh, site->lanes, login, sizeof lane->login, lane);
    }
    f->lane = lane;
    f->start = lane->turn;
    site->nflows++;
    lane_put(lane, f);
}

/* A lane that is empty is forgotten: it had nothing ahead of the site's turn. */
static void lane_leave(struct sched_site *site, struct sched_flow *f)
{
    struct sched_lane *lane = f->lane;
    DL_DELETE2(lane->flows, f, lane_prev, lane_next);
    f->lane = NULL;
    site->nflows--;
    if (lane->flows)
        return;
    HASH_DEL(site->lanes, lane);
    free(lane);
}

/* ---- what waits ---- */

static struct sched_flow *flow_get(struct sched_dest *d, uint32_t login, bool waives)
{
    struct sched_flow *f;
    DL_FOREACH(d->flows, f)
    {
        if (f->login == login && f->waives == waives)
            return f;
    }
    f = NEW(struct sched_flow);
    f->login = login;
    f->waives = waives;
    f->dest = d;
    DL_APPEND(d->flows, f);
    return f;
}

static void insert(struct sched_flow *f, struct sched_wait *w)
{
    struct sched_wait *at = f->waits ? f->waits->prev : NULL;
    while (at && at->key > w->key)
        at = at == f->waits ? NULL : at->prev;
    if (at)
        DL_APPEND_ELEM(f->waits, at, w);
    else
        DL_PREPEND(f->waits, w);
    if (f->waits == w && f->lane)
        lane_move(f);
}

void sched_wait_add(struct sched *s, struct sched_dest *d, struct queue_batch *batch,
                    struct sched_dest *claimed_by)
{
    struct sched_wait *w = NEW(struct sched_wait);
    w->batch = batch;
    w->since_ms = sched_now(s);
    w->cost = cost_of(batch);
    w->key = ++s->arrivals + weight_of(w);
    w->claimed_by = claimed_by;
    struct sched_flow *f =
        flow_get(d, hash(batch->message->login), queue_message_waives_tls(batch->message));
    insert(f, w);
    f->nwaits++;
    d->nwaiting++;
    if (claimed_by) {
        claimed_by->nclaimed++;
        s->nclaimed++;
    }
    if (claimed_by == d)
        d->nclaimed_own++;
    s->nwaiting++;
}

struct queue_batch *sched_wait_remove(struct sched *s, struct sched_flow *f, struct sched_wait *w)
{
    struct queue_batch *batch = w->batch;
    struct sched_dest *d = f->dest;
    bool was_first = f->waits == w;
    DL_DELETE(f->waits, w);
    f->nwaits--;
    d->nwaiting--;
    if (w->claimed_by) {
        w->claimed_by->nclaimed--;
        s->nclaimed--;
    }
    if (w->claimed_by == d)
        d->nclaimed_own--;
    s->nwaiting--;
    free(w);
    if (!f->waits) {
        if (f->lane)
            lane_leave(d->site, f);
        DL_DELETE(d->flows, f);
        free(f);
    } else if (was_first && f->lane) {
        lane_move(f);
    }
    return batch;
}

struct queue_batch *sched_wait_take(struct sched *s, struct sched_dest *d)
{
    return sched_wait_remove(s, d->flows, d->flows->waits);
}

struct queue_batch *sched_wait_take_bound(struct sched *s, struct sched_dest *d)
{
    struct sched_flow *f;
    DL_SEARCH_SCALAR(d->flows, f, waives, false);
    return f ? sched_wait_remove(s, f, f->waits) : NULL;
}

struct queue_batch *sched_wait_take_last(struct sched *s, struct sched_dest *d)
{
    struct sched_flow *f, *longest = d->flows;
    DL_FOREACH(d->flows, f)
    {
        if (f->nwaits > longest->nwaits)
            longest = f;
    }
    return sched_wait_remove(s, longest, longest->waits->prev);
}

/* ---- in line ---- */

void sched_site_add(struct sched_site *site, struct sched_dest *d)
{
    struct sched_flow *f;
    DL_FOREACH(d->flows, f)
    {
        if (!f->lane)
            lane_join(site, f);
    }
    if (d->claims || !d->due || d->claiming || d->nclaimed > 0)
        return;
    d->claims = true;
    if (!site->claimers && site->claim_start < site->turn)
        site->claim_start = site->turn;
    site->nclaimers++;
    DL_APPEND2(site->claimers, d, claim_prev, claim_next);
}

void sched_site_add_waiving(struct sched_site *site, struct sched_dest *d)
{
    struct sched_flow *f;
    DL_FOREACH(d->flows, f)
    {
        if (f->waives && !f->lane)
            lane_join(site, f);
    }
}

void sched_site_leave_claimers(struct sched_site *site, struct sched_dest *d)
{
    d->claims = false;
    site->nclaimers--;
    DL_DELETE2(site->claimers, d, claim_prev, claim_next);
}

void sched_site_remove(struct sched_site *site, struct sched_dest *d)
{
    struct sched_flow *f;
    DL_FOREACH(d->flows, f)
    {
        if (f->lane)
            lane_leave(site, f);
    }
    if (d->claims)
        sched_site_leave_claimers(site, d);
}

/* ---- turns ---- */

bool sched_site_has_new(const struct sched_site *site)
{
    const struct sched_lane *lane;
    for (lane = site->lanes; lane; lane = lane->hh.next)
        if (!lane->flows->waits->claimed_by)
            return true;
    return false;
}

static struct sched_flow *first_of(const struct sched_lane *lane, enum sched_who who)
{
    struct sched_flow *f;
    DL_FOREACH2(lane->flows, f, lane_next)
    {
        if (who == SCHED_ANY || f->waives == (who == SCHED_WAIVING))
            return f;
    }
    return NULL;
}

bool sched_turn_next(const struct sched_site *site, enum sched_who who, bool may_claim,
                     struct sched_turn *out)
{
    const struct sched_lane *lane;
    int64_t least = site->claim_start + CLAIM_COST;
    *out = (struct sched_turn){.dest = may_claim ? site->claimers : NULL};
    for (lane = site->lanes; lane; lane = lane->hh.next) {
        struct sched_flow *first = first_of(lane, who);
        int64_t key = first ? lane->start + weight_of(first->waits) : 0;
        if (!first || (out->flow ? key >= least : out->dest && key > least))
            continue;
        least = key;
        *out = (struct sched_turn){.dest = first->dest, .flow = first};
    }
    return out->dest != NULL;
}

static void move_on(int64_t *turn, int64_t *start, int64_t cost)
{
    *start += cost;
    if (*turn < *start)
        *turn = *start;
}

struct queue_batch *sched_turn_take(struct sched *s, struct sched_site *site, struct sched_flow *f)
{
    int64_t cost = f->waits->cost;
    move_on(&site->turn, &f->lane->start, cost);
    move_on(&f->lane->turn, &f->start, cost);
    return sched_wait_remove(s, f, f->waits);
}

void sched_turn_claim(struct sched_site *site, struct sched_dest *d)
{
    move_on(&site->turn, &site->claim_start, CLAIM_COST);
    sched_site_leave_claimers(site, d);
}
