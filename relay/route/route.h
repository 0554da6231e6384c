/*
 * route.h - from a recipient domain to an ordered plan of delivery attempts.
 *
 * RFC 5321 5.1 (MX, implicit MX), RFC 7505 (null MX), RFC 2782 (SRV, for MX6), MXPS (preferences
 * that say QMTP), RFC 7672 (DANE), RFC 8461 (MTA-STS). Pure: a small state machine that asks
 * questions and is told the answers; no clock, no randomness of its own (equal preferences are
 * shuffled by a seed). Where explain is set every step is kept as text for `msactl route`.
 *
 *     struct route *r = route_new(&input);
 *     while (route_next(r, &question)) ask;         all questions of a stage may be out at once
 *     route_answer(r, question.id, &answer);        or route_policy(); then route_next() again,
 *     if (route_is_done(r)) use(route_plan(r));     until this
 *
 * MX6 must not hold mail up: where route_waits_for_mx6() has been true for ROUTE_MX6_WAIT_MS the
 * owner calls route_mx6_late(), and gives no answer any more to the questions that route_is_open()
 * denies. Once it is done no answer is taken at all.
 *
 * Ownership: everything belongs to the route until route_free(). Thread: any, one at a time.
 * Bounds: at most ROUTE_HOSTS_MAX hosts of a list, ROUTE_TARGETS_MAX targets of MX6 and
 * ROUTE_ATTEMPTS_MAX attempts are used. What only the planning needs is gone when it is done.
 */
#ifndef RELAY_ROUTE_ROUTE_H
#define RELAY_ROUTE_ROUTE_H

#include "auth/tls/tlsa.h"
#include "relay/dns/answer.h"
#include "relay/tls/sts_policy.h"

#define ROUTE_HOSTS_MAX     20 /* MX hosts whose addresses are asked for */
#define ROUTE_TARGETS_MAX   5  /* of MX6 */
#define ROUTE_ATTEMPTS_MAX  64
#define ROUTE_MX6_WAIT_MS   2000
#define ROUTE_MX6_FORGET_MS 3600000 /* how long a look-up of SRV that failed is not tried again */

enum route_tls { /* first in the order of the configuration's own enum, without its AUTO */
                 ROUTE_TLS_NONE,          /* clear text */
                 ROUTE_TLS_OPPORTUNISTIC, /* where offered, any certificate */
                 ROUTE_TLS_REQUIRE,       /* always, any certificate */
                 ROUTE_TLS_VERIFY,        /* always, PKIX, for one of names */
                 ROUTE_TLS_DANE,          /* always, matching one of tlsa (RFC 7672) */
                 ROUTE_TLS_BARRED, /* the policy cannot be met here; only a message that waives it
                                      (TLS-Required: No, RFC 8689) may use the host */
};

/* What the level of TLS rests on. */
enum route_rule {
    ROUTE_RULE_NONE,   /* nothing is known of the host */
    ROUTE_RULE_STATIC, /* the configuration's route */
    ROUTE_RULE_DANE,
    ROUTE_RULE_STS,    /* an enforced MTA-STS policy of the domain */
    ROUTE_RULE_MEMORY, /* TLS has worked there before (relay.tls.refuse_downgrade) */
};

enum route_protocol { ROUTE_SMTP, ROUTE_LMTP, ROUTE_QMTP };

/* How the host was found. */
enum route_via {
    ROUTE_VIA_STATIC,
    ROUTE_VIA_MX6, /* a target of _mx6._tcp */
    ROUTE_VIA_MX,  /* MX records, the domain itself without any, or an address literal */
};

/* A SOCKS5 proxy (RFC 1928). */
struct route_proxy {
    struct ip_port at;
    const char *user, *password; /* user "": no login */
};

/* One target of a static route. */
struct route_target {
    const char *host; /* name, or the text of the address */
    struct ip ip;     /* family IP_NONE: host is looked up */
    uint16_t port;
    enum route_protocol protocol;
    bool implicit_tls;
    enum route_tls tls;
    const struct route_proxy *proxy; /* NULL: none; else host is not looked up */
};

/* Whether the SRV records of MX6 are asked for, and why not. */
enum route_mx6 {
    ROUTE_MX6_ASK,
    ROUTE_MX6_OFF,     /* relay.mx6, or relay.ipv6 */
    ROUTE_MX6_NO_IPV6, /* no global IPv6 address here */
    ROUTE_MX6_FAILED,  /* the look-up failed within ROUTE_MX6_FORGET_MS */
};

struct route_input {
    const char *domain; /* lower-case A-label domain, or "[literal]" */
    /* The static route that takes this domain: its targets in order, and what credentials it
     * names (an index of the owner, -1: none). ntargets 0: there is none. */
    const struct route_target *targets;
    size_t ntargets;
    int credentials;
    uint32_t generation;     /* of the owner's settings */
    const char *static_name; /* the route as written, for the steps and the site key */
    const char *capture; /* the folder that takes all mail in place of hosts; NULL: there is none */
    bool ipv6;
    bool allow_loopback;
    enum route_mx6 mx6;
    const uint16_t *mx6_ports; /* that are used; others are skipped */
    size_t nmx6_ports;
    bool mxps;     /* preferences may say QMTP */
    bool dane;     /* TLSA records are asked for */
    bool mta_sts;  /* the domain's policy is asked for */
    bool stripped; /* the resolver cannot validate for now: secure answers seem insecure */
    const char *stripped_by; /* its address, where that has been so for long; else NULL */
    /* Whether TLS has worked at the host before and so is required from now on; NULL: nothing is
     * remembered, or it is no matter. Called before route_is_done(). */
    bool (*tls_worked)(void *arg, const char *host);
    void *arg;
    /* Our own listeners; one on the unspecified address listens on loopback and on own_ips. */
    const struct ip_port *listeners;
    size_t nlisteners;
    const struct ip *own_ips;
    size_t nown_ips;
    bool no_ipv4; /* this machine has no IPv4 address to go out by: for the plan */
    uint64_t seed;
    bool explain; /* keep the steps */
};

/* A plan serves all messages of its destination: what depends on the message (IPv4 only, what QMTP
 * cannot carry, REQUIRETLS, TLS-Required) is decided by who walks along the attempts. */
struct route_attempt {
    const char *host;                /* for logs, SNI and, where names is empty, checks */
    struct ip_port to;               /* family IP_NONE: proxy resolves host */
    const struct route_proxy *proxy; /* NULL: none */
    enum route_protocol protocol; /* QMTP: followed by SMTP at the same address, for when it cannot
                                     be connected to */
    enum route_via via;
    unsigned host_index; /* equal for the attempts of one MX host, SRV target or static target */
    bool implicit_tls;
    enum route_tls tls;
    enum route_rule rule;
    const char *const *names; /* reference identifiers of VERIFY and DANE; of OPPORTUNISTIC: the
                                 certificate is checked, the result only told (MTA-STS testing) */
    size_t nnames;
    const struct tls_stream_tlsa *tlsa; /* DANE: those that are usable */
    size_t ntlsa;
    const char *barred; /* BARRED: which rule, what is wrong with the host; for reports */
    bool testing;       /* the domain's MTA-STS policy is in testing mode */
    bool unlisted;      /* testing: the policy does not name the host, which is reported too */
    bool secure;        /* domain to host is proven: DNSSEC, an enforced MTA-STS policy, or the
                           configuration (REQUIRETLS, RFC 8689 4.2.1) */
    int credentials;    /* -1: none */
    /* Of the settings that made the plan: credentials are theirs, and a kept connection serves no
     * others. */
    uint32_t generation;
};

enum route_verdict {
    ROUTE_DELIVER,
    ROUTE_FAILED,   /* permanently: status, text */
    ROUTE_DEFERRED, /* for now: status, text */
};

struct route_step {
    const char *step;   /* "static route", "mx", "mx6", "address", "tlsa", "filter"... */
    const char *asked;  /* of DNS: "MX example.net"; "" for what was no question */
    const char *said;   /* what was found: records, an error */
    const char *dnssec; /* "secure", "insecure", "bogus"; "" for what DNS did not say */
    const char *why;    /* what follows from it */
};

struct route_plan {
    enum route_verdict verdict;
    /* Not ROUTE_DELIVER; or the policy cannot be met at any host (all are BARRED): what a message
     * gets that does not waive it. */
    const char *status, *text;
    const char *site; /* ROUTE_DELIVER: the set of hosts, sorted: equal for equal sets */
    const struct route_attempt *attempts;
    size_t nattempts;
    /* ROUTE_DELIVER: a host may be fit for REQUIRETLS that does not look so, because something
     * could not be found out for now: its addresses or TLSA records, the domain's MTA-STS policy,
     * or whether answers are secure. */
    bool unsure;
    const char *unproven; /* why nothing but MTA-STS can vouch for hosts, and not for now only;
                             NULL: nothing stands in the way */
    bool no_ipv4;         /* of the input: a host that asks for IPv4 (MX6) asks in vain */
    bool srv_failed;      /* the look-up of SRV: for ROUTE_MX6_FAILED */
    uint32_t ttl_s;       /* least of the answers used, with bounds for use */
    const struct route_step *steps;
    size_t nsteps;
};

enum route_kind {
    ROUTE_ASK_DNS,    /* name, type: for route_answer() */
    ROUTE_ASK_POLICY, /* the MTA-STS policy of the domain name: for route_policy() */
};

struct route_question {
    uint32_t id;
    const char *name;
    enum dns_type type;
    enum route_kind kind;
};

struct route;
struct route *route_new(const struct route_input *input); /* copies */
void route_free(struct route *r);
bool route_next(struct route *r, struct route_question *out);
/* The question has been asked and may still be answered. */
bool route_is_open(const struct route *r, uint32_t id);
void route_answer(struct route *r, uint32_t id, const struct dns_answer *answer);
void route_policy(struct route *r, uint32_t id, const struct sts_answer *answer);
/* The MX records are known and the SRV records are not, or all that is asked for is MX6's. */
bool route_waits_for_mx6(const struct route *r);
void route_mx6_late(struct route *r); /* does without what it waits for */
bool route_is_done(const struct route *r);
const struct route_plan *route_plan(const struct route *r); /* when done */

#endif
