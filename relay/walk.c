/*
 * Design: everything that is known of an attempt for a row is a bit in a set, so that each rule is
 * one line on sets. An attempt that has had its turn is not gone back to; a connection that was
 * open before the walk began is no such turn.
 */
#include "relay/walk.h"

#include "msa/base/require.h"
#include "relay/route/attempt.h"

#include <string.h>

_Static_assert(ROUTE_ATTEMPTS_MAX <= 64, "a bit for each attempt");

static uint64_t bit(size_t attempt)
{
    return (uint64_t)1 << attempt;
}

/* ---- sets of attempts ---- */

static bool is_v6(const struct route_attempt *a)
{
    return ip_unmapped(&a->to.ip).family == IP_V6;
}

/* At the same MX host, SRV target or static target. */
static bool same_target(const struct route_attempt *a, const struct route_attempt *b)
{
    return a->via == b->via && a->host_index == b->host_index;
}

static bool same_server(const struct route_attempt *a, const struct route_attempt *b)
{
    return a->to.port == b->to.port && strcmp(a->host, b->host) == 0;
}

static bool is_v4_by_mx(const struct route_attempt *a, const struct route_attempt *b)
{
    (void)b;
    return a->via == ROUTE_VIA_MX && !is_v6(a);
}

static bool is_v4_here(const struct route_attempt *a, const struct route_attempt *b)
{
    return same_target(a, b) && !is_v6(a);
}

static bool is_smtp_here(const struct route_attempt *a, const struct route_attempt *b)
{
    return same_target(a, b) && a->protocol == ROUTE_SMTP;
}

static uint64_t set_of(const struct relay_walk *w, size_t b,
                       bool (*is_in)(const struct route_attempt *a, const struct route_attempt *b))
{
    uint64_t set = 0;
    for (size_t i = 0; i < w->nattempts; i++)
        if (is_in(&w->attempts[i], &w->attempts[b]))
            set |= bit(i);
    return set;
}

/* ---- the walk ---- */

void relay_walk_init(struct relay_walk *w, const struct route_plan *plan,
                     const struct relay_needs *needs, const struct relay_options *options,
                     struct relay_walk_row *rows, size_t nrows)
{
    uint64_t allowed = 0, for_v4_only = 0;
    *w = (struct relay_walk){.plan = plan,
                             .attempts = plan->attempts,
                             .nattempts = plan->nattempts,
                             .needs = needs,
                             .options = options,
                             .rows = rows,
                             .nrows = nrows,
                             .at = plan->nattempts};
    for (size_t i = 0; i < w->nattempts; i++) {
        const struct route_attempt *a = &w->attempts[i];
        if (!relay_needs_allow(needs, a))
            continue;
        allowed |= bit(i);
        if (a->via == ROUTE_VIA_STATIC || (a->via == ROUTE_VIA_MX && !is_v6(a)))
            for_v4_only |= bit(i);
    }
    for (size_t i = 0; i < nrows; i++)
        rows[i].might = rows[i].may = rows[i].v4_only ? for_v4_only : allowed;
}

static bool is_of_use(const struct relay_walk_row *row, size_t attempt)
{
    return row->state != RELAY_WALK_DONE && (row->may & bit(attempt));
}

static size_t find(const struct relay_walk *w)
{
    for (size_t index = 0; index < w->nattempts; index++)
        for (size_t i = 0; i < w->nrows; i++)
            if (!(w->tried & bit(index)) && is_of_use(&w->rows[i], index))
                return index;
    return w->nattempts;
}

void relay_walk_tried(struct relay_walk *w, size_t attempt)
{
    REQUIRE(attempt < w->nattempts);
    w->tried |= bit(attempt);
}

bool relay_walk_has_next(const struct relay_walk *w)
{
    return find(w) < w->nattempts;
}

bool relay_walk_next(struct relay_walk *w)
{
    w->at = find(w);
    if (w->at == w->nattempts)
        return false;
    for (size_t i = 0; i < w->nrows; i++)
        if (is_of_use(&w->rows[i], w->at))
            w->rows[i].state = RELAY_WALK_OPEN;
    return true;
}

/* Whether both are of use for the same rows, and none has had its turn. */
static bool serve_alike(const struct relay_walk *w, size_t a, size_t b)
{
    size_t i = 0;
    if (w->tried & (bit(a) | bit(b)))
        return false;
    while (i < w->nrows && is_of_use(&w->rows[i], a) == is_of_use(&w->rows[i], b))
        i++;
    return i == w->nrows;
}

size_t relay_walk_race(const struct relay_walk *w)
{
    const struct route_attempt *first = &w->attempts[w->at];
    size_t most = w->nattempts - w->at, n = 1;
    while (n < most && serve_alike(w, w->at, w->at + n))
        n++;
    return route_attempt_race(first, n);
}

void relay_walk_stand(struct relay_walk *w, size_t index)
{
    REQUIRE(index < w->nattempts);
    w->at = index;
}

bool relay_walk_takes(const struct relay_walk *w, size_t row)
{
    return w->at < w->nattempts && w->rows[row].state == RELAY_WALK_OPEN &&
           (w->rows[row].may & bit(w->at));
}

bool relay_walk_is_of_site(const struct relay_walk *w)
{
    return w->at == w->nattempts || w->attempts[w->at].via != ROUTE_VIA_MX6;
}

bool relay_walk_is_barred(const struct relay_walk *w, size_t row)
{
    return w->rows[row].might == 0;
}

struct relay_outcome relay_walk_barred(struct arena *arena, const struct relay_walk *w)
{
    for (size_t i = 0; i < w->nattempts; i++)
        if (relay_needs_allow(w->needs, &w->attempts[i])) /* and yet the row has none */
            return relay_outcome_of_failure(arena, RELAY_FAILURE_NO_IPV4, 0, SV_NONE);
    return relay_needs_unmet(arena, w->needs, w->plan);
}

void relay_walk_skip(struct relay_walk *w, size_t attempt)
{
    for (size_t i = 0; i < w->nrows; i++)
        w->rows[i].may &= ~bit(attempt);
}

void relay_walk_reached(struct relay_walk *w)
{
    if (w->attempts[w->at].protocol != ROUTE_QMTP)
        return;
    for (size_t i = 0; i < w->nrows; i++)
        w->rows[i].may &= ~set_of(w, w->at, is_smtp_here);
}

/* ---- MX6 ---- */

/* Where the row may go when this host asks for IPv4: to the same target, or by MX; 0: it does not
 * ask, or there is no such way, and what was said is the result. */
static uint64_t fallback_of(const struct relay_walk *w, const struct relay_walk_row *row,
                            const struct smtp_client_result *r)
{
    const struct route_attempt *a = &w->attempts[w->at];
    if (a->via != ROUTE_VIA_MX6 || !is_v6(a) || row->v4_only || w->plan->no_ipv4 ||
        !relay_outcome_asks_for_ipv4(r, &w->options->mx6_fallback_codes, w->options->mx6_any_550))
        return 0;
    return row->might & ~row->lacks &
           (set_of(w, w->at, is_v4_here) | set_of(w, w->at, is_v4_by_mx));
}

/* ---- results ---- */

void relay_walk_result(struct relay_walk *w, size_t index, const struct smtp_client_result *r,
                       struct relay_outcome *o)
{
    struct relay_walk_row *row = &w->rows[index];
    bool asked = r && w->at < w->nattempts;
    uint64_t fallback = asked ? fallback_of(w, row, r) : 0;
    if (fallback) {
        relay_outcome_fall_back(o);
        row->v4_only = true;
        row->might = row->may = fallback;
        row->state = RELAY_WALK_PUT_OFF;
        return;
    }
    if (asked && o->fails_at_last)
        row->lacks |= set_of(w, w->at, same_server);
    bool next = o->verdict == RELAY_DEFERRED && o->scope == RELAY_SCOPE_HOST;
    if (asked && r->phase == SMTP_PHASE_AUTH && r->end == SMTP_END_REPLY)
        row->may &= ~set_of(w, w->at, same_server); /* a login is not tried at each address */
    if (asked && o->verdict == RELAY_DEFERRED && o->scope != RELAY_SCOPE_SITE &&
        r->end == SMTP_END_REPLY && w->attempts[w->at].via == ROUTE_VIA_MX6 && !row->v4_only) {
        row->may &= ~set_of(w, w->at, same_target);
        next = true;
    }
    row->may &= ~row->lacks;
    row->state = next && !o->maybe_taken ? RELAY_WALK_PUT_OFF : RELAY_WALK_DONE;
}

bool relay_walk_is_lacked(const struct relay_walk *w, size_t index)
{
    const struct relay_walk_row *row = &w->rows[index];
    return row->lacks && (row->might & ~row->lacks) == 0 &&
           !relay_needs_another_plan(w->needs, w->plan);
}
