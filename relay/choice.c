#include "relay/choice.h"

#include "msa/base/mem.h"

#include <stdio.h>
#include <string.h>

static bool is_for_all(const struct relay_route_options *r)
{
    return strcmp(r->sender, "*") == 0 && strcmp(r->login, "*") == 0;
}

char *relay_choice_key(const struct relay_options *o, const char *domain, const char *sender,
                       const char *login)
{
    const struct relay_route_options *rows = o->routes.items;
    if (strstr(domain, "://"))
        return NULL;
    for (size_t i = 0; i < o->routes.count; i++) {
        const struct relay_route_options *r = &rows[i];
        if (!relay_options_match(sv_of(r->domain), sv_of(domain)) ||
            !relay_options_match_mail(sv_of(r->sender), sv_of(sender)) ||
            !relay_options_match_mail(sv_of(r->login), sv_of(login)))
            continue;
        if (is_for_all(r))
            return NULL;
        size_t len = strlen(domain) + 24;
        char *key = mem_new(len, 1);
        snprintf(key, len, "%s@%zu", domain, i);
        return key;
    }
    return NULL;
}

bool relay_choice_has_ways(const struct relay_options *o, const char *domain)
{
    const struct relay_route_options *rows = o->routes.items;
    for (size_t i = 0; i < o->routes.count && !strstr(domain, "://"); i++)
        if (relay_options_match(sv_of(rows[i].domain), sv_of(domain)))
            return !is_for_all(&rows[i]);
    return false;
}

const struct relay_route_options *relay_choice_row(const struct relay_options *o, const char *key,
                                                   size_t *index_out, struct sv *domain_out)
{
    const struct relay_route_options *rows = o->routes.items;
    struct sv text = sv_of(key), number = text, domain = sv_split(&number, '@');
    uint64_t index;
    *domain_out = domain;
    if (domain.len < text.len) {
        if (!sv_u64(number, UINT32_MAX, &index) || index >= o->routes.count)
            return NULL; /* of a configuration that is gone: nobody waits there */
        *index_out = (size_t)index;
        return &rows[index];
    }
    for (size_t i = 0; i < o->routes.count; i++) {
        if (!is_for_all(&rows[i]) || !relay_options_match(sv_of(rows[i].domain), domain))
            continue;
        *index_out = i;
        return &rows[i];
    }
    return NULL;
}
