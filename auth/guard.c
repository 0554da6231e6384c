/*
 * guard.c - three tables: addresses and names, which can be blocked, and networks, which only slow;
 * beside them the owners.
 */
#include "auth/guard.h"

#include "auth/owners.h"
#include "msa/base/mem.h"

#include <stdlib.h>
#include <string.h>

#define ADDRESSES_MAX 32768
#define NAMES_MAX     65536
#define NETWORKS_MAX  8192
#define OWNERS_MAX    1000000 /* places of 56 bytes; each was a login */

/* A network holds many people: it slows by as much as one address after so many times the count. */
#define NETWORK_SHARE 4

struct guard {
    struct guard_table addresses, names, networks;
    struct owners owners;
};

/* A key of a table. */
struct key {
    char bytes[GUARD_KEY_MAX];
    size_t len;
};

static struct sv view(const struct key *k)
{
    return (struct sv){k->bytes, k->len};
}

static void add_ip(struct key *k, const struct ip *ip)
{
    memcpy(k->bytes + k->len, ip, sizeof(*ip));
    k->len += sizeof(*ip);
}

static void add_name(struct key *k, struct sv name)
{
    name = sv_first(name, GUARD_NAME_MAX);
    for (size_t i = 0; i < name.len; i++)
        k->bytes[k->len++] = ascii_lower(name.ptr[i]);
}

static struct key key_of_address(const struct ip *client)
{
    struct ip ip = ip_client(client);
    struct key k = {.len = 0};

    add_ip(&k, &ip);
    return k;
}

static struct key key_of_network(const struct ip *client)
{
    struct ip ip = *client;
    struct key k = {.len = 0};

    if (ip.family == IP_V4)
        ip.bytes[3] = 0;
    else
        memset(ip.bytes + 6, 0, sizeof(ip.bytes) - 6);
    add_ip(&k, &ip);
    return k;
}

static struct key key_of_name(struct sv name)
{
    struct key k = {.len = 0};

    add_name(&k, name);
    return k;
}

struct guard *guard_new(uint64_t seed)
{
    struct guard *g = NEW(struct guard);

    guard_table_init(&g->addresses, ADDRESSES_MAX, seed);
    guard_table_init(&g->names, NAMES_MAX, seed);
    guard_table_init(&g->networks, NETWORKS_MAX, seed);
    owners_init(&g->owners, OWNERS_MAX);
    return g;
}

void guard_free(struct guard *g)
{
    if (g == NULL)
        return;
    guard_table_deinit(&g->addresses);
    guard_table_deinit(&g->names);
    guard_table_deinit(&g->networks);
    owners_deinit(&g->owners);
    free(g);
}

void guard_remember(struct guard *g, struct sv name, const struct ip *client, int64_t wall_s)
{
    struct key k = key_of_name(name);

    owners_remember(&g->owners, view(&k), client, wall_s);
}

static bool is_exempt(const struct guard_rules *r, const struct ip *client)
{
    for (size_t i = 0; i < r->exempt_count; i++) {
        if (ip_net_has(&r->exempt[i], client))
            return true;
    }
    return false;
}

static struct guard_entry *find(const struct guard_table *t, struct key key)
{
    return key.len > 0 ? guard_table_find(t, view(&key)) : NULL;
}

/* NULL, or the place that he owns. */
static struct owners_place *owner_of(const struct guard *g, const struct guard_rules *r,
                                     const struct guard_try *t)
{
    struct key k = key_of_name(t->name);
    struct owners_place *p = k.len > 0 ? owners_find(&g->owners, view(&k), &t->client) : NULL;

    if (p == NULL || t->wall_s - p->wall_s > GUARD_OWNER_S)
        return NULL;
    if (guard_count_at(&p->count, r->window_ms, t->now_ms) >= r->failures * GUARD_OWNER_FACTOR)
        return NULL;
    return p;
}

static bool is_in_force(const struct guard_entry *e, uint64_t now_ms)
{
    return e != NULL && e->until_ms > now_ms;
}

static bool is_blocked(const struct guard *g, const struct guard_try *t)
{
    return is_in_force(find(&g->addresses, key_of_address(&t->client)), t->now_ms) ||
           is_in_force(find(&g->names, key_of_name(t->name)), t->now_ms);
}

bool guard_admits(const struct guard *g, const struct guard_rules *r, const struct guard_try *t)
{
    return r->failures == 0 || is_exempt(r, &t->client) || owner_of(g, r, t) != NULL ||
           !is_blocked(g, t);
}

static uint64_t delay_after(unsigned failures)
{
    static const uint64_t delays_ms[] = {0, 0, 0, 500, 1000, 2000};

    return failures < sizeof(delays_ms) / sizeof(delays_ms[0]) ? delays_ms[failures]
                                                               : GUARD_DELAY_MAX_MS;
}

static unsigned failures_of(const struct guard_table *table, struct key key,
                            const struct guard_rules *r, const struct guard_try *t)
{
    const struct guard_entry *e = find(table, key);

    return e == NULL ? 0 : guard_count_at(&e->count, r->window_ms, t->now_ms);
}

static uint64_t delay_of(const struct guard *g, const struct guard_rules *r,
                         const struct guard_try *t)
{
    unsigned address = failures_of(&g->addresses, key_of_address(&t->client), r, t);
    unsigned name = failures_of(&g->names, key_of_name(t->name), r, t);
    unsigned network = failures_of(&g->networks, key_of_network(&t->client), r, t) / NETWORK_SHARE;
    unsigned most = address > name ? address : name;

    return delay_after(most > network ? most : network);
}

/* True if a block begins. */
static bool count(struct guard_table *table, struct key key, const struct guard_rules *r,
                  const struct guard_try *t, bool blocks)
{
    struct guard_entry *e;
    unsigned failures;

    guard_table_expire(table, t->now_ms);
    e = guard_table_touch(table, view(&key));
    guard_count_add(&e->count, r->window_ms, t->now_ms);
    failures = guard_count_at(&e->count, r->window_ms, t->now_ms);
    if (delay_after(failures) > 0)
        guard_table_slow(table, e);
    if (!blocks || failures < r->failures)
        return false;
    guard_table_block(table, e, t->now_ms + r->time_ms);
    return true;
}

struct guard_end guard_conclude(struct guard *g, const struct guard_rules *r,
                                const struct guard_try *t, bool right)
{
    struct guard_end end = {.blocked = false};
    struct owners_place *owner;

    if (r->failures > 0 && is_exempt(r, &t->client))
        return end;
    owner = r->failures > 0 ? owner_of(g, r, t) : NULL;
    if (r->failures > 0 && owner == NULL) {
        end.blocked = is_blocked(g, t);
        end.delay_ms = end.blocked ? 0 : delay_of(g, r, t);
    }
    if (end.blocked)
        return end;
    if (right) {
        if (t->name.len > 0)
            guard_remember(g, t->name, &t->client, t->wall_s);
    } else if (owner != NULL) {
        guard_count_add(&owner->count, r->window_ms, t->now_ms);
    } else if (r->failures > 0) {
        (void)count(&g->networks, key_of_network(&t->client), r, t, false);
        end.blocks_address = count(&g->addresses, key_of_address(&t->client), r, t, true);
        end.blocks_name = t->name.len > 0 && count(&g->names, key_of_name(t->name), r, t, true);
    }
    return end;
}

void guard_list(const struct guard *g, uint64_t now_ms,
                void (*each)(void *arg, const struct guard_block *block), void *arg)
{
    for (const struct guard_entry *e = g->addresses.lists[GUARD_BLOCKED]; e != NULL; e = e->next) {
        struct guard_block b = {.left_ms = e->until_ms - now_ms};

        memcpy(&b.client, guard_entry_key(e).ptr, sizeof(b.client));
        if (is_in_force(e, now_ms))
            each(arg, &b);
    }
    for (const struct guard_entry *e = g->names.lists[GUARD_BLOCKED]; e != NULL; e = e->next) {
        struct guard_block b = {.name = guard_entry_key(e), .left_ms = e->until_ms - now_ms};

        if (is_in_force(e, now_ms))
            each(arg, &b);
    }
}

static bool clear(struct guard_table *t, struct key key, uint64_t now_ms)
{
    struct guard_entry *e = find(t, key);
    bool was_blocked = is_in_force(e, now_ms);

    if (e != NULL)
        guard_table_remove(t, e);
    return was_blocked;
}

bool guard_clear_address(struct guard *g, const struct ip *client, uint64_t now_ms)
{
    (void)clear(&g->networks, key_of_network(client), now_ms);
    return clear(&g->addresses, key_of_address(client), now_ms);
}

bool guard_clear_name(struct guard *g, struct sv name, uint64_t now_ms)
{
    return clear(&g->names, key_of_name(name), now_ms);
}
