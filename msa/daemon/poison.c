#include "msa/daemon/poison.h"
#include "msa/base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct poison_entry *find(struct poison *p, const char *id)
{
    for (size_t i = 0; i < p->count; i++)
        if (strcmp(p->list[i].id, id) == 0)
            return &p->list[i];
    return NULL;
}

static struct poison_entry *add(struct poison *p, const char *id)
{
    size_t at = p->count;
    if (!p->list)
        p->list = mem_new(POISON_MAX, sizeof *p->list);
    if (p->count == POISON_MAX) {
        for (at = 0; at + 1 < POISON_MAX && p->list[at].hold;)
            at++;
        memmove(&p->list[at], &p->list[at + 1], (POISON_MAX - at - 1) * sizeof *p->list);
        at = POISON_MAX - 1;
    } else {
        p->count++;
    }
    p->list[at] = (struct poison_entry){0};
    snprintf(p->list[at].id, sizeof p->list[at].id, "%s", id);
    return &p->list[at];
}

bool poison_crashed(struct poison *p, const char *id)
{
    struct poison_entry *e = find(p, id);
    if (!e)
        e = add(p, id);
    e->crashes++;
    bool now = e->crashes >= 2 && !e->hold;
    if (now)
        e->hold = true;
    return now;
}

void poison_held(struct poison *p)
{
    for (size_t i = 0; i < p->count; i++)
        p->list[i].hold = false;
}

void poison_deinit(struct poison *p)
{
    free(p->list);
    *p = (struct poison){0};
}
