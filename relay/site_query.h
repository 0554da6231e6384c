/*
 * site_query.h - which destinations of the queue go to a site.
 *
 * What the scheduler knows is taken from it; others are looked up as a try would do it
 * (relay/lookup.h), at most LOOKUPS_MAX at a time. All by the rules of the moment it was made.
 *
 *     q = site_query_new(...); site_query_add() each; site_query_start() -> on_done
 *
 * Ownership: the asker's, who frees it after on_done, or after the look-ups are freed, when on_done
 * no longer comes. Thread: main; the set of what was found is for any (relay/queue/destinations.h).
 */
#ifndef RELAY_SITE_QUERY_H
#define RELAY_SITE_QUERY_H

#include "relay/lookup.h"
#include "relay/queue/destinations.h"
#include "relay/queue/sched.h"
#include "relay/settings.h"

#define RELAY_CAPTURE_SITE "capture" /* where all goes under relay.capture */

struct site_query;

struct site_query_config {
    struct relay_lookups *lookups;
    const struct sched *sched;
    struct relay_settings *settings; /* a reference is taken */
    const char *site;                /* as sched_site_matches() takes it; copied */
};

struct site_query *site_query_new(const struct site_query_config *config);
void site_query_free(struct site_query *q); /* NULL is allowed */
void site_query_add(struct site_query *q, const char *destination);
/* on_done may be called from within. */
void site_query_start(struct site_query *q, void (*on_done)(void *arg), void *arg);
/* Those of the site, after on_done; before, it holds none, but knows the rule. */
const struct destinations *site_query_found(const struct site_query *q);
/* Those of which nothing can be said now, and why not. */
void site_query_each_unknown(const struct site_query *q,
                             void (*on_unknown)(void *arg, const char *destination,
                                                const char *status, const char *text),
                             void *arg);

#endif
