/*
 * The scheduler's life, its sweep and its clock.
 *
 * Only destinations that have something to do are in memory. What falls due later stays in the
 * store: a sweep asks for it page by page, at the earliest due time that anybody spoke of, at least
 * every SWEEP_MAX_MS (the wall clock may jump) and never more often than every SWEEP_MIN_MS.
 */
#include "relay/queue/sched_internal.h"

#include "msa/base/log.h"
#include "msa/base/mem.h"
#include "msa/base/require.h"
#include "msa/loop/clock.h"

#include <stdlib.h>
#include <string.h>

#define SWEEP_PAGE   1000 /* destinations */
#define SWEEP_MIN_MS 1000
#define SWEEP_MAX_MS 60000
#define TICK_MS      5000
#define SOON_MS      200

uint64_t sched_now(const struct sched *s)
{
    return loop_now_ms(s->config.loop);
}

/* ---- requests to the store ---- */

static void tell_idle(void *arg)
{
    struct sched *s = arg;
    if (s->idle_told || s->njobs > 0 || s->requests > 0)
        return;
    s->idle_told = true;
    timer_stop(&s->tick_timer);
    timer_stop(&s->sweep_timer);
    if (s->on_idle)
        s->on_idle(s->on_idle_arg);
}

static void look_idle(struct sched *s)
{
    if (s->stopping && s->njobs == 0 && s->requests == 0 && !s->idle_told)
        timer_start(&s->idle_timer, 0);
}

void sched_request_over(struct sched *s)
{
    s->requests--;
    look_idle(s);
}

/* ---- sweep ---- */

static void arm_sweep(struct sched *s, int64_t due_ms)
{
    int64_t wait = due_ms == INT64_MAX ? SWEEP_MAX_MS : due_ms - clock_wall_ms();
    if (wait < SWEEP_MIN_MS)
        wait = SWEEP_MIN_MS;
    if (wait > SWEEP_MAX_MS)
        wait = SWEEP_MAX_MS;
    uint64_t at = sched_now(s) + (uint64_t)wait;
    if (!timer_armed(&s->sweep_timer) || at < s->sweep_timer.due_ms)
        timer_start(&s->sweep_timer, (uint64_t)wait);
}

void sched_note_due(struct sched *s, int64_t due_ms)
{
    if (due_ms == INT64_MAX || s->stopping)
        return;
    if (due_ms < s->hint_ms)
        s->hint_ms = due_ms;
    if (!s->sweeping)
        arm_sweep(s, s->hint_ms);
}

static void on_swept(struct store_due *d);

static void ask_page(struct sched *s, const char *after)
{
    s->requests++;
    store_due(s->config.store,
              store_due_new(after, clock_wall_ms(), SWEEP_PAGE, s->config.mailbox, on_swept, s));
}

void sched_mark_due(struct sched *s, const char *destination)
{
    struct sched_dest *d = sched_dest_get(s, destination);
    d->due = true;
    sched_dest_advance(s, d);
}

static void on_swept(struct store_due *page)
{
    struct sched *s = page->arg;
    for (size_t i = 0; page->err == 0 && i < page->nitems && !s->stopping; i++)
        sched_mark_due(s, page->items[i].destination);
    sched_note_due(s, page->err < 0 ? clock_wall_ms() + TICK_MS : page->next_ms);
    if (page->err == 0 && page->more && !s->stopping) {
        ask_page(s, page->after);
    } else {
        s->sweeping = false;
        s->returns = true; /* from before a start, or after trouble */
        sched_returns_pump(s);
        if (!s->stopping)
            arm_sweep(s, s->hint_ms);
    }
    store_due_free(page);
    sched_request_over(s);
}

static void sweep(void *arg)
{
    struct sched *s = arg;
    if (s->sweeping || s->stopping)
        return;
    s->sweeping = true;
    s->hint_ms = INT64_MAX;
    ask_page(s, "");
}

/* ---- giving back ---- */

/* It may be claimed from now on. An error only says that the store has closed before. */
static void on_released(struct store_record *r, int err)
{
    struct sched *s = r->arg;
    if (err == 0 && !s->stopping && r->batch->nrows > 0)
        sched_mark_due(s, r->batch->rows[0].domain);
    store_record_free(r);
    sched_request_over(s);
}

void sched_release(struct sched *s, struct queue_batch *batch)
{
    struct store_record *r = store_record_new(batch, s->config.mailbox, on_released, s);
    r->nresults = batch->nrows;
    r->results = arena_alloc(&r->arena, batch->nrows * sizeof *r->results);
    for (size_t i = 0; i < batch->nrows; i++)
        r->results[i] = (struct store_result){.number = batch->rows[i].number,
                                              .verdict = STORE_RELEASED,
                                              .status = "",
                                              .text = "",
                                              .remote = ""};
    s->requests++;
    store_record(s->config.store, r);
}

/* ---- the wall clock ---- */

static void on_made_due(struct store_admin *a)
{
    struct sched *s = a->arg;
    store_admin_free(a);
    sched_request_over(s);
}

/* What is due after that, where no try that ended by today's clock would have put it; 0: all. */
static void make_due(struct sched *s, int64_t after_ms)
{
    struct store_admin *a = store_admin_new(STORE_RETRY, s->config.mailbox, on_made_due, s);
    a->filter.due_after_ms = after_ms;
    s->requests++;
    store_admin(s->config.store, a);
}

static void watch_clock(struct sched *s)
{
    int64_t by_ms = age_watch(&s->clock, clock_wall_ms(), sched_now(s));
    if (by_ms == 0)
        return;
    log_event(LOG_WARNING, "clock-jumped", NULL,
              "the wall clock was set by %+lld s; mail in the queue does not age by that",
              (long long)(by_ms / 1000));
    if (by_ms < 0 && !s->stopping)
        make_due(s, 0); /* due times lie as far ahead as the clock went back */
}

/* ---- tick: watchdog, waiting too long, forgetting ---- */

static void watch_jobs(struct sched *s)
{
    struct sched_job_private *p;
    DL_FOREACH(s->jobs, p)
    {
        if (p->job->deadline_ms > sched_now(s))
            break;
        if (p->late)
            continue;
        p->late = true;
        s->late_jobs++;
        log_event(LOG_ERROR, "job-late", &(struct log_ctx){.queue = sv_of(p->id)},
                  "destination %s: no result within %llu s", p->dest->name,
                  (unsigned long long)(s->config.job_deadline_ms / 1000));
        if (p->slot)
            sched_slot_forget(s, p->slot);
        p->slot = NULL;
        s->config.ops->job_late(s->config.arg, p->job);
    }
}

static void tick(void *arg)
{
    struct sched *s = arg;
    struct sched_dest *d, *tmp;
    struct sched_site *site, *site_tmp;
    watch_jobs(s);
    sched_slots_watch(s);
    watch_clock(s);
    HASH_ITER(hh, s->dests, d, tmp)
    {
        sched_dest_watch(s, d);
        sched_dest_advance(s, d);
        sched_dest_look_idle(s, d); /* d may be gone */
    }
    sched_dests_forget(s);
    HASH_ITER(hh, s->sites, site, site_tmp)
    {
        sched_site_forget(s, site, false);
    }
    timer_start(&s->tick_timer, TICK_MS);
}

void sched_look_soon(struct sched *s)
{
    if (!s->stopping &&
        (!timer_armed(&s->tick_timer) || s->tick_timer.due_ms > sched_now(s) + SOON_MS))
        timer_start(&s->tick_timer, SOON_MS);
}

/* ---- jobs ---- */

struct sched_job *sched_job_new(struct sched *s, struct sched_dest *d, struct queue_batch *batch)
{
    struct sched_job *job = NEW(struct sched_job);
    struct sched_job_private *p = NEW(struct sched_job_private);
    job->batch = batch;
    job->destination = d->domain;
    job->deadline_ms = sched_now(s) + s->config.job_deadline_ms;
    watch_clock(s);
    job->age_ms = age_of(&s->clock, batch->message->received_ms, clock_wall_ms());
    job->made_ms = sched_now(s);
    job->end.next_due_ms = INT64_MAX;
    job->private = p;
    p->job = job;
    p->dest = d;
    memcpy(p->id, batch->message->id, sizeof p->id);
    d->jobs++;
    s->njobs++;
    DL_APPEND(s->jobs, p);
    return job;
}

/* What this destination's rows are claimed by may claim again. */
static void look_again(struct sched *s, const char *domain)
{
    struct sched_dest *d;
    HASH_FIND_STR(s->dests, domain, d);
    if (d)
        sched_dest_advance(s, d);
}

void sched_job_done(struct sched *s, struct sched_job *job)
{
    struct sched_job_private *p = job->private;
    struct sched_dest *d = p->dest;
    struct sched_site *site = p->site;
    DL_DELETE(s->jobs, p);
    s->njobs--;
    d->jobs--;
    sched_note_due(s, job->end.next_due_ms);
    if (p->returns) {
        s->returning--;
    } else if (job->kind != SCHED_DELIVER) {
        d->no_attempts--;
        s->no_attempts--;
    }
    if (p->slot)
        sched_slot_release(s, p->slot, &job->end);
    if (site)
        sched_site_ended(s, site, job);
    if (job->plan)
        s->config.ops->drop_plan(job->plan);
    queue_batch_free(job->batch);
    free(p);
    free(job);
    sched_starved_pump(s);
    if (site) {
        sched_site_pump(s, site);
        sched_site_unuse(site);
    }
    sched_dest_advance(s, d);
    if (strcmp(d->name, d->domain) != 0)
        look_again(s, d->domain);
    sched_resolve_pump(s);
    sched_returns_pump(s);
    look_idle(s);
}

void sched_slot_closed(struct sched *s, uint32_t id)
{
    struct sched_slot *slot;
    HASH_FIND(hh, s->slots, &id, sizeof id, slot);
    if (!slot)
        return;
    /* busy: the job met its connection closed and opens another, or it has ended, its results are
     * not committed yet, and what it gave back has closed already */
    if (slot->busy) {
        slot->closed = true;
        return;
    }
    sched_slot_forget(s, slot);
    sched_starved_pump(s);
}

/* ---- from the store and the operator ---- */

void sched_on_queued(struct sched *s, struct queue_batch *claimed)
{
    if (s->stopping) { /* claims live in memory: the next start finds the rows */
        queue_batch_free(claimed);
        return;
    }
    struct sched_dest *d = sched_dest_get(s, claimed->rows[0].domain);
    struct sched_dest *to = sched_dest_admit(s, d, claimed, false);
    if (to && to->flows &&
        (to->nwaiting > s->config.wait_max || s->nwaiting - s->nclaimed > SCHED_WAIT_MAX)) {
        sched_release(s, sched_wait_take_last(s, to));
        d->due = true; /* by which the store knows it */
    }
    sched_dest_advance(s, d);
}

void sched_on_due(struct sched *s, const char *destination, int64_t due_ms)
{
    if (s->stopping)
        return;
    if (due_ms <= clock_wall_ms())
        sched_mark_due(s, destination);
    else
        sched_note_due(s, due_ms);
}

void sched_wake(struct sched *s)
{
    struct sched_site *site, *site_tmp;
    struct sched_dest *d, *dest_tmp;
    HASH_ITER(hh, s->sites, site, site_tmp)
    {
        sched_site_forgive(site);
    }
    HASH_ITER(hh, s->dests, d, dest_tmp)
    {
        d->fresh_until_ms = 0;
    }
    timer_stop(&s->sweep_timer);
    s->hint_ms = 0; /* if a sweep is under way another one follows it at once */
    sweep(s);
}

void sched_forget_plans(struct sched *s, bool (*is_stale)(void *arg, const void *plan), void *arg)
{
    struct sched_dest *d, *tmp;
    HASH_ITER(hh, s->dests, d, tmp)
    {
        if (d->state == SCHED_DEST_RESOLVING)
            d->outdated = d->outdated || !is_stale;
        else if (!is_stale || (d->route.plan && is_stale(arg, d->route.plan)))
            d->fresh_until_ms = 0;
    }
}

void sched_set_per_site(struct sched *s, size_t per_site)
{
    struct sched_site *site, *tmp;
    s->config.per_site = per_site;
    HASH_ITER(hh, s->sites, site, tmp)
    {
        sched_site_limit(s, site, &site->limits);
    }
}

/* ---- life ---- */

struct sched *sched_new(const struct sched_config *config)
{
    REQUIRE(config->workers > 0 && config->per_site > 0 && config->slots_max > 0 &&
            config->resolve_max > 0 && config->wait_max > 0 && config->retry_ms > 0 &&
            config->job_deadline_ms > 0);
    struct sched *s = NEW(struct sched);
    s->config = *config;
    s->worker_slots = mem_new(config->workers, sizeof *s->worker_slots);
    s->hint_ms = INT64_MAX;
    timer_init(&s->sweep_timer, config->loop, sweep, s);
    timer_init(&s->tick_timer, config->loop, tick, s);
    timer_init(&s->idle_timer, config->loop, tell_idle, s);
    timer_init(&s->pace_timer, config->loop, sched_paced_pump, s);
    timer_init(&s->slow_timer, config->loop, sched_slow_pump, s);
    return s;
}

void sched_start(struct sched *s)
{
    struct store_stats stats;
    timer_start(&s->tick_timer, TICK_MS);
    watch_clock(s);
    store_get_stats(s->config.store, &stats);
    if (stats.rows > 0) /* the clock may have been ahead until it was set while we did not run */
        make_due(s, clock_wall_ms() + (int64_t)s->config.retry_ms);
    sweep(s);
}

void sched_stop(struct sched *s, void (*on_idle)(void *arg), void *arg)
{
    s->stopping = true;
    s->on_idle = on_idle;
    s->on_idle_arg = arg;
    look_idle(s);
}

void sched_free(struct sched *s)
{
    struct sched_dest *d, *dest_tmp;
    struct sched_slot *slot, *slot_tmp;
    struct sched_site *site, *site_tmp;
    REQUIRE(s->njobs == 0 && s->requests == 0);
    timer_stop(&s->sweep_timer);
    timer_stop(&s->tick_timer);
    timer_stop(&s->idle_timer);
    timer_stop(&s->pace_timer);
    timer_stop(&s->slow_timer);
    HASH_ITER(hh, s->slots, slot, slot_tmp)
    {
        sched_slot_forget(s, slot);
    }
    for (d = s->dests; d; d = d->hh.next) /* which names others */
        while (d->flows)
            queue_batch_free(sched_wait_take(s, d));
    HASH_ITER(hh, s->dests, d, dest_tmp)
    {
        sched_dest_free(s, d);
    }
    HASH_ITER(hh, s->sites, site, site_tmp)
    {
        sched_site_forget(s, site, true);
    }
    sched_pauses_free(s);
    free(s->worker_slots);
    free(s);
}

void sched_get_stats(const struct sched *s, struct sched_stats *out)
{
    const struct sched_site *site;
    const struct sched_slot *slot;
    *out = (struct sched_stats){.destinations = HASH_COUNT(s->dests),
                                .sites = HASH_COUNT(s->sites),
                                .slots = HASH_COUNT(s->slots),
                                .jobs = s->njobs,
                                .resolving = s->resolving[0] + s->resolving[1] + s->nslow,
                                .waiting = s->nwaiting,
                                .late_jobs = s->late_jobs};
    for (site = s->sites; site; site = site->hh.next)
        out->sites_down += sched_site_is_down(s, site);
    for (slot = s->slots; slot; slot = slot->hh.next)
        out->idle_slots += !slot->busy;
}
