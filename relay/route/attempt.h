/*
 * attempt.h - attempts that outlive their plan, and whether two would open the same connection.
 *
 * Ownership: a copy lies in the arena given, with all that it points to. Any thread.
 */
#ifndef RELAY_ROUTE_ATTEMPT_H
#define RELAY_ROUTE_ATTEMPT_H

#include "msa/base/arena.h"
#include "relay/route/route.h"

void route_attempt_copy(struct arena *arena, const struct route_attempt *from,
                        struct route_attempt *out);
/* Whether a connection that one has opened is what the other would open: the same host, address and
 * protocol, the same credentials, and what was checked of the host is what would be checked. */
bool route_attempt_eq(const struct route_attempt *a, const struct route_attempt *b);
/* How many of these, from the first on, lead to the same host and differ in nothing but the
 * address, so that they may be raced: 1 unless addresses of both families are among them. Hosts of
 * MX6 are not raced: each of their IPv6 addresses is tried before IPv4 is. Nor is what a proxy
 * connects to. */
size_t route_attempt_race(const struct route_attempt *first, size_t count);

#endif
