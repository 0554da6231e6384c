/*
 * A login's slots stand in the order of their time, so that a window is their end; the recipients
 * it has written to are a sorted array, beside it the days when they were last noted.
 */
#include "msa/server/budget.h"
#include "msa/base/mem.h"

#include <stdlib.h>
#include <string.h>
#include <uthash.h>

struct account {
    UT_hash_handle hh;
    char *login; /* lower case */
    struct budget_cost *slots;
    size_t nslots, slots_cap;
    uint64_t *known; /* sorted */
    uint16_t *seen;  /* day of each */
    size_t nknown, known_cap;
    bool warned, broken, remembered;
    uint32_t epoch;
    int64_t next_warning_s, next_telling_s; /* wall time; not before */
    int64_t broken_until_s;                 /* of what is remembered */
};

struct budget {
    struct account *accounts;
};

static const struct {
    const char *key, *words;
    int64_t window_s;
} kinds[] = {
#define BUDGET_ROW(name, key, words, window) {key, words, window},
    BUDGET_KINDS(BUDGET_ROW)
#undef BUDGET_ROW
};

const char *budget_key(enum budget_kind kind)
{
    return kinds[kind].key;
}

const char *budget_words(enum budget_kind kind)
{
    return kinds[kind].words;
}

bool budget_is_limited(const struct budget_limits *l)
{
    for (size_t k = 0; k < BUDGET_COUNT; k++)
        if (l->most[k])
            return true;
    return false;
}

/* FNV-1a */
uint64_t budget_recipient(struct sv address)
{
    uint64_t h = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < address.len; i++)
        h = (h ^ (unsigned char)ascii_lower(address.ptr[i])) * UINT64_C(0x100000001b3);
    return h;
}

struct budget *budget_new(void)
{
    return NEW(struct budget);
}

/* ---- accounts ---- */

static void drop(struct budget *b, struct account *a)
{
    HASH_DEL(b->accounts, a);
    free(a->login);
    free(a->slots);
    free(a->known);
    free(a->seen);
    free(a);
}

void budget_free(struct budget *b)
{
    if (!b)
        return;
    while (b->accounts)
        drop(b, b->accounts);
    free(b);
}

static char *lower(struct sv login)
{
    char *text = sv_dup(login);
    for (char *c = text; *c; c++)
        *c = ascii_lower(*c);
    return text;
}

static struct account *find(const struct budget *b, struct sv login)
{
    struct account *a;
    char *key = lower(login);
    HASH_FIND_STR(b->accounts, key, a);
    free(key);
    return a;
}

static struct account *get(struct budget *b, struct sv login)
{
    struct account *a = find(b, login);
    if (a)
        return a;
    a = NEW(struct account);
    a->login = lower(login);
    HASH_ADD_KEYPTR(hh, b->accounts, a->login, strlen(a->login), a);
    return a;
}

/* ---- slots ---- */

static int64_t slot_of(int64_t now_s)
{
    return now_s - now_s % BUDGET_SLOT_S;
}

static uint64_t sum(const struct account *a, enum budget_kind kind, int64_t now_s)
{
    uint64_t total = 0;
    for (size_t i = a->nslots; i > 0; i--) {
        const struct budget_cost *slot = &a->slots[i - 1];
        if (slot->slot_s + BUDGET_SLOT_S <= now_s - kinds[kind].window_s)
            break;
        total += slot->count[kind];
    }
    return total;
}

static void forget_old(struct account *a, int64_t now_s)
{
    size_t gone = 0;
    while (gone < a->nslots && a->slots[gone].slot_s + BUDGET_SLOT_S <= now_s - BUDGET_DAY_S)
        gone++;
    if (gone == 0)
        return;
    a->nslots -= gone;
    memmove(a->slots, a->slots + gone, a->nslots * sizeof *a->slots);
}

/* A clock that was set back: what it counted then counts from now on. */
static void mend_future(struct account *a, int64_t now_s)
{
    int64_t latest = slot_of(now_s) + BUDGET_SLOT_S;
    size_t left = a->nslots;
    struct budget_cost all = {.slot_s = slot_of(now_s)};
    while (left > 0 && a->slots[left - 1].slot_s > latest) {
        for (size_t k = 0; k < BUDGET_COUNT; k++)
            all.count[k] += a->slots[left - 1].count[k];
        left--;
    }
    if (left == a->nslots)
        return;
    a->nslots = left;
    /* it may fit between the last ones: a second slot of one time does no harm */
    while (left > 0 && a->slots[left - 1].slot_s > all.slot_s) {
        a->slots[left] = a->slots[left - 1];
        left--;
    }
    a->slots[left] = all;
    a->nslots++;
}

static struct budget_cost *slot_at(struct account *a, int64_t slot_s)
{
    size_t at = a->nslots;
    while (at > 0 && a->slots[at - 1].slot_s > slot_s)
        at--;
    if (at > 0 && a->slots[at - 1].slot_s == slot_s)
        return &a->slots[at - 1];
    if (a->nslots == a->slots_cap) {
        a->slots_cap = a->slots_cap ? a->slots_cap * 2 : 4;
        a->slots = mem_resize(a->slots, a->slots_cap, sizeof *a->slots);
    }
    memmove(a->slots + at + 1, a->slots + at, (a->nslots - at) * sizeof *a->slots);
    a->nslots++;
    a->slots[at] = (struct budget_cost){.slot_s = slot_s};
    return &a->slots[at];
}

static void add(struct account *a, const struct budget_cost *cost)
{
    struct budget_cost *slot = slot_at(a, cost->slot_s);
    for (size_t k = 0; k < BUDGET_COUNT; k++)
        slot->count[k] += cost->count[k];
}

/* ---- known recipients ---- */

static size_t place_of(const struct account *a, uint64_t recipient)
{
    size_t low = 0, high = a->nknown;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (a->known[middle] < recipient)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static uint16_t day_of(int64_t wall_s)
{
    return (uint16_t)(wall_s / BUDGET_DAY_S);
}

/* Since when it was noted; a clock that was set back is no age. */
static int age_days(const struct account *a, size_t at, int64_t now_s)
{
    int age = day_of(now_s) - a->seen[at];
    return age > 0 ? age : 0;
}

enum knowledge { KNOWN_NOT, KNOWN_STALE, KNOWN };

static enum knowledge knowledge_of(const struct account *a, uint64_t recipient, int64_t now_s)
{
    size_t at = place_of(a, recipient);
    if (at == a->nknown || a->known[at] != recipient || age_days(a, at, now_s) > BUDGET_KNOWN_DAYS)
        return KNOWN_NOT;
    return age_days(a, at, now_s) >= BUDGET_NOTE_DAYS ? KNOWN_STALE : KNOWN;
}

/* Nothing is learned if there are too many. */
static void learn(struct account *a, uint64_t recipient, int64_t now_s)
{
    size_t at = place_of(a, recipient);
    if (at < a->nknown && a->known[at] == recipient) {
        a->seen[at] = day_of(now_s);
        return;
    }
    if (a->nknown == BUDGET_KNOWN_MAX)
        return;
    if (a->nknown == a->known_cap) {
        a->known_cap = a->known_cap ? a->known_cap * 2 : 16;
        a->known = mem_resize(a->known, a->known_cap, sizeof *a->known);
        a->seen = mem_resize(a->seen, a->known_cap, sizeof *a->seen);
    }
    memmove(a->known + at + 1, a->known + at, (a->nknown - at) * sizeof *a->known);
    memmove(a->seen + at + 1, a->seen + at, (a->nknown - at) * sizeof *a->seen);
    a->known[at] = recipient;
    a->seen[at] = day_of(now_s);
    a->nknown++;
}

static void unlearn_old(struct account *a, int64_t now_s)
{
    size_t kept = 0;
    for (size_t i = 0; i < a->nknown; i++) {
        if (age_days(a, i, now_s) > BUDGET_KNOWN_DAYS)
            continue;
        a->known[kept] = a->known[i];
        a->seen[kept++] = a->seen[i];
    }
    a->nknown = kept;
}

/* ---- messages ---- */

static struct budget_cost cost_of(const struct account *a, struct budget_take *t)
{
    struct budget_cost c = {.slot_s = slot_of(t->now_s), .epoch = a->epoch};
    c.count[BUDGET_MESSAGES] = 1;
    c.count[BUDGET_RECIPIENTS] = (uint32_t)t->nrecipients;
    t->nfresh = t->nstale = 0;
    t->room = BUDGET_KNOWN_MAX - a->nknown;
    for (size_t i = 0; i < t->nrecipients && t->limits.most[BUDGET_NEW_RECIPIENTS]; i++)
        if (knowledge_of(a, t->recipients[i], t->now_s) == KNOWN_NOT)
            t->fresh[t->nfresh++] = t->recipients[i];
    for (size_t i = 0; i < t->nrecipients && t->limits.most[BUDGET_NEW_RECIPIENTS]; i++)
        if (knowledge_of(a, t->recipients[i], t->now_s) == KNOWN_STALE)
            t->fresh[t->nfresh + t->nstale++] = t->recipients[i];
    c.count[BUDGET_NEW_RECIPIENTS] = (uint32_t)t->nfresh;
    return c;
}

/* When so much of the kind is forgotten that count more fit. */
static int64_t room_again(const struct account *a, const struct budget_take *t,
                          enum budget_kind kind, uint64_t used, uint64_t count)
{
    uint64_t most = t->limits.most[kind];
    if (count > most)
        return 0;
    for (size_t i = 0; i < a->nslots; i++) {
        const struct budget_cost *slot = &a->slots[i];
        int64_t end_s = slot->slot_s + BUDGET_SLOT_S + kinds[kind].window_s;
        if (end_s <= t->now_s)
            continue;
        used -= slot->count[kind];
        if (used + count <= most)
            return end_s;
    }
    return t->now_s;
}

static void refuse(struct budget_take *t, int64_t again_s)
{
    t->verdict = BUDGET_REFUSED;
    t->again_s = again_s;
    t->cost = (struct budget_cost){0};
}

/* Not twice within the window; a clock that was set back does not make it later. */
static bool is_time(int64_t *next_s, const struct budget_take *t)
{
    int64_t window_s = kinds[t->kind].window_s;
    if (t->now_s < *next_s && *next_s <= t->now_s + window_s)
        return false;
    *next_s = t->now_s + window_s;
    return true;
}

void budget_take(struct budget *b, struct budget_take *t)
{
    struct account *a = get(b, t->login);
    bool over = false, near = false, was_near = false, is_full = false;
    forget_old(a, t->now_s);
    mend_future(a, t->now_s);
    if (a->remembered && t->now_s < a->broken_until_s) {
        a->broken = true;
        a->next_telling_s = a->broken_until_s;
    }
    t->cost = cost_of(a, t);
    t->verdict = BUDGET_OK;
    t->again_s = 0;
    int64_t again_s = 0;
    for (size_t k = 0; k < BUDGET_COUNT; k++) {
        uint64_t most = t->limits.most[k], used = sum(a, (enum budget_kind)k, t->now_s);
        uint64_t after = used + t->cost.count[k];
        if (!most)
            continue;
        was_near = was_near || used * 100 >= most * BUDGET_WARN;
        is_full = is_full || used >= most;
        /* with a budget that is broken and holds nothing more leaves, whatever it costs */
        bool stays = a->broken && t->limits.hold && used >= most;
        if (!t->cost.count[k] && !stays)
            continue;
        if ((after > most || stays) && !over) {
            over = true;
            t->kind = (enum budget_kind)k;
            t->used = after;
            again_s = room_again(a, t, t->kind, used, t->cost.count[k]);
        } else if (!over && !near && after * 100 >= most * BUDGET_WARN) {
            near = true;
            t->kind = (enum budget_kind)k;
            t->used = after;
        }
    }
    t->breaks = over && !a->broken;
    t->tells = over && is_time(&a->next_telling_s, t);
    /* what an earlier process has counted it has warned of */
    t->warns = near && !over && !a->warned && !(a->remembered && was_near) &&
               is_time(&a->next_warning_s, t);
    a->broken = over || (a->broken && is_full);
    a->warned = near || over || (a->remembered && was_near);
    a->remembered = false;
    if (over && (t->never_held || !t->limits.hold)) {
        refuse(t, again_s);
        return;
    }
    if (over)
        t->verdict = BUDGET_HELD;
    add(a, &t->cost);
}

void budget_keep(struct budget *b, const struct budget_take *t)
{
    struct account *a = get(b, t->login);
    for (size_t i = 0; i < t->nfresh + t->nstale; i++)
        learn(a, t->fresh[i], t->now_s);
}

void budget_give_back(struct budget *b, const struct budget_take *t)
{
    struct account *a = find(b, t->login);
    if (!a || t->cost.epoch != a->epoch)
        return;
    if (t->breaks) {
        a->broken = false;
        a->next_telling_s = 0;
    }
    for (size_t i = 0; i < a->nslots; i++) {
        uint32_t *count = a->slots[i].count;
        if (a->slots[i].slot_s != t->cost.slot_s)
            continue;
        for (size_t k = 0; k < BUDGET_COUNT; k++)
            count[k] -= t->cost.count[k] < count[k] ? t->cost.count[k] : count[k];
        return;
    }
}

bool budget_is_broken(const struct budget *b, struct sv login)
{
    const struct account *a = find(b, login);
    return a && a->broken;
}

/* ---- the rest ---- */

void budget_remember(struct budget *b, struct sv login, const struct budget_cost *cost,
                     unsigned broken)
{
    struct account *a = get(b, login);
    add(a, cost);
    a->remembered = true;
    for (size_t k = 0; k < BUDGET_COUNT; k++) {
        int64_t until_s = cost->slot_s + BUDGET_SLOT_S + kinds[k].window_s;
        if ((broken & 1u << k) && until_s > a->broken_until_s)
            a->broken_until_s = until_s;
    }
}

void budget_remember_known(struct budget *b, struct sv login, uint64_t recipient, int64_t seen_s)
{
    learn(get(b, login), recipient, seen_s);
}

void budget_used(const struct budget *b, struct sv login, int64_t now_s,
                 uint64_t used_out[BUDGET_COUNT])
{
    const struct account *a = find(b, login);
    for (size_t k = 0; k < BUDGET_COUNT; k++)
        used_out[k] = a ? sum(a, (enum budget_kind)k, now_s) : 0;
}

void budget_reset(struct budget *b, struct sv login)
{
    struct account *a = find(b, login);
    if (!a)
        return;
    a->nslots = 0;
    a->epoch++;
    a->warned = a->broken = false;
    a->next_warning_s = a->next_telling_s = a->broken_until_s = 0;
}

void budget_sweep(struct budget *b, int64_t now_s)
{
    struct account *a, *next;
    HASH_ITER(hh, b->accounts, a, next)
    {
        forget_old(a, now_s);
        unlearn_old(a, now_s);
        if (a->nslots == 0 && a->nknown == 0)
            drop(b, a);
    }
}
