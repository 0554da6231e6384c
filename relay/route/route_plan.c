/* Hosts with addresses and levels of TLS become attempts, or a verdict. */
#include "relay/route/internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TTL_MIN_S        60 /* also of what is unsure: the next look-up may know */
#define TTL_DEFER_S      30 /* how long a failed look-up is believed */
#define MX6_ATTEMPTS_MAX 16 /* so that there is room for the MX hosts */

struct count {
    size_t refused;    /* addresses of MX hosts that are never connected to */
    const char *error; /* of the first host that has one */
    bool looped;
};

/* ---- the end ---- */

static void set_ttl(struct route *r, enum route_verdict verdict)
{
    if (verdict == ROUTE_DEFERRED)
        r->plan.ttl_s = TTL_DEFER_S;
    else if (r->plan.ttl_s < TTL_MIN_S || r->plan.unsure)
        r->plan.ttl_s = TTL_MIN_S;
}

void route_end(struct route *r, enum route_verdict verdict, const char *status, const char *text)
{
    r->work->ended = true;
    r->plan.verdict = verdict;
    r->plan.status = status;
    r->plan.text = text;
    set_ttl(r, verdict);
}

/* ---- ourselves ---- */

static bool is_own_address(const struct route_input *in, const struct ip *ip)
{
    for (size_t i = 0; i < in->nown_ips; i++)
        if (ip_eq(&in->own_ips[i], ip))
            return true;
    return ip_is_loopback(ip);
}

static bool is_ourselves(const struct route *r, const struct ip *ip, uint16_t port)
{
    const struct route_input *in = &r->work->input;
    static const uint8_t zero[16];
    for (size_t i = 0; i < in->nlisteners; i++) {
        const struct ip_port *l = &in->listeners[i];
        if (l->port != port)
            continue;
        if (ip_eq(&l->ip, ip))
            return true;
        if (memcmp(l->ip.bytes, zero, sizeof zero) == 0 && is_own_address(in, ip))
            return true;
    }
    return false;
}

static bool is_our_host(const struct route *r, const struct route_host *h)
{
    for (size_t i = 0; i < h->naddresses; i++)
        if (is_ourselves(r, &h->addresses[i], h->port) ||
            (h->protocol == ROUTE_QMTP && is_ourselves(r, &h->addresses[i], ROUTE_QMTP_PORT)))
            return true;
    return false;
}

/* RFC 5321 5.1: the list is cut at the preference where we ourselves stand. */
static bool cut_at_ourselves(struct route *r)
{
    struct route_hosts *list = &r->work->hosts;
    for (size_t i = 0; i < list->count; i++) {
        struct route_host *h = &list->items[i];
        if (h->via == ROUTE_VIA_STATIC || !is_our_host(r, h))
            continue;
        size_t first = i;
        while (first > 0 && list->items[first - 1].preference == h->preference)
            first--;
        route_step(r, "loop", "that is this server: it and what stands behind it are not used",
                   "%s", h->name);
        list->count = first;
        return true;
    }
    return false;
}

/* ---- attempts ---- */

/* Why an address is not connected to; NULL: it is. */
static const char *why_not(const struct route *r, const struct route_host *h, const struct ip *ip)
{
    const struct route_input *in = &r->work->input;
    if (h->via == ROUTE_VIA_STATIC)
        return NULL;
    if (!in->allow_loopback && ip_is_forbidden_target(ip))
        return "never connected to without relay.allow_loopback";
    if (ip->family == IP_V6 && !in->ipv6)
        return "IPv6 is off (relay.ipv6)";
    if (h->via == ROUTE_VIA_MX6 && is_ourselves(r, ip, h->port))
        return "that is this server";
    return NULL;
}

static void add_attempt(struct route *r, const struct route_attempt *values, const struct ip *ip,
                        size_t max)
{
    struct route_attempt *attempts = r->work->attempts;
    struct route_plan *p = &r->plan;
    bool qmtp_too = values->protocol == ROUTE_QMTP && values->via == ROUTE_VIA_MX;
    if (p->nattempts + qmtp_too >= max)
        return;
    attempts[p->nattempts] = *values;
    attempts[p->nattempts++].to.ip = *ip;
    if (!qmtp_too)
        return;
    attempts[p->nattempts - 1].to.port = ROUTE_QMTP_PORT;
    attempts[p->nattempts - 1].tls = ROUTE_TLS_NONE;
    attempts[p->nattempts] = *values;
    attempts[p->nattempts].to.ip = *ip;
    attempts[p->nattempts++].protocol = ROUTE_SMTP;
}

/* Of a host, IPv6 before IPv4: RFC 3974 3, step 5. */
static void add_addresses(struct route *r, const struct route_host *h,
                          const struct route_attempt *values, size_t max, struct count *count)
{
    static const uint8_t families[] = {IP_V6, IP_V4, IP_NONE /* a proxy resolves it */};
    for (size_t f = 0; f < 3; f++) {
        for (size_t j = 0; j < h->naddresses; j++) {
            const struct ip *ip = &h->addresses[j];
            char text[IP_TEXT_MAX];
            if (ip->family != families[f])
                continue;
            const char *why = why_not(r, h, ip);
            if (why) {
                count->refused += h->via == ROUTE_VIA_MX && ip_is_forbidden_target(ip);
                route_step(r, "filter", why, "%s %s", h->name, ip_text(ip, text));
                continue;
            }
            add_attempt(r, values, ip, max);
        }
    }
}

static void add_host(struct route *r, const struct route_host *h, unsigned index, size_t max,
                     struct count *count)
{
    const struct route_input *in = &r->work->input;
    struct route_attempt values = {.host = h->name,
                                   .to = {.port = h->port},
                                   .proxy = h->proxy,
                                   .protocol = h->protocol,
                                   .via = h->via,
                                   .host_index = index,
                                   .implicit_tls = h->implicit_tls,
                                   .credentials = h->via == ROUTE_VIA_STATIC ? in->credentials : -1,
                                   .generation = in->generation};
    route_set_tls(r, h, &values);
    if (h->via == ROUTE_VIA_MX && h->protocol == ROUTE_QMTP &&
        values.tls != ROUTE_TLS_OPPORTUNISTIC) {
        values.protocol = ROUTE_SMTP;
        route_step(r, "mxps", "left out: it is clear text, and TLS is required there", "QMTP at %s",
                   h->name);
    }
    add_addresses(r, h, &values, max, count);
}

/* Without an IPv6 address that may be used the target is none of MX6's. */
static bool has_ipv6(struct route *r, const struct route_host *h)
{
    for (size_t i = 0; i < h->naddresses; i++)
        if (h->addresses[i].family == IP_V6 && !why_not(r, h, &h->addresses[i]))
            return true;
    route_step(r, "mx6", "skipped", "%s has no IPv6 address that can be used", h->name);
    return false;
}

static void add_targets(struct route *r, struct count *count)
{
    struct route_hosts *list = &r->work->targets;
    for (size_t i = 0; i < list->count; i++) {
        struct route_host *h = &list->items[i];
        if (!h->late && has_ipv6(r, h) && route_allows_target(r, h))
            add_host(r, h, (unsigned)i, MX6_ATTEMPTS_MAX, count);
    }
}

static void add_hosts(struct route *r, struct count *count)
{
    struct route_hosts *list = &r->work->hosts;
    for (size_t i = 0; i < list->count; i++)
        add_host(r, &list->items[i], (unsigned)(ROUTE_TARGETS_MAX + i), ROUTE_ATTEMPTS_MAX, count);
}

/* ---- verdict ---- */

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static const char *site_key(struct route *r)
{
    const struct route_hosts *list = r->work->hosts.count ? &r->work->hosts : &r->work->targets;
    if (r->work->input.ntargets > 0)
        return arena_printf(&r->arena, "route %s", r->work->input.static_name);
    const char *names[ROUTE_HOSTS_MAX];
    size_t len = 1;
    for (size_t i = 0; i < list->count; i++) {
        names[i] = list->items[i].name;
        len += strlen(names[i]) + 1;
    }
    qsort(names, list->count, sizeof *names, by_text);
    char *key = arena_alloc(&r->arena, len), *at = key;
    for (size_t i = 0; i < list->count; i++)
        at += sprintf(at, i ? ",%s" : "%s", names[i]);
    return key;
}

/* What a message gets that waives no policy, where no host can meet it (SPECS 5.5 e). */
static void judge_policy(struct route *r)
{
    const struct route_attempt *attempts = r->plan.attempts;
    for (size_t i = 0; i < r->plan.nattempts; i++)
        if (attempts[i].tls != ROUTE_TLS_BARRED)
            return;
    r->plan.status = "4.7.5";
    r->plan.text =
        arena_printf(&r->arena, "no mail host of the domain can be used under its policy: %s",
                     attempts[0].barred);
}

static void deliver(struct route *r)
{
    size_t bytes = r->plan.nattempts * sizeof *r->work->attempts;
    struct route_attempt *attempts = arena_alloc(&r->arena, bytes);
    memcpy(attempts, r->work->attempts, bytes);
    r->plan.attempts = attempts;
    r->plan.verdict = ROUTE_DELIVER;
    r->plan.site = site_key(r);
    set_ttl(r, ROUTE_DELIVER);
    judge_policy(r);
    r->work->ended = true;
}

static void without_attempt(struct route *r, const struct count *count)
{
    if (count->error)
        route_end(r, ROUTE_DEFERRED, "4.4.3", count->error);
    else if (count->looped)
        route_end(r, ROUTE_FAILED, "5.4.6", "the mail would loop back to this server");
    else if (count->refused > 0)
        route_end(r, ROUTE_FAILED, "5.4.4",
                  "all addresses of the domain's mail hosts are refused here "
                  "(relay.allow_loopback)");
    else if (r->work->input.ntargets > 0)
        route_end(r, ROUTE_DEFERRED, "4.4.4", "no host of the configured route has an address");
    else if (!r->work->input.ipv6)
        route_end(r, ROUTE_FAILED, "5.4.4",
                  "no mail host of the domain has an IPv4 address, and IPv6 is off here "
                  "(relay.ipv6)");
    else
        route_end(r, ROUTE_FAILED, "5.4.4", "no mail host of the domain has an address");
}

void route_finish(struct route *r)
{
    struct route_hosts *list = &r->work->hosts;
    struct count count = {0};
    for (size_t i = 0; i < list->count; i++)
        count.error = count.error ? count.error : list->items[i].error;
    add_targets(r, &count);
    count.looped = cut_at_ourselves(r);
    add_hosts(r, &count);
    if (r->plan.nattempts > 0)
        deliver(r);
    else
        without_attempt(r, &count);
}
