#include "relay/tls/memory.h"

#include "msa/base/mem.h"
#include "msa/base/pack.h"
#include "msa/loop/clock.h"

#include <stdlib.h>
#include <string.h>
#include <uthash.h>
#include <utlist.h>

#define VERSION    1 /* of a kept row */
#define NAME_BYTES 255
#define DAY_S      86400
#define WRITE_DAYS 7 /* a day that is newer by less is not worth a write */

struct host {
    char *name;
    int64_t day;     /* of the last success, since 1970 */
    int64_t written; /* that is kept */
    int64_t told;    /* a downgrade; 0: never */
    UT_hash_handle hh;
    struct host *next, *prev; /* last success first */
};

struct tls_memory {
    struct host *table, *order;
    size_t count;
    struct keep *keep;
};

static int64_t today(void)
{
    return clock_wall_s() / DAY_S;
}

static void forget(struct tls_memory *m, struct host *h)
{
    if (m->keep)
        keep_remove(m->keep, KEEP_HOST, sv_of(h->name));
    HASH_DEL(m->table, h);
    DL_DELETE(m->order, h);
    m->count--;
    free(h->name);
    free(h);
}

static struct host *find(const struct tls_memory *m, const char *name)
{
    struct host *h;
    HASH_FIND_STR(m->table, name, h);
    return h;
}

static struct host *add(struct tls_memory *m, struct sv name)
{
    struct host *h = NEW(struct host);
    h->name = sv_dup(name);
    HASH_ADD_KEYPTR(hh, m->table, h->name, name.len, h);
    DL_PREPEND(m->order, h);
    m->count++;
    while (m->count > MEMORY_HOSTS_MAX)
        forget(m, m->order->prev);
    return h;
}

static void write_row(struct tls_memory *m, struct host *h)
{
    struct buf row;
    if (!m->keep || h->day - h->written < WRITE_DAYS)
        return;
    h->written = h->day;
    buf_init(&row, 16, 0);
    pack_u8(&row, VERSION);
    pack_u64(&row, (uint64_t)h->day);
    keep_put(m->keep, KEEP_HOST, sv_of(h->name), buf_view(&row));
    buf_deinit(&row);
}

bool tls_memory_worked(struct tls_memory *m, const char *host)
{
    bool is_new = !tls_memory_has(m, host);
    struct host *h = find(m, host);
    if (!h && strlen(host) <= NAME_BYTES)
        h = add(m, sv_of(host));
    if (!h)
        return false;
    h->day = today();
    h->told = 0;
    DL_DELETE(m->order, h);
    DL_PREPEND(m->order, h);
    write_row(m, h);
    return is_new;
}

bool tls_memory_has(const struct tls_memory *m, const char *host)
{
    const struct host *h = find(m, host);
    return h && today() - h->day < MEMORY_DAYS;
}

bool tls_memory_is_news(struct tls_memory *m, const char *host)
{
    struct host *h = find(m, host);
    if (!h || !tls_memory_has(m, host) || h->told == today())
        return false;
    h->told = today();
    return true;
}

void tls_memory_remember(struct tls_memory *m, struct sv key, struct sv value)
{
    struct unpack u = unpack_start(value);
    uint8_t version = unpack_u8(&u);
    int64_t day = (int64_t)unpack_u64(&u);
    if (!unpack_ok(&u) || version != VERSION || key.len > NAME_BYTES ||
        today() - day >= MEMORY_DAYS)
        return;
    struct host *h = add(m, key);
    h->day = h->written = day;
}

void tls_memory_set_keep(struct tls_memory *m, struct keep *keep)
{
    m->keep = keep;
}

size_t tls_memory_count(const struct tls_memory *m)
{
    return m->count;
}

struct tls_memory *tls_memory_new(void)
{
    return NEW(struct tls_memory);
}

void tls_memory_free(struct tls_memory *m)
{
    if (!m)
        return;
    m->keep = NULL; /* what is kept stays */
    while (m->order)
        forget(m, m->order);
    free(m);
}
