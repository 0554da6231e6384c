/*
 * fetch.h - one HTTPS exchange with a host by its name: addresses out of our own DNS, then
 * relay/https.
 *
 * The names come from strangers, so what the relay never connects to is left out here, too
 * (relay.allow_loopback), and so is IPv6 where relay.ipv6 is false. Ownership: what is asked is
 * copied; the answer lives during the callback. on_done comes once and always later than
 * fetch_start(), unless the fetch is canceled. Thread: the loop's.
 */
#ifndef RELAY_TLS_FETCH_H
#define RELAY_TLS_FETCH_H

#include "relay/dns/dns.h"
#include "relay/https/https.h"

/* What fetches use; the caller's, and outlives them. */
struct fetch_world {
    struct loop *loop;
    struct dns *dns;
    struct https *https;
    struct tls_ctx *trust; /* authorities */
    uint64_t dns_timeout_ms;
    bool ipv6, allow_loopback;
};

struct fetch;
/* ask without addresses and trust; its deadline counts from when the addresses are known. */
struct fetch *fetch_start(const struct fetch_world *w, const struct https_ask *ask,
                          void (*on_done)(void *arg, const struct https_answer *answer), void *arg);
void fetch_cancel(struct fetch *f); /* on_done does not come; NULL is allowed */

#endif
