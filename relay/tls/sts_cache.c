/* What is known of domains: a table, in the order of the last question, and the rows kept of it. */
#include "relay/tls/sts_inside.h"

#include "msa/base/mem.h"
#include "msa/base/pack.h"
#include "msa/loop/clock.h"

#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#define VERSION   1  /* of a kept row */
#define LEAST_S   60 /* a policy holds at least so long, or each message would fetch it */
#define REFRESH_S 86400
#define ROW_BYTES (STS_POLICY_MAX_BYTES + 256)
#define JITTER    8 /* refreshes are earlier by up to this part */

static uint64_t now_of(const struct sts_entry *e)
{
    return loop_now_ms(e->sts->config.loop);
}

static bool is_idle(const struct sts_entry *e)
{
    return !e->flight && !e->askers;
}

/* Those that nobody has asked for the longest go first. */
static void evict(struct sts *s, bool in_force)
{
    uint64_t now_ms = loop_now_ms(s->config.loop);
    struct sts_entry *e = s->order ? s->order->prev : NULL; /* the last */
    while (e && (s->count > STS_DOMAINS_MAX || s->bytes > STS_BYTES_MAX)) {
        struct sts_entry *before = e == s->order ? NULL : e->prev;
        bool helps = s->count > STS_DOMAINS_MAX || e->text;
        if (helps && is_idle(e) && e != s->order && sts_entry_holds(e, now_ms) == in_force) {
            sts_entry_drop_policy(e);
            sts_entry_free(e);
        }
        e = before;
    }
}

/* What has no policy in force costs a question at most. A policy in force may be one that somebody
 * keeps from being had again (RFC 8461 10.2): it goes only where all the others are such, too. */
static void make_room(struct sts *s)
{
    evict(s, false);
    evict(s, true);
}

struct sts_entry *sts_entry_get(struct sts *s, const char *domain)
{
    struct sts_entry *e;
    HASH_FIND_STR(s->table, domain, e);
    if (e) {
        DL_DELETE(s->order, e);
        DL_PREPEND(s->order, e);
        return e;
    }
    e = NEW(struct sts_entry);
    e->sts = s;
    e->domain = mem_str(domain);
    HASH_ADD_KEYPTR(hh, s->table, e->domain, strlen(e->domain), e);
    DL_PREPEND(s->order, e);
    s->count++;
    make_room(s);
    return e;
}

static void forget_text(struct sts_entry *e)
{
    if (!e->text)
        return;
    e->sts->bytes -= e->len;
    e->sts->stats.policies--;
    free(e->text);
    e->text = NULL;
    e->len = 0;
    e->id[0] = '\0';
}

/* The kept row stays: for the end of the process. */
void sts_entry_free(struct sts_entry *e)
{
    struct sts *s = e->sts;
    forget_text(e);
    HASH_DEL(s->table, e);
    DL_DELETE(s->order, e);
    s->count--;
    free(e->trouble);
    free(e->domain);
    free(e);
}

void sts_entry_drop_policy(struct sts_entry *e)
{
    if (e->text && e->sts->keep)
        keep_remove(e->sts->keep, KEEP_POLICY, sv_of(e->domain));
    forget_text(e);
}

/* What is left of max_age by the wall clock; the whole of it where the clock was set back. */
static uint64_t left_of(int64_t fetched_ms, uint32_t max_age_s, int64_t wall_ms)
{
    int64_t age_ms = wall_ms - fetched_ms, most_ms = (int64_t)max_age_s * 1000;
    return age_ms < 0 ? (uint64_t)most_ms : age_ms < most_ms ? (uint64_t)(most_ms - age_ms) : 0;
}

bool sts_entry_holds(const struct sts_entry *e, uint64_t now_ms)
{
    if (!e->text)
        return false;
    return now_ms < e->expires_ms || /* or the clock has been put right meanwhile */
           (e->doubted && left_of(e->fetched_ms, e->max_age_s, clock_wall_ms()) > 0);
}

void sts_entry_trouble(struct sts_entry *e, const char *text)
{
    free(e->trouble);
    e->trouble = text ? mem_str(text) : NULL;
}

/* Every day, and before half of max_age (RFC 8461 3.3, 10.2); not all at the same time. */
static uint64_t refresh_after_ms(uint32_t max_age_s)
{
    uint64_t s = max_age_s / 2 < REFRESH_S ? max_age_s / 2 : REFRESH_S;
    if (s < LEAST_S)
        s = LEAST_S;
    uint64_t ms = s * 1000;
    return ms - random_u64() % (ms / JITTER);
}

static int set(struct sts_entry *e, struct sv id, struct sv text, uint64_t left_ms,
               const char **wrong_out)
{
    struct arena arena;
    struct sts_policy p;
    arena_init(&arena);
    int err = sts_policy_parse(text, &arena, &p, wrong_out);
    if (err == 0) {
        uint64_t most_ms = (uint64_t)(p.max_age_s < LEAST_S ? LEAST_S : p.max_age_s) * 1000;
        forget_text(e);
        e->text = sv_dup(text);
        e->len = text.len;
        e->sts->bytes += e->len;
        e->sts->stats.policies++;
        memcpy(e->id, id.ptr, id.len);
        e->id[id.len] = '\0';
        e->mode = p.mode;
        e->max_age_s = p.max_age_s;
        e->doubted = false;
        e->expires_ms = now_of(e) + (left_ms < most_ms ? left_ms : most_ms);
        e->refresh_ms = now_of(e) + refresh_after_ms(p.max_age_s);
    }
    arena_deinit(&arena);
    return err;
}

static void keep_policy(const struct sts_entry *e)
{
    struct buf row;
    if (!e->sts->keep)
        return;
    buf_init(&row, ROW_BYTES, 0);
    pack_u8(&row, VERSION);
    pack_sv(&row, sv_of(e->id));
    pack_u64(&row, (uint64_t)e->fetched_ms);
    pack_u64(&row, (uint64_t)e->used_ms);
    pack_sv(&row, (struct sv){e->text, e->len});
    keep_put(e->sts->keep, KEEP_POLICY, sv_of(e->domain), buf_view(&row));
    buf_deinit(&row);
}

int sts_entry_set(struct sts_entry *e, const char *id, struct sv text, const char **wrong_out)
{
    int err = set(e, sv_of(id), text, UINT64_MAX, wrong_out);
    if (err < 0)
        return err;
    e->fetched_ms = clock_wall_ms();
    if (e->fresh_until_ms > e->expires_ms)
        e->fresh_until_ms = e->expires_ms;
    keep_policy(e);
    make_room(e->sts);
    return 0;
}

void sts_remember(struct sts *s, struct sv key, struct sv value)
{
    struct unpack u = unpack_start(value);
    uint8_t version = unpack_u8(&u);
    struct sv id = unpack_sv(&u);
    int64_t fetched_ms = (int64_t)unpack_u64(&u), used_ms = (int64_t)unpack_u64(&u);
    struct sv text = unpack_sv(&u);
    struct arena arena;
    struct sts_policy p;
    const char *wrong;
    arena_init(&arena);
    bool good = unpack_ok(&u) && version == VERSION && id.len <= STS_ID_MAX &&
                key.len <= DNS_NAME_MAX && sts_policy_parse(text, &arena, &p, &wrong) == 0;
    if (good) {
        struct sts_entry *e = sts_entry_get(s, arena_str(&arena, key));
        uint64_t left_ms = left_of(fetched_ms, p.max_age_s, clock_wall_ms());
        good = set(e, id, text, left_ms > 0 ? left_ms : STS_DOUBT_MS, &wrong) == 0;
        e->fetched_ms = fetched_ms;
        e->used_ms = used_ms;
        e->doubted = left_ms == 0;
        if (e->doubted)
            e->refresh_ms = 0;
        if (s->newest_ms < used_ms)
            s->newest_ms = used_ms;
    }
    arena_deinit(&arena);
}

/* Of two clocks, the wall's and that of the last row, the one that is behind. */
static void drop_rows(struct sts *s)
{
    int64_t wall_ms = clock_wall_ms(), now_ms = wall_ms < s->newest_ms ? wall_ms : s->newest_ms;
    struct sts_entry *e, *tmp;
    HASH_ITER(hh, s->table, e, tmp)
    {
        int64_t end_ms = e->fetched_ms + (int64_t)e->max_age_s * 1000;
        if (now_ms - end_ms < STS_ROW_DAYS * INT64_C(86400000))
            continue;
        sts_entry_drop_policy(e);
        sts_entry_free(e);
    }
}

void sts_set_keep(struct sts *s, struct keep *keep)
{
    s->keep = keep;
    drop_rows(s);
}
