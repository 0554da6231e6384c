/*
 * Sites and slots. A site serves what waits for it in turn (sched_fair.c), as long as it has a free
 * slot:
 *
 *     limit   starts small, grows by one with each success up to per_site, halves with a failure
 *     down    after FAILURES_TO_DOWN connections in a row that failed, or one that was refused by
 *             421 or 4yz before RCPT, or when the site asks for it, for a pause that doubles: what
 *             is due is put off without an attempt
 *     probing after the pause: one job alone; success opens the site, failure makes it down again,
 *             and one that says neither leaves it to the next
 *
 * Where it is a policy on TLS that no host meets, mail that waives such policies (RFC 8689 5) is
 * neither put off nor waits for the probe, and its success says nothing for the others.
 *
 * A site with limits of its own has at most so many slots, begins jobs at an even pace (without one
 * to spare: never more in any minute). A connection that has had its share is closed, so that the
 * hosts take turns and the preferred one is tried again.
 *
 * Slots of all sites together are bounded too. A site that finds none closes the connection that
 * has been idle longest, elsewhere; if there is none it stands in a queue (starved). What waits for
 * an answer has a share of them only, so that dead sites cannot hold what the living need: new mail
 * to sites that are not known 7 of 8, mail from the disk to such sites 6, sites that have failed 2.
 */
#include "relay/queue/sched_internal.h"

#include "msa/base/mem.h"
#include "msa/base/require.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LIMIT_START       4
#define FAILURES_TO_DOWN  2
#define BACKOFF_MIN_MS    30000
#define BACKOFF_MAX_MS    300000
#define IDLE_MAX_MS       60000
#define SERVED_MAX        100 /* jobs over one connection, where the site has no limit of its own */
#define AGE_MAX_MS        300000
#define SECOND_SERVED_MAX 10 /* over one to another host than the first of the plan */
#define SECOND_AGE_MAX_MS 60000
#define PACE_TICK_MS      10 /* sites that are paced are looked at no more often */
#define MINUTE_US         60000000u
#define MEMORY_MS                                                                                \
    18000000                  /* a site that has failed is remembered so long: the longest pause \
                                 between two tries of a message */
#define MEMORY_SITES    20000 /* with more sites than this for MEMORY_SHORT_MS only */
#define MEMORY_SHORT_MS 600000
#define CLAIM_ROWS      50 /* one slot sends them one batch after the other */
#define CLAIM_ROWS_MIN  2

static size_t slots_of(const struct sched *s, const struct sched_site *site)
{
    return site->limits.connections ? site->limits.connections : s->config.per_site;
}

void sched_site_limit(struct sched *s, struct sched_site *site, const struct sched_limits *limits)
{
    site->limits = *limits;
    if (site->limit > slots_of(s, site))
        site->limit = slots_of(s, site);
}

struct sched_site *sched_site_use(struct sched *s, const char *key)
{
    struct sched_site *site;
    HASH_FIND_STR(s->sites, key, site);
    if (!site) {
        site = NEW(struct sched_site);
        site->key = mem_str(key);
        site->limit = s->config.per_site < LIMIT_START ? s->config.per_site : LIMIT_START;
        sched_site_look_paused(s, site);
        HASH_ADD_KEYPTR(hh, s->sites, site->key, strlen(site->key), site);
    }
    site->uses++;
    return site;
}

void sched_site_unuse(struct sched_site *site)
{
    site->uses--;
}

static void leave_starved(struct sched *s, struct sched_site *site)
{
    if (!site->starved)
        return;
    DL_DELETE2(s->starved[site->starved_rank], site, starved_prev, starved_next);
    s->nstarved[site->starved_rank]--;
    site->starved = false;
}

void sched_site_forget(struct sched *s, struct sched_site *site, bool anyway)
{
    uint64_t memory_ms = HASH_COUNT(s->sites) > MEMORY_SITES ? MEMORY_SHORT_MS : MEMORY_MS;
    bool known = site->failures && sched_now(s) < site->failed_ms + memory_ms;
    if (site->uses > 0 || (!anyway && (known || sched_site_is_down(s, site))))
        return;
    REQUIRE(!site->lanes && !site->claimers && !site->idle && site->busy == 0);
    leave_starved(s, site);
    if (site->paced)
        DL_DELETE2(s->paced, site, paced_prev, paced_next);
    HASH_DEL(s->sites, site);
    free(site->key);
    free(site);
}

bool sched_site_is_down(const struct sched *s, const struct sched_site *site)
{
    return sched_now(s) < site->down_until_ms;
}

void sched_site_forgive(struct sched_site *site)
{
    site->down_until_ms = 0;
    site->backoff_ms = 0;
    site->asked = false;
}

/* ---- slots ---- */

static enum sched_rank rank_of(const struct sched_site *site)
{
    if (site->alive)
        return SCHED_RANK_ALIVE;
    if (site->failures)
        return SCHED_RANK_FAILING;
    return sched_site_has_new(site) ? SCHED_RANK_NEW : SCHED_RANK_AGAIN;
}

/* Whether a site of this rank may have one more, perhaps in place of an idle one. */
static bool is_free(const struct sched *s, enum sched_rank rank)
{
    size_t all = s->config.slots_max;
    const size_t unproven[] = {all, all - all / 8, all - all / 4, all - all / 4 * 3};
    return (rank == SCHED_RANK_ALIVE || s->unproven < unproven[rank]) &&
           (s->idle || HASH_COUNT(s->slots) < all);
}

static struct sched_slot *slot_new(struct sched *s, struct sched_site *site)
{
    unsigned worker = 0;
    for (unsigned i = 1; i < s->config.workers; i++)
        if (s->worker_slots[i] < s->worker_slots[worker])
            worker = i;
    struct sched_slot *slot = NEW(struct sched_slot);
    if (++s->last_slot == 0)
        s->last_slot = 1;
    slot->id = s->last_slot;
    slot->worker = worker;
    slot->site = site;
    slot->made_ms = sched_now(s);
    slot->unproven = !site->alive;
    s->unproven += slot->unproven;
    site->uses++;
    s->worker_slots[worker]++;
    HASH_ADD(hh, s->slots, id, sizeof slot->id, slot);
    return slot;
}

void sched_slot_forget(struct sched *s, struct sched_slot *slot)
{
    if (slot->busy) {
        slot->site->busy--;
    } else {
        DL_DELETE(slot->site->idle, slot);
        DL_DELETE2(s->idle, slot, idle_prev, idle_next);
    }
    s->worker_slots[slot->worker]--;
    s->unproven -= slot->unproven;
    HASH_DEL(s->slots, slot);
    sched_site_unuse(slot->site);
    free(slot);
}

static void evict_idle(struct sched *s)
{
    struct sched_slot *slot = s->idle;
    s->config.ops->close_slot(s->config.arg, slot->worker, slot->id);
    sched_slot_forget(s, slot);
}

/* Workers close what is idle much earlier: one that is not told of must not be held for ever. */
void sched_slots_watch(struct sched *s)
{
    while (s->idle && sched_now(s) - s->idle->idle_ms >= IDLE_MAX_MS)
        evict_idle(s);
}

/* An open connection first, the one used last: the others may then close. */
static struct sched_slot *slot_take(struct sched *s, struct sched_site *site)
{
    struct sched_slot *slot = site->idle;
    if (slot) {
        DL_DELETE(site->idle, slot);
        DL_DELETE2(s->idle, slot, idle_prev, idle_next);
    } else {
        if (!is_free(s, rank_of(site)))
            return NULL;
        if (HASH_COUNT(s->slots) >= s->config.slots_max)
            evict_idle(s);
        slot = slot_new(s, site);
    }
    slot->busy = true;
    site->busy++;
    return slot;
}

/* Whether the connection has had its share. One that is not to the host that comes first has less:
 * that one may be back (RFC 5321 5.1). */
static bool is_worn(const struct sched *s, const struct sched_slot *slot, bool second_best)
{
    unsigned most = slot->site->limits.per_connection;
    uint64_t age_ms = sched_now(s) - slot->made_ms;
    if (second_best && (slot->served >= SECOND_SERVED_MAX || age_ms >= SECOND_AGE_MAX_MS))
        return true;
    return slot->served >= (most ? most : SERVED_MAX) || age_ms >= AGE_MAX_MS;
}

void sched_slot_release(struct sched *s, struct sched_slot *slot, const struct sched_job_end *end)
{
    if (end->slot == SCHED_SLOT_CLOSED) {
        sched_slot_forget(s, slot);
        return;
    }
    if (slot->closed || is_worn(s, slot, end->second_best)) {
        /* closed: the connection, or the one before it, went away meanwhile: neither is kept */
        s->config.ops->close_slot(s->config.arg, slot->worker, slot->id);
        sched_slot_forget(s, slot);
        return;
    }
    s->unproven -= slot->unproven; /* an idle connection has been answered on */
    slot->unproven = false;
    slot->idle_ms = sched_now(s);
    slot->busy = false;
    slot->site->busy--;
    DL_PREPEND(slot->site->idle, slot);
    DL_APPEND2(s->idle, slot, idle_prev, idle_next);
}

/* ---- pace ---- */

static void pace(struct sched *s, struct sched_site *site)
{
    uint64_t now_us = sched_now(s) * 1000;
    if (!site->limits.per_minute)
        return;
    site->next_us = (site->next_us > now_us ? site->next_us : now_us) +
                    (MINUTE_US + site->limits.per_minute - 1) / site->limits.per_minute;
}

static uint64_t paced_wait_ms(const struct sched *s, const struct sched_site *site)
{
    uint64_t now_us = sched_now(s) * 1000;
    if (!site->limits.per_minute || site->next_us <= now_us)
        return 0;
    return (site->next_us - now_us + 999) / 1000;
}

/* Whether the next job has to wait; it is seen to then. */
static bool must_wait(struct sched *s, struct sched_site *site)
{
    uint64_t wait_ms = paced_wait_ms(s, site);
    if (wait_ms == 0)
        return false;
    if (!site->paced)
        DL_APPEND2(s->paced, site, paced_prev, paced_next);
    site->paced = true;
    wait_ms = wait_ms < PACE_TICK_MS ? PACE_TICK_MS : wait_ms;
    if (!timer_armed(&s->pace_timer) || sched_now(s) + wait_ms < s->pace_timer.due_ms)
        timer_start(&s->pace_timer, wait_ms);
    return true;
}

void sched_paced_pump(void *sched)
{
    struct sched *s = sched;
    struct sched_site *waited = s->paced;
    s->paced = NULL;
    while (waited) {
        struct sched_site *site = waited;
        DL_DELETE2(waited, site, paced_prev, paced_next);
        site->paced = false;
        sched_site_pump(s, site);
    }
}

/* ---- turns ---- */

/* Takes batch. */
static void deliver(struct sched *s, struct sched_site *site, struct sched_dest *d,
                    struct queue_batch *batch, struct sched_slot *slot)
{
    struct sched_job *job = sched_job_new(s, d, batch);
    job->kind = SCHED_DELIVER;
    job->plan = s->config.ops->keep_plan(d->route.plan);
    job->site = site->key;
    job->slot = slot->id;
    job->worker = slot->worker;
    job->private->site = site;
    job->private->slot = slot;
    job->private->waives = queue_message_waives_tls(batch->message);
    site->waiving += job->private->waives;
    slot->served++;
    pace(s, site);
    site->uses++;
    s->config.ops->run_job(s->config.arg, job);
}

/* What its pace lets go before it has waited too long. */
static size_t rows_of_pace(const struct sched *s, const struct sched_site *site)
{
    uint64_t rows = (uint64_t)site->limits.per_minute * s->config.wait_ms / (2 * 60000);
    return site->limits.per_minute && rows < CLAIM_ROWS ? (size_t)rows : CLAIM_ROWS;
}

/* In the queue for what is hardest to have, of that which it needs. */
static void starve(struct sched *s, struct sched_site *site, enum sched_rank rank)
{
    if (site->starved && site->starved_rank <= rank)
        return;
    leave_starved(s, site);
    site->starved = true;
    site->starved_rank = rank;
    s->nstarved[rank]++;
    DL_APPEND2(s->starved[rank], site, starved_prev, starved_next);
}

/* The more there are that take turns, the longer the rows of each one's claim would wait. Where
 * nobody has answered yet few are enough to find out, once room becomes scarce. */
static void claim(struct sched *s, struct sched_site *site, struct sched_dest *d)
{
    size_t rows = CLAIM_ROWS / (site->nflows + site->nclaimers), paced = rows_of_pace(s, site);
    rows = rows < paced ? rows : paced;
    rows = site->alive || sched_has_much_room(s) ? rows : CLAIM_ROWS_MIN;
    sched_turn_claim(site, d);
    sched_dest_claim(s, d, rows > CLAIM_ROWS_MIN ? rows : CLAIM_ROWS_MIN, site);
}

/* One turn, for which the site has a slot to give. False: none in all. */
static bool serve(struct sched *s, struct sched_site *site, const struct sched_turn *turn)
{
    if (!turn->flow) {
        bool can = site->idle || is_free(s, rank_of(site));
        if (can)
            claim(s, site, turn->dest);
        else
            starve(s, site, rank_of(site));
        return can;
    }
    struct sched_slot *slot = slot_take(s, site);
    if (!slot) {
        starve(s, site, rank_of(site));
        return false;
    }
    deliver(s, site, turn->dest, sched_turn_take(s, site, turn->flow), slot);
    sched_site_add(site, turn->dest); /* it may claim again */
    return true;
}

/* What was said to one message, perhaps with an address in it, is told to no other: it has words of
 * ours. Its status, which is for now whatever it was there (RFC 3464 2.3.4). */
static void pump_down(struct sched *s, struct sched_site *site)
{
    struct sched_turn turn;
    char status[sizeof site->status], text[SCHED_TEXT_MAX];
    snprintf(status, sizeof status, "4%s", site->status + 1);
    snprintf(text, sizeof text, "not tried: the site is left alone for a while, after %s there: %s",
             site->status, site->key);
    while (sched_turn_next(site, site->by_policy ? SCHED_BOUND : SCHED_ANY, true, &turn)) {
        sched_site_remove(site, turn.dest);
        sched_dest_drain(s, turn.dest, SCHED_PUT_OFF, status, text);
        if (site->by_policy)
            sched_site_add_waiving(site, turn.dest);
    }
}

/* Slots that the site may have now: one where it is probed, or where many others are as unknown. */
static size_t allowed_of(const struct sched *s, const struct sched_site *site)
{
    bool crowded = !site->alive && s->unproven > s->config.slots_max / 4;
    return site->probing || crowded ? 1 : site->limit;
}

/* Beside the probe, but within what the site permits. */
static bool has_place(const struct sched *s, const struct sched_site *site, enum sched_who who)
{
    size_t used = site->busy + site->claims, most = slots_of(s, site);
    if (who == SCHED_WAIVING)
        return used < (site->limit > 2 ? site->limit : 2) && used < most;
    size_t others = site->probing && site->by_policy ? site->waiving : 0;
    return used < most + site->probing && used < allowed_of(s, site) + others;
}

static void pump_turns(struct sched *s, struct sched_site *site, enum sched_who who)
{
    struct sched_turn turn;
    while (!s->stopping && has_place(s, site, who) &&
           sched_turn_next(site, who, sched_has_room(s, site->alive), &turn)) {
        if (!sched_dest_is_fresh(s, turn.dest)) {
            sched_site_remove(site, turn.dest);
            sched_dest_advance(s, turn.dest);
            continue;
        }
        if (must_wait(s, site) || !serve(s, site, &turn))
            break;
    }
}

void sched_site_pump(struct sched *s, struct sched_site *site)
{
    if (s->paused || site->paused)
        return;
    site->uses++; /* what is done here may give the others back */
    if (sched_site_is_down(s, site))
        pump_down(s, site);
    if (!site->by_policy || !sched_site_is_down(s, site))
        pump_turns(s, site, SCHED_ANY);
    if (site->by_policy)
        pump_turns(s, site, SCHED_WAIVING);
    if (site->claimers && !sched_has_room(s, site->alive))
        starve(s, site, SCHED_RANK_FULL);
    sched_site_unuse(site);
}

static bool has_for(const struct sched *s, enum sched_rank rank)
{
    return rank == SCHED_RANK_FULL ? sched_has_room(s, false) : is_free(s, rank);
}

/* Each that stands there once: who finds nothing now stands behind. */
static void pump_starved(struct sched *s, enum sched_rank rank)
{
    for (size_t n = s->nstarved[rank]; n > 0 && s->starved[rank] && has_for(s, rank); n--) {
        struct sched_site *site = s->starved[rank];
        leave_starved(s, site);
        sched_site_pump(s, site);
    }
}

void sched_starved_pump(struct sched *s)
{
    for (int rank = 0; rank < SCHED_RANKS; rank++)
        pump_starved(s, (enum sched_rank)rank);
    if (s->drains_wait && sched_has_room(s, false)) {
        s->drains_wait = false;
        sched_look_soon(s);
    }
}

/* ---- success and failure ---- */

static void site_failed(struct sched *s, struct sched_site *site, const struct sched_job_end *end)
{
    snprintf(site->status, sizeof site->status, "%s", end->status[0] ? end->status : "4.4.1");
    snprintf(site->text, sizeof site->text, "%s", end->text);
    site->failures++;
    site->failed_ms = sched_now(s);
    site->alive = false;
    site->by_policy = end->by_policy;
    site->limit = site->limit > 1 ? site->limit / 2 : 1;
    site->asked = site->asked || end->backs_off;
    bool enough =
        site->probing || end->backs_off || end->was_told || site->failures >= FAILURES_TO_DOWN;
    if (sched_site_is_down(s, site) || !enough)
        return;
    site->backoff_ms = site->backoff_ms ? site->backoff_ms * 2 : BACKOFF_MIN_MS;
    if (site->backoff_ms > BACKOFF_MAX_MS)
        site->backoff_ms = BACKOFF_MAX_MS;
    site->down_until_ms = sched_now(s) + site->backoff_ms;
    site->probing = true;
}

void sched_site_ended(struct sched *s, struct sched_site *site, const struct sched_job *job)
{
    const struct sched_job_end *end = &job->end;
    site->waiving -= job->private->waives;
    if (end->site_failed) {
        site_failed(s, site, end);
        return;
    }
    /* the next job is the probe; or jobs from before the pause */
    if (end->nothing_learnt || (site->asked && sched_site_is_down(s, site)))
        return;
    if (site->by_policy && job->private->waives)
        return; /* that was not in question */
    /* a host answered, whatever it said */
    site->asked = false;
    site->by_policy = false;
    site->alive = true;
    site->failures = 0;
    site->backoff_ms = 0;
    site->down_until_ms = 0;
    site->probing = false;
    if (end->delivered && site->limit < slots_of(s, site))
        site->limit++;
}
