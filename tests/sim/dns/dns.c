#include "tests/sim/dns/zone.h"

#include "msa/base/mem.h"
#include "msa/base/require.h"
#include "msa/loop/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

struct record {
    char *name;
    enum dns_type type;
    enum dns_status status; /* DNS_OK: a record */
    struct dns_record value;
    uint64_t delay_ms; /* SLOW: of questions of the type value.preference */
    struct record *next, *prev;
};

struct dns_query {
    struct dns *dns;
    char *name;
    enum dns_type type;
    bool late;
    struct timer timer;
    void (*on_answer)(void *arg, const struct dns_answer *answer);
    void *arg;
    struct dns_query *next, *prev;
};

struct dns {
    struct loop *loop;
    struct dns_query *queries;
    struct dns_stats stats;
};

/* what no question asks for */
#define ALIAS  ((enum dns_type)65280)
#define SIGNED ((enum dns_type)65281)
#define SLOW   ((enum dns_type)65282)

static struct record *zone;
static bool zone_stripped;
static uint64_t zone_stripped_since_ms;
static uint64_t zone_delay_ms;
static size_t zone_questions;

/* ---- script ---- */

static void record_free(struct record *r)
{
    DL_DELETE(zone, r);
    free(r->name);
    free((char *)(uintptr_t)r->value.name);
    free((char *)(uintptr_t)r->value.text.ptr);
    free(r);
}

void sim_dns_strip(bool stripped)
{
    zone_stripped = stripped;
    zone_stripped_since_ms = clock_mono_ms();
}

void sim_dns_reset(void)
{
    while (zone)
        record_free(zone);
    zone_stripped = false;
    zone_delay_ms = 1;
    zone_questions = 0;
}

static struct record *add(const char *name, enum dns_type type, enum dns_status status)
{
    struct record *r = NEW(struct record);
    r->name = mem_str(name);
    r->type = type;
    r->status = status;
    DL_APPEND(zone, r);
    return r;
}

static uint16_t take_number(struct sv *rest)
{
    uint64_t number = 0;
    bool ok = sv_u64(sv_split(rest, ' '), UINT16_MAX, &number);
    REQUIRE(ok);
    return (uint16_t)number;
}

void sim_dns_add(const char *name, enum dns_type type, const char *data)
{
    struct record *r = add(name, type, DNS_OK);
    struct sv rest = sv_of(data);
    switch (type) {
    case DNS_SRV:
    case DNS_MX:
        r->value.preference = take_number(&rest);
        if (type == DNS_SRV) {
            r->value.weight = take_number(&rest);
            r->value.port = take_number(&rest);
        }
        r->value.name = sv_dup(rest);
        return;
    case DNS_CNAME:
        r->value.name = sv_dup(rest);
        return;
    case DNS_TLSA:
        r->value.usage = (uint8_t)take_number(&rest);
        r->value.selector = (uint8_t)take_number(&rest);
        r->value.matching = (uint8_t)take_number(&rest);
        r->value.text = (struct sv){sv_dup(rest), rest.len};
        return;
    case DNS_TXT:
        r->value.text = (struct sv){sv_dup(rest), rest.len};
        return;
    default: {
        bool ok = (type == DNS_A || type == DNS_AAAA) && ip_parse(rest, &r->value.ip);
        REQUIRE(ok);
    }
    }
}

void sim_dns_remove(const char *name)
{
    struct record *r, *tmp;
    DL_FOREACH_SAFE(zone, r, tmp)
    {
        if (strcmp(r->name, name) == 0)
            record_free(r);
    }
}

void sim_dns_alias(const char *name, const char *canonical)
{
    add(name, ALIAS, DNS_OK)->value.name = mem_str(canonical);
}

void sim_dns_sign(const char *suffix)
{
    add(suffix, SIGNED, DNS_OK);
}

void sim_dns_fail(const char *name, enum dns_type type, enum dns_status status)
{
    struct record *r, *tmp;
    DL_FOREACH_SAFE(zone, r, tmp)
    {
        if (r->status != DNS_OK && r->type == type && strcmp(r->name, name) == 0)
            record_free(r);
    }
    if (status != DNS_OK)
        add(name, type, status);
}

void sim_dns_delay(uint64_t delay_ms)
{
    zone_delay_ms = delay_ms;
}

void sim_dns_slow(const char *name, enum dns_type type, uint64_t delay_ms)
{
    struct record *r = add(name, SLOW, DNS_OK);
    r->value.preference = (uint16_t)type;
    r->delay_ms = delay_ms;
}

size_t sim_dns_questions(void)
{
    return zone_questions;
}

/* ---- relay/dns/dns.h ---- */

static bool is_signed(const char *name)
{
    const struct record *r;
    DL_FOREACH(zone, r)
    {
        size_t len = strlen(r->name), all = strlen(name);
        if (r->type == SIGNED && len <= all && strcmp(name + all - len, r->name) == 0 &&
            (len == all || name[all - len - 1] == '.'))
            return true;
    }
    return false;
}

static void look_up(const struct dns_query *q, struct arena *arena, struct dns_answer *out)
{
    struct record *r;
    struct dns_record *records = arena_alloc(arena, DNS_RECORDS_MAX * sizeof *records);
    *out = (struct dns_answer){.status = DNS_NXDOMAIN, .ttl_s = 300, .records = records};
    DL_FOREACH(zone, r)
    {
        if (r->type == SIGNED || r->type == SLOW || strcmp(r->name, q->name) != 0)
            continue;
        if (out->status == DNS_NXDOMAIN)
            out->status = DNS_NODATA;
        if (r->type == ALIAS && q->type != DNS_CNAME)
            out->canonical = r->value.name;
        if (r->type != q->type)
            continue;
        if (r->status != DNS_OK) {
            *out = (struct dns_answer){.status = r->status, .text = "as scripted"};
            return;
        }
        out->status = DNS_OK;
        if (out->nrecords < DNS_RECORDS_MAX)
            records[out->nrecords++] = r->value;
    }
    out->secure = is_signed(q->name) && (!out->canonical || is_signed(out->canonical));
}

static uint64_t delay_of(const char *name, enum dns_type type)
{
    const struct record *r;
    DL_FOREACH(zone, r)
    {
        if (r->type == SLOW && r->value.preference == type && strcmp(r->name, name) == 0)
            return r->delay_ms;
    }
    return zone_delay_ms;
}

static void on_timer(void *arg)
{
    struct dns_query *q = arg;
    struct arena arena;
    struct dns_answer answer = {.status = DNS_TEMPFAIL,
                                .text = "no answer within the time allowed"};
    void (*on_answer)(void *, const struct dns_answer *) = q->on_answer;
    void *to = q->arg;
    arena_init(&arena);
    if (!q->late)
        look_up(q, &arena, &answer);
    q->dns->stats.timeouts += q->late;
    dns_cancel(q);
    on_answer(to, &answer);
    arena_deinit(&arena);
}

struct dns_query *dns_query(struct dns *d, const char *name, enum dns_type type,
                            uint64_t deadline_ms,
                            void (*on_answer)(void *arg, const struct dns_answer *answer),
                            void *arg)
{
    struct dns_query *q = NEW(struct dns_query);
    REQUIRE(deadline_ms > 0);
    q->dns = d;
    q->name = mem_str(name);
    q->type = type;
    q->on_answer = on_answer;
    q->arg = arg;
    uint64_t delay_ms = delay_of(name, type);
    q->late = delay_ms > deadline_ms;
    zone_questions++;
    d->stats.questions++;
    DL_APPEND(d->queries, q);
    timer_init(&q->timer, d->loop, on_timer, q);
    timer_start(&q->timer, q->late ? deadline_ms : delay_ms);
    return q;
}

void dns_cancel(struct dns_query *q)
{
    timer_stop(&q->timer);
    DL_DELETE(q->dns->queries, q);
    free(q->name);
    free(q);
}

int dns_new(const struct dns_config *config, struct dns **out, const char **why_out)
{
    struct dns *d = NEW(struct dns);
    d->loop = config->loop;
    *out = d;
    *why_out = "";
    return 0;
}

void dns_free(struct dns *d)
{
    while (d->queries)
        dns_cancel(d->queries);
    free(d);
}

void dns_get_stats(const struct dns *d, struct dns_stats *out)
{
    const struct dns_query *q;
    *out = d->stats;
    DL_COUNT(d->queries, q, out->in_flight);
    out->stripped = zone_stripped;
    out->stripped_ms = zone_stripped ? clock_mono_ms() - zone_stripped_since_ms : 0;
    snprintf(out->server, sizeof out->server, "192.0.2.53:53");
    out->answers = true;
}
