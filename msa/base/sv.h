/*
 * sv.h - string views: bytes that somebody else owns.
 *
 * A view is valid until the next call on its producer and nothing longer. Bytes may hold NUL.
 * Case-insensitive means ASCII only, independent of the locale. Any thread.
 */
#ifndef MSA_BASE_SV_H
#define MSA_BASE_SV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sv {
    const char *ptr;
    size_t len; /* bytes */
};

#define SV(literal) ((struct sv){"" literal, sizeof(literal) - 1})
#define SV_NONE     ((struct sv){NULL, 0})
/* For printf's "%.*s". */
#define SV_ARG(view) (int)(view).len, (view).ptr ? (view).ptr : ""

struct sv sv_of(const char *cstr); /* NULL gives the empty view */
struct sv sv_range(const char *from, const char *to);
bool sv_eq(struct sv a, struct sv b);
bool sv_ieq(struct sv a, struct sv b);
bool sv_starts(struct sv text, struct sv prefix);
bool sv_istarts(struct sv text, struct sv prefix);
bool sv_iends(struct sv text, struct sv suffix);
/* Index of the first byte c, or len if there is none. */
size_t sv_find(struct sv text, char c);
size_t sv_rfind(struct sv text, char c);
struct sv sv_skip(struct sv text, size_t n);  /* without the first n bytes (at most all) */
struct sv sv_first(struct sv text, size_t n); /* the first n bytes (at most all) */
struct sv sv_trim(struct sv text);            /* without space and tab at both ends */
/* Splits at the first sep: returns what stands before it and leaves the rest in *text. */
struct sv sv_split(struct sv *text, char sep);
/* Heap copy with a NUL behind; free with free(). */
char *sv_dup(struct sv text);
/* Decimal digits only, 1 to 20 of them; false on anything else or above max. */
bool sv_u64(struct sv text, uint64_t max, uint64_t *out);

static inline char ascii_lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

static inline bool ascii_digit(char c)
{
    return c >= '0' && c <= '9';
}

static inline bool ascii_alpha(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

#endif
