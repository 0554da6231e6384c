/*
 * memory.h - limits.memory: what sessions and messages in hand may use, counted before it is used.
 *
 * An estimate by design: it refuses work (421, 452) long before an allocation could fail. Any
 * thread.
 */
#ifndef MSA_SERVER_MEMORY_H
#define MSA_SERVER_MEMORY_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct memory {
    _Atomic int64_t used_bytes, max_bytes;
};

/* What one connection and one message being received are charged, at most. */
#define MEMORY_SESSION_BYTES (32 << 10)
#define MEMORY_MESSAGE_BYTES (192 << 10)
/* And what goes before milters: a header section, two pieces of content. */
#define MEMORY_FILTER_BYTES (256 << 10)

static inline bool memory_take(struct memory *m, int64_t bytes)
{
    int64_t used = atomic_fetch_add_explicit(&m->used_bytes, bytes, memory_order_relaxed) + bytes;
    if (used <= atomic_load_explicit(&m->max_bytes, memory_order_relaxed))
        return true;
    atomic_fetch_sub_explicit(&m->used_bytes, bytes, memory_order_relaxed);
    return false;
}

static inline void memory_give(struct memory *m, int64_t bytes)
{
    atomic_fetch_sub_explicit(&m->used_bytes, bytes, memory_order_relaxed);
}

#endif
