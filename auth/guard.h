/*
 * guard.h - guessing: failed logins slow down, then block, an address and a name. Pure.
 *
 * Counted are an IPv4 address or an IPv6 /64, the name that was tried, whether it is a user's or
 * not, and the /24 or /48 around the address, which is only slowed. An owner, that is a name from
 * an address where it has logged in within GUARD_OWNER_S, is neither slowed nor blocked, whatever
 * else that address, its network or others who try the name do (owners.h says how many addresses
 * are kept of a name). His own failures count for nobody
 * else, and he stays one up to GUARD_OWNER_FACTOR times the failures that block others: what has
 * taken the server over could give any address as its own.
 *
 * What comes of a try depends on counts alone, never on whether a user exists. A try that ends
 * while its address or name is blocked is refused whatever its outcome, so that many at once learn
 * no more than one after the other would.
 *
 * Order for each exchange: guard_admits() when the name is known and before a secret is looked at;
 * then guard_conclude(). Time is an argument: monotonic for counts, wall time for successes, which
 * outlive the process (guard_remember()); counts and blocks do not. Memory is bounded
 * (guard_table.h, owners.h). One thread.
 *
 *     if (!guard_admits(g, &rules, &try)) refuse;
 *     ... the secret is compared ...
 *     end = guard_conclude(g, &rules, &try, right); answer after end.delay_ms, or refuse
 */
#ifndef AUTH_GUARD_H
#define AUTH_GUARD_H

#include "msa/base/ip.h"

#define GUARD_OWNER_S      (30 * 86400)
#define GUARD_OWNER_FACTOR 10
#define GUARD_DELAY_MAX_MS 4000
#define GUARD_NAME_MAX     255 /* bytes of a name; longer ones are cut */

struct guard;

/* auth.block and auth.exempt_networks. */
struct guard_rules {
    uint32_t failures; /* within window_ms block; 0: nobody is slowed or blocked */
    uint64_t window_ms, time_ms;
    const struct ip_net *exempt; /* never counted, slowed or blocked */
    size_t exempt_count;
};

struct guard_try {
    struct ip client;
    /* Of whom somebody wants to be; ASCII case does not count. Empty: not known, or the failure is
     * none of a name's, because it cannot be a user's or no secret was looked at. */
    struct sv name;
    uint64_t now_ms;
    int64_t wall_s;
};

struct guard_end {
    bool blocked;        /* refuse, also what was right */
    uint64_t delay_ms;   /* answer after that */
    bool blocks_address; /* a block has begun with this failure */
    bool blocks_name;    /* likewise */
};

struct guard *guard_new(uint64_t seed); /* random */
void guard_free(struct guard *g);
/* A login of an earlier run: this name is an owner at that address. */
void guard_remember(struct guard *g, struct sv name, const struct ip *client, int64_t wall_s);
bool guard_admits(const struct guard *g, const struct guard_rules *r, const struct guard_try *t);
struct guard_end guard_conclude(struct guard *g, const struct guard_rules *r,
                                const struct guard_try *t, bool right);

/* One block, of an address (name empty) or of a name. */
struct guard_block {
    struct ip client; /* of an IPv6 /64 the first address */
    struct sv name;
    uint64_t left_ms;
};
/* Calls each() for every block that is in force, those of addresses first, the oldest first. */
void guard_list(const struct guard *g, uint64_t now_ms,
                void (*each)(void *arg, const struct guard_block *block), void *arg);
/* Forgets what failed. True if there was a block in force. */
bool guard_clear_address(struct guard *g, const struct ip *client, uint64_t now_ms);
bool guard_clear_name(struct guard *g, struct sv name, uint64_t now_ms);

#endif
