/*
 * families.h - which family of addresses a host could not be reached over, for a while.
 *
 * RFC 8305 9.1 in spirit: a broken IPv6 costs something once, not with every connection.
 * Ownership: the table belongs to its worker. Bounds: RELAY_FAMILIES_MAX hosts, the one that was
 * noted first goes; each is forgotten after RELAY_FAMILIES_MS. Thread: one.
 */
#ifndef RELAY_FAMILIES_H
#define RELAY_FAMILIES_H

#include "msa/base/ip.h"

#include <stddef.h>

#define RELAY_FAMILIES_MAX 2000
#define RELAY_FAMILIES_MS  600000

struct relay_families;

struct relay_families *relay_families_new(void);
void relay_families_free(struct relay_families *f); /* NULL is allowed */
/* loser: IP_V4, IP_V6; it replaces what was known. */
void relay_families_note(struct relay_families *f, const char *host, enum ip_family loser,
                         uint64_t now_ms);
/* The family to be tried last; IP_NONE: nothing is known. */
enum ip_family relay_families_loser(const struct relay_families *f, const char *host,
                                    uint64_t now_ms);
size_t relay_families_count(const struct relay_families *f);

#endif
