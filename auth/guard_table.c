/*
 * guard_table.c - a hash and, for each kind, a list in the order of change. An entry whose block is
 * over counts as any other with its next failure.
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

static void enlist(struct guard_table *t, struct guard_entry *e, enum guard_kind kind)
{
    e->kind = kind;
    DL_APPEND(t->lists[kind], e);
    t->counts[kind]++;
}

static void unlist(struct guard_table *t, struct guard_entry *e)
{
    DL_DELETE(t->lists[e->kind], e);
    t->counts[e->kind]--;
}

void guard_table_remove(struct guard_table *t, struct guard_entry *e)
{
    HASH_DEL(t->hash, e);
    unlist(t, e);
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

static void make_room(struct guard_table *t)
{
    enum guard_kind kind = GUARD_COUNTED;

    if (t->counts[GUARD_BLOCKED] > t->max / 2)
        kind = GUARD_BLOCKED;
    while (t->lists[kind] == NULL)
        kind++;
    guard_table_remove(t, t->lists[kind]);
}

static struct guard_entry *entry_new(struct guard_table *t, struct sv key)
{
    char whole[sizeof(uint64_t) + GUARD_KEY_MAX];
    size_t len = seeded(t, key, whole);
    struct guard_entry *e;

    if (HASH_COUNT(t->hash) >= t->max)
        make_room(t);
    e = mem_new(1, sizeof(*e) + len);
    e->key_len = len;
    memcpy(e->key, whole, len);
    HASH_ADD_KEYPTR(hh, t->hash, e->key, len, e);
    enlist(t, e, GUARD_COUNTED);
    return e;
}

void guard_table_expire(struct guard_table *t, uint64_t now_ms)
{
    struct guard_entry *e;

    while ((e = t->lists[GUARD_BLOCKED]) != NULL && e->until_ms <= now_ms)
        guard_table_remove(t, e);
}

struct guard_entry *guard_table_touch(struct guard_table *t, struct sv key)
{
    struct guard_entry *e = guard_table_find(t, key);

    if (e == NULL)
        return entry_new(t, key);
    unlist(t, e);
    e->until_ms = 0;
    enlist(t, e, GUARD_COUNTED);
    return e;
}

void guard_table_slow(struct guard_table *t, struct guard_entry *e)
{
    unlist(t, e);
    enlist(t, e, GUARD_SLOWED);
    if (t->counts[GUARD_SLOWED] > t->max / 4) {
        e = t->lists[GUARD_SLOWED];
        unlist(t, e);
        enlist(t, e, GUARD_COUNTED);
    }
}

void guard_table_block(struct guard_table *t, struct guard_entry *e, uint64_t until_ms)
{
    REQUIRE(until_ms > 0);
    unlist(t, e);
    e->until_ms = until_ms;
    e->count = (struct guard_count){0};
    enlist(t, e, GUARD_BLOCKED);
}
