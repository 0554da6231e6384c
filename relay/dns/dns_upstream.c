/*
 * Order of ub_* calls: options, forwarders, anchor, async, and last the local zones, because the
 * first query and zone_remove fix the context and later settings are silently ignored.
 */
#include "relay/dns/dns_upstream.h"

#include <stdio.h>
#include <stdlib.h>
#include <unbound.h>

/* A context whose forwarders were not taken asks the public root servers: every result counts. */
static int set_options(struct ub_ctx *ctx)
{
    static const char *const options[][2] = {
        {"infra-cache-max-rtt:", "1000"},  {"outbound-msg-retry:", "2"},
        {"infra-keep-probing:", "yes"},    {"infra-host-ttl:", "5"},
        {"cache-max-negative-ttl:", "60"}, {"qname-minimisation:", "no"},
    };
    for (size_t i = 0; i < sizeof options / sizeof *options; i++) {
        int err = ub_ctx_set_option(ctx, options[i][0], options[i][1]);
        if (err != 0)
            return err;
    }
    return 0;
}

static int set_servers(const struct dns_upstream *u, struct ub_ctx *ctx)
{
    for (size_t i = 0; i < u->nservers; i++) {
        char ip[IP_TEXT_MAX], text[IP_TEXT_MAX + 8];
        snprintf(text, sizeof text, "%s@%u", ip_text(&u->servers[i].ip, ip),
                 (unsigned)u->servers[i].port);
        int err = ub_ctx_set_fwd(ctx, text);
        if (err != 0)
            return err;
    }
    return 0;
}

/* Records one a line; comments and the multi-line form of zone files are not. */
static int set_anchor(const struct dns_upstream *u, struct ub_ctx *ctx)
{
    struct sv rest = sv_of(u->anchor);
    while (rest.len > 0) {
        struct sv line = sv_split(&rest, '\n');
        line = sv_trim(sv_first(line, sv_find(line, ';')));
        if (line.len > 0 && line.ptr[line.len - 1] == '\r')
            line.len--;
        if (line.len == 0)
            continue;
        char *record = sv_dup(line);
        int err = ub_ctx_add_ta(ctx, record);
        free(record);
        if (err != 0)
            return err;
    }
    return 0;
}

int dns_upstream_context(const struct dns_upstream *u, bool validate, struct ub_ctx **out)
{
    struct ub_ctx *ctx = ub_ctx_create();
    if (!ctx)
        return UB_NOMEM;
    int err = ub_ctx_debugout(ctx, NULL); /* its log is not ours: results are what counts */
    if (err == 0)
        err = set_options(ctx);
    if (err == 0)
        err = set_servers(u, ctx);
    if (err == 0 && validate)
        err = set_anchor(u, ctx);
    if (err == 0)
        err = ub_ctx_async(ctx, 1);
    if (err == 0) /* fixes the context, and so finds what is wrong with the anchor */
        err = ub_ctx_data_remove(ctx, "fixed.invalid.");
    if (err == 0 && u->loopback_only)
        err = ub_ctx_zone_remove(ctx, "test.");
    if (err != 0) {
        ub_ctx_delete(ctx);
        return err;
    }
    *out = ctx;
    return 0;
}

static void read_resolv_conf(struct dns_upstream *u, struct sv text)
{
    while (text.len > 0 && u->nservers < DNS_SERVERS_MAX) {
        struct sv line = sv_trim(sv_split(&text, '\n'));
        struct sv word = sv_first(line, SV("nameserver").len);
        struct sv rest = sv_skip(line, word.len);
        struct ip ip;
        if (!sv_eq(word, SV("nameserver")) || sv_trim(rest).len == rest.len)
            continue;
        rest = sv_trim(rest);
        rest = sv_first(rest, sv_find(rest, '%')); /* a zone cannot be given to the library */
        if (ip_parse(rest, &ip))
            u->servers[u->nservers++] = (struct ip_port){ip, 53};
    }
}

void dns_upstream_init(struct dns_upstream *u, const struct dns_config *config)
{
    *u = (struct dns_upstream){0};
    for (size_t i = 0; i < config->nservers && i < DNS_SERVERS_MAX; i++)
        u->servers[u->nservers++] = config->servers[i];
    u->loopback_only = config->nservers > 0;
    for (size_t i = 0; i < u->nservers; i++)
        u->loopback_only = u->loopback_only && ip_is_loopback(&u->servers[i].ip);
    if (config->nservers == 0)
        read_resolv_conf(u, config->resolv_conf);
}
