/*
 * What a generation makes (service, store, resolver), so that it can be refused before anything has
 * changed, and what it changes at its commit.
 */
#include "msa/base/log.h"
#include "msa/server/server_internal.h"

#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#define DISK_THREADS      4
#define DNS_SERVERS_MAX   16
#define OTHER_DESCRIPTORS 256 /* databases, spool files, channels */

static bool same_dns(const struct generation *a, const struct generation *b)
{
    struct sv x = SV_NONE, y = SV_NONE;
    const struct dns_options *p = &a->options.dns, *q = &b->options.dns;
    if (p->dnssec != q->dnssec || p->servers.count != q->servers.count)
        return false;
    for (size_t i = 0; i < p->servers.count; i++)
        if (strcmp(p->servers.items[i], q->servers.items[i]) != 0)
            return false;
    generation_file(a, GENERATION_RESOLV_CONF, &x);
    generation_file(b, GENERATION_RESOLV_CONF, &y);
    if (!sv_eq(x, y))
        return false;
    x = y = SV_NONE;
    generation_file(a, "dns.trust_anchor", &x);
    generation_file(b, "dns.trust_anchor", &y);
    return sv_eq(x, y);
}

/* The one of a generation that is still to come probes, too: then nothing is lost but look-ups. */
static void on_validating(void *arg)
{
    struct server *s = arg;
    if (s->relay)
        relay_on_validating(s->relay);
}

static struct dns *make_dns(struct server *s, const struct generation *g, struct buf *why)
{
    struct ip_port servers[DNS_SERVERS_MAX];
    struct dns *dns;
    const char *said;
    /* with relay.capture no name is needed for delivery: not even the probe leaves the machine */
    bool captured = *g->options.relay.capture != '\0';
    struct dns_config config = {.loop = s->loop,
                                .servers = servers,
                                .dnssec = g->options.dns.dnssec != DNS_DNSSEC_OFF && !captured,
                                .on_validating = on_validating,
                                .arg = s};
    for (size_t i = 0; i < g->options.dns.servers.count && config.nservers < DNS_SERVERS_MAX; i++)
        if (dns_options_server(sv_of(g->options.dns.servers.items[i]), &servers[config.nservers]))
            config.nservers++;
    generation_file(g, GENERATION_RESOLV_CONF, &config.resolv_conf);
    generation_file(g, "dns.trust_anchor", &config.trust_anchor);
    if (dns_new(&config, &dns, &said) < 0) {
        int cut = buf_printf(why, "dns: %s", said);
        (void)cut;
        return NULL;
    }
    return dns;
}

static void on_queued(void *arg, struct queue_batch *claimed)
{
    struct server *s = arg;
    relay_on_queued(s->relay, claimed);
}

static void on_due(void *arg, const char *destination, int64_t due_ms)
{
    struct server *s = arg;
    relay_on_due(s->relay, destination, due_ms);
}

static void on_wish(void *arg, const struct store_wish *wish)
{
    struct server *s = arg;
    relay_on_wish(s->relay, wish);
}

static void on_spent(void *arg, const struct store_spent *spent)
{
    struct server *s = arg;
    spending_remember(s->spending, spent);
}

static void on_paused(void *arg, const char *what)
{
    struct server *s = arg;
    (void)pauses_set(&s->pauses, what, true);
}

static bool open_store(struct server *s, const struct service *v, struct buf *why)
{
    char dir[4096];
    const struct msa_options *o = &v->generation->options;
    struct store_config config = {
        .dir = dir,
        .memory_bytes = (uint64_t)v->memory_bytes / 2,
        .disk_threads = DISK_THREADS,
        .history_days = (unsigned)(o->queue.history_s / 86400),
        .history_bytes = (uint64_t)o->queue.history_size_bytes,
        .partial_bytes = (uint64_t)o->extensions.checkpoint_bytes,
        .loop = s->loop,
        .notify = s->mailbox,
        .on_queued = on_queued,
        .on_due = on_due,
        .on_wish = on_wish,
        .on_spent = on_spent,
        .on_paused = on_paused,
        .arg = s,
    };
    snprintf(dir, sizeof dir, "%s/queue", o->state);
    return store_open(&config, why, &s->store) == 0;
}

bool server_prepare(struct server *s, struct generation *g, struct buf *why)
{
    struct service *v = service_new(g, why);
    if (!v)
        return false;
    struct dns *dns = NULL;
    bool good = true;
    if (!s->service || !same_dns(s->service->generation, g)) {
        dns = make_dns(s, g, why);
        good = dns != NULL;
    }
    if (good && !s->store)
        good = open_store(s, v, why);
    if (!good) {
        if (dns)
            dns_free(dns);
        service_drop(v);
        return false;
    }
    server_abort(s, s->next ? s->next->generation->number : 0);
    s->next = v;
    s->next_dns = dns;
    return true;
}

void server_abort(struct server *s, uint32_t number)
{
    if (!s->next || s->next->generation->number != number)
        return;
    service_drop(s->next);
    s->next = NULL;
    if (s->next_dns)
        dns_free(s->next_dns);
    s->next_dns = NULL;
}

/* Where the hard limit of descriptors is too low, start goes on with fewer connections. */
static size_t possible_connections(size_t wanted)
{
    struct rlimit lim;
    if (getrlimit(RLIMIT_NOFILE, &lim) < 0 || lim.rlim_cur == RLIM_INFINITY)
        return wanted;
    size_t most =
        lim.rlim_cur > 2 * OTHER_DESCRIPTORS ? lim.rlim_cur - OTHER_DESCRIPTORS : lim.rlim_cur / 2;
    if (wanted > most)
        log_event(LOG_WARNING, "descriptors", NULL,
                  "limits.connections lowered from %zu to %zu: the limit of open files is %llu",
                  wanted, most, (unsigned long long)lim.rlim_cur);
    return wanted < most ? wanted : most;
}

void server_apply(struct server *s)
{
    const struct msa_options *o = &s->service->generation->options;
    log_setup("server", (enum log_format)o->log.format, (enum log_level)o->log.level);
    quota_set(s->quota, possible_connections((size_t)o->limits.connections),
              (size_t)o->limits.connections_per_client);
    atomic_store(&s->shared.memory.max_bytes, s->service->memory_bytes / 2);
    names_set_dns(s->names, s->dns, (uint64_t)o->dns.timeout_s * 1000);
    if (!s->digest) {
        s->digest = digest_new(s->loop, s->mailbox, s->store, s->misfits);
        spending_start(s->spending, s->loop, s->store, s->auth);
    }
    struct relay_notice_signer signer = {s->signer, s->service->relay->dkim};
    spending_set(s->spending, o->hostname, o->postmaster, signer);
    digest_set(s->digest, o->log.digest, o->hostname, o->postmaster, signer);
    store_set_history(s->store, (unsigned)(o->queue.history_s / 86400),
                      (uint64_t)o->queue.history_size_bytes);
    store_set_partial(s->store, (uint64_t)o->extensions.checkpoint_bytes);
}
