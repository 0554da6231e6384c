/*
 * work.c - lanes before a pool.
 *
 * All jobs wait equally long at most, so that in a lane the first is due first: only heads are
 * looked at. The timer runs only while something waits.
 */
#include "auth/work.h"

#include "msa/base/mem.h"
#include "msa/base/require.h"

#include <stdlib.h>
#include <utlist.h>

#define LOOK_MS 250

struct auth_work {
    struct loop *loop;
    struct mailbox *mailbox;
    struct pool *pool;
    unsigned threads, running;
    size_t lane_max;
    uint64_t wait_max_ms;
    struct auth_work_lane *lanes; /* with jobs, the one to be served next first */
    struct timer timer;
};

static void on_timer(void *arg);

struct auth_work *auth_work_new(struct loop *l, struct mailbox *mailbox, const char *name,
                                unsigned threads, size_t lane_max, uint64_t wait_max_ms)
{
    struct auth_work *w = NEW(struct auth_work);

    w->loop = l;
    w->mailbox = mailbox;
    w->threads = threads;
    w->lane_max = lane_max;
    w->wait_max_ms = wait_max_ms;
    w->pool = pool_start(name, threads);
    timer_init(&w->timer, l, on_timer, w);
    return w;
}

void auth_work_stop(struct auth_work *w)
{
    REQUIRE(w->lanes == NULL);
    timer_stop(&w->timer);
    pool_stop(w->pool);
    w->pool = NULL;
}

void auth_work_free(struct auth_work *w)
{
    REQUIRE(w->pool == NULL && w->running == 0);
    free(w);
}

bool auth_work_is_busy(const struct auth_work *w)
{
    return w->running > 0;
}

static struct auth_work_job *take(struct auth_work *w, struct auth_work_lane *lane)
{
    struct auth_work_job *job = lane->first;

    lane->first = job->next;
    job->next = NULL;
    lane->count--;
    if (lane->first == NULL) {
        lane->last = NULL;
        DL_DELETE(w->lanes, lane);
    }
    return job;
}

static void on_pool(struct pool_job *pool)
{
    struct auth_work_job *job = (struct auth_work_job *)pool;

    job->run(job);
}

static void dispatch(struct auth_work *w);

static void on_done(struct pool_job *pool)
{
    struct auth_work_job *job = (struct auth_work_job *)pool;
    struct auth_work *w = job->work;

    w->running--;
    job->done(job, true);
    dispatch(w);
}

static void dispatch(struct auth_work *w)
{
    while (w->lanes != NULL && w->running < w->threads && w->pool != NULL) {
        struct auth_work_lane *lane = w->lanes;
        struct auth_work_job *job = take(w, lane);

        if (lane->count > 0) { /* to the end of the ring */
            DL_DELETE(w->lanes, lane);
            DL_APPEND(w->lanes, lane);
        }
        w->running++;
        job->pool.reply = w->mailbox;
        job->pool.work = on_pool;
        job->pool.done = on_done;
        pool_submit(w->pool, &job->pool);
    }
    if (w->lanes == NULL)
        timer_stop(&w->timer);
    else if (!timer_armed(&w->timer))
        timer_start(&w->timer, LOOK_MS);
}

/* The head of some lane that is past its deadline. */
static struct auth_work_lane *overdue(struct auth_work *w)
{
    struct auth_work_lane *lane;

    DL_FOREACH(w->lanes, lane)
    {
        if (lane->first->due_ms <= loop_now_ms(w->loop))
            return lane;
    }
    return NULL;
}

static void on_timer(void *arg)
{
    struct auth_work *w = arg;
    struct auth_work_lane *lane;

    while ((lane = overdue(w)) != NULL) {
        struct auth_work_job *job = take(w, lane);

        job->done(job, false);
    }
    dispatch(w);
}

bool auth_work_add(struct auth_work *w, struct auth_work_lane *lane, struct auth_work_job *job)
{
    if (lane->count >= w->lane_max)
        return false;
    job->work = w;
    job->next = NULL;
    job->due_ms = loop_now_ms(w->loop) + w->wait_max_ms;
    if (lane->last != NULL)
        lane->last->next = job;
    else
        lane->first = job;
    lane->last = job;
    if (lane->count++ == 0)
        DL_APPEND(w->lanes, lane);
    dispatch(w);
    return true;
}

void auth_work_drop(struct auth_work *w, struct auth_work_lane *lane)
{
    while (lane->count > 0) {
        struct auth_work_job *job = take(w, lane);

        job->done(job, false);
    }
}
