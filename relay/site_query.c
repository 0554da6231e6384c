#include "relay/site_query.h"

#include "msa/base/mem.h"
#include "msa/base/require.h"
#include "relay/choice.h"

#include <stdlib.h>

#define LOOKUPS_MAX 100

struct asked {
    struct site_query *query;
    char *destination;
    char *status, *text; /* why it is not known; NULL: it is */
    struct asked *next;
};

struct site_query {
    struct site_query_config config;
    char *site;
    struct destinations *found;
    struct asked *all, *next; /* of all: the first that is not yet seen to */
    size_t lookups;           /* under way */
    void (*on_done)(void *arg);
    void *arg;
};

static char *rule(const void *arg, const char *domain, const char *sender, const char *login)
{
    const struct relay_settings *settings = arg;
    return relay_choice_key(settings->relay, domain, sender, login);
}

struct site_query *site_query_new(const struct site_query_config *config)
{
    struct site_query *q = NEW(struct site_query);
    q->config = *config;
    q->config.settings = relay_settings_keep(config->settings);
    q->site = mem_str(config->site);
    q->found = destinations_new(rule, q->config.settings);
    return q;
}

void site_query_free(struct site_query *q)
{
    if (!q)
        return;
    while (q->all) {
        struct asked *a = q->all;
        q->all = a->next;
        free(a->destination);
        free(a->status);
        free(a->text);
        free(a);
    }
    destinations_free(q->found);
    relay_settings_drop(q->config.settings);
    free(q->site);
    free(q);
}

void site_query_add(struct site_query *q, const char *destination)
{
    struct asked *a = NEW(struct asked);
    REQUIRE(!q->on_done);
    a->query = q;
    a->destination = mem_str(destination);
    a->next = q->all;
    q->all = a;
}

static void judge(struct asked *a, const char *site)
{
    if (sched_site_matches(site, a->query->site))
        destinations_add(a->query->found, a->destination);
}

static void go_on(struct site_query *q);

/* A domain that takes no mail has no site. */
static void on_route(void *arg, const char *destination, struct route *route)
{
    struct asked *a = arg;
    (void)destination;
    if (!route)
        return;
    const struct route_plan *plan = route_plan(route);
    if (plan->verdict == ROUTE_DELIVER) {
        judge(a, plan->site);
    } else if (plan->verdict != ROUTE_FAILED) {
        a->status = mem_str(plan->status);
        a->text = mem_str(plan->text);
    }
    route_free(route);
    a->query->lookups--;
    go_on(a->query);
}

static void look_at(struct site_query *q, struct asked *a)
{
    const char *known = q->config.settings->relay->capture[0]
                            ? RELAY_CAPTURE_SITE
                            : sched_site_of(q->config.sched, a->destination);
    if (known) {
        judge(a, known);
        return;
    }
    q->lookups++;
    relay_lookup_explain(q->config.lookups, a->destination, on_route, a);
}

static void go_on(struct site_query *q)
{
    while (q->next && q->lookups < LOOKUPS_MAX) {
        struct asked *a = q->next;
        q->next = a->next;
        look_at(q, a);
    }
    if (!q->next && q->lookups == 0)
        q->on_done(q->arg);
}

void site_query_start(struct site_query *q, void (*on_done)(void *arg), void *arg)
{
    q->on_done = on_done;
    q->arg = arg;
    q->next = q->all;
    go_on(q);
}

const struct destinations *site_query_found(const struct site_query *q)
{
    return q->found;
}

void site_query_each_unknown(const struct site_query *q,
                             void (*on_unknown)(void *arg, const char *destination,
                                                const char *status, const char *text),
                             void *arg)
{
    for (const struct asked *a = q->all; a; a = a->next)
        if (a->text)
            on_unknown(arg, a->destination, a->status, a->text);
}
