/*
 * dns.h - questions to the DNS, asynchronously, on one loop (the main thread's).
 *
 * One validating resolver with a cache (libunbound: one context, its own thread) behind it.
 * Identical questions in flight are asked once. Every question has its own deadline: the library's
 * may take minutes. At the start and every 10 minutes ". DNSKEY" is probed: a resolver that strips
 * DNSSEC makes every signed zone bogus, so the context is rebuilt without the trust anchor, all
 * answers are insecure, one warning is logged and mail goes on. Where answers have been validated
 * before, one probe alone does not end that: a second one some seconds later has to say the same.
 *
 * No file is opened here: resolv.conf and the trust anchor are given as contents. Where servers are
 * named and all of them are on loopback, the library's built-in answers for "test." are
 * removed, so that a local server can serve such zones.
 *
 * Ownership: the answer belongs to the caller of dns_query() only during its callback. Aliases
 * (CNAME) are followed by the resolver with its own bound; a loop is DNS_TEMPFAIL.
 * Simulated form: tests/sim/dns (zone.h).
 */
#ifndef RELAY_DNS_DNS_H
#define RELAY_DNS_DNS_H

#include "msa/loop/loop.h"
#include "relay/dns/answer.h"
#include "relay/dns/options.h"

struct dns;
struct dns_query;

struct dns_config {
    struct loop *loop;
    const struct ip_port *servers; /* asked in this order of preference; copied */
    size_t nservers;               /* 0: those of resolv_conf */
    struct sv resolv_conf;         /* contents; only "nameserver" lines count */
    bool dnssec;                   /* validate if possible */
    struct sv trust_anchor;        /* contents of a file of DS or DNSKEY records; may be empty */
    /* Answers are validated from now on, or are not any more: what rests on earlier ones is wrong.
     * Not from inside dns_new(); may be NULL. */
    void (*on_validating)(void *arg);
    void *arg;
};

/* 0, or ERR_DNS with *why_out (static or the library's text): nothing is usable then. */
int dns_new(const struct dns_config *config, struct dns **out, const char **why_out) MUST_CHECK;
/* Callbacks of questions in flight do not come any more. Not from inside a callback. */
void dns_free(struct dns *d);

/* Answers by on_answer, always later than this call. deadline_ms: from now; 0 is not allowed. A
 * name that cannot be asked is answered DNS_NXDOMAIN. */
struct dns_query *dns_query(struct dns *d, const char *name, enum dns_type type,
                            uint64_t deadline_ms,
                            void (*on_answer)(void *arg, const struct dns_answer *answer),
                            void *arg);
/* No callback follows; not after it. */
void dns_cancel(struct dns_query *q);

struct dns_stats {
    uint64_t questions, merged, timeouts, tempfails, bogus;
    size_t in_flight;
    bool validating;          /* an anchor is in use */
    bool stripped;            /* none is, because the resolver does not pass DNSSEC on for now */
    uint64_t stripped_ms;     /* for so long */
    char server[IP_TEXT_MAX]; /* the resolver that is asked first, "192.0.2.53:53" */
    bool answers; /* false: the last probe, made where DNSSEC is wanted, had no answer */
};
void dns_get_stats(const struct dns *d, struct dns_stats *out);

#endif
