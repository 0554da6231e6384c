/*
 * proxy.h - the PROXY protocol, versions 1 and 2: who the client of a connection is that a proxy
 * made on its behalf. Pure.
 *
 * proxy-protocol.txt of HAProxy. Give all bytes that came since the connection began; ask again
 * with more of them while PROXY_MORE is answered. At most PROXY_HEADER_MAX are ever needed. What
 * follows the header's bytes is what the client itself sent. Any thread.
 *
 *     switch (proxy_parse(bytes, &h)) {
 *     case PROXY_TOLD:  the client is h.client; skip h.bytes
 *     case PROXY_LOCAL: the client is the proxy itself (its health check); skip h.bytes
 *     case PROXY_UNKNOWN: the client has no address that could be told; skip h.bytes
 *     case PROXY_BAD:   h.why says what is wrong; nothing that follows may be believed
 *
 * Of version 2 TLVs are skipped, their checksum among them; they count in the limit.
 */
#ifndef MSA_SERVER_PROXY_H
#define MSA_SERVER_PROXY_H

#include "msa/base/ip.h"

#define PROXY_V1_MAX     107u /* octets with CR LF */
#define PROXY_HEADER_MAX 4096u

enum proxy_verdict { PROXY_MORE, PROXY_TOLD, PROXY_LOCAL, PROXY_UNKNOWN, PROXY_BAD };

struct proxy_header {
    size_t bytes;          /* of the header; TOLD, LOCAL, UNKNOWN */
    struct ip_port client; /* TOLD; IPv4-mapped addresses as IPv4 */
    const char *why;       /* BAD; static text */
};

enum proxy_verdict proxy_parse(struct sv bytes, struct proxy_header *out);

#endif
