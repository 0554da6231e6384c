#include "msa/server/clientlog.h"
#include "msa/base/log.h"
#include "msa/base/mem.h"

#include <stdlib.h>
#include <uthash.h>

#define MINUTE_MS   60000u
#define DAY_MS      86400000u
#define CLIENTS_MAX 65536

struct entry {
    struct ip ip;
    uint64_t lines;
    UT_hash_handle hh;
};

struct daily {
    struct ip ip;
    unsigned told; /* kinds */
    UT_hash_handle hh;
};

struct clientlog {
    struct entry *entries;
    struct daily *days;
    uint64_t minute_began_ms, day_began_ms;
};

struct clientlog *clientlog_new(void)
{
    return NEW(struct clientlog);
}

/* tells how many lines each client was over */
static void empty(struct clientlog *c, uint64_t per_minute)
{
    struct entry *e, *next;
    HASH_ITER(hh, c->entries, e, next)
    {
        char text[IP_TEXT_MAX];
        if (per_minute && e->lines > per_minute)
            log_event(LOG_WARNING, "log-limited",
                      &(struct log_ctx){.client = sv_of(ip_text(&e->ip, text))},
                      "%llu lines held back in a minute (log.per_client_per_minute)",
                      (unsigned long long)(e->lines - per_minute));
        HASH_DEL(c->entries, e);
        free(e);
    }
}

static void empty_day(struct clientlog *c)
{
    struct daily *d, *next;
    HASH_ITER(hh, c->days, d, next)
    {
        HASH_DEL(c->days, d);
        free(d);
    }
}

void clientlog_free(struct clientlog *c)
{
    empty(c, 0);
    empty_day(c);
    free(c);
}

bool clientlog_allows(struct clientlog *c, const struct ip *client, uint64_t per_minute,
                      uint64_t now_ms)
{
    struct entry *e;
    struct ip key = ip_client(client);
    if (per_minute == 0)
        return true;
    if (now_ms - c->minute_began_ms >= MINUTE_MS || HASH_COUNT(c->entries) >= CLIENTS_MAX) {
        empty(c, per_minute);
        c->minute_began_ms = now_ms;
    }
    HASH_FIND(hh, c->entries, &key, sizeof key, e);
    if (!e) {
        e = NEW(struct entry);
        e->ip = key;
        HASH_ADD(hh, c->entries, ip, sizeof e->ip, e);
    }
    return ++e->lines <= per_minute;
}

unsigned clientlog_first_today(struct clientlog *c, const struct ip *client, unsigned kinds,
                               uint64_t now_ms)
{
    struct daily *d;
    struct ip key = ip_client(client);
    if (now_ms - c->day_began_ms >= DAY_MS || HASH_COUNT(c->days) >= CLIENTS_MAX) {
        empty_day(c);
        c->day_began_ms = now_ms;
    }
    HASH_FIND(hh, c->days, &key, sizeof key, d);
    if (!d) {
        d = NEW(struct daily);
        d->ip = key;
        HASH_ADD(hh, c->days, ip, sizeof d->ip, d);
    }
    unsigned first = kinds & ~d->told;
    d->told |= kinds;
    return first;
}
