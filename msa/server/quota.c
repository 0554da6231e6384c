#include "msa/server/quota.h"
#include "msa/base/mem.h"
#include "msa/base/require.h"

#include <stdlib.h>
#include <uthash.h>

struct client {
    struct ip ip; /* key; unused bytes are zero */
    size_t connections;
    UT_hash_handle hh;
};

struct quota {
    struct client *clients; /* only those with a connection */
    size_t connections, max, per_client;
};

struct quota *quota_new(void)
{
    return NEW(struct quota);
}

void quota_free(struct quota *q)
{
    struct client *c, *next;
    HASH_ITER(hh, q->clients, c, next)
    {
        HASH_DEL(q->clients, c);
        free(c);
    }
    free(q);
}

void quota_set(struct quota *q, size_t connections, size_t per_client)
{
    q->max = connections;
    q->per_client = per_client;
}

static struct client *find(struct quota *q, const struct ip *ip)
{
    struct client *c;
    struct ip key = ip_client(ip);
    HASH_FIND(hh, q->clients, &key, sizeof key, c);
    return c;
}

enum quota_verdict quota_connect(struct quota *q, const struct ip *client)
{
    struct client *c = find(q, client);
    if (q->max && q->connections >= q->max)
        return QUOTA_CONNECTIONS;
    if (q->per_client && c && c->connections >= q->per_client)
        return QUOTA_CLIENT;
    if (!c) {
        c = NEW(struct client);
        c->ip = ip_client(client);
        HASH_ADD(hh, q->clients, ip, sizeof c->ip, c);
    }
    c->connections++;
    q->connections++;
    return QUOTA_OK;
}

void quota_disconnect(struct quota *q, const struct ip *client)
{
    struct client *c = find(q, client);
    REQUIRE(c && c->connections > 0 && q->connections > 0);
    q->connections--;
    if (--c->connections == 0) {
        HASH_DEL(q->clients, c);
        free(c);
    }
}

size_t quota_connections(const struct quota *q)
{
    return q->connections;
}
