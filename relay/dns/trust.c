#include "relay/dns/trust.h"

#define EVERY_MS 600000
#define AGAIN_MS 30000 /* after a probe without answer */
#define DOUBT_MS 5000

uint64_t dns_trust_probed(struct dns_trust *t, enum dns_proof proof)
{
    if (proof == DNS_PROOF_NONE)
        return AGAIN_MS;
    if (proof == DNS_PROOF_STRIPPED && t->proven && !t->doubted) {
        t->doubted = true;
        return DOUBT_MS;
    }
    t->doubted = false;
    t->proven = t->validates = proof == DNS_PROOF_SECURE;
    return EVERY_MS;
}
