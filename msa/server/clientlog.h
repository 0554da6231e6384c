/*
 * clientlog.h - how many lines a client may cause in the log: log.per_client_per_minute, and once a
 * day for what stays the same.
 *
 * One object a worker; a client is an IPv4 address or an IPv6 /64. What is held back in a minute is
 * counted and told when the minute is over. Bounded: the tables are emptied each minute and each
 * day, and earlier when they are full. One thread.
 */
#ifndef MSA_SERVER_CLIENTLOG_H
#define MSA_SERVER_CLIENTLOG_H

#include "msa/base/ip.h"

struct clientlog;

struct clientlog *clientlog_new(void);
void clientlog_free(struct clientlog *c);
/* Whether one more line may be written for this client; per_minute 0: always. Tells about lines
 * held back in the minute before, as events "log-limited". */
bool clientlog_allows(struct clientlog *c, const struct ip *client, uint64_t per_minute,
                      uint64_t now_ms);
/* Which of these kinds (bits of the caller's own) this client has not been told for today. They
 * count as told from now on. */
unsigned clientlog_first_today(struct clientlog *c, const struct ip *client, unsigned kinds,
                               uint64_t now_ms);

#endif
