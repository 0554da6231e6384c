#include "msa/base/conf_nearest.h"

#define NAME_MAX_BYTES 63

static size_t min3(size_t a, size_t b, size_t c)
{
    size_t m = a < b ? a : b;
    return m < c ? m : c;
}

static bool same(char a, char b)
{
    return ascii_lower(a == '-' ? '_' : a) == ascii_lower(b == '-' ? '_' : b);
}

/* Edits (insert, delete, replace, swap of neighbours) that make a of b; both at most
 * NAME_MAX_BYTES long. Case and the kind of dash do not count. */
static size_t distance(struct sv a, struct sv b)
{
    size_t rows[3][NAME_MAX_BYTES + 1];
    size_t *before = rows[0], *last = rows[1], *now = rows[2];
    for (size_t j = 0; j <= b.len; j++)
        last[j] = j;
    for (size_t i = 1; i <= a.len; i++) {
        now[0] = i;
        for (size_t j = 1; j <= b.len; j++) {
            now[j] =
                min3(last[j] + 1, now[j - 1] + 1, last[j - 1] + !same(a.ptr[i - 1], b.ptr[j - 1]));
            bool swapped = i > 1 && j > 1 && same(a.ptr[i - 1], b.ptr[j - 2]) &&
                           same(a.ptr[i - 2], b.ptr[j - 1]);
            if (swapped && before[j - 2] + 1 < now[j])
                now[j] = before[j - 2] + 1;
        }
        size_t *free_row = before;
        before = last;
        last = now;
        now = free_row;
    }
    return last[b.len];
}

static const char *join(const char *prefix, const char *name, struct arena *a)
{
    return arena_printf(a, "%s%s%s", prefix, prefix[0] ? "." : "", name);
}

static const char *find_same_name(const struct conf_option *rows, const char *prefix,
                                  struct sv name, struct arena *a)
{
    for (const struct conf_option *row = rows; row->name; row++) {
        const char *key = join(prefix, row->name, a);
        if (sv_ieq(sv_of(row->name), name))
            return key;
        const char *inner = row->rows ? find_same_name(row->rows, key, name, a) : NULL;
        if (inner)
            return inner;
    }
    return NULL;
}

const char *conf_nearest(const struct conf_option *root, const struct conf_option *group,
                         const char *prefix, struct sv name, struct arena *a)
{
    if (name.len > NAME_MAX_BYTES)
        return NULL;
    const struct conf_option *best = NULL;
    size_t limit = name.len < 4 ? 1 : 1 + name.len / 4; /* more edits make another word of it */
    size_t best_distance = limit + 1;
    for (const struct conf_option *row = group; row->name; row++) {
        struct sv known = sv_of(row->name);
        size_t d = known.len > NAME_MAX_BYTES ? SIZE_MAX : distance(name, known);
        if (d < best_distance) {
            best = row;
            best_distance = d;
        }
    }
    /* a key of that very name elsewhere is likelier than one that is only similar */
    const char *elsewhere = find_same_name(root, "", name, a);
    if (elsewhere && best_distance > 0)
        return elsewhere;
    return best ? join(prefix, best->name, a) : NULL;
}
