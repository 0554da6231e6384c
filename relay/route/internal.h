/*
 * internal.h - what the files of the planner share.
 *
 * route.c (life, questions and their answers) -> route_mx.c (static routes, literals, MX) and
 * route_mx6.c (SRV), which make the hosts; route_addresses.c asks for their addresses, route_tls.c
 * for TLSA and decides how safe a connection has to be; route_plan.c writes the attempts.
 */
#ifndef RELAY_ROUTE_INTERNAL_H
#define RELAY_ROUTE_INTERNAL_H

#include "relay/route/route.h"

#define ROUTE_SMTP_PORT 25
#define ROUTE_QMTP_PORT 209
/* SRV, MX, policy; of a host AAAA, A, CNAME, and TLSA at two names */
#define ROUTE_QUESTIONS_MAX (3 + 5 * (ROUTE_HOSTS_MAX + ROUTE_TARGETS_MAX))
#define ROUTE_ADDRESSES_MAX 16 /* of a host and family */
#define ROUTE_TLSA_MAX      24 /* of a host */

/* What DNS says of a host under RFC 7672. */
enum route_dane {
    ROUTE_DANE_NONE,
    ROUTE_DANE_USABLE,   /* at least one record can be matched */
    ROUTE_DANE_UNUSABLE, /* there are records: TLS is promised, and cannot be checked */
    ROUTE_DANE_FAILED,   /* nobody knows: the host must not be used (2.1.2) */
};

/* An MX host, a target of MX6, or one of a static route. */
struct route_host {
    const char *name;
    struct ip ip; /* named by address: no question */
    uint16_t preference, port;
    enum route_via via;
    enum route_protocol protocol;
    bool implicit_tls;
    enum route_tls static_tls;
    const struct route_proxy *proxy; /* of a static route: it resolves the name */

    unsigned unanswered;   /* questions for addresses */
    const char *error;     /* a look-up failed: which, and why; else NULL */
    bool late;             /* of MX6: not waited for */
    bool secure;           /* addresses: validated, with every alias */
    const char *canonical; /* behind aliases; NULL: the name itself */
    struct ip *addresses;
    size_t naddresses;

    enum route_dane dane;
    const char *dane_base; /* the name that the TLSA records belong to: RFC 7672 2.2.3 */
    const char *dane_text; /* FAILED: why */
    struct tls_stream_tlsa *tlsa;
    size_t ntlsa;
};

struct route_hosts {
    struct route_host *items;
    size_t count, max;
};

/* What a question is about. */
enum route_topic {
    ROUTE_ABOUT_MX,
    ROUTE_ABOUT_MX6,
    ROUTE_ABOUT_POLICY,
    ROUTE_ABOUT_ADDRESS,
    ROUTE_ABOUT_ALIAS,
    ROUTE_ABOUT_TLSA,
};

struct route_asked {
    struct route_question q;
    enum route_topic topic;
    struct route_host *host; /* of the last three */
    bool is_out, answered;
};

/* What only the planning needs. */
struct route_work {
    struct arena arena;
    struct route_input input;
    struct route_host host_items[ROUTE_HOSTS_MAX], target_items[ROUTE_TARGETS_MAX];
    struct route_hosts hosts, targets;
    struct route_asked asked[ROUTE_QUESTIONS_MAX];
    size_t nasked, nanswered;
    bool mx_known; /* the list of hosts is complete */
    bool mx_secure, srv_secure;
    bool unsure; /* whether the domain proves its hosts: DNSSEC or the policy cannot be had now */
    bool ended;  /* the plan is complete */
    struct sts_policy sts;        /* mode and mx; mode none: there is no policy */
    const char *domain_canonical; /* NULL: the domain is no alias */
    size_t steps_room;
    struct route_attempt attempts[ROUTE_ATTEMPTS_MAX];
};

struct route {
    struct arena arena;      /* of the plan */
    struct route_work *work; /* NULL when it is done */
    struct route_step *steps;
    struct route_plan plan;
};

/* ---- route.c ---- */
/* Kept only where the steps are wanted. why is static. */
void route_step(struct route *r, const char *step, const char *why, const char *said, ...)
    PRINTF_LIKE(4, 5);
/* The same for an answer of DNS. */
void route_step_dns(struct route *r, const char *step, const struct route_question *q,
                    const struct dns_answer *a, const char *why, const char *said, ...)
    PRINTF_LIKE(6, 7);
/* name lives as long as the planning. */
void route_ask(struct route *r, enum route_topic topic, struct route_host *host, const char *name,
               enum dns_type type);
struct route_host *route_add_host(struct route_hosts *list, const char *name, uint16_t port,
                                  enum route_via via);
void route_use_ttl(struct route *r, const struct dns_answer *a);
/* A random stream of its own for each salt, so that the order of answers changes nothing. */
enum route_salt { SALT_MX, SALT_MX6 };
uint64_t route_random(uint64_t *state);
uint64_t route_random_begin(const struct route *r, enum route_salt salt);
/* By preference (priority), equal ones as they stand. */
void route_sort(struct dns_record *records, size_t n);
static inline bool route_failed(const struct dns_answer *a)
{
    return a->status == DNS_TEMPFAIL || a->status == DNS_BOGUS;
}
const char *route_failure(const struct dns_answer *a);

/* ---- route_mx.c ---- */
void route_start_static(struct route *r);
void route_start_literal(struct route *r);
void route_on_mx(struct route *r, const struct route_question *q, const struct dns_answer *a);

/* ---- route_mx6.c ---- */
void route_start_mx6(struct route *r);
void route_on_srv(struct route *r, const struct route_question *q, const struct dns_answer *a);

/* ---- route_addresses.c ---- */
void route_ask_addresses(struct route *r, struct route_hosts *list);
void route_on_address(struct route *r, struct route_host *h, const struct route_question *q,
                      const struct dns_answer *a);

/* ---- route_tls.c ---- */
void route_ask_policy(struct route *r);
void route_on_policy(struct route *r, const struct sts_answer *a);
/* The addresses of the host are known. */
void route_ask_tlsa(struct route *r, struct route_host *h);
void route_on_alias(struct route *r, struct route_host *h, const struct route_question *q,
                    const struct dns_answer *a);
void route_on_tlsa(struct route *r, struct route_host *h, const struct route_question *q,
                   const struct dns_answer *a);
/* What a connection to the host has to be: fills tls, rule, barred, names and tlsa of *out; notes
 * what the plan is unsure of. */
void route_set_tls(struct route *r, const struct route_host *h, struct route_attempt *out);
/* Whether the policies of the domain leave MX6 the target. */
bool route_allows_target(struct route *r, const struct route_host *h);

/* ---- route_plan.c ---- */
void route_end(struct route *r, enum route_verdict verdict, const char *status, const char *text);
void route_finish(struct route *r); /* every question has its answer */

#endif
