#include "msa/base/block.h"
#include "msa/base/mem.h"

#include <stdatomic.h>
#include <stdlib.h>

struct block {
    atomic_uint refs;
    char *data;
    size_t len;
};

static struct block *block_of(char *data, size_t len)
{
    struct block *b = NEW(struct block);
    atomic_init(&b->refs, 1);
    b->data = data;
    b->len = len;
    return b;
}

struct block *block_new(struct sv bytes)
{
    return block_of(sv_dup(bytes), bytes.len);
}

struct block *block_from_buf(struct buf *b)
{
    size_t len;
    char *data = buf_take(b, &len);
    return block_of(data, len);
}

struct block *block_keep(struct block *b)
{
    atomic_fetch_add_explicit(&b->refs, 1, memory_order_relaxed);
    return b;
}

void block_drop(struct block *b)
{
    if (b && atomic_fetch_sub_explicit(&b->refs, 1, memory_order_acq_rel) == 1) {
        free(b->data);
        free(b);
    }
}

struct sv block_view(const struct block *b)
{
    return (struct sv){b->data, b->len};
}
