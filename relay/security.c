#include "relay/security.h"

#include "msa/base/log.h"
#include "msa/base/mem.h"

#include <stdio.h>
#include <stdlib.h>

struct relay_security {
    struct relay_security_config config;
    struct relay_settings *settings;
    struct https *https;
    struct keep *keep; /* NULL: nothing is kept */
    struct sts *sts;
    struct tls_memory *memory;
    struct tls_results *results;
    struct relay_reports *reports;
};

static void on_row(void *arg, enum keep_kind kind, struct sv key, struct sv value)
{
    struct relay_security *s = arg;
    switch (kind) {
    case KEEP_POLICY:
        sts_remember(s->sts, key, value);
        break;
    case KEEP_HOST:
        tls_memory_remember(s->memory, key, value);
        break;
    case KEEP_RESULT:
        tls_results_remember(s->results, key, value);
        break;
    }
}

/* ---- what happens ---- */

static bool gathers(const struct relay_security *s)
{
    const char *from = s->settings->relay->tls.tlsrpt_from;
    return from && *from;
}

static void on_fault(void *arg, const char *domain, enum sts_fault fault, const char *text)
{
    static const char *const results[] = {
        [STS_FAULT_FETCH] = "sts-policy-fetch-error",
        [STS_FAULT_INVALID] = "sts-policy-invalid",
        [STS_FAULT_WEBPKI] = "sts-webpki-invalid",
    };
    struct relay_security *s = arg;
    struct tls_event e = {.domain = domain,
                          .host = "",
                          .helo = "",
                          .policy = TLS_POLICY_STS,
                          .result = results[fault],
                          .reason = text};
    if (gathers(s))
        tls_results_add(s->results, &e, NULL);
}

bool relay_security_tls_worked(void *security, const char *host)
{
    const struct relay_security *s = security;
    return s->settings->relay->tls.refuse_downgrade && tls_memory_has(s->memory, host);
}

/* What a connection has shown; a host that was not connected to shows nothing. */
static void remember(struct relay_security *s, const struct tls_event *e)
{
    if (e->established) {
        bool is_new = tls_memory_worked(s->memory, e->host);
        if (is_new && s->config.on_tls_worked && s->settings->relay->tls.refuse_downgrade)
            s->config.on_tls_worked(s->config.arg, e->host);
    } else if (e->result && e->remote.family != IP_NONE && tls_memory_is_news(s->memory, e->host)) {
        log_event(LOG_WARNING, "downgrade", NULL,
                  "TLS with %s has worked before and does not now (%s%s%s), mail for %s %s",
                  e->host, e->result, *e->reason ? ": " : "", e->reason, e->domain,
                  e->held ? "waits" : "goes in clear");
    }
}

void relay_security_on_tls(struct relay_security *s, struct tls_event *e)
{
    struct arena arena;
    struct sts_policy policy;
    arena_init(&arena);
    remember(s, e);
    if (gathers(s) && !e->waived) {
        bool known = e->policy == TLS_POLICY_STS && sts_look(s->sts, e->domain, &arena, &policy);
        tls_results_add(s->results, e, known ? &policy : NULL);
    }
    arena_deinit(&arena);
    tls_event_free(e);
}

/* ---- life ---- */

struct relay_security *relay_security_new(const struct relay_security_config *config)
{
    struct relay_security *s = NEW(struct relay_security);
    char path[4096];
    s->config = *config;
    s->https = https_new(config->loop);
    s->sts = sts_new(&(struct sts_config){.loop = config->loop, .on_fault = on_fault, .arg = s});
    s->memory = tls_memory_new();
    s->results = tls_results_new(config->loop);
    s->reports = relay_reports_new(&(struct relay_reports_config){.loop = config->loop,
                                                                  .mailbox = config->mailbox,
                                                                  .store = config->store,
                                                                  .results = s->results});
    if (!config->dir)
        return s;
    snprintf(path, sizeof path, "%s/tls.db", config->dir);
    s->keep = keep_open(path, on_row, s);
    sts_set_keep(s->sts, s->keep);
    tls_memory_set_keep(s->memory, s->keep);
    tls_results_set_keep(s->results, s->keep);
    return s;
}

void relay_security_set(struct relay_security *s, struct relay_settings *settings, struct dns *dns)
{
    struct relay_settings *old = s->settings;
    const struct relay_options *o = settings->relay;
    struct fetch_world world = {.loop = s->config.loop,
                                .dns = dns,
                                .https = s->https,
                                .trust = settings->tls,
                                .dns_timeout_ms = settings->dns_timeout_ms,
                                .ipv6 = o->ipv6,
                                .allow_loopback = o->allow_loopback};
    bool outside = o->capture[0] == '\0';
    s->settings = relay_settings_keep(settings);
    sts_set(s->sts, &world, o->tls.mta_sts && outside);
    relay_reports_set(s->reports, &world, gathers(s) && outside ? o->tls.tlsrpt_from : "",
                      settings->hostname,
                      (struct relay_notice_signer){s->config.signer, settings->dkim});
    relay_settings_drop(old);
}

void relay_security_stop(struct relay_security *s)
{
    relay_reports_stop(s->reports);
}

void relay_security_free(struct relay_security *s)
{
    relay_reports_free(s->reports);
    tls_results_free(s->results);
    tls_memory_free(s->memory);
    sts_free(s->sts);
    keep_close(s->keep);
    https_free(s->https);
    relay_settings_drop(s->settings);
    free(s);
}

struct sts *relay_security_sts(struct relay_security *s)
{
    return s->sts;
}

void relay_security_get_stats(const struct relay_security *s, struct relay_security_stats *out)
{
    *out = (struct relay_security_stats){.hosts = tls_memory_count(s->memory),
                                         .results = tls_results_count(s->results),
                                         .dropped = s->keep ? keep_dropped(s->keep) : 0};
    sts_get_stats(s->sts, &out->sts);
    relay_reports_get_stats(s->reports, &out->reports);
}
