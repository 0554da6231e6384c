/*
 * One libunbound context with its own thread, watched by the loop through its descriptor.
 *
 * Whoever asks holds a dns_query with a timer; questions with the same name and type share one
 * flight. A flight is canceled when its last asker has gone. A context that is replaced (the
 * resolver strips DNSSEC) takes its flights with it: they are asked again in the new one.
 */
#include "relay/dns/dns.h"

#include "msa/base/buf.h"
#include "msa/base/log.h"
#include "msa/base/mem.h"
#include "msa/base/require.h"
#include "msa/loop/watch.h"
#include "relay/dns/dns_upstream.h"
#include "relay/dns/rdata.h"
#include "relay/dns/trust.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unbound.h>
#include <uthash.h>
#include <utlist.h>

#define PROBE_DEADLINE_MS 8000
#define KEY_MAX           (DNS_NAME_MAX + 8)
#define RCODE_NXDOMAIN    3
#define RCODE_NOERROR     0

struct dns_query {
    struct dns *dns;
    struct flight *flight;   /* NULL: it has its answer, or needs none (a name that cannot be) */
    struct dns_query **list; /* where it stands */
    struct timer timer;
    void (*on_answer)(void *arg, const struct dns_answer *answer);
    void *arg;
    struct dns_query *next, *prev;
};

/* One question under way. */
struct flight {
    struct dns *dns;
    char key[KEY_MAX]; /* "type name" */
    char *name;
    enum dns_type type;
    int id; /* of ub_resolve_async */
    struct dns_query *askers;
    UT_hash_handle hh;
};

struct dns {
    struct loop *loop;
    struct dns_upstream upstream;
    char *anchor; /* upstream's */
    bool validating;
    uint64_t stripped_since_ms; /* while not validating */
    struct ub_ctx *ctx;
    struct watch *watch;
    struct flight *flights;
    struct dns_query *invalid; /* wait for their NXDOMAIN */
    /* the probe of ". DNSKEY": in a context of its own */
    struct ub_ctx *trial;
    struct watch *trial_watch;
    bool probing;
    enum dns_proof verdict;
    bool answers, heard; /* the resolver does, for all that is known; has, since the last probe */
    struct dns_trust trust; /* what the probes say; validating is what is done */
    void (*on_validating)(void *arg);
    void *arg;
    struct timer probe_timer;
    struct dns_stats stats;
};

/* ---- context ---- */

static void on_ready(void *arg, int events)
{
    struct dns *d = arg;
    (void)events;
    int err = ub_process(d->ctx);
    if (err != 0)
        log_event(LOG_ERROR, "dns", NULL, "resolver: %s", ub_strerror(err));
}

static void use_context(struct dns *d, struct ub_ctx *ctx, bool validating)
{
    d->ctx = ctx;
    d->validating = validating;
    d->watch = watch_new(d->loop, ub_fd(ctx), on_ready, d);
    watch_set(d->watch, WATCH_READ);
}

static void drop_context(struct dns *d)
{
    watch_close(d->watch);
    ub_ctx_delete(d->ctx);
    d->watch = NULL;
    d->ctx = NULL;
}

/* ---- answers ---- */

static void decode_records(const struct ub_result *res, enum dns_type type, struct arena *arena,
                           struct dns_answer *out)
{
    size_t n = 0;
    while (n < DNS_RECORDS_MAX && res->data[n])
        n++;
    struct dns_record *records = arena_alloc(arena, n * sizeof *records);
    for (size_t i = 0; i < n; i++) {
        struct sv rdata = {res->data[i], (size_t)res->len[i]};
        if (dns_rdata_decode(type, rdata, arena, &records[out->nrecords]) == 0)
            out->nrecords++;
    }
    out->records = records;
    out->status = DNS_OK;
    if (out->nrecords == 0) {
        out->status = DNS_TEMPFAIL;
        out->text = "the records are malformed";
    }
}

/* NULL too where it is no name of a host: nothing can stand below it that may be asked for. */
static const char *canonical_name(const struct ub_result *res, struct arena *arena)
{
    struct sv name = sv_of(res->canonname);
    if (name.len > 0 && name.ptr[name.len - 1] == '.')
        name.len--;
    if (!dns_rdata_name_ok(name))
        return NULL;
    char *text = arena_str(arena, name);
    for (char *c = text; *c; c++)
        *c = ascii_lower(*c);
    return text;
}

/* Bogus data comes with rcode 0: that is looked at first (RFC 4035 5). */
static void decode(const struct ub_result *res, enum dns_type type, struct arena *arena,
                   struct dns_answer *out)
{
    *out = (struct dns_answer){.status = DNS_TEMPFAIL, .secure = res->secure != 0};
    if (res->ttl > 0)
        out->ttl_s = (uint32_t)res->ttl;
    out->canonical = canonical_name(res, arena);
    if (res->bogus) {
        out->status = DNS_BOGUS;
        out->text = arena_printf(arena, "DNSSEC validation failed: %s",
                                 res->why_bogus ? res->why_bogus : "no reason given");
    } else if (res->rcode != RCODE_NOERROR && res->rcode != RCODE_NXDOMAIN) {
        out->text = arena_printf(arena, "%s",
                                 res->rcode == 2   ? "SERVFAIL"
                                 : res->rcode == 5 ? "REFUSED"
                                                   : "an error reply");
    } else if (res->havedata) {
        decode_records(res, type, arena, out);
    } else {
        out->status = res->nxdomain ? DNS_NXDOMAIN : DNS_NODATA;
    }
}

static void query_free(struct dns_query *q)
{
    timer_stop(&q->timer);
    free(q);
}

static void flight_free(struct flight *f)
{
    HASH_DEL(f->dns->flights, f);
    free(f->name);
    free(f);
}

static void tell(struct flight *f, const struct dns_answer *answer)
{
    struct dns *d = f->dns;
    d->stats.tempfails += answer->status == DNS_TEMPFAIL;
    d->stats.bogus += answer->status == DNS_BOGUS;
    /* A callback may ask the same again: that is a new flight. */
    struct dns_query *askers = f->askers;
    f->askers = NULL;
    flight_free(f);
    struct dns_query *q;
    DL_FOREACH(askers, q)
    {
        q->flight = NULL;
        q->list = &askers; /* one callback may cancel another one's question */
        timer_stop(&q->timer);
    }
    while (askers) {
        q = askers;
        DL_DELETE(askers, q);
        q->on_answer(q->arg, answer);
        query_free(q);
    }
}

/* What is not said twice: that nothing answers, and that something does again. */
static void note_answers(struct dns *d, bool answers)
{
    if (d->answers == answers)
        return;
    d->answers = answers;
    if (answers)
        log_event(LOG_INFO, "dns-answers", NULL, "the resolvers answer");
    else
        log_event(LOG_WARNING, "dns-silent", NULL,
                  "the resolvers do not answer (dns.servers, else /etc/resolv.conf): mail whose "
                  "way must be looked up waits");
}

static void on_resolved(void *arg, int err, struct ub_result *res)
{
    struct flight *f = arg;
    struct arena arena;
    struct dns_answer answer = {.status = DNS_TEMPFAIL};
    arena_init(&arena);
    if (err == 0)
        decode(res, f->type, &arena, &answer);
    else
        answer.text = ub_strerror(err);
    if (answer.status != DNS_TEMPFAIL) {
        f->dns->heard = true;
        note_answers(f->dns, true);
    }
    tell(f, &answer);
    if (res)
        ub_resolve_free(res);
    arena_deinit(&arena);
}

static void launch(struct flight *f)
{
    int err = ub_resolve_async(f->dns->ctx, f->name, (int)f->type, 1, f, on_resolved, &f->id);
    /* only memory or a broken library: the askers' timers end it */
    if (err != 0) {
        f->id = 0;
        log_event(LOG_ERROR, "dns", NULL, "resolver: %s", ub_strerror(err));
    }
}

/* ---- questions ---- */

static void on_deadline(void *arg)
{
    static const struct dns_answer late = {.status = DNS_TEMPFAIL,
                                           .text = "no answer within the time allowed"};
    static const struct dns_answer invalid = {.status = DNS_NXDOMAIN};
    struct dns_query *q = arg;
    void (*on_answer)(void *, const struct dns_answer *) = q->on_answer;
    void *to = q->arg;
    bool was_asked = q->flight != NULL;
    q->dns->stats.timeouts += was_asked;
    dns_cancel(q);
    on_answer(to, was_asked ? &late : &invalid);
}

struct dns_query *dns_query(struct dns *d, const char *name, enum dns_type type,
                            uint64_t deadline_ms,
                            void (*on_answer)(void *arg, const struct dns_answer *answer),
                            void *arg)
{
    REQUIRE(deadline_ms > 0);
    struct dns_query *q = NEW(struct dns_query);
    q->dns = d;
    q->on_answer = on_answer;
    q->arg = arg;
    d->stats.questions++;
    timer_init(&q->timer, d->loop, on_deadline, q);
    if (!dns_rdata_name_ok(sv_of(name)) || dns_is_hidden(sv_of(name))) {
        q->list = &d->invalid;
        DL_APPEND(d->invalid, q);
        timer_start(&q->timer, 0);
        return q;
    }
    timer_start(&q->timer, deadline_ms);
    char key[KEY_MAX];
    struct flight *f;
    snprintf(key, sizeof key, "%d %s", (int)type, name);
    HASH_FIND_STR(d->flights, key, f);
    if (f) {
        d->stats.merged++;
    } else {
        f = NEW(struct flight);
        f->dns = d;
        memcpy(f->key, key, sizeof key);
        f->name = mem_str(name);
        f->type = type;
        HASH_ADD_STR(d->flights, key, f);
        launch(f);
    }
    q->flight = f;
    q->list = &f->askers;
    DL_APPEND(f->askers, q);
    return q;
}

void dns_cancel(struct dns_query *q)
{
    struct flight *f = q->flight;
    DL_DELETE(*q->list, q);
    if (f && !f->askers) {
        if (f->id)
            (void)ub_cancel(f->dns->ctx, f->id); /* fails only if it is being answered */
        flight_free(f);
    }
    query_free(q);
}

/* ---- probe ---- */

static void rebuild(struct dns *d, bool validate)
{
    struct ub_ctx *ctx = NULL;
    int err = dns_upstream_context(&d->upstream, validate, &ctx);
    if (err != 0) {
        log_event(LOG_ERROR, "dns", NULL, "resolver: %s", ub_strerror(err));
        return;
    }
    drop_context(d);
    use_context(d, ctx, validate);
    d->stripped_since_ms = loop_now_ms(d->loop);
    for (struct flight *f = d->flights; f; f = f->hh.next)
        launch(f);
    if (d->on_validating)
        d->on_validating(d->arg);
}

/* Root keys that do not validate, or come unsigned, or not at all: DNSSEC is stripped. No answer
 * says nothing. Called inside ub_process(trial): what follows is the timer's. */
static void on_probed(void *arg, int err, struct ub_result *res)
{
    struct dns *d = arg;
    struct arena arena;
    struct dns_answer a = {.status = DNS_TEMPFAIL};
    arena_init(&arena);
    if (err == 0)
        decode(res, DNS_DNSKEY, &arena, &a);
    if (a.status != DNS_TEMPFAIL)
        d->verdict = a.status == DNS_OK && a.secure ? DNS_PROOF_SECURE : DNS_PROOF_STRIPPED;
    if (res)
        ub_resolve_free(res);
    arena_deinit(&arena);
    timer_start(&d->probe_timer, 0);
}

static void on_trial_ready(void *arg, int events)
{
    struct dns *d = arg;
    (void)events;
    (void)ub_process(d->trial); /* its failure is the probe's time-out */
}

/* A context of its own, so that the cache of the one in use says nothing about today. */
static void start_probe(struct dns *d)
{
    d->verdict = DNS_PROOF_NONE;
    timer_start(&d->probe_timer, PROBE_DEADLINE_MS);
    if (dns_upstream_context(&d->upstream, true, &d->trial) != 0) {
        d->trial = NULL;
        return;
    }
    d->trial_watch = watch_new(d->loop, ub_fd(d->trial), on_trial_ready, d);
    watch_set(d->trial_watch, WATCH_READ);
    (void)ub_resolve_async(d->trial, ".", DNS_DNSKEY, 1, d, on_probed, NULL);
}

static void drop_trial(struct dns *d)
{
    if (!d->trial)
        return;
    watch_close(d->trial_watch);
    ub_ctx_delete(d->trial);
    d->trial = NULL;
}

static void on_probe_timer(void *arg)
{
    struct dns *d = arg;
    if (!d->probing) {
        d->probing = true;
        start_probe(d);
        return;
    }
    d->probing = false;
    drop_trial(d);
    note_answers(d, d->heard || d->verdict != DNS_PROOF_NONE);
    d->heard = false;
    timer_start(&d->probe_timer, dns_trust_probed(&d->trust, d->verdict));
    if (!d->trust.validates && d->validating) {
        log_event(LOG_WARNING, "dns-insecure", NULL,
                  "the resolver does not pass DNSSEC on: its answers are used without validation");
        rebuild(d, false);
    } else if (d->trust.validates && !d->validating) {
        log_event(LOG_INFO, "dns-secure", NULL,
                  "the resolver passes DNSSEC on: answers are validated");
        rebuild(d, true);
    }
}

/* ---- life ---- */

int dns_new(const struct dns_config *config, struct dns **out, const char **why_out)
{
    struct dns *d = NEW(struct dns);
    struct ub_ctx *ctx = NULL;
    d->loop = config->loop;
    dns_upstream_init(&d->upstream, config);
    bool validate = config->dnssec && config->trust_anchor.len > 0;
    if (validate)
        d->upstream.anchor = d->anchor = sv_dup(config->trust_anchor);
    /* without forwarders the library would ask the root servers itself */
    int err = d->upstream.nservers > 0 ? dns_upstream_context(&d->upstream, validate, &ctx) : 0;
    if (d->upstream.nservers == 0 || err != 0) {
        *why_out = err ? ub_strerror(err) : "no DNS server is named, here or in resolv.conf";
        free(d->anchor);
        free(d);
        return ERR_DNS;
    }
    use_context(d, ctx, validate);
    d->trust.validates = validate;
    d->answers = true;
    d->on_validating = config->on_validating;
    d->arg = config->arg;
    timer_init(&d->probe_timer, d->loop, on_probe_timer, d);
    if (validate)
        timer_start(&d->probe_timer, 0);
    *out = d;
    return 0;
}

void dns_free(struct dns *d)
{
    struct flight *f, *tmp;
    timer_stop(&d->probe_timer);
    drop_trial(d);
    drop_context(d);
    while (d->invalid)
        dns_cancel(d->invalid);
    HASH_ITER(hh, d->flights, f, tmp)
    {
        while (f->askers) {
            struct dns_query *q = f->askers;
            DL_DELETE(f->askers, q);
            query_free(q);
        }
        flight_free(f);
    }
    free(d->anchor);
    free(d);
}

void dns_get_stats(const struct dns *d, struct dns_stats *out)
{
    *out = d->stats;
    out->in_flight = HASH_COUNT(d->flights);
    out->validating = d->validating;
    out->stripped = d->anchor && !d->validating;
    out->stripped_ms = out->stripped ? loop_now_ms(d->loop) - d->stripped_since_ms : 0;
    ip_port_text(&d->upstream.servers[0], out->server);
    out->answers = d->answers;
}
