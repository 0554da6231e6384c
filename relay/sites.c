#include "relay/sites.h"

static bool has_host(const struct route_plan *plan, const char *pattern)
{
    for (size_t i = 0; i < plan->nattempts; i++)
        if (relay_options_match(sv_of(pattern), sv_of(plan->attempts[i].host)))
            return true;
    return false;
}

struct sched_limits relay_sites_limits(const struct relay_options *options,
                                       const struct route_plan *plan)
{
    const struct relay_site_options *rows = options->sites.items;
    for (size_t i = 0; i < options->sites.count; i++)
        if (has_host(plan, rows[i].site))
            return (struct sched_limits){.connections = (size_t)rows[i].connections,
                                         .per_minute = (unsigned)rows[i].per_minute,
                                         .per_connection = (unsigned)rows[i].per_connection};
    return (struct sched_limits){0};
}
