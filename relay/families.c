#include "relay/families.h"

#include "msa/base/mem.h"

#include <stdlib.h>
#include <string.h>
#include <uthash.h>

struct entry {
    UT_hash_handle hh; /* the table keeps the order in which they were noted, oldest first */
    enum ip_family loser;
    uint64_t until_ms;
    char host[];
};

struct relay_families {
    struct entry *table;
};

struct relay_families *relay_families_new(void)
{
    return NEW(struct relay_families);
}

static void drop(struct relay_families *f, struct entry *e)
{
    HASH_DEL(f->table, e);
    free(e);
}

void relay_families_free(struct relay_families *f)
{
    if (!f)
        return;
    while (f->table)
        drop(f, f->table);
    free(f);
}

void relay_families_note(struct relay_families *f, const char *host, enum ip_family loser,
                         uint64_t now_ms)
{
    struct entry *old, *e;
    size_t len = strlen(host);
    HASH_FIND_STR(f->table, host, old);
    if (old)
        drop(f, old);
    else if (HASH_COUNT(f->table) >= RELAY_FAMILIES_MAX)
        drop(f, f->table);
    e = mem_new(sizeof *e + len + 1, 1);
    e->loser = loser;
    e->until_ms = now_ms + RELAY_FAMILIES_MS;
    memcpy(e->host, host, len + 1);
    HASH_ADD_KEYPTR(hh, f->table, e->host, len, e);
}

enum ip_family relay_families_loser(const struct relay_families *f, const char *host,
                                    uint64_t now_ms)
{
    struct entry *e;
    HASH_FIND_STR(f->table, host, e);
    return e && now_ms < e->until_ms ? e->loser : IP_NONE;
}

size_t relay_families_count(const struct relay_families *f)
{
    return HASH_COUNT(f->table);
}
