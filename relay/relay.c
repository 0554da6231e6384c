/*
 * The joint between scheduler, look-ups and workers.
 *
 * The scheduler's resolve() starts a look-up and gets its plan; relay_explain() starts one for the
 * operator. Plans are counted here, on the main thread; a job on a worker holds one reference
 * through the scheduler.
 */
#include "relay/relay.h"

#include "msa/base/log.h"
#include "msa/base/mem.h"
#include "msa/base/require.h"
#include "msa/smtp/path.h"
#include "relay/choice.h"
#include "relay/internal.h"
#include "relay/lookup.h"
#include "relay/site_query.h"
#include "relay/sites.h"

#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#define SLOTS_MAX   4000 /* most of them would wait for dead hosts */
#define RESOLVE_MAX 400
#define WAIT_MAX    5000   /* batches of one destination; what is beyond is read back from disk */
#define WAIT_MS     600000 /* the longest they wait */
#define DEADLINE_MS (2 * 3600 * 1000)

struct relay {
    struct relay_config config;
    struct relay_settings *settings;
    struct sched *sched;
    struct relay_worker **workers;
    size_t nworkers;
    struct relay_lookups *lookups;
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

/* ---- the scheduler's owner ---- */

static void on_routed(void *arg, const char *destination, struct route *route)
{
    struct relay *r = arg;
    const struct route_plan *plan = route_plan(route);
    struct sched_route answer = {.fresh_ms = (uint64_t)plan->ttl_s * 1000};
    if (plan->verdict == ROUTE_DELIVER) {
        answer.site = mem_str(plan->site);
        answer.limits = relay_sites_limits(r->settings->relay, plan);
        answer.plan = plan_new(route);
    } else {
        answer.failed = plan->verdict == ROUTE_FAILED;
        answer.deferred = !answer.failed;
        answer.status = mem_str(plan->status);
        answer.text = mem_str(plan->text);
        route_free(route);
    }
    sched_resolved(r->sched, destination, &answer);
}

static void resolve(void *arg, const char *destination)
{
    struct relay *r = arg;
    if (r->settings->relay->capture[0]) {
        struct sched_route route = {
            .site = mem_str(RELAY_CAPTURE_SITE), .plan = plan_new(NULL), .fresh_ms = 60000};
        sched_resolved(r->sched, destination, &route);
        return;
    }
    relay_lookup(r->lookups, destination, on_routed, r);
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

void relay_on_tls(void *arg, struct tls_event *e)
{
    struct relay *r = arg;
    relay_security_on_tls(r->security, e);
}

/* ---- explanations ---- */

struct explanation {
    void (*on_done)(void *arg, const struct route_plan *plan);
    void *arg;
};

static void on_explained(void *arg, const char *destination, struct route *route)
{
    struct explanation *e = arg;
    (void)destination;
    if (route)
        e->on_done(e->arg, route_plan(route));
    route_free(route);
    free(e);
}

/* The destination as the queue has it of such an address, domain or URL; NULL: there is none. */
static const char *destination_in(struct arena *a, const char *address, const char **wrong_out)
{
    struct relay_url url;
    struct smtp_path path;
    const char *text = strchr(address, '@') ? address : arena_printf(a, "x@%s", address);
    if (strstr(address, "://"))
        return relay_options_url(sv_of(address), &url, wrong_out) ? address : NULL;
    enum smtp_path_verdict v = smtp_path_parse_address(a, sv_of(text), SMTP_PATH_FORWARD, &path);
    *wrong_out = smtp_path_refusal(v, SMTP_PATH_FORWARD).text.ptr;
    return v == SMTP_PATH_OK ? arena_str(a, smtp_path_domain(&path)) : NULL;
}

/* The return path as the queue has it, or as it is: nothing will match it. */
static const char *sender_in(struct arena *a, const char *sender)
{
    struct smtp_path path;
    if (smtp_path_parse_address(a, sv_of(sender), SMTP_PATH_REVERSE, &path) != SMTP_PATH_OK)
        return sender;
    return arena_str(a, path.text);
}

bool relay_explain(struct relay *r, const char *address, const char *sender, const char *login,
                   void (*on_done)(void *arg, const struct route_plan *plan), void *arg,
                   const char **wrong_out)
{
    struct arena arena;
    arena_init(&arena);
    const char *destination = destination_in(&arena, address, wrong_out);
    if (destination) {
        struct explanation *e = NEW(struct explanation);
        *e = (struct explanation){on_done, arg};
        char *key =
            relay_choice_key(r->settings->relay, destination, sender_in(&arena, sender), login);
        relay_lookup_explain(r->lookups, key ? key : destination, on_explained, e);
        free(key);
    }
    arena_deinit(&arena);
    return destination;
}

/* ---- plans that are wrong since ---- */

static bool allows_clear_text(void *host, const void *plan)
{
    const struct route *route = ((const struct relay_plan *)plan)->route;
    const struct route_plan *p = route ? route_plan(route) : NULL;
    for (size_t i = 0; p && i < p->nattempts; i++) {
        const struct route_attempt *a = &p->attempts[i];
        if (a->tls == ROUTE_TLS_OPPORTUNISTIC && a->rule == ROUTE_RULE_NONE &&
            strcmp(a->host, host) == 0)
            return true;
    }
    return false;
}

/* They have been made before TLS worked there (relay.tls.refuse_downgrade); jobs that go by them
 * are told. */
static void on_tls_worked(void *arg, const char *host)
{
    struct relay *r = arg;
    char *name = mem_str(host);
    if (r->sched)
        sched_forget_plans(r->sched, allows_clear_text, name);
    for (size_t i = 0; i < r->nworkers; i++)
        relay_worker_tls_worked(r->workers[i], name);
    free(name);
}

/* ---- life ---- */

struct relay *relay_new(const struct relay_config *config)
{
    struct relay *r = NEW(struct relay);
    r->config = *config;
    r->settings = relay_settings_keep(config->settings);
    r->forms = relay_forms_new(config->loop, config->mailbox);
    r->security = relay_security_new(&(struct relay_security_config){.loop = config->loop,
                                                                     .dir = config->dir,
                                                                     .mailbox = config->mailbox,
                                                                     .store = config->store,
                                                                     .signer = config->signer,
                                                                     .on_tls_worked = on_tls_worked,
                                                                     .arg = r});
    relay_security_set(r->security, r->settings, config->dns);
    r->lookups =
        relay_lookups_new(&(struct relay_lookups_config){.loop = config->loop,
                                                         .dns = config->dns,
                                                         .sts = relay_security_sts(r->security),
                                                         .tls_worked = relay_security_tls_worked,
                                                         .arg = r->security,
                                                         .settings = config->settings});
    return r;
}

struct relay_forms *relay_forms_of(void *relay)
{
    return ((struct relay *)relay)->forms;
}

static char *destination_of(void *arg, const char *domain, const struct queue_message *m)
{
    struct relay *r = arg;
    return relay_choice_key(r->settings->relay, domain, m->reverse_path, m->login);
}

static bool has_ways(void *arg, const char *domain)
{
    struct relay *r = arg;
    return relay_choice_has_ways(r->settings->relay, domain);
}

/* Twice the longest interval: jitter is a tenth of it. */
static uint64_t retry_ms(const struct relay_settings *s)
{
    int64_t longest = 0; /* s */
    for (size_t i = 0; i < s->queue->retry.count; i++)
        longest = s->queue->retry.items[i] > longest ? s->queue->retry.items[i] : longest;
    return 2 * 1000 * (uint64_t)longest;
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
    static const struct sched_ops ops = {resolve,   run_job,   job_late,       close_slot,
                                         keep_plan, drop_plan, destination_of, has_ways};
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
                                                .retry_ms = retry_ms(r->settings),
                                                .job_deadline_ms = DEADLINE_MS,
                                                .ops = &ops,
                                                .arg = r});
}

void relay_start(struct relay *r)
{
    sched_start(r->sched);
}

struct change {
    struct relay *relay;
    struct relay_settings *settings;
};

static void use_settings(void *arg)
{
    const struct change *c = arg;
    struct relay *r = c->relay;
    relay_settings_drop(r->settings);
    r->settings = relay_settings_keep(c->settings);
    relay_security_set(r->security, r->settings, r->config.dns);
    relay_lookups_set(r->lookups, r->settings);
}

void relay_set(struct relay *r, struct relay_settings *settings)
{
    struct change change = {r, settings};
    if (!r->sched) {
        use_settings(&change);
        return;
    }
    sched_set_per_site(r->sched, (size_t)settings->relay->per_site);
    sched_refile(r->sched, use_settings, &change);
    sched_wake(r->sched);
}

void relay_on_validating(struct relay *r)
{
    relay_lookups_again(r->lookups);
    if (r->sched)
        sched_forget_plans(r->sched, NULL, NULL);
}

void relay_set_dns(struct relay *r, struct dns *dns)
{
    r->config.dns = dns;
    relay_security_set(r->security, r->settings, dns);
    relay_lookups_set_dns(r->lookups, dns);
}

void relay_stop(struct relay *r, void (*on_idle)(void *arg), void *arg)
{
    sched_stop(r->sched, on_idle, arg);
    relay_forms_stop(r->forms);
    relay_security_stop(r->security);
    for (size_t i = 0; i < r->nworkers; i++)
        relay_worker_stop(r->workers[i]);
}

void relay_free(struct relay *r)
{
    relay_lookups_free(r->lookups);
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

void relay_on_wish(struct relay *r, const struct store_wish *wish)
{
    sched_on_wish(r->sched, wish);
}

struct relay_security *relay_security_of(struct relay *r)
{
    return r->security;
}

void relay_pause(struct relay *r, const char *site, bool paused)
{
    sched_pause(r->sched, site, paused);
}

void relay_each_site(struct relay *r, void (*on_site)(void *arg, const struct sched_site_info *i),
                     void *arg)
{
    sched_each_site(r->sched, on_site, arg);
}

struct sched_why relay_why(struct relay *r, const char *domain, const char *sender,
                           const char *login, const char *id)
{
    char *key = relay_choice_key(r->settings->relay, domain, sender, login);
    struct sched_why why = sched_why(r->sched, key ? key : domain, id);
    free(key);
    return why;
}

struct site_query *relay_site_query(struct relay *r, const char *site)
{
    return site_query_new(&(struct site_query_config){
        .lookups = r->lookups, .sched = r->sched, .settings = r->settings, .site = site});
}

void relay_get_stats(const struct relay *r, struct sched_stats *out)
{
    sched_get_stats(r->sched, out);
}
