/* Planners, what they ask of DNS, and what is remembered between them. */
#include "relay/lookup.h"

#include "msa/base/mem.h"
#include "msa/loop/clock.h"
#include "relay/choice.h"

#include <stdlib.h>
#include <string.h>
#include <uthash.h>
#include <utlist.h>

#define STRIPPED_LONG_MS 3600000
#define FAILED_MAX       10000 /* domains whose SRV look-up failed; the oldest is forgotten first */

struct lookup {
    struct relay_lookups *all;
    struct route *route;
    char *destination;
    struct question *questions; /* under way */
    relay_lookup_done *on_done;
    void *arg;
    bool explains;
    struct timer later;    /* an explanation that needs no question is still told later */
    struct timer patience; /* MX6 is waited for */
    struct lookup *next, *prev;
};

struct question {
    struct lookup *lookup;
    uint32_t id;
    struct dns_query *query; /* one of the two */
    struct sts_query *policy;
    struct question *next, *prev;
};

/* A domain whose SRV look-up failed; all are kept equally long, so the list is in their order. */
struct failed {
    char *domain;
    uint64_t until_ms;
    UT_hash_handle hh;
};

struct relay_lookups {
    struct loop *loop;
    struct dns *dns;
    struct sts *sts;
    bool (*tls_worked)(void *arg, const char *host);
    void *arg;
    struct relay_settings *settings;
    bool has_ipv6; /* of settings: a global address of this machine */
    struct lookup *list;
    struct failed *failed;
};

/* ---- failed look-ups of SRV ---- */

static void forget(struct relay_lookups *ls, struct failed *f)
{
    HASH_DEL(ls->failed, f);
    free(f->domain);
    free(f);
}

static void forget_all(struct relay_lookups *ls)
{
    while (ls->failed)
        forget(ls, ls->failed);
}

static struct failed *find_failed(struct relay_lookups *ls, const char *domain)
{
    struct failed *f;
    while (ls->failed && ls->failed->until_ms <= loop_now_ms(ls->loop))
        forget(ls, ls->failed);
    HASH_FIND_STR(ls->failed, domain, f);
    return f;
}

static void remember(struct relay_lookups *ls, const char *domain)
{
    struct failed *f = find_failed(ls, domain);
    if (f)
        return;
    if (HASH_COUNT(ls->failed) == FAILED_MAX)
        forget(ls, ls->failed);
    f = NEW(struct failed);
    f->domain = mem_str(domain);
    f->until_ms = loop_now_ms(ls->loop) + ROUTE_MX6_FORGET_MS;
    HASH_ADD_KEYPTR(hh, ls->failed, f->domain, strlen(f->domain), f);
}

/* ---- the planner's input ---- */

/* Not unique local (RFC 4193) or what is forbidden as a target. */
static bool has_global_ipv6(const struct relay_settings *s)
{
    for (size_t i = 0; i < s->nown_ips; i++) {
        const struct ip *ip = &s->own_ips[i];
        if (ip->family == IP_V6 && !ip_is_forbidden_target(ip) && (ip->bytes[0] & 0xfe) != 0xfc)
            return true;
    }
    return false;
}

/* Only where this machine's addresses are known. */
static bool lacks_ipv4(const struct relay_settings *s)
{
    for (size_t i = 0; i < s->nown_ips; i++)
        if (s->own_ips[i].family == IP_V4 && !ip_is_forbidden_target(&s->own_ips[i]))
            return false;
    return s->nown_ips > 0 && !s->relay->allow_loopback;
}

static enum route_mx6 mx6_state(struct relay_lookups *ls, const char *destination)
{
    const struct relay_options *o = ls->settings->relay;
    if (!o->mx6 || !o->ipv6)
        return ROUTE_MX6_OFF;
    if (!ls->has_ipv6 && !o->allow_loopback)
        return ROUTE_MX6_NO_IPV6;
    return find_failed(ls, destination) ? ROUTE_MX6_FAILED : ROUTE_MX6_ASK;
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

static const struct route_proxy *proxy_of(const struct relay_route_options *r, struct arena *arena)
{
    struct relay_proxy_url url;
    const char *wrong;
    if (!r->socks[0] || !relay_options_proxy(sv_of(r->socks), &url, &wrong))
        return NULL; /* checked when the configuration was read */
    struct route_proxy *proxy = arena_alloc(arena, sizeof *proxy);
    proxy->at = url.at;
    proxy->user = arena_str(arena, url.user);
    proxy->password = arena_str(arena, url.password);
    return proxy;
}

static enum route_protocol protocol_of(const struct relay_url *url)
{
    if (url->scheme == RELAY_URL_LMTP)
        return ROUTE_LMTP;
    return relay_url_is_qmtp(url) ? ROUTE_QMTP : ROUTE_SMTP;
}

/* The domain itself, by a proxy: nothing of it is asked for in the DNS. */
static struct route_target domain_itself(const char *domain, struct arena *arena)
{
    struct route_target t = {.host = arena_str(arena, sv_of(domain)), .port = 25};
    if (!ip_literal_parse(sv_of(domain), &t.ip))
        t.ip.family = IP_NONE;
    return t;
}

static struct route_target target_of(const struct relay_url *url, int tls, struct arena *arena)
{
    return (struct route_target){.host = arena_str(arena, url->host),
                                 .ip = url->ip,
                                 .port = url->port,
                                 .protocol = protocol_of(url),
                                 .implicit_tls = relay_url_is_tls(url),
                                 .tls = tls_of(tls)};
}

/* A destination that the operator has named himself (msactl queue redirect): with TLS, login and
 * proxy of the first route that names it, too. */
static bool add_url(const struct relay_settings *s, const char *destination, struct arena *arena,
                    struct route_input *in)
{
    const struct relay_route_options *r = s->relay->routes.items;
    struct relay_url url;
    const char *wrong;
    int tls = RELAY_ROUTE_TLS_OPPORTUNISTIC;
    const struct route_proxy *proxy = NULL;
    if (!relay_options_url(sv_of(destination), &url, &wrong))
        return false;
    for (size_t i = s->relay->routes.count; i-- > 0;) {
        for (size_t k = 0; k < r[i].to.count; k++) {
            if (strcmp(r[i].to.items[k], destination) != 0)
                continue;
            tls = r[i].tls;
            proxy = proxy_of(&r[i], arena);
            in->credentials = r[i].user[0] ? (int)i : -1;
        }
    }
    struct route_target *target = arena_alloc(arena, sizeof *target);
    *target = target_of(&url, tls, arena);
    target->proxy = proxy;
    in->targets = target;
    in->ntargets = 1;
    in->static_name = arena_str(arena, sv_of(destination));
    return true;
}

static void add_static(const struct relay_settings *s, const char *key, struct arena *arena,
                       struct route_input *in)
{
    size_t index;
    struct sv domain;
    if (add_url(s, key, arena, in))
        return;
    const struct relay_route_options *r = relay_choice_row(s->relay, key, &index, &domain);
    in->domain = arena_str(arena, domain);
    if (!r)
        return;
    struct route_target *targets = arena_alloc(arena, (r->to.count + 1) * sizeof *targets);
    char *name = arena_printf(arena, "%zu", index);
    for (size_t i = 0; i < r->to.count; i++) {
        struct relay_url url;
        const char *wrong;
        if (!relay_options_url(sv_of(r->to.items[i]), &url, &wrong))
            continue; /* checked when the configuration was read */
        targets[in->ntargets++] = target_of(&url, r->tls, arena);
        name = arena_printf(arena, "%s %s", name, r->to.items[i]);
    }
    if (r->to.count == 0) {
        targets[in->ntargets] = domain_itself(in->domain, arena);
        targets[in->ntargets++].tls = tls_of(r->tls);
        name = arena_printf(arena, "%s %s", name, in->domain);
    }
    for (size_t i = 0; i < in->ntargets; i++)
        targets[i].proxy = proxy_of(r, arena);
    in->targets = targets;
    in->static_name = name;
    in->credentials = r->user[0] ? (int)index : -1;
}

static void add_ports(const struct relay_options *o, struct arena *arena, struct route_input *in)
{
    uint16_t *ports = arena_alloc(arena, (o->mx6_ports.count + 1) * sizeof *ports);
    for (size_t i = 0; i < o->mx6_ports.count; i++)
        ports[i] = (uint16_t)o->mx6_ports.items[i];
    in->mx6_ports = ports;
    in->nmx6_ports = o->mx6_ports.count;
}

/* RFC 8689 4.2.1: mail with REQUIRETLS fails where no host is proven. It waits for a resolver that
 * has lost DNSSEC a while ago, and not for one that never lets it through. */
static const char *stripped_by(const struct dns_stats *dns)
{
    return dns->stripped && dns->stripped_ms >= STRIPPED_LONG_MS ? dns->server : NULL;
}

static struct route *make_route(struct relay_lookups *ls, const char *destination, bool explain)
{
    const struct relay_settings *s = ls->settings;
    struct arena arena;
    struct dns_stats dns = {.stripped = false};
    arena_init(&arena);
    if (ls->dns)
        dns_get_stats(ls->dns, &dns);
    struct route_input in = {.domain = destination,
                             .static_name = "",
                             .credentials = -1,
                             .generation = s->generation,
                             .ipv6 = s->relay->ipv6,
                             .allow_loopback = s->relay->allow_loopback,
                             .mx6 = mx6_state(ls, destination),
                             .mxps = s->relay->mxps,
                             .dane = s->relay->tls.dane,
                             .mta_sts = ls->sts && s->relay->tls.mta_sts,
                             .stripped = dns.stripped,
                             .stripped_by = stripped_by(&dns),
                             .tls_worked = ls->tls_worked,
                             .arg = ls->arg,
                             .listeners = s->listeners,
                             .nlisteners = s->nlisteners,
                             .own_ips = s->own_ips,
                             .nown_ips = s->nown_ips,
                             .no_ipv4 = lacks_ipv4(s),
                             .seed = random_u64(),
                             .explain = explain};
    if (explain && s->relay->capture[0])
        in.capture = s->relay->capture; /* only to be told: mail does not get here then */
    add_ports(s->relay, &arena, &in);
    add_static(s, destination, &arena, &in);
    struct route *route = route_new(&in);
    arena_deinit(&arena);
    return route;
}

/* ---- one look-up ---- */

static void question_free(struct question *q)
{
    DL_DELETE(q->lookup->questions, q);
    free(q);
}

static void cancel(struct question *q)
{
    if (q->query)
        dns_cancel(q->query);
    else
        sts_cancel(q->policy);
    question_free(q);
}

static void cancel_questions(struct lookup *l)
{
    while (l->questions) {
        cancel(l->questions);
    }
}

static void lookup_free(struct lookup *l)
{
    cancel_questions(l);
    timer_stop(&l->later);
    timer_stop(&l->patience);
    DL_DELETE(l->all->list, l);
    route_free(l->route);
    free(l->destination);
    free(l);
}

static void tell(void *arg)
{
    struct lookup *l = arg;
    struct route *route = l->route;
    char *destination = l->destination;
    relay_lookup_done *on_done = l->on_done;
    void *to = l->arg;
    l->route = NULL;
    l->destination = NULL;
    lookup_free(l);
    on_done(to, destination, route);
    free(destination);
}

static void end(struct lookup *l)
{
    cancel_questions(l);
    timer_stop(&l->patience);
    if (route_plan(l->route)->srv_failed)
        remember(l->all, l->destination);
    if (l->explains)
        timer_start(&l->later, 0);
    else
        tell(l);
}

static void go_on(struct lookup *l);

static void on_answer(void *arg, const struct dns_answer *answer)
{
    struct question *q = arg;
    struct lookup *l = q->lookup;
    uint32_t id = q->id;
    question_free(q);
    route_answer(l->route, id, answer);
    go_on(l);
}

static void on_policy(void *arg, const struct sts_answer *answer)
{
    struct question *q = arg;
    struct lookup *l = q->lookup;
    uint32_t id = q->id;
    question_free(q);
    route_policy(l->route, id, answer);
    go_on(l);
}

static void ask(struct lookup *l, const struct route_question *question)
{
    struct relay_lookups *ls = l->all;
    struct question *q = NEW(struct question);
    q->lookup = l;
    q->id = question->id;
    DL_APPEND(l->questions, q);
    if (question->kind == ROUTE_ASK_POLICY)
        q->policy = sts_ask(ls->sts, question->name, on_policy, q);
    else
        q->query = dns_query(ls->dns, question->name, question->type, ls->settings->dns_timeout_ms,
                             on_answer, q);
}

static void go_on(struct lookup *l)
{
    struct route_question question;
    while (route_next(l->route, &question))
        ask(l, &question);
    if (route_is_done(l->route))
        end(l);
    else if (!route_waits_for_mx6(l->route))
        timer_stop(&l->patience);
    else if (!timer_armed(&l->patience))
        timer_start(&l->patience, ROUTE_MX6_WAIT_MS);
}

static void on_impatient(void *arg)
{
    struct lookup *l = arg;
    struct question *q, *tmp;
    route_mx6_late(l->route);
    DL_FOREACH_SAFE(l->questions, q, tmp)
    {
        if (route_is_open(l->route, q->id))
            continue;
        cancel(q);
    }
    go_on(l);
}

static void start(struct relay_lookups *ls, const char *destination, bool explains,
                  relay_lookup_done *on_done, void *arg)
{
    struct lookup *l = NEW(struct lookup);
    l->all = ls;
    l->destination = mem_str(destination);
    l->on_done = on_done;
    l->arg = arg;
    l->explains = explains;
    l->route = make_route(ls, destination, explains);
    timer_init(&l->later, ls->loop, tell, l);
    timer_init(&l->patience, ls->loop, on_impatient, l);
    DL_APPEND(ls->list, l);
    go_on(l);
}

void relay_lookup(struct relay_lookups *ls, const char *destination, relay_lookup_done *on_done,
                  void *arg)
{
    start(ls, destination, false, on_done, arg);
}

void relay_lookup_explain(struct relay_lookups *ls, const char *destination,
                          relay_lookup_done *on_done, void *arg)
{
    start(ls, destination, true, on_done, arg);
}

/* ---- all of them ---- */

static void restart(struct relay_lookups *ls)
{
    struct lookup *old = ls->list;
    ls->list = NULL;
    while (old) {
        struct lookup *l = old;
        DL_DELETE(old, l);
        DL_APPEND(ls->list, l);
        if (timer_armed(&l->later))
            continue; /* answered, and about to be told */
        cancel_questions(l);
        timer_stop(&l->patience);
        route_free(l->route);
        l->route = make_route(ls, l->destination, l->explains);
        go_on(l);
    }
}

static void use_settings(struct relay_lookups *ls, struct relay_settings *settings)
{
    ls->settings = relay_settings_keep(settings);
    ls->has_ipv6 = has_global_ipv6(settings);
}

void relay_lookups_set(struct relay_lookups *ls, struct relay_settings *settings)
{
    relay_settings_drop(ls->settings);
    use_settings(ls, settings);
    restart(ls);
}

void relay_lookups_again(struct relay_lookups *ls)
{
    forget_all(ls);
    restart(ls);
}

void relay_lookups_set_dns(struct relay_lookups *ls, struct dns *dns)
{
    ls->dns = dns;
    relay_lookups_again(ls);
}

struct relay_lookups *relay_lookups_new(const struct relay_lookups_config *config)
{
    struct relay_lookups *ls = NEW(struct relay_lookups);
    ls->loop = config->loop;
    ls->dns = config->dns;
    ls->sts = config->sts;
    ls->tls_worked = config->tls_worked;
    ls->arg = config->arg;
    use_settings(ls, config->settings);
    return ls;
}

void relay_lookups_free(struct relay_lookups *ls)
{
    struct lookup *l, *tmp;
    DL_FOREACH_SAFE(ls->list, l, tmp)
    {
        relay_lookup_done *on_done = l->explains ? l->on_done : NULL;
        void *arg = l->arg;
        lookup_free(l);
        if (on_done)
            on_done(arg, NULL, NULL);
    }
    forget_all(ls);
    relay_settings_drop(ls->settings);
    free(ls);
}
