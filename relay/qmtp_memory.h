/*
 * qmtp_memory.h - what is known of QMTP servers beyond one connection, by address and port.
 *
 * MXPS: an address where QMTP could not be connected to is asked by SMTP at once for an hour, so
 * that not every message waits for it. A server that gave fewer responses than there were
 * recipients gets one recipient a package from then on.
 * Each worker has its own. Bounded: RELAY_QMTP_KNOWN_MAX addresses; the one that was heard of
 * longest ago is forgotten. Time: the loop's, milliseconds. One thread.
 */
#ifndef RELAY_QMTP_MEMORY_H
#define RELAY_QMTP_MEMORY_H

#include "msa/base/ip.h"

#define RELAY_QMTP_KNOWN_MAX 4096
#define RELAY_QMTP_FAILED_MS 3600000

struct relay_qmtp_memory;

struct relay_qmtp_memory *relay_qmtp_memory_new(void);
void relay_qmtp_memory_free(struct relay_qmtp_memory *m);
/* The connection was made, or could not be. */
void relay_qmtp_memory_connected(struct relay_qmtp_memory *m, const struct ip_port *to);
void relay_qmtp_memory_failed(struct relay_qmtp_memory *m, const struct ip_port *to,
                              uint64_t now_ms);
bool relay_qmtp_memory_is_failed(const struct relay_qmtp_memory *m, const struct ip_port *to,
                                 uint64_t now_ms);
void relay_qmtp_memory_short(struct relay_qmtp_memory *m, const struct ip_port *to);
bool relay_qmtp_memory_is_short(const struct relay_qmtp_memory *m, const struct ip_port *to);

#endif
