/* The list of hosts: of a static route, an address literal, or MX records. */
#include "relay/route/internal.h"

#include <string.h>

void route_start_static(struct route *r)
{
    const struct route_input *in = &r->work->input;
    route_step(r, "static route", "the configuration names the next hop", "%s", in->static_name);
    for (size_t i = 0; i < in->ntargets; i++) {
        const struct route_target *t = &in->targets[i];
        struct route_host *h = route_add_host(&r->work->hosts, t->host, t->port, ROUTE_VIA_STATIC);
        if (!h)
            break;
        h->ip = t->ip;
        h->static_tls = t->tls;
        h->implicit_tls = t->implicit_tls;
        h->protocol = t->protocol;
        h->proxy = t->proxy;
    }
    r->work->mx_known = true;
    route_ask_addresses(r, &r->work->hosts);
}

void route_start_literal(struct route *r)
{
    const char *domain = r->work->input.domain;
    struct ip ip;
    if (!ip_literal_parse(sv_of(domain), &ip)) {
        route_step(r, "address literal", "of no use", "%s", domain);
        route_end(r, ROUTE_FAILED, "5.1.2", "the address literal is none that mail can go to");
        return;
    }
    route_step(r, "address literal", "names its host itself", "%s", domain);
    struct route_host *h = route_add_host(&r->work->hosts, domain, ROUTE_SMTP_PORT, ROUTE_VIA_MX);
    h->ip = ip;
    r->work->mx_known = true;
    route_ask_addresses(r, &r->work->hosts);
}

/* RFC 5321 5.1: equal preferences in random order. */
static struct dns_record *sorted(struct route *r, const struct dns_answer *a)
{
    struct dns_record *mx = arena_alloc(&r->work->arena, a->nrecords * sizeof *mx);
    uint64_t random = route_random_begin(r, SALT_MX);
    memcpy(mx, a->records, a->nrecords * sizeof *mx);
    for (size_t i = a->nrecords - 1; i > 0; i--) {
        size_t j = (size_t)(route_random(&random) % (i + 1));
        struct dns_record swap = mx[i];
        mx[i] = mx[j];
        mx[j] = swap;
    }
    route_sort(mx, a->nrecords);
    return mx;
}

static bool has_host(const struct route_hosts *list, const char *name)
{
    for (size_t i = 0; i < list->count; i++)
        if (strcmp(list->items[i].name, name) == 0)
            return true;
    return false;
}

/* MXPS: 0x32.1, the low four bits say the protocol, the next four the level. */
static bool says_qmtp(uint16_t preference)
{
    return preference >= 12800 && preference <= 13055 && preference % 16 == 1;
}

/* What becomes of one MX record, in words. False: those after it are not looked at. */
static bool use_record(struct route *r, const struct dns_record *mx, const char **why_out)
{
    struct route_hosts *list = &r->work->hosts;
    if (mx->name[0] == '\0') {
        *why_out = "not a host (RFC 7505 allows it only alone)";
        return true;
    }
    if (has_host(list, mx->name)) {
        *why_out = "named before";
        return true;
    }
    if (list->count == list->max) {
        *why_out = "not used, nor are those after it: the list is too long";
        return false;
    }
    struct route_host *h =
        route_add_host(list, arena_str(&r->arena, sv_of(mx->name)), ROUTE_SMTP_PORT, ROUTE_VIA_MX);
    h->preference = mx->preference;
    *why_out = "its addresses are asked for";
    if (says_qmtp(mx->preference) && r->work->input.mxps) {
        h->protocol = ROUTE_QMTP;
        *why_out = "its addresses are asked for; the preference says QMTP (MXPS)";
    } else if (says_qmtp(mx->preference)) {
        *why_out = "its addresses are asked for; QMTP is off (relay.mxps)";
    }
    return true;
}

static void use_hosts(struct route *r)
{
    r->work->mx_known = true;
    route_ask_policy(r);
    route_ask_addresses(r, &r->work->hosts);
}

static void use_records(struct route *r, const struct route_question *q, const struct dns_answer *a)
{
    if (a->nrecords == 1 && a->records[0].name[0] == '\0') {
        route_step_dns(r, "mx", q, a, "null MX", "%u .", a->records[0].preference);
        route_end(r, ROUTE_FAILED, "5.1.10", "the domain accepts no mail (null MX)");
        return;
    }
    struct dns_record *mx = sorted(r, a);
    bool more = true;
    for (size_t i = 0; i < a->nrecords && more; i++) {
        const char *why;
        more = use_record(r, &mx[i], &why);
        route_step_dns(r, "mx", q, a, why, "%u %s", mx[i].preference,
                       mx[i].name[0] ? mx[i].name : ".");
    }
    use_hosts(r);
}

void route_on_mx(struct route *r, const struct route_question *q, const struct dns_answer *a)
{
    struct route_work *w = r->work;
    route_use_ttl(r, a);
    w->mx_secure = a->secure;
    w->unsure = w->unsure || (w->input.stripped && !w->input.stripped_by);
    if (w->input.stripped_by)
        r->plan.unproven =
            arena_printf(&r->arena, "the resolver %s lets no DNSSEC through, see dns.dnssec",
                         w->input.stripped_by);
    if (a->canonical) {
        w->domain_canonical = arena_str(&r->arena, sv_of(a->canonical));
        route_step_dns(r, "mx", q, a, "followed", "the domain is an alias of %s", a->canonical);
    }
    switch (a->status) {
    case DNS_OK:
        use_records(r, q, a);
        return;
    case DNS_NODATA:
        route_step_dns(r, "mx", q, a, "the domain's own addresses are used (implicit MX)", "none");
        route_add_host(&w->hosts, w->input.domain, ROUTE_SMTP_PORT, ROUTE_VIA_MX);
        use_hosts(r);
        return;
    case DNS_NXDOMAIN:
        route_step_dns(r, "mx", q, a, "mail to it cannot be delivered", "no such domain");
        route_end(r, ROUTE_FAILED, "5.1.2", "the domain does not exist");
        return;
    case DNS_TEMPFAIL:
    case DNS_BOGUS:
        route_step_dns(r, "mx", q, a, "the look-up failed", "%s", route_failure(a));
        route_end(r, ROUTE_DEFERRED, "4.4.3",
                  arena_printf(&r->arena, "look-up of MX for %s failed: %s", w->input.domain,
                               route_failure(a)));
        return;
    }
}
