#include "msa/ctl/plain.h"

#include "msa/base/utf8.h"

#include <stdio.h>
#include <string.h>

/* Marks, embeddings, overrides and isolates (UAX 9). */
static bool turns(uint32_t p)
{
    return p == 0x061C || p == 0x200E || p == 0x200F || (p >= 0x202A && p <= 0x202E) ||
           (p >= 0x2066 && p <= 0x2069);
}

static bool is_plain(struct sv one)
{
    unsigned char c = (unsigned char)one.ptr[0];
    if (one.len == 1)
        return c == '\t' || (c >= 32 && c < 127);
    return utf8_non_ascii(one) && !turns(utf8_point(one));
}

/* The next character, or what stands for it. */
static struct sv next(struct sv *text)
{
    size_t n = utf8_length(*text);
    struct sv one = sv_first(*text, n ? n : 1);
    *text = sv_skip(*text, one.len);
    if (one.ptr[0] == '\n' || one.ptr[0] == '\r')
        return SV(" ");
    return is_plain(one) ? one : SV("?");
}

void plain_put(struct sv text)
{
    while (text.len) {
        struct sv one = next(&text);
        fwrite(one.ptr, 1, one.len, stdout);
    }
}

const char *plain_copy(struct arena *a, const char *text)
{
    struct sv rest = sv_of(text);
    char *copy = arena_alloc(a, rest.len + 1), *at = copy;
    while (rest.len) {
        struct sv one = next(&rest);
        memcpy(at, one.ptr, one.len);
        at += one.len;
    }
    *at = '\0';
    return copy;
}
