#include "rewrite/dkim_keys.h"

#include "msa/base/arena.h"
#include "msa/base/mem.h"
#include "msa/base/require.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

struct rewrite_dkim_keys {
    atomic_uint refs;
    struct rewrite_dkim_key *list;          /* as given */
    const struct rewrite_dkim_key **sorted; /* by domain, for look-ups */
    size_t count;
    struct arena arena;
};

static const struct {
    const char *tag, *kind;
} algorithms[] = {
#define ALGORITHM_ROW(name, tag, kind) [REWRITE_DKIM_##name] = {tag, kind},
    REWRITE_DKIM_ALGORITHMS(ALGORITHM_ROW)
#undef ALGORITHM_ROW
};

const char *rewrite_dkim_algorithm_tag(enum rewrite_dkim_algorithm a)
{
    REQUIRE(a < REWRITE_DKIM_ALGORITHM_COUNT);
    return algorithms[a].tag;
}

const char *rewrite_dkim_algorithm_kind(enum rewrite_dkim_algorithm a)
{
    REQUIRE(a < REWRITE_DKIM_ALGORITHM_COUNT);
    return algorithms[a].kind;
}

bool rewrite_dkim_algorithm_of(struct sv kind, enum rewrite_dkim_algorithm *out)
{
    for (unsigned a = 0; a < REWRITE_DKIM_ALGORITHM_COUNT; a++) {
        if (sv_eq(kind, sv_of(algorithms[a].kind))) {
            *out = (enum rewrite_dkim_algorithm)a;
            return true;
        }
    }
    return false;
}

static int compare(struct sv a, struct sv b)
{
    int order = memcmp(a.ptr, b.ptr, a.len < b.len ? a.len : b.len);
    return order ? order : (a.len > b.len) - (a.len < b.len);
}

static int by_domain(const void *a, const void *b)
{
    const struct rewrite_dkim_key *const *x = a, *const *y = b;
    int order = compare((*x)->domain, (*y)->domain);
    return order ? order : (*x > *y) - (*x < *y); /* else as given */
}

struct rewrite_dkim_keys *rewrite_dkim_keys_new(const struct rewrite_dkim_key *keys, size_t count)
{
    struct rewrite_dkim_keys *set = NEW(struct rewrite_dkim_keys);
    atomic_init(&set->refs, 1);
    arena_init(&set->arena);
    set->count = count;
    set->list = mem_new(count + 1, sizeof *set->list);
    set->sorted = mem_new(count + 1, sizeof *set->sorted);
    for (size_t i = 0; i < count; i++) {
        set->list[i] = keys[i];
        set->list[i].domain = arena_sv(&set->arena, keys[i].domain);
        set->list[i].selector = arena_sv(&set->arena, keys[i].selector);
        set->list[i].id = arena_sv(&set->arena, keys[i].id);
        set->sorted[i] = &set->list[i];
    }
    qsort(set->sorted, count, sizeof *set->sorted, by_domain);
    return set;
}

struct rewrite_dkim_keys *rewrite_dkim_keys_keep(struct rewrite_dkim_keys *set)
{
    atomic_fetch_add_explicit(&set->refs, 1, memory_order_relaxed);
    return set;
}

void rewrite_dkim_keys_drop(struct rewrite_dkim_keys *set)
{
    if (!set || atomic_fetch_sub_explicit(&set->refs, 1, memory_order_acq_rel) != 1)
        return;
    arena_deinit(&set->arena);
    free(set->list);
    free(set->sorted);
    free(set);
}

size_t rewrite_dkim_keys_count(const struct rewrite_dkim_keys *set)
{
    return set ? set->count : 0;
}

const struct rewrite_dkim_key *rewrite_dkim_keys_at(const struct rewrite_dkim_keys *set, size_t i)
{
    REQUIRE(i < set->count);
    return &set->list[i];
}

/* The rows of a domain; their number, and the first in *at_out. */
static size_t rows_of(const struct rewrite_dkim_keys *set, struct sv domain, size_t *at_out)
{
    size_t from = 0, to = set->count;
    while (from < to) {
        size_t middle = from + (to - from) / 2;
        if (compare(set->sorted[middle]->domain, domain) < 0)
            from = middle + 1;
        else
            to = middle;
    }
    *at_out = from;
    while (to < set->count && sv_eq(set->sorted[to]->domain, domain))
        to++;
    return to - from;
}

/* Adds what is active of a domain's rows; require is said by any of them. */
static void add_active(const struct rewrite_dkim_keys *set, struct sv domain, int64_t now_s,
                       struct rewrite_dkim_signers *s)
{
    size_t at, n = rows_of(set, domain, &at);
    const struct rewrite_dkim_key *const *rows = set->sorted + at;
    int64_t latest[REWRITE_DKIM_ALGORITHM_COUNT];
    bool has[REWRITE_DKIM_ALGORITHM_COUNT] = {false};
    for (size_t i = 0; i < n; i++) {
        const struct rewrite_dkim_key *k = rows[i];
        s->require = s->require || k->require;
        if (k->from_s > now_s || (has[k->algorithm] && latest[k->algorithm] >= k->from_s))
            continue;
        has[k->algorithm] = true;
        latest[k->algorithm] = k->from_s;
    }
    for (size_t i = 0; i < n && s->count < REWRITE_DKIM_SIGNERS_MAX; i++)
        if (has[rows[i]->algorithm] && latest[rows[i]->algorithm] == rows[i]->from_s)
            s->keys[s->count++] = rows[i];
}

struct rewrite_dkim_signers rewrite_dkim_keys_find(const struct rewrite_dkim_keys *set,
                                                   struct sv domain, int64_t now_s)
{
    struct rewrite_dkim_signers s = {.count = 0};
    while (set && domain.len && s.count == 0) {
        add_active(set, domain, now_s, &s);
        domain = sv_skip(domain, sv_find(domain, '.') + 1);
    }
    s.require = s.require && s.count == 0;
    return s;
}

bool rewrite_dkim_keys_is_active(const struct rewrite_dkim_keys *set,
                                 const struct rewrite_dkim_key *key, int64_t now_s)
{
    struct rewrite_dkim_signers s = {.count = 0};
    add_active(set, key->domain, now_s, &s);
    for (size_t i = 0; i < s.count; i++)
        if (s.keys[i] == key)
            return true;
    return false;
}
