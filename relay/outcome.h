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
 * message: it is deferred and another host is tried. So is 421 in any phase, and 4yz to MAIL. An
 * enhanced status that the operator named (relay.site_backoff_codes) reaches the site in any phase.
 * A session that ends once a recipient was taken may have ended because of the content: another
 * host is tried, but the site is spared. So it is by
 * what this machine lacks for a connection (an address of relay.bind, descriptors, memory), which
 * another family or a later try may have. An extension that only this host lacks (RFC 8689 4.2.1,
 * 2852, 7293 5, 6531 3.4) puts a message off to the next host and fails_at_last: when no host has
 * it, relay_outcome_fail() says so.
 *
 * Ownership: text and remote lie in the arena given. Any thread.
 */
#ifndef RELAY_OUTCOME_H
#define RELAY_OUTCOME_H

#include "msa/base/conf.h"
#include "msa/smtp/client.h"
#include "relay/route/route.h"

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
    const char *text;   /* the reply as "550 5.1.1 words", "\n" between lines, or by QMTP "QMTP: D"
                           and words; or our own words */
    const char *remote; /* who said it: "mx.example [192.0.2.1]:25"; "" where nobody did */
    const char *when; /* of a reply: "RCPT after 3 s"; NULL: text tells it, as far as it matters */
    bool maybe_taken; /* lost after the end of data: try no other host in this attempt */
    bool fails_at_last; /* deferred to the next host, failed if there is none */
    bool backs_off;     /* whatever the verdict: the site wants to be left alone for a while */
    bool by_policy;     /* a rule that messages may waive (RFC 8689 5) found TLS wanting */
    bool spares_site;   /* of the host's scope, and yet nothing against what else it is sent */
};

/* Failures without an SMTP session: name, verdict, status, scope, words. What the route says
 * (no domain, null MX, ...) comes with its own status and words. */
#define RELAY_FAILURES(XX)                                                                       \
    XX(NO_HOST, DEFERRED, (4, 4, 1), SITE, "no host could be reached")                           \
    XX(CAPTURE, DEFERRED, (4, 3, 0), LOCAL, "the capture folder could not be written")           \
    XX(FORM, DEFERRED, (4, 3, 0), LOCAL, "the content could not be re-encoded")                  \
    XX(UNSIGNED, DEFERRED, (4, 7, 0), LOCAL,                                                     \
       "the re-encoded content could not be signed for its domain")                              \
    XX(ENVELOPE, FAILED, (5, 3, 0), LOCAL, "the queued envelope is damaged")                     \
    XX(NO_IPV4, DEFERRED, (4, 4, 4), MESSAGE,                                                    \
       "the receiver asked for IPv4 (MX6), but its domain has no host with an IPv4 address now") \
    /* what the message needs of TLS or QMTP, and no host of the domain gives */                 \
    XX(BARRED, DEFERRED, (4, 7, 5), MESSAGE, "no host meets what is demanded of TLS")            \
    XX(NOT_PROVEN, FAILED, (5, 7, 10), MESSAGE,                                                  \
       "REQUIRETLS: the domain has no host with TLS that DNSSEC or MTA-STS vouches for")         \
    XX(UNSURE, DEFERRED, (4, 7, 5), MESSAGE,                                                     \
       "REQUIRETLS: whether DNSSEC or MTA-STS vouches for TLS there cannot be found out now")    \
    XX(QMTP_TLS, FAILED, (5, 7, 30), MESSAGE, "REQUIRETLS cannot be passed on by QMTP")          \
    XX(QMTP_LOSS, DEFERRED, (4, 3, 3), MESSAGE,                                                  \
       "the message would lose by QMTP what SMTP keeps, and there is no SMTP for it now")        \
    XX(QMTP_SIZE, FAILED, (5, 3, 4), MESSAGE, "the message is too large for QMTP")               \
    XX(QMTP_CLEAR, DEFERRED, (4, 7, 4), MESSAGE, "TLS is required here, but QMTP goes in clear")

enum relay_failure {
#define RELAY_FAILURE_ENUM(name, verdict, status, scope, words) RELAY_FAILURE_##name,
    RELAY_FAILURES(RELAY_FAILURE_ENUM)
#undef RELAY_FAILURE_ENUM
};

/* remote: the host that the session was with. */
struct relay_outcome relay_outcome_of_result(struct arena *a, const struct smtp_client_result *r,
                                             struct sv remote);
/* err: 0 or the environment error behind it. */
struct relay_outcome relay_outcome_of_failure(struct arena *a, enum relay_failure what, int err,
                                              struct sv remote);
/* 421: the host goes away (RFC 5321 3.8), which says nothing of what it was asked for. */
bool relay_outcome_is_goodbye(const struct smtp_client_result *r);
/* To RCPT: no more recipients in this transaction (RFC 5321 4.5.3.1.10). */
bool relay_outcome_is_too_many(const struct smtp_client_result *r);
/* Where the status is one of these codes ("4.7.28") the site backs off, and what was deferred tries
 * no other host of it. */
void relay_outcome_back_off(struct relay_outcome *o, const struct conf_strings *codes);
/* What was said, who said it and when, for lists: "451 4.7.1 later [mx.example [192.0.2.1]:25, RCPT
 * after 3 s]". */
const char *relay_outcome_told(struct arena *a, const struct relay_outcome *o);
/* Every host has been asked: what failed at last is final. */
void relay_outcome_fail(struct relay_outcome *o);
/* Whether a host that was found by MX6 asks for IPv4: 550 with one of the codes. any_550: 5.7.1 and
 * 5.7.25 ask for it, too. */
bool relay_outcome_asks_for_ipv4(const struct smtp_client_result *r,
                                 const struct conf_strings *codes, bool any_550);
/* The host asked for IPv4 (MX6): no failure, another try over IPv4 says what becomes of it. */
void relay_outcome_fall_back(struct relay_outcome *o);
/* TLS failed, was not offered, or cannot be had: what demands it there, and 4.7.5 where it is a
 * policy. Nothing where TLS is not at fault. */
void relay_outcome_name_rule(struct arena *a, struct relay_outcome *o, enum route_rule rule,
                             const char *host);
/* The message came with REQUIRETLS: trouble with TLS is for another host, and where there is none
 * it fails (RFC 8689 4.2.1). */
void relay_outcome_require_tls(struct relay_outcome *o);
const char *relay_verdict_text(enum relay_verdict v); /* "delivered", "deferred", "failed" */

#endif
