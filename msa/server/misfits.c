/*
 * The table. Each client has two days: that of its newest trouble and the one before it. A slot
 * belongs to a day by number, so that a clock that is set, forward or back, makes other days of it
 * and never mixes two; a day that has been told is not counted on.
 */
#include "msa/server/misfits.h"
#include "msa/base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>
#include <utlist.h>

#define DAY_MS INT64_C(86400000)

struct key {
    struct ip client;
    char login[MISFIT_LOGIN_MAX]; /* zero behind its end */
};

struct slot {
    int64_t day; /* since 1970 */
    bool told;
    uint64_t counts[MISFIT_COUNT];
};

struct entry {
    UT_hash_handle hh;
    struct entry *prev, *next; /* least recently seen first */
    struct key key;
    int64_t first_ms, last_ms;
    struct slot slots[2]; /* newest first */
    char *examples[MISFIT_COUNT];
};

struct misfits {
    struct entry *by_key, *by_age;
};

static const struct {
    const char *word, *advice;
} kinds[] = {
#define MISFIT_ROW(name, word, advice) {word, advice},
    MISFIT_KINDS(MISFIT_ROW)
#undef MISFIT_ROW
};

const char *misfit_word(enum misfit_kind kind)
{
    return kinds[kind].word;
}

const char *misfit_advice(enum misfit_kind kind)
{
    return kinds[kind].advice;
}

/* ---- what a reply says ---- */

/* Settings whose refusals are about the client, whatever the status. */
static const struct {
    const char *setting;
    enum misfit_kind kind;
} by_setting[] = {
    {"auth.max_failures", MISFIT_LOGIN},
    {"auth.block.failures", MISFIT_LOGIN},
    {"auth.require_tls", MISFIT_TLS},
    {"extensions.no_soliciting", MISFIT_OTHER},
    {"relay.allow_loopback", MISFIT_ADDRESS},
    {"listen[].bare_newlines", MISFIT_NEWLINE},
    {"limits.strict_syntax", MISFIT_SYNTAX},
    {"limits.header_size", MISFIT_LIMIT},
    {"limits.message_size", MISFIT_LIMIT},
    {"limits.recipients", MISFIT_LIMIT},
    {"limits.messages_per_session", MISFIT_LIMIT},
    {"limits.connections_per_client", MISFIT_LIMIT},
};

/* Permanent refusals, the first that matches; -1 matches all. */
static const struct {
    int subject, detail;
    enum misfit_kind kind;
} by_status[] = {
    {1, 8, MISFIT_UNQUALIFIED}, /* reverse-path */
    {1, 2, MISFIT_UNQUALIFIED}, /* forward-path */
    {1, -1, MISFIT_ADDRESS},    {5, -1, MISFIT_SYNTAX},  {6, 7, MISFIT_ADDRESS},
    {6, -1, MISFIT_HEADER},     {7, 0, MISFIT_NO_LOGIN}, {7, 1, MISFIT_SENDER},
    {7, 8, MISFIT_LOGIN},       {7, 10, MISFIT_TLS},     {7, 11, MISFIT_TLS},
};

bool misfit_of_reply(struct smtp_status status, struct sv setting, enum misfit_kind *out)
{
    *out = MISFIT_OTHER;
    if (sv_eq(setting, SV("auth.refused_networks")))
        return false; /* nobody waits for that to get better */
    for (size_t i = 0; i < sizeof by_setting / sizeof *by_setting; i++)
        if (sv_eq(setting, sv_of(by_setting[i].setting))) {
            *out = by_setting[i].kind;
            return true;
        }
    if (status.class != 5)
        return false;
    for (size_t i = 0; i < sizeof by_status / sizeof *by_status; i++)
        if (status.subject == by_status[i].subject &&
            (by_status[i].detail < 0 || status.detail == by_status[i].detail)) {
            *out = by_status[i].kind;
            break;
        }
    return true;
}

const char *misfit_client_text(const struct ip *client, char out[IP_TEXT_MAX])
{
    ip_text(client, out);
    if (client->family == IP_V6)
        strcat(out, "/64"); /* IP_TEXT_MAX has room for a port */
    return out;
}

/* ---- the table ---- */

struct misfits *misfits_new(void)
{
    return NEW(struct misfits);
}

static void drop(struct misfits *m, struct entry *e)
{
    HASH_DEL(m->by_key, e);
    DL_DELETE(m->by_age, e);
    for (size_t i = 0; i < MISFIT_COUNT; i++)
        free(e->examples[i]);
    free(e);
}

void misfits_free(struct misfits *m)
{
    while (m->by_age)
        drop(m, m->by_age);
    free(m);
}

size_t misfits_count(const struct misfits *m)
{
    return HASH_COUNT(m->by_key);
}

/* False: there are only clients that log in, and a stranger pushes none of them out. */
static bool make_room(struct misfits *m, bool stranger)
{
    struct entry *e = m->by_age;
    while (e && e->key.login[0])
        e = e->next;
    if (!e && stranger)
        return false;
    drop(m, e ? e : m->by_age);
    return true;
}

/* The entry of the client, as the one seen last; NULL: there is no room for it. */
static struct entry *touch(struct misfits *m, const struct misfit_report *r)
{
    struct key key = {.client = r->client};
    struct entry *e;
    snprintf(key.login, sizeof key.login, "%s", r->login);
    HASH_FIND(hh, m->by_key, &key, sizeof key, e);
    if (e) {
        DL_DELETE(m->by_age, e);
    } else {
        if (misfits_count(m) >= MISFITS_MAX && !make_room(m, key.login[0] == '\0'))
            return NULL;
        e = NEW(struct entry);
        e->key = key;
        e->first_ms = r->first_ms;
        HASH_ADD(hh, m->by_key, key, sizeof e->key, e);
    }
    DL_APPEND(m->by_age, e);
    return e;
}

/* The slot in which the day is counted. */
static struct slot *slot_of(struct entry *e, int64_t day)
{
    struct slot *s = &e->slots[0];
    if (s->day == day && !s->told)
        return s;
    if (s->day != day)
        e->slots[1] = *s;
    *s = (struct slot){.day = day};
    return s;
}

static void take(struct misfits *m, const struct misfit_report *r, int64_t now_ms)
{
    struct entry *e = touch(m, r);
    if (!e)
        return;
    e->last_ms = r->last_ms;
    slot_of(e, now_ms / DAY_MS)->counts[r->kind] += r->count;
    free(e->examples[r->kind]);
    e->examples[r->kind] = mem_str(r->example);
}

void misfits_take(struct misfits *m, const struct misfit_batch *b, int64_t now_ms)
{
    for (size_t i = 0; i < b->count; i++)
        take(m, &b->reports[i], now_ms);
}

void misfits_told(struct misfits *m, int64_t now_ms)
{
    struct entry *e;
    DL_FOREACH(m->by_age, e)
    for (size_t i = 0; i < 2; i++)
        if (e->slots[i].day == now_ms / DAY_MS - 1)
            e->slots[i].told = true;
}

/* ---- pictures ---- */

static void add_day(struct misfit_row *row, enum misfit_day day, const struct slot *s)
{
    for (size_t k = 0; k < MISFIT_COUNT; k++) {
        row->counts[day][k] += s->counts[k];
        row->total += s->counts[k];
    }
}

static int compare(const void *x, const void *y)
{
    const struct misfit_row *a = x, *b = y;
    if (a->total != b->total)
        return a->total < b->total ? 1 : -1;
    int by_client = memcmp(&a->client, &b->client, sizeof a->client);
    return by_client ? by_client : strcmp(a->login, b->login);
}

struct misfit_list *misfits_list(const struct misfits *m, int64_t now_ms, bool untold)
{
    struct misfit_list *l = NEW(struct misfit_list);
    int64_t today = now_ms / DAY_MS;
    struct entry *e;
    arena_init(&l->arena);
    l->rows = mem_new(misfits_count(m) + 1, sizeof *l->rows);
    DL_FOREACH(m->by_age, e)
    {
        struct misfit_row *row = &l->rows[l->count];
        *row = (struct misfit_row){
            .client = e->key.client, .first_ms = e->first_ms, .last_ms = e->last_ms};
        for (size_t i = 0; i < 2; i++) {
            const struct slot *s = &e->slots[i];
            if (s->day == today && !untold)
                add_day(row, MISFIT_TODAY, s);
            else if (s->day == today - 1 && !(untold && s->told))
                add_day(row, MISFIT_YESTERDAY, s);
        }
        if (row->total == 0)
            continue;
        row->login = arena_str(&l->arena, sv_of(e->key.login));
        for (size_t k = 0; k < MISFIT_COUNT; k++)
            if (e->examples[k])
                row->examples[k] = arena_str(&l->arena, sv_of(e->examples[k]));
        l->count++;
    }
    qsort(l->rows, l->count, sizeof *l->rows, compare);
    return l;
}

void misfit_list_free(struct misfit_list *l)
{
    arena_deinit(&l->arena);
    free(l->rows);
    free(l);
}
