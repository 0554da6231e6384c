/*
 * Both versions begin with a text of their own that no SMTP command and no TLS record begins with,
 * so that a client which comes without a header is found out by its first octets.
 */
#include "msa/server/proxy.h"

#include <string.h>

#define V2_FIXED 16u /* octets before the addresses */

static enum proxy_verdict bad(struct proxy_header *out, const char *why)
{
    out->why = why;
    return PROXY_BAD;
}

/* Whether text may still become one that begins with start. */
static bool may_start(struct sv text, struct sv start)
{
    return sv_starts(start, sv_first(text, start.len));
}

/* ---- version 1: a line of text ---- */

static bool read_port(struct sv text, uint16_t *out)
{
    uint64_t port;
    if (text.len > 5 || (text.len > 1 && text.ptr[0] == '0') || !sv_u64(text, UINT16_MAX, &port))
        return false;
    *out = (uint16_t)port;
    return true;
}

/* "source destination port port": one space between each, nothing behind. */
static bool read_endpoints(struct sv text, uint8_t family, struct ip_port *source)
{
    struct ip destination;
    uint16_t unused;
    struct sv words[3];
    for (int i = 0; i < 3; i++)
        words[i] = sv_split(&text, ' ');
    return ip_parse(words[0], &source->ip) && source->ip.family == family &&
           ip_parse(words[1], &destination) && destination.family == family &&
           read_port(words[2], &source->port) && read_port(text, &unused);
}

static enum proxy_verdict parse_v1(struct sv bytes, struct proxy_header *out)
{
    struct sv line = sv_first(bytes, PROXY_V1_MAX);
    size_t end = sv_find(line, '\n');
    if (end == line.len)
        return line.len < PROXY_V1_MAX ? PROXY_MORE : bad(out, "the line is too long");
    if (end == 0 || line.ptr[end - 1] != '\r')
        return bad(out, "the line does not end with CR LF");
    out->bytes = end + 1;
    line = sv_skip(sv_first(line, end - 1), 6); /* "PROXY " */
    struct sv word = sv_split(&line, ' ');
    if (sv_eq(word, SV("UNKNOWN"))) /* whatever stands behind it has to be ignored */
        return PROXY_UNKNOWN;
    uint8_t family = sv_eq(word, SV("TCP4")) ? IP_V4 : sv_eq(word, SV("TCP6")) ? IP_V6 : IP_NONE;
    if (family == IP_NONE)
        return bad(out, "neither TCP4, TCP6 nor UNKNOWN");
    if (!read_endpoints(line, family, &out->client))
        return bad(out, "the addresses cannot be read");
    return PROXY_TOLD;
}

/* ---- version 2: octets ---- */

static unsigned u16_at(const uint8_t *p)
{
    return (unsigned)p[0] << 8 | p[1];
}

/* Source, destination, source's port, destination's port, each address of size octets. */
static enum proxy_verdict read_address(const uint8_t *at, size_t have, enum ip_family family,
                                       size_t size, struct proxy_header *out)
{
    if (have < 2 * size + 4)
        return bad(out, "too short for its addresses");
    out->client.ip.family = (uint8_t)family;
    memcpy(out->client.ip.bytes, at, size);
    out->client.port = (uint16_t)u16_at(at + 2 * size);
    return PROXY_TOLD;
}

static enum proxy_verdict parse_v2(struct sv bytes, struct proxy_header *out)
{
    const uint8_t *p = (const uint8_t *)bytes.ptr;
    if (bytes.len < V2_FIXED)
        return PROXY_MORE;
    unsigned command = p[12], transport = p[13];
    size_t rest = u16_at(p + 14);
    if (command != 0x20 && command != 0x21)
        return bad(out, "neither version 2's LOCAL nor its PROXY");
    if (V2_FIXED + rest > PROXY_HEADER_MAX)
        return bad(out, "the header is too long");
    if (bytes.len < V2_FIXED + rest)
        return PROXY_MORE;
    out->bytes = V2_FIXED + rest;
    if (command == 0x20)
        return PROXY_LOCAL;
    switch (transport) {
    case 0x00: /* no address */
    case 0x31: /* a Unix socket */
        return PROXY_UNKNOWN;
    case 0x11:
        return read_address(p + V2_FIXED, rest, IP_V4, 4, out);
    case 0x21:
        return read_address(p + V2_FIXED, rest, IP_V6, 16, out);
    default:
        return bad(out, "not a TCP connection");
    }
}

enum proxy_verdict proxy_parse(struct sv bytes, struct proxy_header *out)
{
    static const struct sv v1 = SV("PROXY "), v2 = SV("\r\n\r\n\0\r\nQUIT\n");
    enum proxy_verdict v;
    *out = (struct proxy_header){0};
    if (sv_starts(bytes, v1))
        v = parse_v1(bytes, out);
    else if (sv_starts(bytes, v2))
        v = parse_v2(bytes, out);
    else if (may_start(bytes, v1) || may_start(bytes, v2))
        v = PROXY_MORE;
    else
        v = bad(out, "no PROXY header");
    if (v == PROXY_TOLD)
        out->client.ip = ip_unmapped(&out->client.ip);
    return v;
}
