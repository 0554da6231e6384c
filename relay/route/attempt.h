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

#endif
