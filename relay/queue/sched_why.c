/*
 * Why mail that is due does not move: what the operator sees of a row of the queue.
 */
#include "relay/queue/sched_internal.h"

#include <string.h>

/* In a job, of this destination. */
static bool is_out(const struct sched *s, const struct sched_dest *d, const char *id)
{
    const struct sched_job_private *p;
    DL_FOREACH(s->jobs, p)
    {
        if (p->dest == d && strcmp(p->id, id) == 0)
            return true;
    }
    return false;
}

static struct sched_why of_site(const struct sched *s, const struct sched_site *site)
{
    uint64_t now = sched_now(s), paced_ms = site->next_us / 1000;
    if (sched_site_is_down(s, site))
        return (struct sched_why){.waits = SCHED_WAITS_SITE, .left_ms = site->down_until_ms - now};
    if (site->paced)
        return (struct sched_why){.waits = SCHED_WAITS_PACE,
                                  .left_ms = paced_ms > now ? paced_ms - now : 0};
    return (struct sched_why){.waits = SCHED_WAITS_SLOT};
}

struct sched_why sched_why(const struct sched *s, const char *destination, const char *id)
{
    const struct sched_dest *d;
    HASH_FIND_STR(s->dests, destination, d);
    if (d && d->jobs > 0 && is_out(s, d, id))
        return (struct sched_why){.waits = SCHED_OUT};
    if (s->paused || (d && sched_dest_is_paused(s, d)))
        return (struct sched_why){.waits = SCHED_WAITS_PAUSE};
    if (!d)
        return (struct sched_why){.waits = SCHED_WAITS_TURN};
    if (d->state == SCHED_DEST_RESOLVING)
        return (struct sched_why){.waits = SCHED_WAITS_DNS, .for_ms = sched_now(s) - d->asked_ms};
    if (d->state == SCHED_DEST_QUEUED)
        return (struct sched_why){.waits = SCHED_WAITS_DNS};
    return d->site ? of_site(s, d->site) : (struct sched_why){.waits = SCHED_WAITS_TURN};
}
