/*
 * zone.h - the scripted names of a simulation: what relay/dns/dns.h answers.
 *
 * A name that was never mentioned does not exist; one that was, but not with the type asked for,
 * has no such record. Every answer comes from a timer of the asker's loop, delay of virtual time
 * after the question. One zone for a process, which is one thread; sim_dns_reset() before each run.
 */
#ifndef TESTS_SIM_DNS_ZONE_H
#define TESTS_SIM_DNS_ZONE_H

#include "relay/dns/dns.h"

void sim_dns_reset(void);
/* One more record: "10 mx.test" for MX ("0 " is the null MX), "0 1 25 mx6.test" for SRV, an address
 * for A and AAAA, the text for TXT, "3 1 1 " and the digest's own bytes for TLSA, a name for CNAME
 * (which answers that question alone). */
void sim_dns_add(const char *name, enum dns_type type, const char *data);
/* Nothing of what was said of name holds any more. */
void sim_dns_remove(const char *name);
/* Every question of this type for name ends so (DNS_TEMPFAIL, DNS_BOGUS...); DNS_OK ends that. */
void sim_dns_fail(const char *name, enum dns_type type, enum dns_status status);
/* Every answer for name says that it is an alias of canonical, whose records it has itself. */
void sim_dns_alias(const char *name, const char *canonical);
/* Every answer for suffix and what is below is validated, denials too; one that leads through an
 * alias only if its canonical name is under such a suffix as well. */
void sim_dns_sign(const char *suffix);
/* Whether resolvers say so of themselves (dns_stats); answers stay as they are. */
void sim_dns_strip(bool stripped);
/* Of all answers from here on. A delay beyond a question's deadline is a DNS_TEMPFAIL. */
void sim_dns_delay(uint64_t delay_ms);
/* Of this question alone, in place of the other delay. */
void sim_dns_slow(const char *name, enum dns_type type, uint64_t delay_ms);
/* Questions asked since the reset. */
size_t sim_dns_questions(void);

#endif
