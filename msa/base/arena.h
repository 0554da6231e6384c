/*
 * arena.h - memory that is released as a whole.
 *
 * Ownership: what arena_* returns lives until arena_reset() or arena_deinit(). There is no free
 * for one piece. used_bytes tells what is held, for accounting. One thread at a time.
 */
#ifndef MSA_BASE_ARENA_H
#define MSA_BASE_ARENA_H

#include "msa/base/err.h"
#include "msa/base/sv.h"

#include <stdarg.h>

struct arena_chunk;

struct arena {
    struct arena_chunk *chunks;
    size_t used_bytes; /* asked for since the last reset */
};

void arena_init(struct arena *a);
void arena_deinit(struct arena *a);
void arena_reset(struct arena *a);                   /* gives all memory back */
void *arena_alloc(struct arena *a, size_t bytes);    /* zeroed, aligned for any type */
struct sv arena_sv(struct arena *a, struct sv text); /* copy, NUL behind it */
char *arena_str(struct arena *a, struct sv text);    /* the same as a C string */
char *arena_printf(struct arena *a, const char *fmt, ...) PRINTF_LIKE(2, 3);
char *arena_vprintf(struct arena *a, const char *fmt, va_list args) PRINTF_LIKE(2, 0);

#endif
