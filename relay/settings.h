/*
 * settings.h - what one generation of the configuration says to the relay.
 *
 * Immutable after relay_settings_new(); counted atomically, because jobs on workers outlive a
 * reload and end under the settings they began with. Any thread. What the pointers name belongs to
 * owner (the generation), released by release(owner) with the last reference.
 */
#ifndef RELAY_SETTINGS_H
#define RELAY_SETTINGS_H

#include "relay/options.h"
#include "relay/queue/options.h"

#include <inttypes.h>
#include <stdatomic.h>

struct rewrite_dkim_keys;
struct tls_ctx;

/* How the keeper names what logs in for relay.routes[%d] of a generation, a password or tokens: the
 * same index may be another host's after a reload. */
#define RELAY_SECRET_NAME "relay.routes[%d].password_file of generation %" PRIu32

struct relay_settings {
    uint32_t generation;    /* its number, as the keeper knows it */
    const char *hostname;   /* our name in EHLO and reports */
    const char *postmaster; /* told in reports; mailbox */
    const struct relay_options *relay;
    const struct queue_options *queue;
    uint64_t dns_timeout_ms;
    const struct ip_port *listeners; /* our own, for loops */
    size_t nlisteners;
    const struct ip *own_ips; /* addresses of this machine, for listeners on all addresses */
    size_t nown_ips;
    struct tls_ctx *tls;            /* client side; NULL: STARTTLS is never used */
    struct rewrite_dkim_keys *dkim; /* who signs (relay/signing.h); NULL: nobody */
    size_t header_size;             /* limits.header_size, bytes */
    uint32_t exts_off;              /* SMTP_EXT_BIT()s that are not used with next hops */

    void (*release)(void *owner); /* any thread; may be NULL */
    void *owner;
    atomic_uint refs; /* private */
};

/* Copies the struct (not what it points to); one reference. */
struct relay_settings *relay_settings_new(const struct relay_settings *values);
struct relay_settings *relay_settings_keep(struct relay_settings *s);
void relay_settings_drop(struct relay_settings *s); /* NULL is allowed */

#endif
