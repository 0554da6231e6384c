#include "relay/queue/destinations.h"

#include "msa/base/mem.h"

#include <stdlib.h>
#include <string.h>
#include <uthash.h>

struct name {
    UT_hash_handle hh;
    char text[];
};

struct destinations {
    destination_rule *rule;
    const void *arg;
    struct name *names;
};

struct destinations *destinations_new(destination_rule *rule, const void *arg)
{
    struct destinations *d = NEW(struct destinations);
    d->rule = rule;
    d->arg = arg;
    return d;
}

void destinations_free(struct destinations *d)
{
    struct name *n, *next;
    if (!d)
        return;
    HASH_ITER(hh, d->names, n, next)
    {
        HASH_DEL(d->names, n);
        free(n);
    }
    free(d);
}

static bool holds(const struct destinations *d, const char *text)
{
    const struct name *n;
    HASH_FIND(hh, d->names, text, strlen(text), n);
    return n;
}

void destinations_add(struct destinations *d, const char *name)
{
    size_t len = strlen(name);
    if (holds(d, name))
        return;
    struct name *n = mem_new(1, sizeof *n + len + 1);
    memcpy(n->text, name, len + 1);
    HASH_ADD_KEYPTR(hh, d->names, n->text, len, n);
}

char *destinations_name(const struct destinations *d, const char *domain, const char *sender,
                        const char *login)
{
    char *name = d->rule(d->arg, domain, sender, login);
    return name ? name : mem_str(domain);
}

bool destinations_hold(const struct destinations *d, const char *domain, const char *sender,
                       const char *login)
{
    char *name = d->rule(d->arg, domain, sender, login);
    bool found = holds(d, name ? name : domain);
    free(name);
    return found;
}
