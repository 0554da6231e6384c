/*
 * dns_sim.h - the scripted DNS of a simulation: what relay/dns/dns.h answers.
 *
 * Names that were given a record exist; every other name is DNS_NXDOMAIN. A name that exists
 * without a record of the type asked for is DNS_NODATA. Each answer comes from a timer of the
 * asker's loop after a seeded delay, or, where that is longer, at the question's deadline as
 * DNS_TEMPFAIL. One script for a whole process, which is one thread; sim_dns_reset() before each
 * run. Names are given as dns.h wants them: lower case, no dot at the end; they are copied.
 */
#ifndef TESTS_SIM_DNS_SIM_H
#define TESTS_SIM_DNS_SIM_H

#include "relay/dns/dns.h"

void sim_dns_reset(void);
void sim_dns_mx(const char *domain, uint16_t preference, const char *host);
void sim_dns_address(const char *host, const char *address); /* A or AAAA */
/* Every question for this name ends so (DNS_TEMPFAIL, DNS_BOGUS); DNS_OK: as its records say. */
void sim_dns_fail(const char *name, enum dns_status status);
/* Answers take min_ms to max_ms (default 1 to 20). */
void sim_dns_delay(uint32_t min_ms, uint32_t max_ms);
uint64_t sim_dns_questions(void); /* since the reset */

#endif
