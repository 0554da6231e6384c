/*
 * guard_table.h - what failed lately, by key: counts within a sliding window, and blocks. Pure.
 *
 * A table holds at most so many entries. The one that has not failed for longest is forgotten
 * first, and what is blocked after everything else, so that a flood of fresh keys does not end the
 * blocks of others; but blocks take no more than half of the table, so that there is always room to
 * count. Keys are bytes that strangers may choose: they are hashed behind a seed.
 * Ownership: entries are the table's, valid until the next call that adds or removes. One thread.
 */
#ifndef AUTH_GUARD_TABLE_H
#define AUTH_GUARD_TABLE_H

#include "msa/base/sv.h"

#include <uthash.h>

#define GUARD_KEY_MAX 288 /* bytes: an address and a name */
#define GUARD_PARTS   8   /* of a window: what fails is forgotten an eighth at a time */

/* Failures within the last window. */
struct guard_count {
    uint64_t part; /* number of the newest part since the clock's start */
    uint16_t in[GUARD_PARTS];
};
unsigned guard_count_at(const struct guard_count *c, uint64_t window_ms, uint64_t now_ms);
void guard_count_add(struct guard_count *c, uint64_t window_ms, uint64_t now_ms);

struct guard_entry {
    UT_hash_handle hh;
    struct guard_entry *prev, *next; /* in one of the table's lists */
    struct guard_count count;
    uint64_t until_ms; /* blocked until then; 0: not */
    int64_t wall_s;    /* of the last success, where a table is of successes */
    size_t key_len;
    char key[]; /* the seed, then the key */
};

struct guard_table {
    uint64_t seed;
    size_t max;
    struct guard_entry *hash;
    struct guard_entry *counting, *blocked; /* the longest unchanged first */
    size_t nblocked;
};

void guard_table_init(struct guard_table *t, size_t max, uint64_t seed);
void guard_table_deinit(struct guard_table *t);
size_t guard_table_count(const struct guard_table *t);
/* The key of an entry, without the seed. */
struct sv guard_entry_key(const struct guard_entry *e);
struct guard_entry *guard_table_find(const struct guard_table *t, struct sv key); /* or NULL */
/* Found or made; it is the newest now. */
struct guard_entry *guard_table_touch(struct guard_table *t, struct sv key);
/* Blocks that are over, of those at the front, make room. */
void guard_table_expire(struct guard_table *t, uint64_t now_ms);
/* Until then it is blocked, and its count begins anew. */
void guard_table_block(struct guard_table *t, struct guard_entry *e, uint64_t until_ms);
void guard_table_remove(struct guard_table *t, struct guard_entry *e);

#endif
