/*
 * ip.h - IP addresses as values: text and classes. No sockets.
 *
 * RFC 4291, RFC 5952 (text form of IPv6), RFC 5321 4.1.3 (address literals). Any thread.
 */
#ifndef MSA_BASE_IP_H
#define MSA_BASE_IP_H

#include "msa/base/sv.h"

enum ip_family { IP_NONE, IP_V4 = 4, IP_V6 = 6 };

struct ip {
    uint8_t family;    /* enum ip_family */
    uint8_t bytes[16]; /* network order; IPv4 uses the first four */
};

struct ip_port {
    struct ip ip;
    uint16_t port; /* host order */
};

struct ip_net {
    struct ip ip; /* no bit set behind the first bits */
    uint8_t bits;
};

#define IP_TEXT_MAX 48 /* bytes with NUL; also holds [address]:port */

bool ip_parse(struct sv text, struct ip *out); /* without brackets, zone or port */
/* An address literal: "[192.0.2.1]" or "[IPv6:2001:db8::1]", the tag in any case. False also for
 * one of another tag, which names no address. */
bool ip_literal_parse(struct sv text, struct ip *out);
/* Writes the text form and returns buf. */
const char *ip_text(const struct ip *ip, char buf[IP_TEXT_MAX]);
const char *ip_port_text(const struct ip_port *a, char buf[IP_TEXT_MAX]); /* [v6]:port, v4:port */
bool ip_eq(const struct ip *a, const struct ip *b);
bool ip_is_loopback(const struct ip *ip);
/* Loopback, unspecified, multicast, link-local, broadcast, IPv4-mapped and -compatible: never a
 * relay target unless relay.allow_loopback. */
bool ip_is_forbidden_target(const struct ip *ip);
/* ::ffff:a.b.c.d becomes a.b.c.d, what a socket for both families would tell. */
struct ip ip_unmapped(const struct ip *ip);
/* One client for limits: an IPv4 address or an IPv6 /64. */
struct ip ip_client(const struct ip *ip);
/* "192.0.2.0/24", "2001:db8::/32", or an address alone, which is a network of one. False also where
 * a bit is set behind the prefix: such a line rarely means what it says. */
bool ip_net_parse(struct sv text, struct ip_net *out);
bool ip_net_has(const struct ip_net *net, const struct ip *ip);

#endif
