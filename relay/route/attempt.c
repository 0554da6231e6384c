#include "relay/route/attempt.h"

#include <string.h>

void route_attempt_copy(struct arena *arena, const struct route_attempt *from,
                        struct route_attempt *out)
{
    const char **names = arena_alloc(arena, from->nnames * sizeof *names);
    struct route_tlsa *tlsa = arena_alloc(arena, from->ntlsa * sizeof *tlsa);
    *out = *from;
    out->host = arena_str(arena, sv_of(from->host));
    for (size_t i = 0; i < from->nnames; i++)
        names[i] = arena_str(arena, sv_of(from->names[i]));
    for (size_t i = 0; i < from->ntlsa; i++) {
        tlsa[i] = from->tlsa[i];
        tlsa[i].data = arena_sv(arena, from->tlsa[i].data);
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

bool route_attempt_eq(const struct route_attempt *a, const struct route_attempt *b)
{
    return ip_eq(&a->to.ip, &b->to.ip) && a->to.port == b->to.port && a->protocol == b->protocol &&
           a->tls == b->tls && a->implicit_tls == b->implicit_tls &&
           a->credentials == b->credentials && strcmp(a->host, b->host) == 0 && same_names(a, b) &&
           same_tlsa(a, b);
}
