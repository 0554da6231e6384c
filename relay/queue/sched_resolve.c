/*
 * Which destination is looked up next.
 *
 *     QUEUED -> RESOLVING, quick -> after SLOW_MS, slow -> answered
 *
 * New mail goes before mail that is tried again, which has three quarters of all places at most.
 * Among new mail the logins take turns, so that one with names by the thousand that nobody answers
 * for delays another's look-up by about one place. What has been under way for long moves to
 * places of its own, as many again, while there are any: names that answer find theirs free.
 */
#include "relay/queue/sched_internal.h"

#include "msa/base/mem.h"

#include <stdlib.h>

#define SLOW_MS    2000
#define AGAIN_OF_4 3 /* quarters of all look-ups that are for mail tried again */

/* ---- queues ---- */

/* Of one login, in order of arrival; exists while there are any. */
struct sched_asker {
    uint32_t login;
    struct sched_dest *dests;
    size_t ndests;
    struct sched_asker *next, *prev; /* sched.turns[again]: who is next first */
    UT_hash_handle hh;               /* sched.askers[again] */
};

static void asker_put(struct sched *s, struct sched_dest *d, uint32_t login)
{
    struct sched_asker *a;
    HASH_FIND(hh, s->askers[d->again], &login, sizeof login, a);
    if (!a) {
        a = NEW(struct sched_asker);
        a->login = login;
        HASH_ADD(hh, s->askers[d->again], login, sizeof a->login, a);
        DL_APPEND(s->turns[d->again], a);
    }
    d->asker = a;
    a->ndests++;
    DL_APPEND2(a->dests, d, resolve_prev, resolve_next);
}

static void asker_take(struct sched *s, struct sched_dest *d)
{
    struct sched_asker *a = d->asker;
    DL_DELETE2(a->dests, d, resolve_prev, resolve_next);
    d->asker = NULL;
    if (--a->ndests > 0)
        return;
    HASH_DEL(s->askers[d->again], a);
    DL_DELETE(s->turns[d->again], a);
    free(a);
}

/* By the first of each login: what was claimed has mostly been there before. */
static const struct sched_flow *find_new_mail(const struct sched_dest *d)
{
    const struct sched_flow *f;
    DL_FOREACH(d->flows, f)
    {
        if (!f->waits->claimed_by)
            return f;
    }
    return NULL;
}

/* Whether another login's mail would bring it to its turn earlier; the last to come is looked at.
 */
static bool has_better_place(struct sched *s, const struct sched_dest *d)
{
    const struct sched_flow *last = d->flows ? d->flows->prev : NULL;
    struct sched_asker *a;
    if (!last || last->waits->claimed_by)
        return false;
    HASH_FIND(hh, s->askers[false], &last->login, sizeof last->login, a);
    return a != d->asker && (a ? a->ndests : 0) + 1 < d->asker->ndests;
}

void sched_resolve_add(struct sched *s, struct sched_dest *d)
{
    const struct sched_flow *f;
    if (d->state == SCHED_DEST_QUEUED && !d->again) {
        if (!has_better_place(s, d))
            return;
        f = d->flows->prev;
    } else {
        f = find_new_mail(d);
        if (d->state == SCHED_DEST_QUEUED && !f)
            return;
    }
    if (d->state == SCHED_DEST_QUEUED)
        asker_take(s, d);
    d->state = SCHED_DEST_QUEUED;
    d->again = !f;
    asker_put(s, d, f ? f->login : 0);
}

void sched_resolve_remove(struct sched *s, struct sched_dest *d)
{
    asker_take(s, d);
    d->state = SCHED_DEST_NEW;
}

/* ---- places ---- */

static void move_slow(struct sched *s)
{
    struct sched_dest *d;
    while ((d = s->quick) && s->nslow < s->config.resolve_max &&
           sched_now(s) - d->asked_ms >= SLOW_MS) {
        DL_DELETE2(s->quick, d, resolve_prev, resolve_next);
        s->resolving[d->again]--;
        s->nslow++;
        d->slow = true;
    }
}

void sched_resolve_ended(struct sched *s, struct sched_dest *d)
{
    if (d->slow) {
        s->nslow--;
    } else {
        DL_DELETE2(s->quick, d, resolve_prev, resolve_next);
        s->resolving[d->again]--;
    }
    d->slow = false;
}

static bool may_ask(const struct sched *s, bool again)
{
    size_t most = s->config.resolve_max;
    return !s->paused && s->turns[again] && s->resolving[0] + s->resolving[1] < most &&
           (!again || s->resolving[1] < most * AGAIN_OF_4 / 4) && !s->stopping &&
           (!again || s->no_attempts < SCHED_NO_ATTEMPTS_MAX);
}

static struct sched_dest *take_next(struct sched *s, bool again)
{
    struct sched_asker *a = s->turns[again];
    struct sched_dest *d = a->dests;
    DL_DELETE(s->turns[again], a);
    DL_APPEND(s->turns[again], a);
    asker_take(s, d);
    return d;
}

/* While somebody waits for a place, it is seen to when the next becomes slow. */
static void arm_slow(struct sched *s)
{
    if (!s->quick || s->nslow >= s->config.resolve_max || s->stopping ||
        (!s->turns[false] && !s->turns[true])) {
        timer_stop(&s->slow_timer);
        return;
    }
    if (!timer_armed(&s->slow_timer))
        timer_start(&s->slow_timer, s->quick->asked_ms + SLOW_MS - sched_now(s));
}

/* resolve() may answer at once: the guard keeps that from becoming recursion. */
void sched_resolve_pump(struct sched *s)
{
    if (s->resolve_guard)
        return;
    s->resolve_guard = true;
    move_slow(s);
    while (may_ask(s, false) || may_ask(s, true)) {
        struct sched_dest *d = take_next(s, !may_ask(s, false));
        d->state = SCHED_DEST_RESOLVING;
        d->asked_ms = sched_now(s);
        s->resolving[d->again]++;
        DL_APPEND2(s->quick, d, resolve_prev, resolve_next);
        s->config.ops->resolve(s->config.arg, d->name);
    }
    arm_slow(s);
    s->resolve_guard = false;
}

void sched_slow_pump(void *sched)
{
    sched_resolve_pump(sched);
}
