/*
 * What the operator wants of mail in the queue, beyond what the store alone can do.
 *
 * Tried now: the destination's route is asked for anew, and its site is left alone no longer. What
 * waits here for a slot, a look-up or the end of a pause, and was changed, goes back to the store,
 * to be claimed as it is now. What is to be returned to its author needs neither route nor site: it
 * is claimed apart, RETURN_ROWS at a time, paused or not.
 */
#include "relay/queue/sched_internal.h"

#include "msa/loop/clock.h"

#include <stdlib.h>
#include <string.h>

#define RETURN_ROWS 200

/* ---- tried now ---- */

void sched_dest_want(struct sched_dest *d, uint64_t wish)
{
    d->wish = wish;
    d->wanted = true;
    d->fresh_until_ms = 0;
}

/* One wish comes once for each row, or nearly. */
static void retry(struct sched *s, const char *destination, uint64_t wish)
{
    struct sched_dest *d = sched_dest_get(s, destination);
    if (d->wish < wish)
        sched_dest_want(d, wish);
    sched_mark_due(s, destination);
}

/* ---- given back ---- */

static int by_name(const void *a, const void *b)
{
    const struct store_taken *x = a, *y = b;
    int order = strcmp(x->id, y->id);
    return order ? order : (x->number > y->number) - (x->number < y->number);
}

static bool has_taken(const struct queue_batch *batch, const struct store_wish *wish)
{
    struct store_taken name;
    memcpy(name.id, batch->message->id, sizeof name.id);
    for (size_t i = 0; i < batch->nrows; i++) {
        name.number = batch->rows[i].number;
        if (bsearch(&name, wish->taken, wish->ntaken, sizeof name, by_name))
            return true;
    }
    return false;
}

static void recall_flow(struct sched *s, struct sched_flow *f, const struct store_wish *wish)
{
    struct sched_wait *w, *tmp;
    DL_FOREACH_SAFE(f->waits, w, tmp)
    {
        if (has_taken(w->batch, wish))
            sched_release(s, sched_wait_remove(s, f, w)); /* f may be gone */
    }
}

static void recall(struct sched *s, const struct store_wish *wish)
{
    struct sched_dest *d, *dest_tmp;
    struct sched_flow *f, *flow_tmp;
    HASH_ITER(hh, s->dests, d, dest_tmp)
    {
        DL_FOREACH_SAFE(d->flows, f, flow_tmp)
        {
            recall_flow(s, f, wish);
        }
    }
}

/* ---- returned ---- */

/* Takes batch: one message. */
static void run_return(struct sched *s, struct queue_batch *batch)
{
    struct sched_job *job = sched_job_new(s, sched_dest_get(s, batch->rows[0].domain), batch);
    job->kind = SCHED_FAIL;
    job->status = "5.7.1";
    job->text = "the operator of this server has returned the message";
    job->worker = (unsigned)(s->njobs % s->config.workers);
    job->private->returns = true;
    s->returning++;
    s->config.ops->run_job(s->config.arg, job);
}

static void on_claimed(struct store_claim *c)
{
    struct sched *s = c->arg;
    s->claims_returns = false;
    s->returns = s->returns || c->err < 0 || c->more;
    for (size_t i = 0; c->err == 0 && i < c->nbatches && !s->stopping; i++) {
        run_return(s, c->batches[i]);
        c->batches[i] = NULL;
    }
    bool failed = c->err < 0; /* the next sweep asks again */
    store_claim_free(c);
    if (!failed)
        sched_returns_pump(s);
    sched_request_over(s);
}

void sched_returns_pump(struct sched *s)
{
    if (!s->returns || s->claims_returns || s->returning > 0 || s->stopping)
        return;
    s->returns = false;
    s->claims_returns = true;
    s->requests++;
    struct store_claim *c =
        store_claim_new("", clock_wall_ms(), RETURN_ROWS, s->config.mailbox, on_claimed, s);
    c->returned = true;
    store_claim(s->config.store, c);
}

/* ---- */

void sched_on_wish(struct sched *s, const struct store_wish *wish)
{
    if (s->stopping)
        return;
    if (wish->retry)
        retry(s, wish->retry, wish->number);
    if (wish->ntaken)
        recall(s, wish);
    if (!wish->returns)
        return;
    s->returns = true;
    sched_returns_pump(s);
}
