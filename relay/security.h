/*
 * security.h - what the relay finds out and remembers of other sites' transport security.
 *
 * Owns the MTA-STS policies (relay/tls/sts.h), the HTTPS client that fetches them, and the file
 * that keeps what is known over restarts (<dir>/tls.db).
 *
 * Order: relay_security_new(); relay_security_set() before anything is asked, at each reload and
 * whenever there is another resolver; relay_security_free() when nobody asks any more. Thread:
 * main.
 */
#ifndef RELAY_SECURITY_H
#define RELAY_SECURITY_H

#include "relay/settings.h"
#include "relay/tls/sts.h"

struct relay_security_config {
    struct loop *loop;
    const char *dir; /* <state>/queue; NULL: nothing is kept */
};

struct relay_security;

struct relay_security *relay_security_new(const struct relay_security_config *config);
/* dns is the caller's; a reference of settings is taken. What is under way begins again. */
void relay_security_set(struct relay_security *s, struct relay_settings *settings, struct dns *dns);
void relay_security_free(struct relay_security *s);

struct sts *relay_security_sts(struct relay_security *s);

struct relay_security_stats {
    struct sts_stats sts;
    uint64_t dropped; /* facts that could not be kept */
};
void relay_security_get_stats(const struct relay_security *s, struct relay_security_stats *out);

#endif
