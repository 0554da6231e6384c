/*
 * Finding out what policy a domain has:
 *
 *     TXT --none--------------------------------------------> landed (what is cached stays, but
 *      |                                                             for what is doubted)
 *      +---the id that is cached, and no refresh is due-----> landed
 *      +---an id whose fetch has failed not long ago--------> landed
 *      +--> wait for a slot --> GET --> parse --good--> cached --> landed
 *                                  +--------wrong-----> failed ---> landed
 */
#include "relay/tls/sts_inside.h"

#include "msa/base/log.h"
#include "msa/base/mem.h"
#include "msa/loop/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#define PORT        443
#define TARGET      "/.well-known/mta-sts.txt"
#define FRESH_MIN_S 60u   /* what DNS said is looked at again so often at most */
#define FRESH_MAX_S 3600u /* and at least */
#define TROUBLE_S   60u   /* the same, where there was an error */
#define AGAIN_S     300u  /* RFC 8461 3.3: of one id, no more often than every five minutes */
#define AGAIN_MAX_S 14400u
#define CROWD_MS    1000u

struct sts_flight {
    struct sts_entry *entry;
    struct dns_query *query;
    struct fetch *fetch;
    char id[STS_ID_MAX + 1];
    bool waits;
    uint64_t began_ms;              /* fetch */
    struct sts_flight *next, *prev; /* while it waits */
};

static uint64_t now_of(const struct sts_flight *f)
{
    return loop_now_ms(f->entry->sts->config.loop);
}

/* The next look; at the latest when the policy ends. */
static void fresh_for(struct sts_entry *e, uint32_t s)
{
    uint64_t now_ms = loop_now_ms(e->sts->config.loop);
    e->fresh_until_ms = now_ms + (uint64_t)s * 1000;
    if (sts_entry_holds(e, now_ms) && e->fresh_until_ms > e->expires_ms)
        e->fresh_until_ms = e->expires_ms;
}

static void start_waiting(struct sts *s);

static void flight_free(struct sts_flight *f)
{
    struct sts *s = f->entry->sts;
    if (f->query)
        dns_cancel(f->query);
    if (f->waits) {
        DL_DELETE(s->waiting, f);
        s->nwaiting--;
    }
    if (f->fetch) {
        fetch_cancel(f->fetch);
        s->fetching--;
    }
    f->entry->flight = NULL;
    free(f);
}

static void land(struct sts_flight *f)
{
    struct sts_entry *e = f->entry;
    struct sts *s = e->sts;
    flight_free(f);
    sts_landed(e);
    start_waiting(s);
}

/* ---- the policy ---- */

static bool is_text_plain(const char *type)
{
    struct sv t = sv_of(type);
    return sv_ieq(sv_trim(sv_first(t, sv_find(t, ';'))), SV("text/plain"));
}

/* RFC 8461 3.3: only a 200 counts, and only text/plain. NULL: good. */
static const char *fault_of(const struct https_answer *a, struct arena *arena,
                            enum sts_fault *fault_out)
{
    *fault_out = a->end == HTTPS_UNTRUSTED ? STS_FAULT_WEBPKI : STS_FAULT_FETCH;
    if (a->end == HTTPS_TOO_LONG)
        *fault_out = STS_FAULT_INVALID;
    if (a->end != HTTPS_ANSWERED)
        return arena_str(arena, sv_of(a->text));
    if (a->status != 200)
        return arena_printf(arena, "the HTTP status is %u", a->status);
    if (!is_text_plain(a->content_type)) {
        *fault_out = STS_FAULT_INVALID;
        return "it is not text/plain";
    }
    return NULL;
}

static void failed(struct sts_flight *f, enum sts_fault fault, const char *text)
{
    struct sts_entry *e = f->entry;
    struct sts *s = e->sts;
    bool held = sts_entry_holds(e, now_of(f));
    uint64_t again_s = AGAIN_S;
    for (unsigned i = 0; i < e->failures && again_s < AGAIN_MAX_S; i++)
        again_s *= 2;
    e->failures++;
    memcpy(e->failed_id, f->id, sizeof e->failed_id);
    e->failed_until_ms = now_of(f) + (again_s < AGAIN_MAX_S ? again_s : AGAIN_MAX_S) * 1000;
    if (e->refresh_ms < e->failed_until_ms)
        e->refresh_ms = e->failed_until_ms;
    sts_entry_trouble(e, text);
    fresh_for(e, TROUBLE_S);
    s->stats.failures++;
    log_event(held && e->mode != STS_MODE_NONE ? LOG_WARNING : LOG_INFO, "sts-fetch", NULL,
              "the MTA-STS policy of %s could not be fetched%s: %s", e->domain,
              held ? ", the one of before stays" : "", text);
    if (s->config.on_fault)
        s->config.on_fault(s->config.arg, e->domain, fault, text);
}

static void on_policy(void *arg, const struct https_answer *answer)
{
    struct sts_flight *f = arg;
    struct sts_entry *e = f->entry;
    struct arena arena;
    enum sts_fault fault;
    const char *wrong;
    f->fetch = NULL;
    e->sts->fetching--;
    arena_init(&arena);
    const char *text = fault_of(answer, &arena, &fault);
    if (!text && sts_entry_set(e, f->id, answer->body, &wrong) < 0) {
        fault = STS_FAULT_INVALID;
        text = arena_printf(&arena, "it is no policy: %s", wrong);
    }
    e->failed_late = answer->end == HTTPS_TIMEOUT;
    if (text) {
        failed(f, fault, text);
    } else {
        e->failures = 0;
        e->failed_id[0] = '\0';
        sts_entry_trouble(e, NULL);
        log_event(LOG_INFO, "sts-policy", NULL, "%s: %s, id %s", e->domain, sts_mode_text(e->mode),
                  e->id);
    }
    arena_deinit(&arena);
    land(f);
}

static void start_fetch(struct sts_flight *f)
{
    struct sts *s = f->entry->sts;
    char host[DNS_NAME_MAX + 16];
    snprintf(host, sizeof host, "mta-sts.%s", f->entry->domain);
    s->fetching++;
    s->stats.fetches++;
    f->began_ms = now_of(f);
    f->fetch = fetch_start(&s->world,
                           &(struct https_ask){.host = host,
                                               .port = PORT,
                                               .target = TARGET,
                                               .max_bytes = STS_POLICY_MAX_BYTES,
                                               .deadline_ms = STS_FETCH_MS},
                           on_policy, f);
}

static void start_waiting(struct sts *s)
{
    while (s->waiting && s->fetching < STS_FETCHES_MAX) {
        struct sts_flight *f = s->waiting;
        DL_DELETE(s->waiting, f);
        s->nwaiting--;
        f->waits = false;
        start_fetch(f);
    }
    if (s->waiting)
        timer_start(&s->crowd, CROWD_MS);
}

/* Whoever has waited for this one waits no longer, and others do: hosts that are slow on purpose
 * are not to keep everybody's slots. */
void sts_on_crowd(void *sts)
{
    struct sts *s = sts;
    struct sts_entry *e, *tmp;
    HASH_ITER(hh, s->table, e, tmp)
    {
        struct sts_flight *f = e->flight;
        if (!s->waiting)
            return;
        if (!f || !f->fetch || now_of(f) - f->began_ms < STS_WAIT_MS)
            continue;
        e->failed_late = true;
        failed(f, STS_FAULT_FETCH, "no answer in time, and others waited");
        land(f);
    }
    start_waiting(s);
}

static void wait_for_slot(struct sts_flight *f)
{
    struct sts *s = f->entry->sts;
    if (s->nwaiting == STS_WAITING_MAX) {
        struct sts_flight *first = s->waiting;
        sts_entry_trouble(first->entry, "too many policies are being fetched");
        fresh_for(first->entry, TROUBLE_S);
        land(first);
    }
    f->waits = true;
    DL_APPEND(s->waiting, f);
    s->nwaiting++;
    start_waiting(s);
}

/* ---- the record ---- */

/* The host goes into a URL. */
static bool is_host(const char *domain)
{
    size_t len = strlen(domain);
    for (size_t i = 0; i < len; i++)
        if (!ascii_alpha(domain[i]) && !ascii_digit(domain[i]) && !strchr("-._", domain[i]))
            return false;
    return len > 0 && len + strlen("_mta-sts.") <= DNS_NAME_MAX && domain[0] != '.' &&
           domain[0] != '-';
}

static bool wants_fetch(const struct sts_flight *f)
{
    const struct sts_entry *e = f->entry;
    uint64_t now_ms = now_of(f);
    if ((e->failed_late || strcmp(f->id, e->failed_id) == 0) && now_ms < e->failed_until_ms)
        return false;
    return !sts_entry_holds(e, now_ms) || strcmp(f->id, e->id) != 0 || now_ms >= e->refresh_ms;
}

static uint32_t fresh_of(uint32_t ttl_s)
{
    return ttl_s < FRESH_MIN_S ? FRESH_MIN_S : ttl_s > FRESH_MAX_S ? FRESH_MAX_S : ttl_s;
}

/* What the record says; false: there is nothing to fetch. */
static bool take_record(struct sts_flight *f, const struct dns_answer *a)
{
    struct sts_entry *e = f->entry;
    struct arena arena;
    if (a->status == DNS_TEMPFAIL || a->status == DNS_BOGUS) {
        e->announced = true; /* for all that is known */
        sts_entry_trouble(e, a->text);
        fresh_for(e, TROUBLE_S);
        return false;
    }
    arena_init(&arena);
    struct sv *texts = arena_alloc(&arena, (a->nrecords + 1) * sizeof *texts);
    size_t n = a->status == DNS_OK ? a->nrecords : 0;
    for (size_t i = 0; i < n; i++)
        texts[i] = a->records[i].text;
    enum sts_record found = sts_record_find(texts, n, f->id);
    arena_deinit(&arena);
    e->announced = found == STS_RECORD_FOUND;
    fresh_for(e, fresh_of(a->ttl_s));
    if (found == STS_RECORD_INVALID)
        sts_entry_trouble(e, "its TXT record is not valid");
    else if (found == STS_RECORD_NONE)
        sts_entry_trouble(e, NULL);
    if (found == STS_RECORD_NONE && e->doubted)
        sts_entry_drop_policy(e); /* it has ended indeed */
    if (found != STS_RECORD_FOUND)
        return false;
    bool wanted = wants_fetch(f);
    if (!wanted && e->failures > 0)
        fresh_for(e, TROUBLE_S); /* another id may be better */
    return wanted;
}

static void on_record(void *arg, const struct dns_answer *answer)
{
    struct sts_flight *f = arg;
    f->query = NULL;
    if (!take_record(f, answer)) {
        if (f->entry->refresh_ms < f->entry->fresh_until_ms)
            f->entry->refresh_ms = f->entry->fresh_until_ms;
        land(f);
        return;
    }
    wait_for_slot(f);
}

void sts_flight_start(struct sts_entry *e)
{
    struct sts *s = e->sts;
    char name[DNS_NAME_MAX + 16];
    if (!is_host(e->domain)) {
        e->announced = false;
        fresh_for(e, FRESH_MAX_S);
        return;
    }
    struct sts_flight *f = NEW(struct sts_flight);
    f->entry = e;
    e->flight = f;
    snprintf(name, sizeof name, "_mta-sts.%s", e->domain);
    f->query = dns_query(s->world.dns, name, DNS_TXT, s->world.dns_timeout_ms, on_record, f);
}

void sts_flight_cancel(struct sts_entry *e)
{
    if (e->flight)
        flight_free(e->flight);
}
