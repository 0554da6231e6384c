/*
 * security.h - what the relay finds out and remembers of other sites' transport security.
 *
 * Owns the MTA-STS policies (relay/tls/sts.h), the memory of hosts with TLS, what is gathered for
 * reports and who sends them, the HTTPS client, and the file that keeps what is known over restarts
 * (<dir>/tls.db).
 *
 * Order: relay_security_new(); relay_security_set() before anything is asked, at each reload and
 * whenever there is another resolver; relay_security_stop(); relay_security_free() when nobody asks
 * any more and the store has given back what it got. Thread: main.
 */
#ifndef RELAY_SECURITY_H
#define RELAY_SECURITY_H

#include "relay/reports.h"
#include "relay/settings.h"
#include "relay/tls/memory.h"
#include "relay/tls/sts.h"

struct relay_security_config {
    struct loop *loop;
    const char *dir; /* <state>/queue; NULL: nothing is kept */
    /* For reports by mail; mailbox and store may be NULL: none are sent. */
    struct mailbox *mailbox;
    struct store *store;
    struct relay_signer *signer;
    /* relay_security_tls_worked() says yes from now on: plans that let mail go there in clear are
     * wrong. May be NULL. */
    void (*on_tls_worked)(void *arg, const char *host);
    void *arg;
};

struct relay_security;

struct relay_security *relay_security_new(const struct relay_security_config *config);
/* dns is the caller's; a reference of settings is taken. What is under way begins again. */
void relay_security_set(struct relay_security *s, struct relay_settings *settings, struct dns *dns);
/* The server stops: no report is begun any more. */
void relay_security_stop(struct relay_security *s);
void relay_security_free(struct relay_security *s);

struct sts *relay_security_sts(struct relay_security *s);
/* Whether TLS has worked at this MX host before and, by relay.tls.refuse_downgrade, must again. */
bool relay_security_tls_worked(void *security, const char *host);
void relay_security_on_tls(struct relay_security *s, struct tls_event *e); /* takes it */

struct relay_security_stats {
    struct sts_stats sts;
    size_t hosts;   /* that have had TLS */
    size_t results; /* domains and days to be reported */
    struct relay_reports_stats reports;
    uint64_t dropped; /* facts that could not be kept */
};
void relay_security_get_stats(const struct relay_security *s, struct relay_security_stats *out);

#endif
