/*
 * A list that only grows, at its front: whoever reads it sees whole rows.
 */
#include "msa/server/filter_counts.h"
#include "msa/base/mem.h"

#include <stdlib.h>
#include <string.h>

struct filter_counts *filter_counts_new(void)
{
    struct filter_counts *c = NEW(struct filter_counts);
    atomic_init(&c->first, NULL);
    return c;
}

void filter_counts_free(struct filter_counts *c)
{
    struct filter_count *n = atomic_load(&c->first);
    while (n) {
        struct filter_count *next = n->next;
        free(n->name);
        free(n);
        n = next;
    }
    free(c);
}

struct filter_count *filter_counts_of(struct filter_counts *c, const char *name)
{
    struct filter_count *n = atomic_load(&c->first);
    while (n && strcmp(n->name, name) != 0)
        n = n->next;
    if (!n) {
        n = NEW(struct filter_count);
        n->name = mem_str(name);
        n->next = atomic_load(&c->first);
        atomic_store(&c->first, n);
    }
    return n;
}

void filter_counts_note(struct filter_count *n, enum filter_answer a, uint64_t took_ms)
{
    _Atomic uint64_t *const counts[] = {[FILTER_ANSWER_PASSED] = &n->passed,
                                        [FILTER_ANSWER_REFUSED] = &n->refused,
                                        [FILTER_ANSWER_FAILED] = &n->failed};
    atomic_fetch_add(counts[a], 1);
    atomic_fetch_add(&n->total_ms, took_ms);
    if (took_ms > atomic_load(&n->slowest_ms)) /* nobody else writes it */
        atomic_store(&n->slowest_ms, took_ms);
}

void filter_counts_add(struct filter_counts *c, struct filter_figures *sum)
{
    for (struct filter_count *n = atomic_load(&c->first); n; n = n->next) {
        size_t i = 0;
        while (i < sum->count && strcmp(sum->rows[i].name, n->name) != 0)
            i++;
        if (i == FILTER_FIGURES_MAX)
            continue;
        if (i == sum->count)
            sum->rows[sum->count++].name = n->name;
        uint64_t slowest_ms = atomic_load(&n->slowest_ms);
        sum->rows[i].passed += atomic_load(&n->passed);
        sum->rows[i].refused += atomic_load(&n->refused);
        sum->rows[i].failed += atomic_load(&n->failed);
        sum->rows[i].total_ms += atomic_load(&n->total_ms);
        if (slowest_ms > sum->rows[i].slowest_ms)
            sum->rows[i].slowest_ms = slowest_ms;
    }
}
