/*
 * Life of a planner, its questions and their answers.
 *
 *     capture? - a folder, and no host ------------------------------------------.
 *     static route? ---- its targets: addresses of each ------------------------.
 *     address literal? - itself -------------------------------------------------|
 *     SRV --- targets of MX6, their addresses; an error or none: as if off ------|
 *     MX  --- NXDOMAIN: failed 5.1.2; null MX: failed 5.1.10; error: deferred    |
 *        |-- records: sorted, equal ones shuffled, addresses of each host -------|
 *        `-- none: the domain itself, preference 0 (implicit MX) ----------------|
 *                    a host whose way is secure: TLSA ---------------------------|
 *                                                                 route_finish() '
 * SRV and MX are asked for together, all addresses too. Nothing is decided before all have come, so
 * that the order of answers changes nothing; only MX6 is not waited for without end.
 */
#include "msa/base/mem.h"
#include "msa/base/require.h"
#include "relay/route/internal.h"

#include <stdlib.h>
#include <string.h>

#define TTL_MAX_S  3600
#define STEPS_MAX  500
#define STEPS_ROOM 32

/* ---- steps ---- */

static struct route_step *new_step(struct route *r)
{
    struct route_plan *p = &r->plan;
    size_t room = r->work->steps_room;
    if (!r->work->input.explain || p->nsteps == STEPS_MAX)
        return NULL;
    if (p->nsteps == room) {
        struct route_step *more = arena_alloc(&r->arena, (room * 2 + STEPS_ROOM) * sizeof *more);
        if (room)
            memcpy(more, r->steps, room * sizeof *more);
        p->steps = r->steps = more;
        r->work->steps_room = room * 2 + STEPS_ROOM;
    }
    struct route_step *s = &r->steps[p->nsteps++];
    *s = (struct route_step){"", "", "", "", ""};
    if (p->nsteps < STEPS_MAX)
        return s;
    *s = (struct route_step){"more", "", "", "", "the other steps are not shown"};
    return NULL;
}

void route_step(struct route *r, const char *step, const char *why, const char *said, ...)
{
    va_list args;
    struct route_step *s = new_step(r);
    if (!s)
        return;
    s->step = step;
    s->why = why;
    va_start(args, said);
    s->said = arena_vprintf(&r->arena, said, args);
    va_end(args);
}

void route_step_dns(struct route *r, const char *step, const struct route_question *q,
                    const struct dns_answer *a, const char *why, const char *said, ...)
{
    va_list args;
    struct route_step *s = new_step(r);
    if (!s)
        return;
    s->step = step;
    s->asked = arena_printf(&r->arena, "%s %s", dns_type_text(q->type), q->name);
    if (a->status == DNS_BOGUS)
        s->dnssec = "bogus";
    else if (a->status != DNS_TEMPFAIL)
        s->dnssec = a->secure ? "secure" : "insecure";
    s->why = why;
    va_start(args, said);
    s->said = arena_vprintf(&r->arena, said, args);
    va_end(args);
}

/* ---- what the other files use ---- */

void route_use_ttl(struct route *r, const struct dns_answer *a)
{
    if (a->ttl_s < r->plan.ttl_s)
        r->plan.ttl_s = a->ttl_s;
}

uint64_t route_random(uint64_t *state)
{
    /* splitmix64 */
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

uint64_t route_random_begin(const struct route *r, enum route_salt salt)
{
    uint64_t state = r->work->input.seed ^ salt;
    return route_random(&state);
}

/* Insertion keeps the random order of equals, which qsort() need not. */
void route_sort(struct dns_record *records, size_t n)
{
    for (size_t i = 1; i < n; i++) {
        struct dns_record moved = records[i];
        size_t j = i;
        for (; j > 0 && records[j - 1].preference > moved.preference; j--)
            records[j] = records[j - 1];
        records[j] = moved;
    }
}

const char *route_failure(const struct dns_answer *a)
{
    return a->text ? a->text : "no answer";
}

struct route_host *route_add_host(struct route_hosts *list, const char *name, uint16_t port,
                                  enum route_via via)
{
    if (list->count == list->max)
        return NULL;
    struct route_host *h = &list->items[list->count++];
    *h = (struct route_host){.name = name, .port = port, .via = via};
    return h;
}

void route_ask(struct route *r, enum route_topic topic, struct route_host *host, const char *name,
               enum dns_type type)
{
    struct route_work *w = r->work;
    REQUIRE(w->nasked < ROUTE_QUESTIONS_MAX);
    w->asked[w->nasked] = (struct route_asked){
        .q = {.id = (uint32_t)w->nasked,
              .name = name,
              .type = type,
              .kind = topic == ROUTE_ABOUT_POLICY ? ROUTE_ASK_POLICY : ROUTE_ASK_DNS},
        .topic = topic,
        .host = host};
    w->nasked++;
}

/* ---- interface ---- */

static void *copied(struct arena *a, const void *items, size_t n, size_t bytes)
{
    void *copy = arena_alloc(a, (n + 1) * bytes);
    if (n)
        memcpy(copy, items, n * bytes);
    return copy;
}

static const struct route_proxy *copy_proxy(struct arena *a, const struct route_proxy *proxy)
{
    struct route_proxy *copy = arena_alloc(a, sizeof *copy);
    *copy = (struct route_proxy){proxy->at, arena_str(a, sv_of(proxy->user)),
                                 arena_str(a, sv_of(proxy->password))};
    return copy;
}

/* Names of hosts stand in the plan, and so do those of a static route. */
static void copy_input(struct route *r, const struct route_input *in)
{
    struct arena *a = &r->work->arena;
    struct route_input *mine = &r->work->input;
    struct route_target *targets = copied(a, in->targets, in->ntargets, sizeof *targets);
    for (size_t i = 0; i < in->ntargets; i++) {
        targets[i].host = arena_str(&r->arena, sv_of(in->targets[i].host));
        if (in->targets[i].proxy)
            targets[i].proxy = copy_proxy(&r->arena, in->targets[i].proxy);
    }
    *mine = *in;
    r->plan.no_ipv4 = in->no_ipv4;
    mine->targets = targets;
    mine->listeners = copied(a, in->listeners, in->nlisteners, sizeof *in->listeners);
    mine->own_ips = copied(a, in->own_ips, in->nown_ips, sizeof *in->own_ips);
    mine->mx6_ports = copied(a, in->mx6_ports, in->nmx6_ports, sizeof *in->mx6_ports);
    mine->stripped_by = in->stripped_by ? arena_str(&r->arena, sv_of(in->stripped_by)) : NULL;
    mine->domain = arena_str(&r->arena, sv_of(in->domain));
    mine->static_name = arena_str(&r->arena, sv_of(in->static_name));
}

static void end_work(struct route *r)
{
    if (!r->work)
        return;
    arena_deinit(&r->work->arena);
    free(r->work);
    r->work = NULL;
}

static void go_on(struct route *r)
{
    struct route_work *w = r->work;
    if (!w->ended && w->mx_known && w->nanswered == w->nasked)
        route_finish(r);
    if (w->ended)
        end_work(r);
}

struct route *route_new(const struct route_input *input)
{
    struct route *r = NEW(struct route);
    struct route_work *w = r->work = NEW(struct route_work);
    arena_init(&r->arena);
    arena_init(&w->arena);
    w->hosts = (struct route_hosts){w->host_items, 0, ROUTE_HOSTS_MAX};
    w->targets = (struct route_hosts){w->target_items, 0, ROUTE_TARGETS_MAX};
    copy_input(r, input);
    r->plan.ttl_s = TTL_MAX_S;
    if (input->capture) {
        route_step(r, "capture", "all mail is delivered there, and none goes out (relay.capture)",
                   "%s", input->capture);
        r->plan.site = "capture";
        route_end(r, ROUTE_DELIVER, NULL, NULL);
    } else if (input->ntargets > 0) {
        route_start_static(r);
    } else if (input->domain[0] == '[') {
        route_start_literal(r);
    } else if (dns_is_hidden(sv_of(input->domain))) {
        route_end(
            r, ROUTE_FAILED, "5.4.4",
            "mail to .onion and .i2p domains goes by a proxy, and no route to one is set here");
    } else {
        route_start_mx6(r);
        route_ask(r, ROUTE_ABOUT_MX, NULL, w->input.domain, DNS_MX);
    }
    go_on(r);
    return r;
}

void route_free(struct route *r)
{
    if (!r)
        return;
    end_work(r);
    arena_deinit(&r->arena);
    free(r);
}

bool route_next(struct route *r, struct route_question *out)
{
    struct route_work *w = r->work;
    for (size_t i = 0; w && i < w->nasked; i++) {
        if (w->asked[i].is_out || w->asked[i].answered)
            continue;
        w->asked[i].is_out = true;
        *out = w->asked[i].q;
        return true;
    }
    return false;
}

bool route_is_open(const struct route *r, uint32_t id)
{
    const struct route_work *w = r->work;
    return w && id < w->nasked && w->asked[id].is_out && !w->asked[id].answered;
}

void route_answer(struct route *r, uint32_t id, const struct dns_answer *answer)
{
    REQUIRE(route_is_open(r, id));
    struct route_asked *asked = &r->work->asked[id];
    REQUIRE(asked->q.kind == ROUTE_ASK_DNS);
    asked->answered = true;
    r->work->nanswered++;
    switch (asked->topic) {
    case ROUTE_ABOUT_MX:
        route_on_mx(r, &asked->q, answer);
        break;
    case ROUTE_ABOUT_MX6:
        route_on_srv(r, &asked->q, answer);
        break;
    case ROUTE_ABOUT_POLICY: /* has no answer of DNS */
        break;
    case ROUTE_ABOUT_ADDRESS:
        route_on_address(r, asked->host, &asked->q, answer);
        break;
    case ROUTE_ABOUT_ALIAS:
        route_on_alias(r, asked->host, &asked->q, answer);
        break;
    case ROUTE_ABOUT_TLSA:
        route_on_tlsa(r, asked->host, &asked->q, answer);
        break;
    }
    go_on(r);
}

void route_policy(struct route *r, uint32_t id, const struct sts_answer *answer)
{
    REQUIRE(route_is_open(r, id) && r->work->asked[id].q.kind == ROUTE_ASK_POLICY);
    r->work->asked[id].answered = true;
    r->work->nanswered++;
    route_on_policy(r, answer);
    go_on(r);
}

static bool is_mx6(const struct route_asked *a)
{
    return a->topic == ROUTE_ABOUT_MX6 || (a->host && a->host->via == ROUTE_VIA_MX6);
}

bool route_waits_for_mx6(const struct route *r)
{
    const struct route_work *w = r->work;
    bool srv = false, others = false;
    if (!w || !w->mx_known)
        return false;
    for (size_t i = 0; i < w->nasked; i++) {
        if (w->asked[i].answered)
            continue;
        srv = srv || w->asked[i].topic == ROUTE_ABOUT_MX6;
        others = others || !is_mx6(&w->asked[i]);
    }
    return srv || !others;
}

void route_mx6_late(struct route *r)
{
    struct route_work *w = r->work;
    if (!route_waits_for_mx6(r))
        return;
    for (size_t i = 0; i < w->nasked; i++) {
        struct route_asked *a = &w->asked[i];
        if (a->answered || !is_mx6(a))
            continue;
        a->answered = true;
        w->nanswered++;
        if (a->host)
            a->host->late = true;
        else
            r->plan.srv_failed = true;
        route_step(r, "mx6", "not waited for any longer: mail goes on without", "%s %s: no answer",
                   dns_type_text(a->q.type), a->q.name);
    }
    go_on(r);
}

bool route_is_done(const struct route *r)
{
    return !r->work;
}

const struct route_plan *route_plan(const struct route *r)
{
    REQUIRE(!r->work);
    return &r->plan;
}
