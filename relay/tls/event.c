#include "relay/tls/event.h"

#include "msa/base/mem.h"

#include <stdlib.h>

struct tls_event *tls_event_new(void)
{
    struct tls_event *e = NEW(struct tls_event);
    arena_init(&e->arena);
    e->reason = "";
    e->helo = "";
    return e;
}

void tls_event_free(struct tls_event *e)
{
    arena_deinit(&e->arena);
    free(e);
}
