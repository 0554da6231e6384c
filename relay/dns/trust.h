/*
 * trust.h - whether a resolver's answers are validated, as probes of it come out. Pure.
 *
 * RFC 4035 5: behind a resolver that strips DNSSEC every signed zone is bogus, so validation ends
 * there. Whoever can forge one answer must not reach that: where a probe has found DNSSEC before,
 * it takes two in a row that do not.
 */
#ifndef RELAY_DNS_TRUST_H
#define RELAY_DNS_TRUST_H

#include <stdbool.h>
#include <stdint.h>

enum dns_proof {
    DNS_PROOF_NONE, /* the probe found no answer, which says nothing */
    DNS_PROOF_SECURE,
    DNS_PROOF_STRIPPED, /* the root's keys do not validate, come unsigned or not at all */
};

struct dns_trust {
    bool validates; /* set by the owner before the first probe */
    bool proven;    /* the last one that had an answer and was believed was SECURE */
    bool doubted;   /* and the one after it was not */
};

/* Takes one in; milliseconds until the next. */
uint64_t dns_trust_probed(struct dns_trust *t, enum dns_proof proof);

#endif
