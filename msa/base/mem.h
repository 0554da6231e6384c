/*
 * mem.h - allocation that never fails, and wiping.
 *
 * A failing allocation aborts: limits.memory refuses work long before that, and the queue
 * survives a restart. Any thread.
 */
#ifndef MSA_BASE_MEM_H
#define MSA_BASE_MEM_H

#include <stddef.h>

/* Zeroed memory for count objects of size bytes; free with free(). */
__attribute__((malloc, alloc_size(1, 2))) void *mem_new(size_t count, size_t size);
/* Like realloc for count objects of size bytes, overflow checked; count 0 gives a valid pointer. */
__attribute__((alloc_size(2, 3))) void *mem_resize(void *old, size_t count, size_t size);
/* Copy of len bytes with a NUL behind them; free with free(). */
__attribute__((malloc)) char *mem_dup(const void *from, size_t len);
__attribute__((malloc)) char *mem_str(const char *cstr);
/* Overwrites a secret so that the compiler cannot drop it. */
void mem_wipe(void *at, size_t len);
/* 1 if both hold the same len bytes; time depends on len only. */
int mem_equal_ct(const void *a, const void *b, size_t len);

#define NEW(type) ((type *)mem_new(1, sizeof(type)))

#endif
