/*
 * lookup.h - routes looked up: a planner (route/route.h) each, with its questions under way.
 *
 * Each question has its own deadline (dns.timeout, STS_WAIT_MS), so that every look-up ends; they
 * wait for nothing of each other. MX6 is waited for ROUTE_MX6_WAIT_MS at most, and a domain whose
 * SRV look-up failed is not asked about it for an hour, unless another resolver may know. After
 * another configuration or resolver what is under way begins again.
 *
 * Ownership: the route goes to on_done, which may be called from within relay_lookup() where no
 * question is needed, and relay_lookup_explain()'s always later. At relay_lookups_free() those of
 * explanations are told NULL, the others nothing. Thread: main.
 */
#ifndef RELAY_LOOKUP_H
#define RELAY_LOOKUP_H

#include "relay/dns/dns.h"
#include "relay/route/route.h"
#include "relay/settings.h"
#include "relay/tls/sts.h"

struct relay_lookups;

struct relay_lookups_config {
    struct loop *loop;
    struct dns *dns;
    struct sts *sts; /* outlives the look-ups; NULL: no policy is asked for */
    bool (*tls_worked)(void *arg, const char *host); /* route_input.tls_worked; may be NULL */
    void *arg;
    struct relay_settings *settings; /* a reference is taken */
};

typedef void relay_lookup_done(void *arg, const char *destination, struct route *route);

struct relay_lookups *relay_lookups_new(const struct relay_lookups_config *config);
void relay_lookups_free(struct relay_lookups *ls);
void relay_lookups_set(struct relay_lookups *ls, struct relay_settings *settings);
void relay_lookups_set_dns(struct relay_lookups *ls, struct dns *dns);
/* The resolver's answers so far are worth nothing any more. */
void relay_lookups_again(struct relay_lookups *ls);

/* destination: a domain in lower case, an address literal, a key (relay/choice.h) or the URL of a
 * next hop; copied. */
void relay_lookup(struct relay_lookups *ls, const char *destination, relay_lookup_done *on_done,
                  void *arg);
/* The same with the steps kept. */
void relay_lookup_explain(struct relay_lookups *ls, const char *destination,
                          relay_lookup_done *on_done, void *arg);

#endif
