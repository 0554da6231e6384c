#include "msa/server/pauses.h"

#include "msa/base/mem.h"

#include <stdlib.h>
#include <string.h>

static size_t find(const struct pauses *p, const char *what)
{
    size_t i = 0;
    while (i < p->count && strcmp(p->names[i], what) != 0)
        i++;
    return i;
}

bool pauses_has(const struct pauses *p, const char *what)
{
    return find(p, what) < p->count;
}

bool pauses_set(struct pauses *p, const char *what, bool paused)
{
    size_t i = find(p, what);
    if ((i < p->count) == paused)
        return false;
    if (paused) {
        p->names = mem_resize(p->names, p->count + 1, sizeof *p->names);
        p->names[p->count++] = mem_str(what);
    } else {
        free(p->names[i]);
        p->names[i] = p->names[--p->count];
    }
    return true;
}

void pauses_deinit(struct pauses *p)
{
    while (p->count)
        free(p->names[--p->count]);
    free(p->names);
    p->names = NULL;
}
