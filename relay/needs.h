/*
 * needs.h - what a message needs of an attempt: a plan serves all messages of its destination, so
 * this is asked as one of them goes along it.
 *
 * RFC 8689 4.2.1 (REQUIRETLS: the way to the host is proven and its certificate checked), 4.2.2 and
 * 5 ("TLS-Required: No": published policies do not bind). QMTP carries what has no MAIL or RCPT
 * parameter beyond SIZE, BODY, AUTH, those of DSN and MT-PRIORITY, and goes over its own port in
 * clear: only where no policy demands TLS. Where there is nothing but QMTP it is a next hop like
 * any that lacks extensions (msa/smtp/ext.h): content is re-encoded, parameters that a relay may
 * drop are dropped, and what must have an extension is refused there.
 *
 * Pure; any thread.
 */
#ifndef RELAY_NEEDS_H
#define RELAY_NEEDS_H

#include "msa/smtp/ext.h"
#include "relay/outcome.h"
#include "relay/queue/message.h"
#include "relay/route/route.h"

struct relay_needs {
    bool requires_tls;          /* REQUIRETLS; not for reports, which are not lost for it */
    bool waives_tls;            /* TLS-Required: No, without REQUIRETLS */
    bool by_qmtp;               /* QMTP can carry it */
    enum relay_failure no_qmtp; /* else why not */
};

/* e: with all recipients. qmtp_max_bytes: 0 is no limit. */
struct relay_needs relay_needs_of(const struct queue_message *m, const struct smtp_envelope *e,
                                  uint64_t qmtp_max_bytes, const struct route_plan *plan);
bool relay_needs_allow(const struct relay_needs *n, const struct route_attempt *a);
/* The level of TLS that the attempt is made at. */
enum route_tls relay_needs_level(const struct relay_needs *n, const struct route_attempt *a);
/* Whether a later plan may have a host for the message that this one has not. */
bool relay_needs_another_plan(const struct relay_needs *n, const struct route_plan *plan);
/* Why no attempt of the plan is allowed. */
struct relay_outcome relay_needs_unmet(struct arena *arena, const struct relay_needs *n,
                                       const struct route_plan *plan);

#endif
