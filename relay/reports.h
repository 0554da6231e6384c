/*
 * reports.h - sends the TLS reports of days that are over to the domains that ask for them.
 *
 * RFC 8460 3 (who asks), 4.1 (spread over hours), 5 (mail and HTTPS), 5.5 (tried again for a day).
 * A domain's targets are tried in their order until one has taken the report: a message is taken
 * when it is in our queue. Then its results are dropped; so they are where nobody asks.
 *
 * Order: relay_reports_new(); relay_reports_set() before the first day ends and at each reload;
 * relay_reports_free(). Thread: main. Bounds: RELAY_REPORTS_MAX at once.
 */
#ifndef RELAY_REPORTS_H
#define RELAY_REPORTS_H

#include "relay/notice.h"
#include "relay/queue/store.h"
#include "relay/tls/fetch.h"
#include "relay/tls/results.h"

#define RELAY_REPORTS_MAX      8
#define RELAY_REPORTS_SPREAD_S (4 * 3600)

struct relay_reports;

struct relay_reports_config {
    struct loop *loop;
    struct mailbox *mailbox;     /* the loop's */
    struct store *store;         /* NULL: nothing can be sent by mail */
    struct tls_results *results; /* outlives this */
};

struct relay_reports *relay_reports_new(const struct relay_reports_config *config);
/* from: the author, and whom receivers may ask; "": no reports are sent. Texts outlive the next
 * call; what is under way is given up and begins again later. */
void relay_reports_set(struct relay_reports *r, const struct fetch_world *world, const char *from,
                       const char *hostname, struct relay_notice_signer signer);
/* No further report is begun; before the store is closed. */
void relay_reports_stop(struct relay_reports *r);
void relay_reports_free(struct relay_reports *r); /* messages that were given to the store have come
                                                     back */

struct relay_reports_stats {
    uint64_t sent, failed; /* since the start */
};
void relay_reports_get_stats(const struct relay_reports *r, struct relay_reports_stats *out);

#endif
