/*
 * MX6: the SRV records of _mx6._tcp.DOMAIN name hosts that take mail over IPv6 and may answer that
 * it should come over IPv4. An improvement and never a reason to defer: whatever is wrong here
 * leaves the MX records, as if it were off.
 *
 * RFC 2782: ascending priority; within one priority a draw by weight. A single record with the
 * target "." says that the service is decidedly not there.
 */
#include "relay/route/internal.h"

#include <string.h>

void route_start_mx6(struct route *r)
{
    const struct route_input *in = &r->work->input;
    static const char *const why_not[] = {
        [ROUTE_MX6_OFF] = "off (relay.mx6, relay.ipv6)",
        [ROUTE_MX6_NO_IPV6] = "this machine has no global IPv6 address",
        [ROUTE_MX6_FAILED] = "the look-up failed less than an hour ago",
    };
    if (in->mx6 != ROUTE_MX6_ASK) {
        route_step(r, "mx6", why_not[in->mx6], "not asked for");
        return;
    }
    route_ask(r, ROUTE_ABOUT_MX6, NULL, arena_printf(&r->work->arena, "_mx6._tcp.%s", in->domain),
              DNS_SRV);
}

/* Which of those of the first one's priority is next: RFC 2782, "Weight". Those of weight 0 come
 * first in the running sums, so that they have a very small chance beside others. */
static size_t draw(uint64_t *random, const struct dns_record *srv, size_t n)
{
    uint32_t total = 0, sum = 0;
    size_t same = 0;
    while (same < n && srv[same].preference == srv[0].preference)
        total += srv[same++].weight;
    uint32_t drawn = (uint32_t)(route_random(random) % ((uint64_t)total + 1));
    for (int heavy = 0; heavy < 2; heavy++) {
        for (size_t i = 0; i < same; i++) {
            if ((srv[i].weight > 0) != heavy)
                continue;
            sum += srv[i].weight;
            if (sum >= drawn)
                return i;
        }
    }
    return 0;
}

static struct dns_record *ordered(struct route *r, const struct dns_answer *a)
{
    struct dns_record *srv = arena_alloc(&r->work->arena, a->nrecords * sizeof *srv);
    uint64_t random = route_random_begin(r, SALT_MX6);
    memcpy(srv, a->records, a->nrecords * sizeof *srv);
    route_sort(srv, a->nrecords);
    for (size_t i = 0; i < a->nrecords; i++) {
        size_t j = i + draw(&random, srv + i, a->nrecords - i);
        struct dns_record chosen = srv[j];
        memmove(srv + i + 1, srv + i, (j - i) * sizeof *srv);
        srv[i] = chosen;
    }
    return srv;
}

static bool has_target(const struct route_hosts *list, const struct dns_record *srv)
{
    for (size_t i = 0; i < list->count; i++)
        if (list->items[i].port == srv->port && strcmp(list->items[i].name, srv->name) == 0)
            return true;
    return false;
}

static bool is_port(const struct route_input *in, uint16_t port)
{
    for (size_t i = 0; i < in->nmx6_ports; i++)
        if (in->mx6_ports[i] == port)
            return true;
    return false;
}

static bool use_record(struct route *r, const struct dns_record *srv, const char **why_out)
{
    struct route_hosts *list = &r->work->targets;
    if (srv->name[0] == '\0') {
        *why_out = "not a host";
    } else if (!is_port(&r->work->input, srv->port)) {
        *why_out = "skipped: another port than relay.mx6_ports allows";
    } else if (has_target(list, srv)) {
        *why_out = "named before";
    } else if (list->count == list->max) {
        *why_out = "not used, nor are those after it: the list is too long";
        return false;
    } else {
        route_add_host(list, arena_str(&r->arena, sv_of(srv->name)), srv->port, ROUTE_VIA_MX6);
        *why_out = "its addresses are asked for";
    }
    return true;
}

void route_on_srv(struct route *r, const struct route_question *q, const struct dns_answer *a)
{
    if (route_failed(a)) {
        r->plan.srv_failed = true;
        route_step_dns(r, "mx6", q, a, "the look-up failed: the MX records are used", "%s",
                       route_failure(a));
        return;
    }
    route_use_ttl(r, a);
    r->work->srv_secure = a->secure;
    if (a->status != DNS_OK) {
        route_step_dns(r, "mx6", q, a, "the domain is not MX6", "none");
        return;
    }
    if (a->nrecords == 1 && a->records[0].name[0] == '\0') {
        route_step_dns(r, "mx6", q, a, "the domain is decidedly not MX6", ".");
        return;
    }
    struct dns_record *srv = ordered(r, a);
    bool more = true;
    for (size_t i = 0; i < a->nrecords && more; i++) {
        const char *why;
        more = use_record(r, &srv[i], &why);
        route_step_dns(r, "mx6", q, a, why, "%u %u %u %s", srv[i].preference, srv[i].weight,
                       srv[i].port, srv[i].name[0] ? srv[i].name : ".");
    }
    route_ask_addresses(r, &r->work->targets);
}
