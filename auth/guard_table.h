/*
 * guard_table.h - what failed lately, by key: counts within a sliding window, and blocks. Pure.
 *
 * A table holds at most so many entries. One that has failed a few times is forgotten first, the
 * longest unchanged before others; then those that have failed so often that they are slowed, then
 * those that are blocked: so a flood of fresh keys does not wipe out the counts and blocks of
 * others. But blocks take no more than half of the table and what is slowed no more than a quarter,
 * so that there is always room to count; what is slowed and is one too many counts as any other, as
 * the newest of them. Keys are bytes that strangers may choose: they are hashed behind a seed.
 * Ownership: entries are the table's, valid until the next call that adds or removes. One thread.
 */
#ifndef AUTH_GUARD_TABLE_H
#define AUTH_GUARD_TABLE_H

#include "msa/base/sv.h"

#include <uthash.h>

#define GUARD_KEY_MAX 288 /* bytes: a name, or an address */
#define GUARD_PARTS   8   /* of a window: what fails is forgotten an eighth at a time */

/* Failures within the last window. */
struct guard_count {
    uint64_t part; /* number of the newest part since the clock's start */
    uint16_t in[GUARD_PARTS];
};
unsigned guard_count_at(const struct guard_count *c, uint64_t window_ms, uint64_t now_ms);
void guard_count_add(struct guard_count *c, uint64_t window_ms, uint64_t now_ms);

enum guard_kind { GUARD_COUNTED, GUARD_SLOWED, GUARD_BLOCKED, GUARD_KINDS };

struct guard_entry {
    UT_hash_handle hh;
    struct guard_entry *prev, *next; /* in the list of its kind */
    enum guard_kind kind;
    struct guard_count count;
    uint64_t until_ms; /* blocked until then; 0: not */
    size_t key_len;
    char key[]; /* the seed, then the key */
};

struct guard_table {
    uint64_t seed;
    size_t max;
    struct guard_entry *hash;
    struct guard_entry *lists[GUARD_KINDS]; /* the longest unchanged first */
    size_t counts[GUARD_KINDS];
};

void guard_table_init(struct guard_table *t, size_t max, uint64_t seed);
void guard_table_deinit(struct guard_table *t);
size_t guard_table_count(const struct guard_table *t);
/* The key of an entry, without the seed. */
struct sv guard_entry_key(const struct guard_entry *e);
struct guard_entry *guard_table_find(const struct guard_table *t, struct sv key); /* or NULL */
/* Found or made; it is the newest of those that count now, and not blocked. */
struct guard_entry *guard_table_touch(struct guard_table *t, struct sv key);
/* Blocks that are over, of those at the front, make room. */
void guard_table_expire(struct guard_table *t, uint64_t now_ms);
/* It has failed so often that it is slowed. */
void guard_table_slow(struct guard_table *t, struct guard_entry *e);
/* Until then it is blocked, and its count begins anew. */
void guard_table_block(struct guard_table *t, struct guard_entry *e, uint64_t until_ms);
void guard_table_remove(struct guard_table *t, struct guard_entry *e);

#endif
