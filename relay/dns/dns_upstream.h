/*
 * dns_upstream.h - which resolvers are asked, and a libunbound context that asks them.
 *
 * Ownership: anchor is the caller's. Main thread.
 */
#ifndef RELAY_DNS_DNS_UPSTREAM_H
#define RELAY_DNS_DNS_UPSTREAM_H

#include "relay/dns/dns.h"

#define DNS_SERVERS_MAX 8

struct ub_ctx;

struct dns_upstream {
    struct ip_port servers[DNS_SERVERS_MAX];
    size_t nservers;
    bool loopback_only; /* all of them were configured, and are on this machine: a test's */
    const char *anchor; /* records, one a line; NULL: none */
};

/* Those of the configuration, else those of resolv.conf; without an anchor. */
void dns_upstream_init(struct dns_upstream *u, const struct dns_config *config);
/* 0 or an error of libunbound. validate: the anchor is used, there is one. */
int dns_upstream_context(const struct dns_upstream *u, bool validate, struct ub_ctx **out);

#endif
