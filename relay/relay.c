/*
 * The joint between scheduler, DNS, planner and workers.
 *
 * A look-up is a planner (route) with its questions under way. The scheduler's resolve() starts one
 * and gets its plan; relay_explain() starts one for the operator. Plans are counted here, on the
 * main thread; a job on a worker holds one reference through the scheduler.
 */
#include "relay/relay.h"

#include "msa/base/log.h"
#include "msa/base/mem.h"
#include "msa/base/require.h"
#include "msa/loop/clock.h"
#include "relay/internal.h"
#include "relay/sites.h"

#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <utlist.h>

#define SLOTS_MAX    4000 /* most of them would wait for dead hosts */
#define RESOLVE_MAX  400
#define WAIT_MAX     5000   /* batches of one destination; what is beyond is read back from disk */
#define WAIT_MS      600000 /* the longest they wait */
#define DEADLINE_MS  (2 * 3600 * 1000)
#define CAPTURE_SITE "capture"

struct lookup {
    struct relay *relay;
    struct route *route;
    char *destination;
    struct question *questions; /* under way */
    void (*on_done)(struct lookup *l);
    void (*explained)(void *arg, const struct route_plan *plan);
    void *arg;
    struct timer timer; /* an explanation that needs no question is still told later */
    struct lookup *next, *prev;
};

struct question {
    struct lookup *lookup;
    uint32_t id;
    struct dns_query *query;
    struct question *next, *prev;
};

struct relay {
    struct relay_config config;
    struct relay_settings *settings;
    struct sched *sched;
    struct relay_worker **workers;
    size_t nworkers;
    struct lookup *lookups;
    struct relay_forms *forms;
    struct relay_security *security;
};

/* ---- plans ---- */

static struct relay_plan *plan_new(struct route *route)
{
    struct relay_plan *p = NEW(struct relay_plan);
    p->refs = 1;
    p->route = route;
    return p;
}

static void *keep_plan(void *plan)
{
    ((struct relay_plan *)plan)->refs++;
    return plan;
}

static void drop_plan(void *plan)
{
    struct relay_plan *p = plan;
    if (--p->refs > 0)
        return;
    route_free(p->route);
    free(p);
}

/* ---- look-ups ---- */

static void cancel_questions(struct lookup *l)
{
    while (l->questions) {
        struct question *q = l->questions;
        DL_DELETE(l->questions, q);
        dns_cancel(q->query);
        free(q);
    }
}

static void lookup_free(struct lookup *l)
{
    cancel_questions(l);
    timer_stop(&l->timer);
    DL_DELETE(l->relay->lookups, l);
    route_free(l->route);
    free(l->destination);
    free(l);
}

static void ask(struct lookup *l);
static void tell(void *arg);

static void on_answer(void *arg, const struct dns_answer *answer)
{
    struct question *q = arg;
    struct lookup *l = q->lookup;
    DL_DELETE(l->questions, q);
    route_answer(l->route, q->id, answer);
    free(q);
    ask(l);
}

static void ask(struct lookup *l)
{
    struct route_question question;
    while (!route_is_done(l->route) && route_next(l->route, &question)) {
        struct question *q = NEW(struct question);
        q->lookup = l;
        q->id = question.id;
        DL_APPEND(l->questions, q);
        q->query = dns_query(l->relay->config.dns, question.name, question.type,
                             l->relay->settings->dns_timeout_ms, on_answer, q);
    }
    if (route_is_done(l->route))
        l->on_done(l);
}

static bool find_route(const struct relay_settings *s, const char *domain,
                       const struct relay_route_options **out, size_t *index_out)
{
    const struct relay_route_options *routes = s->relay->routes.items;
    for (size_t i = 0; i < s->relay->routes.count; i++) {
        if (!relay_options_match(sv_of(routes[i].domain), sv_of(domain)))
            continue;
        *out = &routes[i];
        *index_out = i;
        return true;
    }
    return false;
}

static enum route_tls tls_of(int option)
{
    switch (option) {
    case RELAY_ROUTE_TLS_NONE:
        return ROUTE_TLS_NONE;
    case RELAY_ROUTE_TLS_REQUIRE:
        return ROUTE_TLS_REQUIRE;
    case RELAY_ROUTE_TLS_VERIFY:
        return ROUTE_TLS_VERIFY;
    default:
        return ROUTE_TLS_OPPORTUNISTIC;
    }
}

static void add_static(const struct relay_settings *s, const char *domain, struct arena *arena,
                       struct route_input *in)
{
    const struct relay_route_options *r;
    size_t index;
    if (!find_route(s, domain, &r, &index))
        return;
    struct route_target *targets = arena_alloc(arena, (r->to.count + 1) * sizeof *targets);
    char *name = arena_printf(arena, "%zu", index);
    for (size_t i = 0; i < r->to.count; i++) {
        struct relay_url url;
        const char *wrong;
        if (!relay_options_url(sv_of(r->to.items[i]), &url, &wrong))
            continue; /* checked when the configuration was read */
        targets[in->ntargets++] =
            (struct route_target){.host = arena_str(arena, url.host),
                                  .ip = url.ip,
                                  .port = url.port,
                                  .protocol = relay_url_is_qmtp(&url) ? ROUTE_QMTP : ROUTE_SMTP,
                                  .implicit_tls = relay_url_is_tls(&url),
                                  .tls = tls_of(r->tls)};
        name = arena_printf(arena, "%s %s", name, r->to.items[i]);
    }
    in->targets = targets;
    in->static_name = name;
    in->credentials = r->user[0] ? (int)index : -1;
}

static struct route *make_route(const struct relay_settings *s, const char *destination)
{
    struct arena arena;
    arena_init(&arena);
    struct route_input in = {.domain = destination,
                             .static_name = "",
                             .credentials = -1,
                             .ipv6 = s->relay->ipv6,
                             .allow_loopback = s->relay->allow_loopback,
                             .listeners = s->listeners,
                             .nlisteners = s->nlisteners,
                             .own_ips = s->own_ips,
                             .nown_ips = s->nown_ips,
                             .seed = random_u64()};
    add_static(s, destination, &arena, &in);
    struct route *route = route_new(&in);
    arena_deinit(&arena);
    return route;
}

static struct lookup *lookup_new(struct relay *r, const char *destination,
                                 void (*on_done)(struct lookup *l))
{
    struct lookup *l = NEW(struct lookup);
    l->relay = r;
    l->destination = mem_str(destination);
    l->on_done = on_done;
    l->route = make_route(r->settings, destination);
    timer_init(&l->timer, r->config.loop, tell, l);
    DL_APPEND(r->lookups, l);
    return l;
}

/* ---- the scheduler's owner ---- */

static void on_routed(struct lookup *l)
{
    struct relay *r = l->relay;
    const struct route_plan *plan = route_plan(l->route);
    struct sched_route route = {.fresh_ms = (uint64_t)plan->ttl_s * 1000};
    char *destination = l->destination;
    if (plan->verdict == ROUTE_DELIVER) {
        route.site = mem_str(plan->site);
        route.limits = relay_sites_limits(r->settings->relay, plan);
        route.plan = plan_new(l->route);
        l->route = NULL;
    } else {
        route.failed = plan->verdict == ROUTE_FAILED;
        route.deferred = !route.failed;
        route.status = mem_str(plan->status);
        route.text = mem_str(plan->text);
    }
    l->destination = NULL;
    lookup_free(l);
    sched_resolved(r->sched, destination, &route);
    free(destination);
}

static void resolve(void *arg, const char *destination)
{
    struct relay *r = arg;
    if (r->settings->relay->capture[0]) {
        struct sched_route route = {
            .site = mem_str(CAPTURE_SITE), .plan = plan_new(NULL), .fresh_ms = 60000};
        sched_resolved(r->sched, destination, &route);
        return;
    }
    ask(lookup_new(r, destination, on_routed));
}

static void run_job(void *arg, struct sched_job *job)
{
    struct relay *r = arg;
    relay_worker_run(r->workers[job->worker], job, r->settings);
}

static void job_late(void *arg, struct sched_job *job)
{
    struct relay *r = arg;
    if (job->slot)
        relay_worker_give_up(r->workers[job->worker], job->slot);
}

static void close_slot(void *arg, unsigned worker, uint32_t slot)
{
    struct relay *r = arg;
    relay_worker_close_slot(r->workers[worker], slot);
}

/* ---- answers of the workers ---- */

void relay_on_recorded(void *arg, struct store_record *record, int err)
{
    struct relay *r = arg;
    struct relay_run *run = record->arg;
    struct sched_job *job = run->job;
    if (err < 0) /* the store closed before: the rows are as they were, and tried again */
        log_event(LOG_WARNING, "not-recorded", NULL, "destination %s: %s", job->destination,
                  err_text(err));
    else if (record->message_ended)
        relay_forms_forget(r->forms, record->batch->message->id);
    relay_run_free(run);
    store_record_free(record);
    sched_job_done(r->sched, job);
}

void relay_on_slot_closed(void *arg, uint32_t slot)
{
    struct relay *r = arg;
    sched_slot_closed(r->sched, slot);
}

/* ---- explanations ---- */

static void tell(void *arg)
{
    struct lookup *l = arg;
    l->explained(l->arg, route_plan(l->route));
    lookup_free(l);
}

static void on_explained(struct lookup *l)
{
    timer_start(&l->timer, 0);
}

void relay_explain(struct relay *r, const char *address,
                   void (*on_done)(void *arg, const struct route_plan *plan), void *arg)
{
    struct sv text = sv_of(address);
    struct sv domain = sv_skip(text, sv_rfind(text, '@') + 1);
    char *lower = sv_dup(domain.len ? domain : text);
    if (lower[0] != '[')
        for (char *c = lower; *c; c++)
            *c = ascii_lower(*c);
    struct lookup *l = lookup_new(r, lower, on_explained);
    free(lower);
    l->explained = on_done;
    l->arg = arg;
    ask(l);
}

/* ---- life ---- */

struct relay *relay_new(const struct relay_config *config)
{
    struct relay *r = NEW(struct relay);
    r->config = *config;
    r->settings = relay_settings_keep(config->settings);
    r->forms = relay_forms_new(config->loop, config->mailbox);
    r->security = relay_security_new(
        &(struct relay_security_config){.loop = config->loop, .dir = config->dir});
    relay_security_set(r->security, r->settings, config->dns);
    return r;
}

struct relay_forms *relay_forms_of(void *relay)
{
    return ((struct relay *)relay)->forms;
}

/* Not more than a quarter of the descriptors that there are. */
static size_t slots_max(void)
{
    struct rlimit lim;
    if (getrlimit(RLIMIT_NOFILE, &lim) < 0 || lim.rlim_cur >= 4 * SLOTS_MAX)
        return SLOTS_MAX;
    return lim.rlim_cur / 4 > 20 ? lim.rlim_cur / 4 : 20;
}

void relay_set_workers(struct relay *r, struct relay_worker *const *workers, size_t n)
{
    static const struct sched_ops ops = {resolve,    run_job,   job_late,
                                         close_slot, keep_plan, drop_plan};
    REQUIRE(!r->sched && n > 0);
    r->workers = mem_new(n, sizeof(struct relay_worker *));
    memcpy(r->workers, workers, n * sizeof(struct relay_worker *));
    r->nworkers = n;
    r->sched = sched_new(&(struct sched_config){.loop = r->config.loop,
                                                .mailbox = r->config.mailbox,
                                                .store = r->config.store,
                                                .workers = (unsigned)n,
                                                .per_site = (size_t)r->settings->relay->per_site,
                                                .slots_max = slots_max(),
                                                .resolve_max = RESOLVE_MAX,
                                                .wait_max = WAIT_MAX,
                                                .wait_ms = WAIT_MS,
                                                .job_deadline_ms = DEADLINE_MS,
                                                .ops = &ops,
                                                .arg = r});
}

void relay_start(struct relay *r)
{
    sched_start(r->sched);
}

/* What is being looked up under another configuration, or from another resolver, begins again. */
static void restart(struct relay *r)
{
    struct lookup *old = r->lookups;
    r->lookups = NULL;
    while (old) {
        struct lookup *l = old;
        DL_DELETE(old, l);
        DL_APPEND(r->lookups, l);
        if (timer_armed(&l->timer))
            continue; /* answered, and about to be told */
        cancel_questions(l);
        if (l->on_done == on_explained) {
            route_free(l->route);
            l->route = make_route(r->settings, l->destination);
            ask(l);
            continue;
        }
        char *destination = l->destination;
        l->destination = NULL;
        lookup_free(l);
        resolve(r, destination);
        free(destination);
    }
}

void relay_set(struct relay *r, struct relay_settings *settings)
{
    relay_settings_drop(r->settings);
    r->settings = relay_settings_keep(settings);
    relay_security_set(r->security, r->settings, r->config.dns);
    if (!r->sched)
        return;
    restart(r);
    sched_set_per_site(r->sched, (size_t)settings->relay->per_site);
    sched_wake(r->sched); /* routes of the old configuration are forgotten */
}

void relay_set_dns(struct relay *r, struct dns *dns)
{
    r->config.dns = dns;
    relay_security_set(r->security, r->settings, dns);
    restart(r);
}

void relay_stop(struct relay *r, void (*on_idle)(void *arg), void *arg)
{
    sched_stop(r->sched, on_idle, arg);
    relay_forms_stop(r->forms);
    for (size_t i = 0; i < r->nworkers; i++)
        relay_worker_stop(r->workers[i]);
}

void relay_free(struct relay *r)
{
    struct lookup *l, *tmp;
    DL_FOREACH_SAFE(r->lookups, l, tmp)
    {
        lookup_free(l);
    }
    if (r->sched)
        sched_free(r->sched);
    relay_security_free(r->security);
    relay_forms_free(r->forms);
    relay_settings_drop(r->settings);
    free(r->workers);
    free(r);
}

void relay_on_queued(struct relay *r, struct queue_batch *claimed)
{
    sched_on_queued(r->sched, claimed);
}

void relay_on_due(struct relay *r, const char *destination, int64_t due_ms)
{
    sched_on_due(r->sched, destination, due_ms);
}

void relay_wake(struct relay *r)
{
    sched_wake(r->sched);
}

struct relay_security *relay_security_of(struct relay *r)
{
    return r->security;
}

void relay_get_stats(const struct relay *r, struct sched_stats *out)
{
    sched_get_stats(r->sched, out);
}
