/*
 * dns.c - questions answered out of a script.
 *
 * An answer is decided when its timer fires, so that a change of the script in between is seen, as
 * it would be on the wire.
 */
#include "msa/base/mem.h"
#include "msa/base/require.h"
#include "tests/sim/dns/dns_sim.h"
#include "tests/sim/loop/sim.h"

#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#define NAMES_MAX   256
#define RECORDS_MAX 16 /* of one name */
#define TTL_S       300

struct name {
    char *text;
    enum dns_status failure; /* DNS_OK: none */
    size_t count;
    enum dns_type types[RECORDS_MAX];
    struct dns_record records[RECORDS_MAX];
};

static struct {
    struct name names[NAMES_MAX];
    size_t count;
    uint32_t delay_min_ms, delay_max_ms;
    uint64_t questions;
} script;

struct dns {
    struct loop *loop;
    struct dns_query *queries;
    struct dns_stats stats;
};

struct dns_query {
    struct dns *dns;
    char *name;
    enum dns_type type;
    bool in_time;
    struct timer timer;
    void (*on_answer)(void *arg, const struct dns_answer *answer);
    void *arg;
    struct dns_query *prev, *next;
};

/* ---- the script ---- */

void sim_dns_reset(void)
{
    for (size_t i = 0; i < script.count; i++) {
        struct name *n = &script.names[i];
        for (size_t k = 0; k < n->count; k++)
            free((char *)n->records[k].name);
        free(n->text);
    }
    memset(&script, 0, sizeof script);
    sim_dns_delay(1, 20);
}

static struct name *find(const char *text)
{
    for (size_t i = 0; i < script.count; i++)
        if (strcmp(script.names[i].text, text) == 0)
            return &script.names[i];
    return NULL;
}

static struct name *get(const char *text)
{
    struct name *n = find(text);
    if (n)
        return n;
    REQUIRE(script.count < NAMES_MAX);
    n = &script.names[script.count++];
    n->text = mem_str(text);
    return n;
}

static struct dns_record *add(const char *text, enum dns_type type)
{
    struct name *n = get(text);
    REQUIRE(n->count < RECORDS_MAX);
    n->types[n->count] = type;
    return &n->records[n->count++];
}

void sim_dns_mx(const char *domain, uint16_t preference, const char *host)
{
    *add(domain, DNS_MX) = (struct dns_record){.preference = preference, .name = mem_str(host)};
}

void sim_dns_address(const char *host, const char *address)
{
    struct dns_record r = {0};
    bool good = ip_parse(sv_of(address), &r.ip);
    REQUIRE(good);
    *add(host, r.ip.family == IP_V4 ? DNS_A : DNS_AAAA) = r;
}

void sim_dns_fail(const char *name, enum dns_status status)
{
    get(name)->failure = status;
}

void sim_dns_delay(uint32_t min_ms, uint32_t max_ms)
{
    REQUIRE(min_ms <= max_ms);
    script.delay_min_ms = min_ms;
    script.delay_max_ms = max_ms;
}

uint64_t sim_dns_questions(void)
{
    return script.questions;
}

/* ---- what relay/dns/dns.h promises ---- */

int dns_new(const struct dns_config *config, struct dns **out, const char **why_out)
{
    struct dns *d = NEW(struct dns);
    (void)why_out;
    d->loop = config->loop;
    *out = d;
    return 0;
}

static void forget(struct dns_query *q)
{
    timer_stop(&q->timer);
    DL_DELETE(q->dns->queries, q);
    q->dns->stats.in_flight--;
    free(q->name);
    free(q);
}

void dns_free(struct dns *d)
{
    while (d->queries)
        forget(d->queries);
    free(d);
}

static void look_up(const struct dns_query *q, struct dns_record *records, struct dns_answer *a)
{
    const struct name *n = find(q->name);
    if (!q->in_time) {
        *a = (struct dns_answer){.status = DNS_TEMPFAIL, .text = "no answer in time"};
        return;
    }
    if (!n) {
        a->status = DNS_NXDOMAIN;
        return;
    }
    if (n->failure != DNS_OK) {
        *a = (struct dns_answer){.status = n->failure, .text = "the script says so"};
        return;
    }
    for (size_t i = 0; i < n->count; i++)
        if (n->types[i] == q->type)
            records[a->nrecords++] = n->records[i];
    a->status = a->nrecords ? DNS_OK : DNS_NODATA;
}

static void on_timer(void *arg)
{
    struct dns_query *q = arg;
    struct dns_record records[RECORDS_MAX];
    struct dns_answer a = {.ttl_s = TTL_S, .records = records};
    void (*on_answer)(void *arg, const struct dns_answer *answer) = q->on_answer;
    void *its = q->arg;
    look_up(q, records, &a);
    q->dns->stats.timeouts += !q->in_time;
    q->dns->stats.tempfails += a.status == DNS_TEMPFAIL;
    q->dns->stats.bogus += a.status == DNS_BOGUS;
    forget(q);
    on_answer(its, &a);
}

struct dns_query *dns_query(struct dns *d, const char *name, enum dns_type type,
                            uint64_t deadline_ms,
                            void (*on_answer)(void *arg, const struct dns_answer *answer),
                            void *arg)
{
    struct dns_query *q = NEW(struct dns_query);
    uint64_t takes_ms =
        script.delay_min_ms + sim_below(script.delay_max_ms - script.delay_min_ms + 1);
    REQUIRE(deadline_ms > 0);
    q->dns = d;
    q->name = mem_str(name);
    q->type = type;
    q->in_time = takes_ms <= deadline_ms;
    q->on_answer = on_answer;
    q->arg = arg;
    timer_init(&q->timer, d->loop, on_timer, q);
    timer_start(&q->timer, q->in_time ? takes_ms : deadline_ms);
    DL_APPEND(d->queries, q);
    d->stats.questions++;
    d->stats.in_flight++;
    script.questions++;
    return q;
}

void dns_cancel(struct dns_query *q)
{
    forget(q);
}

void dns_get_stats(const struct dns *d, struct dns_stats *out)
{
    *out = d->stats;
}
