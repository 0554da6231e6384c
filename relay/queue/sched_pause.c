/*
 * What the operator has stopped, and what he sees of sites.
 *
 * While a site is paused, or all, nothing begins there: no look-up, no claim, no job, and nothing
 * is put off. What waits in memory goes back to the store after a while. Jobs under way end.
 */
#include "relay/queue/sched_internal.h"

#include "msa/base/mem.h"
#include "msa/base/sv.h"

#include <stdlib.h>
#include <string.h>

/* ---- names of sites ---- */

/* "smtp://host:25", "smtp://[::1]:25" or "host": the host. */
static struct sv host_of(struct sv token)
{
    size_t at = 0;
    while (at + 3 <= token.len && memcmp(token.ptr + at, "://", 3) != 0)
        at++;
    if (at + 3 > token.len)
        return token;
    token = sv_skip(token, at + 3);
    if (token.len && token.ptr[0] == '[')
        return sv_first(sv_skip(token, 1), sv_find(token, ']') - 1);
    return sv_first(token, sv_find(token, ':'));
}

static bool is_host(struct sv host, struct sv pattern)
{
    if (!sv_starts(pattern, SV("*.")))
        return sv_ieq(host, pattern) || sv_eq(pattern, SV("*"));
    struct sv below = sv_skip(pattern, 1);
    return host.len > below.len && sv_iends(host, below);
}

bool sched_site_matches(const char *key, const char *pattern)
{
    struct sv left = sv_of(key);
    if (strcmp(key, pattern) == 0)
        return true;
    while (left.len) {
        size_t len = 0;
        while (len < left.len && left.ptr[len] != ',' && left.ptr[len] != ' ')
            len++;
        if (is_host(host_of(sv_first(left, len)), sv_of(pattern)))
            return true;
        left = sv_skip(left, len + 1);
    }
    return false;
}

bool sched_site_has_host(const char *pattern, const char *host)
{
    struct sv left = sv_of(pattern);
    while (left.len) {
        size_t len = 0;
        while (len < left.len && left.ptr[len] != ',' && left.ptr[len] != ' ')
            len++;
        if (is_host(sv_of(host), host_of(sv_first(left, len))))
            return true;
        left = sv_skip(left, len + 1);
    }
    return false;
}

const char *sched_site_of(const struct sched *s, const char *destination)
{
    const struct sched_dest *d;
    HASH_FIND_STR(s->dests, destination, d);
    return d && d->site && sched_dest_is_fresh(s, d) ? d->site->key : NULL;
}

/* ---- pause ---- */

void sched_site_look_paused(struct sched *s, struct sched_site *site)
{
    const struct sched_pause *p;
    site->paused = false;
    DL_FOREACH(s->pauses, p)
    {
        site->paused = site->paused || sched_site_matches(site->key, p->pattern);
    }
}

bool sched_dest_is_paused(const struct sched *s, const struct sched_dest *d)
{
    return s->paused || (d->site && d->site->paused);
}

static void forget(struct sched *s, struct sched_pause *p)
{
    DL_DELETE(s->pauses, p);
    free(p->pattern);
    free(p);
}

static void pause_site(struct sched *s, const char *pattern, bool paused)
{
    struct sched_pause *p;
    struct sched_site *site, *tmp;
    DL_FOREACH(s->pauses, p)
    {
        if (strcmp(p->pattern, pattern) == 0)
            break;
    }
    if (p && !paused)
        forget(s, p);
    if (!p && paused) {
        p = NEW(struct sched_pause);
        p->pattern = mem_str(pattern);
        DL_APPEND(s->pauses, p);
    }
    HASH_ITER(hh, s->sites, site, tmp)
    {
        sched_site_look_paused(s, site);
    }
}

void sched_pause(struct sched *s, const char *site, bool paused)
{
    struct sched_dest *d, *tmp;
    if (site)
        pause_site(s, site, paused);
    else
        s->paused = paused;
    if (paused)
        return;
    sched_resolve_pump(s);
    HASH_ITER(hh, s->dests, d, tmp)
    {
        sched_dest_advance(s, d);
    }
}

void sched_pauses_free(struct sched *s)
{
    while (s->pauses)
        forget(s, s->pauses);
}

/* ---- sites ---- */

static const char *state_of(const struct sched *s, const struct sched_site *site)
{
    if (s->paused || site->paused)
        return "paused";
    if (sched_site_is_down(s, site))
        return "down";
    if (site->probing)
        return "probing";
    return site->alive ? "up" : site->failures ? "failing" : "new";
}

void sched_each_site(struct sched *s, void (*on_site)(void *arg, const struct sched_site_info *i),
                     void *arg)
{
    struct sched_site *site, *site_tmp;
    struct sched_dest *d;
    for (site = s->sites; site; site = site->hh.next)
        site->ndests = 0;
    for (d = s->dests; d; d = d->hh.next)
        if (d->site)
            d->site->ndests++;
    HASH_ITER(hh, s->sites, site, site_tmp)
    {
        uint64_t now_ms = sched_now(s);
        struct sched_site_info info = {
            .site = site->key,
            .state = state_of(s, site),
            .paused = s->paused || site->paused,
            .busy = site->busy,
            .slots = site->busy,
            .limit = site->limit,
            .limits = site->limits,
            .destinations = site->ndests,
            .failures = site->failures,
            .down_ms = sched_site_is_down(s, site) ? site->down_until_ms - now_ms : 0,
            .status = site->status,
            .text = site->text};
        const struct sched_slot *slot;
        DL_FOREACH(site->idle, slot)
        {
            info.slots++;
        }
        on_site(arg, &info);
    }
}
