/*
 * sts.h - what MTA-STS policy a recipient domain has: found out, cached, kept over restarts, and
 * refreshed before it ends.
 *
 * RFC 8461 3.3, 5.1, 10.2. The TXT record comes through relay/dns, the policy by HTTPS (fetch.h).
 * A policy that was fetched holds for its max_age, whatever happens to record and policy host
 * meanwhile; it ends earlier only by another one. Nor does a wall clock that is ahead end it: what
 * has ended by that alone, as the process starts, holds for another STS_DOUBT_MS (max_age, if that
 * is less), unless a look finds another policy, or no record that announces one. What was answered
 * in the negative is asked after a while. Refreshed every day, and before half of max_age, as long
 * as mail goes there; a refresh that fails is logged and tried again, first after 5 minutes.
 *
 * Never in the way of mail: an answer comes within STS_WAIT_MS, whatever DNS and policy host do.
 * A domain whose policy cannot be had by then, and is not cached, counts as without; the fetch goes
 * on for the next mail.
 *
 * Ownership: what an answer names lives during its callback only. Thread: main.
 * Bounds: STS_DOMAINS_MAX domains, STS_BYTES_MAX of policies: those without a policy in force are
 * forgotten first, of these and of the others the ones asked for the longest ago; STS_FETCHES_MAX
 * fetches at once, one a domain; where others wait for them one ends after STS_WAIT_MS;
 * STS_WAITING_MAX wait: the one that has waited the longest is given up then. A domain whose fetch
 * ran out of time is not asked again for a while, under another id neither. What is kept goes when
 * it ends, or STS_ROW_DAYS after its end.
 *
 *     q = sts_ask(s, "example.net", on_policy, self);      later: on_policy(self, &answer)
 */
#ifndef RELAY_TLS_STS_H
#define RELAY_TLS_STS_H

#include "relay/tls/fetch.h"
#include "relay/tls/keep.h"
#include "relay/tls/sts_policy.h"

#define STS_WAIT_MS     20000u
#define STS_FETCH_MS    60000u
#define STS_FETCHES_MAX 32
#define STS_WAITING_MAX 1000
#define STS_DOMAINS_MAX 20000
#define STS_BYTES_MAX   (32u << 20)
#define STS_DOUBT_MS    86400000u
#define STS_ROW_DAYS    365

/* Why a policy could not be had, as TLS-RPT names it (RFC 8460 4.3.2.2). */
enum sts_fault {
    STS_FAULT_FETCH,   /* sts-policy-fetch-error */
    STS_FAULT_INVALID, /* sts-policy-invalid */
    STS_FAULT_WEBPKI,  /* sts-webpki-invalid */
};

struct sts_config {
    struct loop *loop;
    /* A fetch has failed; may be NULL. */
    void (*on_fault)(void *arg, const char *domain, enum sts_fault fault, const char *text);
    void *arg;
};

struct sts;
struct sts_query;

struct sts *sts_new(const struct sts_config *config);
/* A row of KEEP_POLICY, as keep_open() reads it; then where the others go, which outlives this.
 * Both before the first question; without, nothing is kept. */
void sts_remember(struct sts *s, struct sv key, struct sv value);
void sts_set_keep(struct sts *s, struct keep *keep);
/* Before the first question and at each reload; copied. on: false answers that nobody has a policy
 * (and keeps those that are known). What is under way begins again. */
void sts_set(struct sts *s, const struct fetch_world *world, bool on);
void sts_free(struct sts *s); /* callbacks do not come any more */

/* domain: lower case, A-labels. on_answer comes once, always later than this call. */
struct sts_query *sts_ask(struct sts *s, const char *domain,
                          void (*on_answer)(void *arg, const struct sts_answer *answer), void *arg);
/* What is cached of the domain now, without asking; false: nothing. */
bool sts_look(struct sts *s, const char *domain, struct arena *arena, struct sts_policy *out);
void sts_cancel(struct sts_query *q); /* no callback follows; not after it */

struct sts_stats {
    size_t domains, policies, fetching;
    uint64_t fetches, failures; /* since the start */
};
void sts_get_stats(const struct sts *s, struct sts_stats *out);

#endif
