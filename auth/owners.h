/*
 * owners.h - where names have logged in lately: an IPv4 address or an IPv6 /64 each. Pure.
 *
 * Each name keeps at most OWNERS_PLACES_MAX places; a further one takes the room of that name's own
 * oldest, so that no login, however many addresses it has, takes another's. Beyond `max` places in
 * all the name that has not logged in for longest is forgotten: names that have logged in are
 * users, so that is a matter of how many users there are. Ownership: owners_init/deinit; a place is
 * valid until the next owners_remember(). One thread.
 */
#ifndef AUTH_OWNERS_H
#define AUTH_OWNERS_H

#include "auth/guard_table.h"
#include "msa/base/ip.h"

#define OWNERS_PLACES_MAX 64

struct owners_place {
    struct ip client;         /* ip_client() */
    int64_t wall_s;           /* of the last success */
    struct guard_count count; /* what has failed there since */
};

struct owners {
    struct owners_name *hash;
    struct owners_name *names; /* the one whose last success is longest ago first */
    size_t max, count;         /* places */
};

void owners_init(struct owners *o, size_t max);
void owners_deinit(struct owners *o);
/* A success; older ones than what is known change nothing. */
void owners_remember(struct owners *o, struct sv name, const struct ip *client, int64_t wall_s);
struct owners_place *owners_find(const struct owners *o, struct sv name,
                                 const struct ip *client); /* or NULL */

#endif
