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
    int64_t day;      /* of the last success, since 1970 */
    uint64_t ends_ms; /* it counts at least until then; monotonic */
    int64_t written;  /* that is kept */
    int64_t told;     /* a downgrade; 0: never */
    UT_hash_handle hh;
    struct host *next, *prev; /* last success first */
};

struct tls_memory {
    struct host *table, *order;
    size_t count;
    int64_t newest; /* day of any row that was kept */
    struct keep *keep;
};

static int64_t today(void)
{
    return clock_wall_s() / DAY_S;
}

static uint64_t in_days(int64_t days)
{
    return clock_mono_ms() + (uint64_t)days * DAY_S * 1000;
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

/* NULL: it is not known, or not any more. */
static struct host *remembered(struct tls_memory *m, const char *name)
{
    struct host *h = find(m, name);
    if (!h || clock_mono_ms() < h->ends_ms || today() - h->day < MEMORY_DAYS)
        return h;
    forget(m, h);
    return NULL;
}

bool tls_memory_worked(struct tls_memory *m, const char *host)
{
    struct host *h = remembered(m, host);
    bool is_new = !h;
    if (!h && strlen(host) <= NAME_BYTES)
        h = add(m, sv_of(host));
    if (!h)
        return false;
    h->day = today();
    h->ends_ms = in_days(MEMORY_DAYS);
    h->told = 0;
    DL_DELETE(m->order, h);
    DL_PREPEND(m->order, h);
    write_row(m, h);
    return is_new;
}

bool tls_memory_has(struct tls_memory *m, const char *host)
{
    return remembered(m, host) != NULL;
}

bool tls_memory_is_news(struct tls_memory *m, const char *host)
{
    struct host *h = remembered(m, host);
    if (!h || h->told == today())
        return false;
    h->told = today();
    return true;
}

void tls_memory_remember(struct tls_memory *m, struct sv key, struct sv value)
{
    struct unpack u = unpack_start(value);
    uint8_t version = unpack_u8(&u);
    int64_t day = (int64_t)unpack_u64(&u);
    if (!unpack_ok(&u) || version != VERSION || key.len > NAME_BYTES)
        return;
    struct host *h = add(m, key);
    int64_t left = MEMORY_DAYS - (today() - day);
    h->day = h->written = day;
    h->ends_ms = left <= 0             ? clock_mono_ms() + MEMORY_DOUBT_MS
                 : left >= MEMORY_DAYS ? in_days(MEMORY_DAYS)
                                       : in_days(left);
    if (m->newest < day)
        m->newest = day;
}

/* Of two clocks, today's and that of the last row, the one that is behind. */
static void forget_rows(struct tls_memory *m)
{
    int64_t day = today() < m->newest ? today() : m->newest;
    struct host *h, *tmp;
    DL_FOREACH_SAFE(m->order, h, tmp)
    {
        if (day - h->day >= MEMORY_DAYS + MEMORY_ROW_DAYS)
            forget(m, h);
    }
}

void tls_memory_set_keep(struct tls_memory *m, struct keep *keep)
{
    m->keep = keep;
    forget_rows(m);
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
