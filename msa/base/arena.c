#include "msa/base/arena.h"
#include "msa/base/mem.h"
#include "msa/base/require.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHUNK_BYTES 1024u
#define ALIGN       16u

struct arena_chunk {
    struct arena_chunk *next;
    size_t used, cap;
    _Alignas(ALIGN) char bytes[];
};

void arena_init(struct arena *a)
{
    *a = (struct arena){0};
}

void arena_reset(struct arena *a)
{
    while (a->chunks) {
        struct arena_chunk *next = a->chunks->next;
        free(a->chunks);
        a->chunks = next;
    }
    a->used_bytes = 0;
}

void arena_deinit(struct arena *a)
{
    arena_reset(a);
}

void *arena_alloc(struct arena *a, size_t bytes)
{
    REQUIRE(bytes < SIZE_MAX / 2);
    size_t need = (bytes + ALIGN - 1) & ~(size_t)(ALIGN - 1);
    struct arena_chunk *c = a->chunks;
    if (!c || c->cap - c->used < need) {
        size_t cap = need > CHUNK_BYTES / 2 ? need : CHUNK_BYTES - sizeof *c;
        c = malloc(sizeof *c + cap);
        REQUIRE(c != NULL);
        c->used = 0;
        c->cap = cap;
        /* a large piece goes behind the open chunk, so that the open one is filled first */
        if (need == cap && a->chunks) {
            c->next = a->chunks->next;
            a->chunks->next = c;
        } else {
            c->next = a->chunks;
            a->chunks = c;
        }
    }
    void *at = c->bytes + c->used;
    c->used += need;
    a->used_bytes += need;
    memset(at, 0, need);
    return at;
}

struct sv arena_sv(struct arena *a, struct sv text)
{
    char *at = arena_alloc(a, text.len + 1);
    if (text.len)
        memcpy(at, text.ptr, text.len);
    return (struct sv){at, text.len};
}

char *arena_str(struct arena *a, struct sv text)
{
    char *at = arena_alloc(a, text.len + 1);
    if (text.len)
        memcpy(at, text.ptr, text.len);
    return at;
}

char *arena_vprintf(struct arena *a, const char *fmt, va_list args)
{
    va_list again;
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, fmt, args);
    REQUIRE(n >= 0);
    char *at = arena_alloc(a, (size_t)n + 1);
    vsnprintf(at, (size_t)n + 1, fmt, again);
    va_end(again);
    return at;
}

char *arena_printf(struct arena *a, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    char *at = arena_vprintf(a, fmt, args);
    va_end(args);
    return at;
}
