/*
 * socks.h - asking a SOCKS5 proxy for a connection, without a socket.
 *
 * RFC 1928, RFC 1929 (user and password). The host may be a name, which the proxy resolves and
 * which so never reaches our DNS. Pure: bytes in, bytes out.
 *
 *     relay_socks_init(&s, &request);
 *     for (;;) { send(relay_socks_out(&s)); state = relay_socks_feed(&s, received, &used); }
 *
 * Ownership: the caller's storage, no heap; what request points to lives as long. One thread.
 */
#ifndef RELAY_SOCKS_H
#define RELAY_SOCKS_H

#include "msa/base/ip.h"

#define RELAY_SOCKS_TEXT_MAX 255 /* bytes of host, user, password */

struct relay_socks_request {
    struct sv host; /* at most RELAY_SOCKS_TEXT_MAX; only where ip.family is IP_NONE */
    struct ip ip;
    uint16_t port;
    struct sv user, password; /* user empty: no login is offered */
};

enum relay_socks_state {
    RELAY_SOCKS_MORE,   /* what it says next is waited for */
    RELAY_SOCKS_OPEN,   /* the bytes that follow are the host's */
    RELAY_SOCKS_FAILED, /* relay_socks_fault() */
};

struct relay_socks {
    struct relay_socks_request request;
    unsigned phase;
    enum relay_socks_state state;
    const char *fault;
    bool is_hosts; /* the fault is the host's, not the proxy's */
    char in[262];  /* of a reply that is not yet whole */
    size_t in_len;
    char out[515];
    size_t out_len;
};

void relay_socks_init(struct relay_socks *s, const struct relay_socks_request *request);
/* What is to be sent now; given once. Valid until the next feed. */
struct sv relay_socks_out(struct relay_socks *s);
enum relay_socks_state relay_socks_feed(struct relay_socks *s, struct sv bytes, size_t *used_out);
const char *relay_socks_fault(const struct relay_socks *s); /* static words; FAILED only */

#endif
