/*
 * guard_table.c - a hash and two lists in the order of change: entries that only count, and those
 * that were blocked. An entry whose block is over goes back to the first with its next failure.
 */
#include "auth/guard_table.h"

#include "msa/base/mem.h"
#include "msa/base/require.h"

#include <stdlib.h>
#include <string.h>
#include <utlist.h>

static uint64_t part_of(uint64_t window_ms, uint64_t now_ms)
{
    return now_ms / (window_ms / GUARD_PARTS + 1);
}

unsigned guard_count_at(const struct guard_count *c, uint64_t window_ms, uint64_t now_ms)
{
    uint64_t part = part_of(window_ms, now_ms), age = part - c->part;
    unsigned sum = 0;

    /* a part that lies ahead is of another window's length: nothing is known */
    for (uint64_t i = 0; age < GUARD_PARTS && i < GUARD_PARTS - age; i++)
        sum += c->in[i];
    return sum;
}

/* in[0] is the newest part. */
void guard_count_add(struct guard_count *c, uint64_t window_ms, uint64_t now_ms)
{
    uint64_t part = part_of(window_ms, now_ms), age = part - c->part;

    if (age >= GUARD_PARTS) {
        memset(c->in, 0, sizeof(c->in));
    } else if (age > 0) {
        memmove(c->in + age, c->in, (GUARD_PARTS - age) * sizeof(c->in[0]));
        memset(c->in, 0, age * sizeof(c->in[0]));
    }
    c->part = part;
    if (c->in[0] < UINT16_MAX)
        c->in[0]++;
}

void guard_table_init(struct guard_table *t, size_t max, uint64_t seed)
{
    *t = (struct guard_table){.seed = seed, .max = max};
}

static struct guard_entry **list_of(struct guard_table *t, const struct guard_entry *e)
{
    return e->until_ms > 0 ? &t->blocked : &t->counting;
}

void guard_table_remove(struct guard_table *t, struct guard_entry *e)
{
    struct guard_entry **list = list_of(t, e);

    t->nblocked -= e->until_ms > 0;
    HASH_DEL(t->hash, e);
    DL_DELETE(*list, e);
    free(e);
}

void guard_table_deinit(struct guard_table *t)
{
    struct guard_entry *e, *next;

    HASH_ITER(hh, t->hash, e, next)
    guard_table_remove(t, e);
}

size_t guard_table_count(const struct guard_table *t)
{
    return HASH_COUNT(t->hash);
}

struct sv guard_entry_key(const struct guard_entry *e)
{
    return (struct sv){e->key + sizeof(uint64_t), e->key_len - sizeof(uint64_t)};
}

static size_t seeded(const struct guard_table *t, struct sv key,
                     char out[sizeof(uint64_t) + GUARD_KEY_MAX])
{
    REQUIRE(key.len > 0 && key.len <= GUARD_KEY_MAX);
    memcpy(out, &t->seed, sizeof(t->seed));
    memcpy(out + sizeof(t->seed), key.ptr, key.len);
    return sizeof(t->seed) + key.len;
}

struct guard_entry *guard_table_find(const struct guard_table *t, struct sv key)
{
    char whole[sizeof(uint64_t) + GUARD_KEY_MAX];
    size_t len = seeded(t, key, whole);
    struct guard_entry *e = NULL;

    HASH_FIND(hh, t->hash, whole, len, e);
    return e;
}

static struct guard_entry *entry_new(struct guard_table *t, struct sv key)
{
    char whole[sizeof(uint64_t) + GUARD_KEY_MAX];
    size_t len = seeded(t, key, whole);
    struct guard_entry *e;

    if (HASH_COUNT(t->hash) >= t->max) {
        bool many = t->counting == NULL || t->nblocked > t->max / 2;
        guard_table_remove(t, many ? t->blocked : t->counting);
    }
    e = mem_new(1, sizeof(*e) + len);
    e->key_len = len;
    memcpy(e->key, whole, len);
    HASH_ADD_KEYPTR(hh, t->hash, e->key, len, e);
    DL_APPEND(t->counting, e);
    return e;
}

void guard_table_expire(struct guard_table *t, uint64_t now_ms)
{
    while (t->blocked != NULL && t->blocked->until_ms <= now_ms)
        guard_table_remove(t, t->blocked);
}

struct guard_entry *guard_table_touch(struct guard_table *t, struct sv key)
{
    struct guard_entry *e = guard_table_find(t, key);

    if (e == NULL)
        return entry_new(t, key);
    struct guard_entry **list = list_of(t, e);
    DL_DELETE(*list, e);
    t->nblocked -= e->until_ms > 0;
    e->until_ms = 0;
    DL_APPEND(t->counting, e);
    return e;
}

void guard_table_block(struct guard_table *t, struct guard_entry *e, uint64_t until_ms)
{
    struct guard_entry **list = list_of(t, e);

    REQUIRE(until_ms > 0);
    DL_DELETE(*list, e);
    t->nblocked += e->until_ms == 0;
    e->until_ms = until_ms;
    e->count = (struct guard_count){0};
    DL_APPEND(t->blocked, e);
}
