#include "msa/base/sv.h"
#include "msa/base/mem.h"

#include <string.h>

struct sv sv_of(const char *cstr)
{
    return (struct sv){cstr, cstr ? strlen(cstr) : 0};
}

struct sv sv_range(const char *from, const char *to)
{
    return (struct sv){from, (size_t)(to - from)};
}

bool sv_eq(struct sv a, struct sv b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

bool sv_ieq(struct sv a, struct sv b)
{
    if (a.len != b.len)
        return false;
    for (size_t i = 0; i < a.len; i++)
        if (ascii_lower(a.ptr[i]) != ascii_lower(b.ptr[i]))
            return false;
    return true;
}

bool sv_starts(struct sv text, struct sv prefix)
{
    return text.len >= prefix.len && sv_eq(sv_first(text, prefix.len), prefix);
}

bool sv_istarts(struct sv text, struct sv prefix)
{
    return text.len >= prefix.len && sv_ieq(sv_first(text, prefix.len), prefix);
}

bool sv_iends(struct sv text, struct sv suffix)
{
    return text.len >= suffix.len && sv_ieq(sv_skip(text, text.len - suffix.len), suffix);
}

size_t sv_find(struct sv text, char c)
{
    const char *at = text.len ? memchr(text.ptr, c, text.len) : NULL;
    return at ? (size_t)(at - text.ptr) : text.len;
}

size_t sv_rfind(struct sv text, char c)
{
    const char *at = text.len ? memrchr(text.ptr, c, text.len) : NULL;
    return at ? (size_t)(at - text.ptr) : text.len;
}

struct sv sv_skip(struct sv text, size_t n)
{
    if (n > text.len)
        n = text.len;
    return (struct sv){text.ptr ? text.ptr + n : NULL, text.len - n};
}

struct sv sv_first(struct sv text, size_t n)
{
    return (struct sv){text.ptr, n < text.len ? n : text.len};
}

struct sv sv_trim(struct sv text)
{
    while (text.len && (text.ptr[0] == ' ' || text.ptr[0] == '\t'))
        text = sv_skip(text, 1);
    while (text.len && (text.ptr[text.len - 1] == ' ' || text.ptr[text.len - 1] == '\t'))
        text.len--;
    return text;
}

struct sv sv_split(struct sv *text, char sep)
{
    size_t at = sv_find(*text, sep);
    struct sv head = sv_first(*text, at);
    *text = sv_skip(*text, at + 1);
    return head;
}

char *sv_dup(struct sv text)
{
    return mem_dup(text.ptr, text.len);
}

bool sv_u64(struct sv text, uint64_t max, uint64_t *out)
{
    uint64_t value = 0;
    if (text.len == 0 || text.len > 20)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        if (!ascii_digit(text.ptr[i]) || __builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, (uint64_t)(text.ptr[i] - '0'), &value))
            return false;
    }
    if (value > max)
        return false;
    *out = value;
    return true;
}
