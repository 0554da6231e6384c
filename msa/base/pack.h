/*
 * pack.h - flat messages between our own processes and records in the queue.
 *
 * Writing appends to a buf (big endian, strings with a 32-bit length before them); reading walks
 * a view and never past its end: a short or malformed record sets bad and gives zeros and empty
 * views, so that a reader checks once, with unpack_ok(), at the end.
 * Ownership: views read point into the record. One thread at a time.
 */
#ifndef MSA_BASE_PACK_H
#define MSA_BASE_PACK_H

#include "msa/base/buf.h"

/* Writers abort if the buffer's maximum is too small: its owner sizes it for what it sends. */
void pack_u8(struct buf *b, uint8_t value);
void pack_u32(struct buf *b, uint32_t value);
void pack_u64(struct buf *b, uint64_t value);
void pack_sv(struct buf *b, struct sv text);

struct unpack {
    struct sv rest;
    bool bad;
};

struct unpack unpack_start(struct sv record);
uint8_t unpack_u8(struct unpack *u);
uint32_t unpack_u32(struct unpack *u);
uint64_t unpack_u64(struct unpack *u);
struct sv unpack_sv(struct unpack *u);
/* Whole and well formed: nothing was missing and nothing is left. */
bool unpack_ok(const struct unpack *u);

#endif
