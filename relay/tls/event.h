/*
 * event.h - what became of TLS at one attempt to connect, told by a worker to the main thread.
 *
 * For the memory of hosts (memory.h) and for reports (RFC 8460 4.3). Ownership: the event and all
 * that it names is its receiver's; tls_event_free(). Plain values.
 */
#ifndef RELAY_TLS_EVENT_H
#define RELAY_TLS_EVENT_H

#include "msa/base/arena.h"
#include "msa/base/ip.h"
#include "msa/loop/loop.h"

/* What bound the connection: RFC 8460 4.4, "policy-type". */
enum tls_policy { TLS_POLICY_NONE, TLS_POLICY_STS, TLS_POLICY_TLSA };

struct tls_event {
    struct task task;
    void (*on_event)(void *arg, struct tls_event *e); /* on the main thread */
    void *arg;
    struct arena arena;
    const char *domain; /* of the recipients */
    const char *host;   /* MX host */
    const char *helo;   /* its own name in its greeting, or "" */
    struct ip remote;   /* IP_NONE: no connection was made */
    struct ip local;    /* ours, the same */
    enum tls_policy policy;
    const char *const *tlsa; /* TLSA: its records in the form of zone files */
    size_t ntlsa;
    bool established;
    /* A result type of RFC 8460 4.3, also of what the connection did not fail by; NULL: none. */
    const char *result;
    const char *reason; /* words for it, or "" */
    bool held;          /* TLS is demanded: where it failed, the mail is not sent in clear */
    bool waived;        /* by TLS-Required: No: not reported (RFC 8460 3) */
};

struct tls_event *tls_event_new(void);
void tls_event_free(struct tls_event *e);

#endif
