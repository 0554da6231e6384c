/*
 * results.h - what became of TLS with each recipient domain, a UTC day at a time, for its report.
 *
 * RFC 8460 4.2 to 4.5. A group is one domain on one day; its policies have the form of the report's
 * array "policies" from the beginning, as JSON. Kept over restarts: a crash loses the last minute.
 * Ownership: groups are the collector's; one that is returned stays until tls_results_drop().
 * Thread: main. Bounds: RESULTS_GROUPS_MAX groups, eight policies a group, 50 kinds of failure a
 * policy; what is beyond is counted in the sums, or not at all.
 */
#ifndef RELAY_TLS_RESULTS_H
#define RELAY_TLS_RESULTS_H

#include "relay/tls/event.h"
#include "relay/tls/keep.h"
#include "relay/tls/sts_policy.h"

#include <jansson.h>
#include <uthash.h>

#define RESULTS_GROUPS_MAX 10000
#define RESULTS_DAY_S      86400

struct tls_group {
    int64_t day; /* since 1970 */
    char *domain;
    json_t *policies;
    /* for who sends the report; 0 at first */
    uint64_t due_ms, began_ms;
    unsigned tries;
    bool sending;
    /* private */
    char *key;
    bool changed;
    UT_hash_handle hh;
};

struct tls_results;

struct tls_results *tls_results_new(struct loop *loop);
void tls_results_free(struct tls_results *r); /* writes what has changed, while keep is open */
/* A row of KEEP_RESULT, as keep_open() reads it; then where changes go, which outlives this. */
void tls_results_remember(struct tls_results *r, struct sv key, struct sv value);
void tls_results_set_keep(struct tls_results *r, struct keep *keep);

/* policy: the domain's MTA-STS policy for TLS_POLICY_STS; NULL: none is known. */
void tls_results_add(struct tls_results *r, const struct tls_event *e,
                     const struct sts_policy *policy);
/* Calls each(arg, group) for those of days before day. each() may drop its group. */
void tls_results_each(struct tls_results *r, int64_t day,
                      void (*each)(void *arg, struct tls_group *g), void *arg);
struct tls_group *tls_results_find(struct tls_results *r, int64_t day, const char *domain);
void tls_results_drop(struct tls_results *r, struct tls_group *g);
void tls_results_clear(struct tls_results *r); /* nobody sends reports */
size_t tls_results_count(const struct tls_results *r);

#endif
