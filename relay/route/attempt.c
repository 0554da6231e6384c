#include "relay/route/attempt.h"

#include <string.h>

void route_attempt_copy(struct arena *arena, const struct route_attempt *from,
                        struct route_attempt *out)
{
    const char **names = arena_alloc(arena, from->nnames * sizeof *names);
    struct tls_stream_tlsa *tlsa = arena_alloc(arena, from->ntlsa * sizeof *tlsa);
    *out = *from;
    out->host = arena_str(arena, sv_of(from->host));
    if (from->barred)
        out->barred = arena_str(arena, sv_of(from->barred));
    for (size_t i = 0; i < from->nnames; i++)
        names[i] = arena_str(arena, sv_of(from->names[i]));
    for (size_t i = 0; i < from->ntlsa; i++) {
        tlsa[i] = from->tlsa[i];
        tlsa[i].data = arena_sv(arena, from->tlsa[i].data);
    }
    if (from->proxy) {
        struct route_proxy *proxy = arena_alloc(arena, sizeof *proxy);
        *proxy = *from->proxy;
        proxy->user = arena_str(arena, sv_of(from->proxy->user));
        proxy->password = arena_str(arena, sv_of(from->proxy->password));
        out->proxy = proxy;
    }
    out->names = names;
    out->tlsa = tlsa;
}

static bool same_names(const struct route_attempt *a, const struct route_attempt *b)
{
    bool same = a->nnames == b->nnames;
    for (size_t i = 0; same && i < a->nnames; i++)
        same = strcmp(a->names[i], b->names[i]) == 0;
    return same;
}

static bool same_tlsa(const struct route_attempt *a, const struct route_attempt *b)
{
    bool same = a->ntlsa == b->ntlsa;
    for (size_t i = 0; same && i < a->ntlsa; i++)
        same = a->tlsa[i].usage == b->tlsa[i].usage && a->tlsa[i].selector == b->tlsa[i].selector &&
               a->tlsa[i].matching == b->tlsa[i].matching &&
               sv_eq(a->tlsa[i].data, b->tlsa[i].data);
    return same;
}

static bool same_proxy(const struct route_attempt *a, const struct route_attempt *b)
{
    if (!a->proxy || !b->proxy)
        return a->proxy == b->proxy;
    return ip_eq(&a->proxy->at.ip, &b->proxy->at.ip) && a->proxy->at.port == b->proxy->at.port &&
           strcmp(a->proxy->user, b->proxy->user) == 0 &&
           strcmp(a->proxy->password, b->proxy->password) == 0;
}

static bool same_but_address(const struct route_attempt *a, const struct route_attempt *b)
{
    return a->to.port == b->to.port && a->protocol == b->protocol && a->tls == b->tls &&
           a->implicit_tls == b->implicit_tls && a->credentials == b->credentials &&
           a->generation == b->generation && strcmp(a->host, b->host) == 0 && same_names(a, b) &&
           same_tlsa(a, b) && same_proxy(a, b);
}

bool route_attempt_eq(const struct route_attempt *a, const struct route_attempt *b)
{
    return ip_eq(&a->to.ip, &b->to.ip) && same_but_address(a, b);
}

size_t route_attempt_race(const struct route_attempt *first, size_t count)
{
    bool both = false;
    size_t n = 1;
    if (first->via == ROUTE_VIA_MX6 || first->proxy)
        return 1;
    for (; n < count && first[n].via == first->via && first[n].host_index == first->host_index &&
           same_but_address(first, &first[n]);
         n++)
        both = both || first[n].to.ip.family != first->to.ip.family;
    return both ? n : 1;
}
