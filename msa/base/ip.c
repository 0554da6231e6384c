#include "msa/base/ip.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

bool ip_parse(struct sv text, struct ip *out)
{
    char buf[IP_TEXT_MAX];
    struct ip ip = {0};
    if (text.len == 0 || text.len >= sizeof buf || memchr(text.ptr, '\0', text.len))
        return false;
    memcpy(buf, text.ptr, text.len);
    buf[text.len] = '\0';
    if (inet_pton(AF_INET, buf, ip.bytes) == 1)
        ip.family = IP_V4;
    else if (inet_pton(AF_INET6, buf, ip.bytes) == 1)
        ip.family = IP_V6;
    else
        return false;
    *out = ip;
    return true;
}

bool ip_literal_parse(struct sv text, struct ip *out)
{
    if (text.len < 2 || text.ptr[0] != '[' || text.ptr[text.len - 1] != ']')
        return false;
    struct sv inside = sv_first(sv_skip(text, 1), text.len - 2);
    bool tagged = sv_istarts(inside, SV("IPv6:"));
    struct ip ip;
    if (!ip_parse(sv_skip(inside, tagged ? 5 : 0), &ip) || tagged != (ip.family == IP_V6))
        return false;
    *out = ip;
    return true;
}

const char *ip_text(const struct ip *ip, char buf[IP_TEXT_MAX])
{
    if (ip->family == IP_NONE ||
        !inet_ntop(ip->family == IP_V4 ? AF_INET : AF_INET6, ip->bytes, buf, IP_TEXT_MAX))
        snprintf(buf, IP_TEXT_MAX, "none");
    return buf;
}

const char *ip_port_text(const struct ip_port *a, char buf[IP_TEXT_MAX])
{
    char text[IP_TEXT_MAX];
    ip_text(&a->ip, text);
    snprintf(buf, IP_TEXT_MAX, a->ip.family == IP_V6 ? "[%.39s]:%u" : "%.39s:%u", text,
             (unsigned)a->port);
    return buf;
}

static size_t size_of(const struct ip *ip)
{
    return ip->family == IP_V4 ? 4 : ip->family == IP_V6 ? 16 : 0;
}

bool ip_eq(const struct ip *a, const struct ip *b)
{
    return a->family == b->family && memcmp(a->bytes, b->bytes, size_of(a)) == 0;
}

static bool all_zero(const uint8_t *bytes, size_t n)
{
    while (n)
        if (bytes[--n])
            return false;
    return true;
}

bool ip_is_loopback(const struct ip *ip)
{
    if (ip->family == IP_V4)
        return ip->bytes[0] == 127;
    return ip->family == IP_V6 && all_zero(ip->bytes, 15) && ip->bytes[15] == 1;
}

bool ip_is_forbidden_target(const struct ip *ip)
{
    const uint8_t *b = ip->bytes;
    if (ip->family == IP_V4)
        return b[0] == 0 || b[0] == 127 || b[0] >= 224 || (b[0] == 169 && b[1] == 254);
    if (ip->family != IP_V6)
        return true;
    if (b[0] == 0xff || (b[0] == 0xfe && (b[1] & 0xc0) == 0x80))
        return true;
    /* ::, ::1, ::a.b.c.d and ::ffff:a.b.c.d */
    return all_zero(b, 10) && (all_zero(b + 10, 2) || (b[10] == 0xff && b[11] == 0xff));
}

struct ip ip_client(const struct ip *ip)
{
    struct ip out = *ip;
    if (out.family == IP_V6)
        memset(out.bytes + 8, 0, 8);
    return out;
}

struct ip ip_unmapped(const struct ip *ip)
{
    const uint8_t *b = ip->bytes;
    if (ip->family != IP_V6 || !all_zero(b, 10) || b[10] != 0xff || b[11] != 0xff)
        return *ip;
    struct ip out = {.family = IP_V4};
    memcpy(out.bytes, b + 12, 4);
    return out;
}

/* The first bits of the address, the others 0. */
static struct ip masked(const struct ip *ip, unsigned bits)
{
    struct ip out = {.family = ip->family};
    memcpy(out.bytes, ip->bytes, bits / 8);
    if (bits % 8)
        out.bytes[bits / 8] = ip->bytes[bits / 8] & (uint8_t)(0xff00u >> bits % 8);
    return out;
}

bool ip_net_parse(struct sv text, struct ip_net *out)
{
    struct sv prefix = text, address = sv_split(&prefix, '/');
    struct ip_net net;
    if (!ip_parse(address, &net.ip))
        return false;
    uint64_t bits = size_of(&net.ip) * 8;
    if (address.len < text.len &&
        (!sv_u64(prefix, bits, &bits) || (prefix.len > 1 && prefix.ptr[0] == '0')))
        return false;
    net.bits = (uint8_t)bits;
    struct ip first = masked(&net.ip, net.bits);
    if (!ip_eq(&first, &net.ip))
        return false;
    *out = net;
    return true;
}

bool ip_net_has(const struct ip_net *net, const struct ip *ip)
{
    if (net->ip.family != ip->family)
        return false;
    struct ip first = masked(ip, net->bits);
    return ip_eq(&first, &net->ip);
}
