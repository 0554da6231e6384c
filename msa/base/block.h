/*
 * block.h - an immutable, reference-counted run of bytes.
 *
 * The only thing that threads share. A block is filled by the thread that made it, before it is
 * handed on; after that nobody writes to it. The last block_drop() frees it. Any thread.
 */
#ifndef MSA_BASE_BLOCK_H
#define MSA_BASE_BLOCK_H

#include "msa/base/buf.h"

struct block;

struct block *block_new(struct sv bytes);    /* copies */
struct block *block_from_buf(struct buf *b); /* takes the content of b, which is empty then */
struct block *block_keep(struct block *b);   /* one more reference; returns b */
void block_drop(struct block *b);            /* NULL is allowed */
struct sv block_view(const struct block *b); /* valid while the caller holds a reference */

#endif
