/*
 * memory.h - hosts where TLS has worked, by their MX host names, kept over restarts.
 *
 * For relay.tls.refuse_downgrade: whoever takes STARTTLS out of a connection that used to have it
 * does not get the mail in clear. A host where TLS has not worked for MEMORY_DAYS is forgotten, so
 * that one that gave it up for good gets mail again in the end. A wall clock that is ahead forgets
 * nobody: while the process runs days are counted by the monotonic clock, too, and what has ended
 * by the wall clock alone when it starts stays for another MEMORY_DOUBT_MS. Rows go with their
 * hosts, or MEMORY_ROW_DAYS after their end.
 *
 * Ownership: names are copied. Thread: main. Bounds: MEMORY_HOSTS_MAX; the ones that were not heard
 * of for the longest go first.
 */
#ifndef RELAY_TLS_MEMORY_H
#define RELAY_TLS_MEMORY_H

#include "relay/tls/keep.h"

#define MEMORY_HOSTS_MAX 100000
#define MEMORY_DAYS      90
#define MEMORY_DOUBT_MS  UINT64_C(86400000)
#define MEMORY_ROW_DAYS  365

struct tls_memory;

struct tls_memory *tls_memory_new(void);
void tls_memory_free(struct tls_memory *m);
/* A row of KEEP_HOST, as keep_open() reads it; then where changes go, which outlives this. */
void tls_memory_remember(struct tls_memory *m, struct sv key, struct sv value);
void tls_memory_set_keep(struct tls_memory *m, struct keep *keep);

/* TLS was established with the host; true: until now tls_memory_has() did not say so. */
bool tls_memory_worked(struct tls_memory *m, const char *host);
bool tls_memory_has(struct tls_memory *m, const char *host);
/* TLS did not come about with a host that has had it; true: has not been told today. */
bool tls_memory_is_news(struct tls_memory *m, const char *host);
size_t tls_memory_count(const struct tls_memory *m);

#endif
