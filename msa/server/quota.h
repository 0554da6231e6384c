/*
 * quota.h - limits that span workers, with one owner: the main thread.
 *
 * Connections in all and for each client (an IPv4 address or an IPv6 /64). A limit of 0 is none.
 * Pure; workers ask by message. One thread: main.
 */
#ifndef MSA_SERVER_QUOTA_H
#define MSA_SERVER_QUOTA_H

#include "msa/base/ip.h"

#include <stddef.h>

struct quota;

enum quota_verdict { QUOTA_OK, QUOTA_CONNECTIONS, QUOTA_CLIENT };

struct quota *quota_new(void);
void quota_free(struct quota *q);
void quota_set(struct quota *q, size_t connections, size_t per_client);
/* Counts one more connection when QUOTA_OK is given. */
enum quota_verdict quota_connect(struct quota *q, const struct ip *client);
void quota_disconnect(struct quota *q, const struct ip *client);
size_t quota_connections(const struct quota *q);

#endif
