/*
 * core.h - what a connection asks of the protocol that is spoken over it.
 *
 * Every protocol speaks in the terms of the SMTP client core (msa/smtp/client.h): its events, its
 * actions, its results, its rules of order and of ownership. A protocol is one table; what it has
 * no use for is NULL where that is said.
 */
#ifndef RELAY_CORE_H
#define RELAY_CORE_H

#include "msa/smtp/client.h"

struct relay_core_config {
    struct smtp_client_config session;
    uint32_t qmtp_recipients; /* of a package, at most */
};

struct relay_core_type {
    uint32_t connect_ms; /* how long its connections may take to be made */
    void *(*make)(const struct relay_core_config *config, uint64_t now_ms);
    void (*free)(void *core);
    bool (*next)(void *core, struct smtp_client_action *out);
    size_t (*feed)(void *core, struct sv bytes, uint64_t now_ms);
    /* moves: since the timer was set the peer has taken some of what waits for it */
    void (*timeout)(void *core, bool moves, uint64_t now_ms);
    void (*lost)(void *core, int err, uint64_t now_ms);
    void (*send)(void *core, const struct smtp_client_mail *mail, uint64_t now_ms);
    void (*body)(void *core, struct sv bytes, bool is_last, uint64_t now_ms);
    void (*body_fail)(void *core, int err, uint64_t now_ms);
    void (*quit)(void *core, uint64_t now_ms);
    /* NULL: it need not know that all it has given out is with the kernel */
    void (*flushed)(void *core, uint64_t now_ms);
    /* NULL: it never asks for START_TLS, or AUTH */
    void (*tls_done)(void *core, int err, uint64_t now_ms);
    void (*auth)(void *core, struct sv mechanism, struct sv response, uint64_t now_ms);
    void (*auth_fail)(void *core, int err, uint64_t now_ms);
    /* facts */
    const char *(*greeting)(const void *core); /* NULL: there is none */
    uint32_t (*exts)(const void *core);        /* SMTP_EXT_BIT()s that the peer offers */
    uint32_t (*takes)(const void *core, struct sv domain);
    unsigned (*converts)(const void *core, const struct smtp_client_mail *mail);
    /* NULL: no. The last transaction got fewer answers than it had recipients. */
    bool (*is_short)(const void *core);
};

extern const struct relay_core_type relay_core_smtp, relay_core_qmtp;

#endif
