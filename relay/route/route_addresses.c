/* The addresses of the hosts: asked for together, each host complete when both families are. */
#include "msa/base/buf.h"
#include "relay/route/internal.h"

static void add_address(struct route *r, struct route_host *h, const struct ip *ip)
{
    if (!h->addresses)
        h->addresses = arena_alloc(&r->work->arena, 2 * ROUTE_ADDRESSES_MAX * sizeof *h->addresses);
    h->addresses[h->naddresses++] = *ip;
}

void route_ask_addresses(struct route *r, struct route_hosts *list)
{
    for (size_t i = 0; i < list->count; i++) {
        struct route_host *h = &list->items[i];
        if (h->ip.family != IP_NONE || h->proxy) {
            add_address(r, h, &h->ip);
            continue;
        }
        if (r->work->input.ipv6) {
            route_ask(r, ROUTE_ABOUT_ADDRESS, h, h->name, DNS_AAAA);
            h->unanswered++;
        }
        route_ask(r, ROUTE_ABOUT_ADDRESS, h, h->name, DNS_A);
        h->unanswered++;
    }
}

static void use_records(struct route *r, struct route_host *h, const struct route_question *q,
                        const struct dns_answer *a)
{
    char text[IP_TEXT_MAX];
    struct buf said;
    buf_init(&said, ROUTE_ADDRESSES_MAX * (IP_TEXT_MAX + 2), 0);
    h->secure = h->secure || a->secure;
    for (size_t i = 0; i < a->nrecords && i < ROUTE_ADDRESSES_MAX; i++) {
        add_address(r, h, &a->records[i].ip);
        if (buf_printf(&said, i ? ", %s" : "%s", ip_text(&a->records[i].ip, text)) < 0)
            break;
    }
    const char *why = "";
    if (a->nrecords > ROUTE_ADDRESSES_MAX)
        why = "there are more, which are not used";
    else if (a->canonical && h->via == ROUTE_VIA_MX6)
        why = "the target is an alias, which RFC 2782 forbids: followed";
    else if (a->canonical)
        why = "the host is an alias: followed";
    route_step_dns(r, "address", q, a, why, "%.*s%s%s", SV_ARG(buf_view(&said)),
                   a->canonical ? " of " : "", a->canonical ? a->canonical : "");
    buf_deinit(&said);
}

void route_on_address(struct route *r, struct route_host *h, const struct route_question *q,
                      const struct dns_answer *a)
{
    if (h->via != ROUTE_VIA_MX6 || !route_failed(a))
        route_use_ttl(r, a);
    if (a->canonical)
        h->canonical = arena_str(&r->arena, sv_of(a->canonical));
    switch (a->status) {
    case DNS_OK:
        use_records(r, h, q, a);
        break;
    case DNS_NODATA:
    case DNS_NXDOMAIN:
        route_step_dns(r, "address", q, a, "", a->status == DNS_NODATA ? "none" : "no such host");
        break;
    case DNS_TEMPFAIL:
    case DNS_BOGUS:
        h->error = arena_printf(&r->arena, "look-up of %s for %s failed: %s",
                                dns_type_text(q->type), q->name, route_failure(a));
        route_step_dns(r, "address", q, a, "the look-up failed", "%s", route_failure(a));
        break;
    }
    if (--h->unanswered == 0)
        route_ask_tlsa(r, h);
}
