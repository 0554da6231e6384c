/*
 * clientlog.h - how many lines a client may cause in the log: log.per_client_per_minute.
 *
 * One table a worker; a client is an IPv4 address or an IPv6 /64. What is held back is counted and
 * told when the minute is over. Bounded: the table is emptied each minute. One thread.
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

#endif
