/*
 * outcome.h - what a result of a delivery try means: the one place that decides.
 *
 * RFC 5321 4.2.1, 4.5.3.1.10, 6.1; RFC 3463 (status where the server gave none). From what the
 * client core reports, or from a failure outside of SMTP, comes one outcome: delivered, deferred
 * or failed, the enhanced status, what was said, and how far the failure reaches.
 *   recipient: this recipient only        message: every recipient of this message there
 *   host: this host; try the next one     site: all hosts of this next hop
 *   local: our own trouble
 * A permanent reply to greeting, EHLO, HELO, STARTTLS, AUTH or RSET says nothing about the
 * message: it is deferred and another host is tried. So is 421 in any phase.
 *
 * Ownership: text and remote lie in the arena given. Any thread.
 */
#ifndef RELAY_OUTCOME_H
#define RELAY_OUTCOME_H

#include "msa/smtp/client.h"

enum relay_verdict { RELAY_DELIVERED, RELAY_DEFERRED, RELAY_FAILED };

enum relay_scope {
    RELAY_SCOPE_RECIPIENT,
    RELAY_SCOPE_MESSAGE,
    RELAY_SCOPE_HOST,
    RELAY_SCOPE_SITE,
    RELAY_SCOPE_LOCAL,
};

struct relay_outcome {
    enum relay_verdict verdict;
    enum relay_scope scope;
    struct smtp_status status;
    const char *text;   /* the reply as "550 5.1.1 words", "\n" between lines; or our own words */
    const char *remote; /* who said it: "mx.example [192.0.2.1]:25"; "" where nobody did */
    bool maybe_taken;   /* lost after the end of data: try no other host in this attempt */
};

/* Failures outside of the SMTP session: name, verdict, status, scope, words */
#define RELAY_FAILURES(XX)                                                               \
    XX(DNS, DEFERRED, (4, 4, 3), SITE, "the next hop could not be looked up")            \
    XX(NO_DOMAIN, FAILED, (5, 1, 2), SITE, "the domain does not exist")                  \
    XX(NULL_MX, FAILED, (5, 1, 10), SITE, "the domain accepts no mail")                  \
    XX(NO_ADDRESS, FAILED, (5, 4, 4), SITE, "no mail host of the domain has an address") \
    XX(FILTERED, FAILED, (5, 4, 4), SITE,                                                \
       "all addresses of the domain are refused here (relay.allow_loopback)")            \
    XX(LOOP, FAILED, (5, 4, 6), SITE, "the mail would loop back to this server")         \
    XX(CONNECT, DEFERRED, (4, 4, 1), HOST, "connection failed")                          \
    XX(TLS, DEFERRED, (4, 7, 5), HOST, "TLS failed")                                     \
    XX(NO_HOST, DEFERRED, (4, 4, 1), SITE, "no host could be reached")                   \
    XX(EXPIRED, FAILED, (5, 4, 7), MESSAGE, "delivery time expired")                     \
    XX(CONTENT, DEFERRED, (4, 3, 0), LOCAL, "the queued content could not be read")      \
    XX(CAPTURE, DEFERRED, (4, 3, 0), LOCAL, "the capture folder could not be written")   \
    XX(ENVELOPE, FAILED, (5, 3, 0), LOCAL, "the queued envelope is damaged")             \
    XX(SHUTDOWN, DEFERRED, (4, 3, 2), LOCAL, "the server is stopping")

enum relay_failure {
#define RELAY_FAILURE_ENUM(name, verdict, status, scope, words) RELAY_FAILURE_##name,
    RELAY_FAILURES(RELAY_FAILURE_ENUM)
#undef RELAY_FAILURE_ENUM
};

/* remote: the host that the session was with. */
struct relay_outcome relay_outcome_of_result(struct arena *a, const struct smtp_client_result *r,
                                             struct sv remote);
/* err: 0 or the environment error behind it. detail: more words, may be empty. */
struct relay_outcome relay_outcome_of_failure(struct arena *a, enum relay_failure what, int err,
                                              struct sv detail, struct sv remote);
const char *relay_verdict_text(enum relay_verdict v); /* "delivered", "deferred", "failed" */
const char *relay_scope_text(enum relay_scope s);

#endif
