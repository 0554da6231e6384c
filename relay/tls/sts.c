/*
 * Questions wait at their domain's entry, each with a timer: it is set to now when the flight is
 * over, or fires by itself after STS_WAIT_MS, and then the answer is what is known by that time. So
 * every answer comes from the loop, and the callbacks find nothing half done.
 */
#include "relay/tls/sts_inside.h"

#include "msa/base/mem.h"
#include "msa/base/require.h"
#include "msa/loop/clock.h"

#include <stdlib.h>
#include <utlist.h>

#define SWEEP_MS  60000
#define UNUSED_MS (INT64_C(30) * 86400 * 1000) /* nobody asks any more: not refreshed */

struct sts_query {
    struct sts_entry *entry;
    struct timer timer;
    void (*on_answer)(void *arg, const struct sts_answer *answer);
    void *arg;
    struct sts_query *next, *prev;
};

/* ---- answers ---- */

static uint32_t seconds_until(uint64_t then_ms, uint64_t now_ms)
{
    uint64_t s = then_ms > now_ms ? (then_ms - now_ms) / 1000 : 0;
    return s < 1 ? 1 : s > STS_MAX_AGE_S ? STS_MAX_AGE_S : (uint32_t)s;
}

static void say_policy(const struct sts_entry *e, struct arena *arena, struct sts_answer *a)
{
    struct sts_policy *p = arena_alloc(arena, sizeof *p);
    const char *wrong;
    int err = sts_policy_parse((struct sv){e->text, e->len}, arena, p, &wrong);
    REQUIRE(err == 0); /* it was when it came */
    a->status = STS_PRESENT;
    a->policy = p;
    a->why =
        arena_printf(arena, "%s, id %s%s%s", sts_mode_text(p->mode), e->id,
                     e->trouble ? "; cached, because now: " : "", e->trouble ? e->trouble : "");
}

/* By what is known now. */
static void say(const struct sts_entry *e, struct arena *arena, struct sts_answer *a)
{
    uint64_t now_ms = loop_now_ms(e->sts->config.loop);
    *a = (struct sts_answer){.status = STS_ABSENT,
                             .left_s = seconds_until(e->fresh_until_ms, now_ms)};
    if (!e->sts->on) {
        a->why = "relay.tls.mta_sts is off";
    } else if (sts_entry_holds(e, now_ms)) {
        say_policy(e, arena, a);
    } else if (e->flight) {
        a->status = STS_UNKNOWN;
        a->left_s = 1;
        a->why = "still being fetched";
    } else if (e->announced) {
        a->status = STS_UNKNOWN;
        a->why = arena_printf(arena, "cannot be had: %s", e->trouble ? e->trouble : "no answer");
    } else {
        a->why = e->trouble ? arena_str(arena, sv_of(e->trouble)) : "no TXT record announces one";
    }
}

void sts_cancel(struct sts_query *q)
{
    timer_stop(&q->timer);
    DL_DELETE(q->entry->askers, q);
    free(q);
}

static void on_timer(void *arg)
{
    struct sts_query *q = arg;
    struct arena arena;
    struct sts_answer a;
    void (*on_answer)(void *, const struct sts_answer *) = q->on_answer;
    void *to = q->arg;
    arena_init(&arena);
    say(q->entry, &arena, &a);
    sts_cancel(q);
    on_answer(to, &a);
    arena_deinit(&arena);
}

void sts_landed(struct sts_entry *e)
{
    struct sts_query *q;
    DL_FOREACH(e->askers, q)
    {
        timer_start(&q->timer, 0);
    }
}

struct sts_query *sts_ask(struct sts *s, const char *domain,
                          void (*on_answer)(void *arg, const struct sts_answer *answer), void *arg)
{
    struct sts_query *q = NEW(struct sts_query);
    struct sts_entry *e = sts_entry_get(s, domain);
    e->used_ms = clock_wall_ms();
    q->entry = e;
    q->on_answer = on_answer;
    q->arg = arg;
    DL_APPEND(e->askers, q);
    timer_init(&q->timer, s->config.loop, on_timer, q);
    if (s->on && !e->flight && loop_now_ms(s->config.loop) >= e->fresh_until_ms)
        sts_flight_start(e);
    timer_start(&q->timer, e->flight ? STS_WAIT_MS : 0);
    return q;
}

bool sts_look(struct sts *s, const char *domain, struct arena *arena, struct sts_policy *out)
{
    struct sts_entry *e;
    const char *wrong;
    HASH_FIND_STR(s->table, domain, e);
    return e && sts_entry_holds(e, loop_now_ms(s->config.loop)) &&
           sts_policy_parse((struct sv){e->text, e->len}, arena, out, &wrong) == 0;
}

/* ---- refreshing ---- */

static bool refreshes(const struct sts_entry *e, uint64_t now_ms)
{
    return !e->flight && now_ms >= e->refresh_ms && clock_wall_ms() - e->used_ms < UNUSED_MS;
}

/* So many at once as there are slots, so that the mail's own questions find some. */
static void on_sweep(void *arg)
{
    struct sts *s = arg;
    uint64_t now_ms = loop_now_ms(s->config.loop);
    size_t started = s->fetching;
    struct sts_entry *e, *tmp;
    HASH_ITER(hh, s->table, e, tmp)
    {
        if (e->text && !sts_entry_holds(e, now_ms))
            sts_entry_drop_policy(e);
        if (e->text && started < STS_FETCHES_MAX / 2 && refreshes(e, now_ms)) {
            sts_flight_start(e);
            started++;
        } else if (!e->text && !e->flight && !e->askers && now_ms >= e->fresh_until_ms &&
                   now_ms >= e->failed_until_ms) {
            sts_entry_free(e);
        }
    }
    timer_start(&s->sweep, SWEEP_MS);
}

/* ---- life ---- */

struct sts *sts_new(const struct sts_config *config)
{
    struct sts *s = NEW(struct sts);
    s->config = *config;
    timer_init(&s->sweep, config->loop, on_sweep, s);
    timer_init(&s->crowd, config->loop, sts_on_crowd, s);
    return s;
}

void sts_set(struct sts *s, const struct fetch_world *world, bool on)
{
    struct sts_entry *e, *tmp;
    s->world = *world;
    s->on = on;
    HASH_ITER(hh, s->table, e, tmp)
    {
        if (!e->flight)
            continue;
        sts_flight_cancel(e);
        if (on)
            sts_flight_start(e);
        else
            sts_landed(e);
    }
    if (on)
        timer_start(&s->sweep, SWEEP_MS);
    else
        timer_stop(&s->sweep);
}

void sts_free(struct sts *s)
{
    struct sts_entry *e, *tmp;
    if (!s)
        return;
    HASH_ITER(hh, s->table, e, tmp)
    {
        sts_flight_cancel(e);
        while (e->askers)
            sts_cancel(e->askers);
        sts_entry_free(e);
    }
    timer_stop(&s->sweep);
    timer_stop(&s->crowd);
    free(s);
}

void sts_get_stats(const struct sts *s, struct sts_stats *out)
{
    *out = s->stats;
    out->domains = s->count;
    out->fetching = s->fetching;
}
