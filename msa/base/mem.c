#include "msa/base/mem.h"
#include "msa/base/require.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

void *mem_new(size_t count, size_t size)
{
    void *p = calloc(count ? count : 1, size ? size : 1);
    REQUIRE(p != NULL);
    return p;
}

void *mem_resize(void *old, size_t count, size_t size)
{
    if (count == 0)
        count = 1;
    void *p = reallocarray(old, count, size);
    REQUIRE(p != NULL);
    return p;
}

char *mem_dup(const void *from, size_t len)
{
    REQUIRE(len < SIZE_MAX);
    char *p = malloc(len + 1);
    REQUIRE(p != NULL);
    if (len)
        memcpy(p, from, len);
    p[len] = '\0';
    return p;
}

char *mem_str(const char *cstr)
{
    return mem_dup(cstr, strlen(cstr));
}

void mem_wipe(void *at, size_t len)
{
    if (at && len)
        explicit_bzero(at, len);
}

int mem_equal_ct(const void *a, const void *b, size_t len)
{
    const volatile unsigned char *x = a, *y = b;
    unsigned char diff = 0;
    for (size_t i = 0; i < len; i++)
        diff |= (unsigned char)(x[i] ^ y[i]);
    return diff == 0;
}
