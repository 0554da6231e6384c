#include "relay/settings.h"

#include "msa/base/mem.h"

#include <stdlib.h>
#include <string.h>

struct relay_settings *relay_settings_new(const struct relay_settings *values)
{
    struct relay_settings *s = NEW(struct relay_settings);
    memcpy(s, values, sizeof *s);
    atomic_init(&s->refs, 1);
    return s;
}

struct relay_settings *relay_settings_keep(struct relay_settings *s)
{
    atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
    return s;
}

void relay_settings_drop(struct relay_settings *s)
{
    if (!s || atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) != 1)
        return;
    if (s->release)
        s->release(s->owner);
    free(s);
}
