/*
 * sites.h - what relay.sites says of the site that a plan leads to.
 *
 * Pure; the first row that matches the name of any host of the plan counts. Any thread.
 */
#ifndef RELAY_SITES_H
#define RELAY_SITES_H

#include "relay/options.h"
#include "relay/queue/sched.h"
#include "relay/route/route.h"

struct sched_limits relay_sites_limits(const struct relay_options *options,
                                       const struct route_plan *plan);

#endif
