/*
 * owners.c - a hash of names, each with a short array of places, and a list of the names in the
 * order of their successes.
 */
#include "auth/owners.h"

#include "msa/base/mem.h"
#include "msa/base/require.h"

#include <stdlib.h>
#include <string.h>
#include <utlist.h>

struct owners_name {
    UT_hash_handle hh;
    struct owners_name *prev, *next;
    struct owners_place *places;
    size_t count, room;
    char name[];
};

void owners_init(struct owners *o, size_t max)
{
    *o = (struct owners){.max = max};
}

static void forget(struct owners *o, struct owners_name *n)
{
    HASH_DEL(o->hash, n);
    DL_DELETE(o->names, n);
    o->count -= n->count;
    free(n->places);
    free(n);
}

void owners_deinit(struct owners *o)
{
    while (o->names != NULL)
        forget(o, o->names);
}

static struct owners_name *name_find(const struct owners *o, struct sv name)
{
    struct owners_name *n = NULL;

    HASH_FIND(hh, o->hash, name.ptr, name.len, n);
    return n;
}

static struct owners_name *name_new(struct owners *o, struct sv name)
{
    struct owners_name *n = mem_new(1, sizeof(*n) + name.len);

    memcpy(n->name, name.ptr, name.len);
    HASH_ADD_KEYPTR(hh, o->hash, n->name, name.len, n);
    DL_APPEND(o->names, n);
    return n;
}

static struct owners_place *place_of(const struct owners_name *n, const struct ip *client)
{
    for (size_t i = 0; i < n->count; i++) {
        if (ip_eq(&n->places[i].client, client))
            return &n->places[i];
    }
    return NULL;
}

static struct owners_place *oldest(const struct owners_name *n)
{
    struct owners_place *p = &n->places[0];

    for (size_t i = 1; i < n->count; i++) {
        if (n->places[i].wall_s < p->wall_s)
            p = &n->places[i];
    }
    return p;
}

/* Room for one more place of this name; what was there is gone. */
static struct owners_place *place_new(struct owners *o, struct owners_name *n)
{
    if (n->count == OWNERS_PLACES_MAX)
        return oldest(n);
    if (n->count == n->room) {
        n->room = n->room > 0 ? n->room * 2 : 1;
        n->places = mem_resize(n->places, n->room, sizeof(*n->places));
    }
    o->count++;
    return &n->places[n->count++];
}

void owners_remember(struct owners *o, struct sv name, const struct ip *client, int64_t wall_s)
{
    struct ip ip = ip_client(client);
    struct owners_name *n;
    struct owners_place *p;

    REQUIRE(name.len > 0);
    n = name_find(o, name);
    if (n == NULL)
        n = name_new(o, name);
    p = place_of(n, &ip);
    if (p == NULL) {
        p = place_new(o, n);
        *p = (struct owners_place){.client = ip, .wall_s = wall_s};
    }
    if (p->wall_s < wall_s)
        p->wall_s = wall_s;
    DL_DELETE(o->names, n);
    DL_APPEND(o->names, n);
    while (o->count > o->max && o->names != n)
        forget(o, o->names);
}

struct owners_place *owners_find(const struct owners *o, struct sv name, const struct ip *client)
{
    struct owners_name *n = name_find(o, name);
    struct ip ip = ip_client(client);

    return n != NULL ? place_of(n, &ip) : NULL;
}
