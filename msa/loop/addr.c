/* Between the kernel's socket addresses and struct ip. */
#include "msa/loop/internal.h"

#include <netinet/in.h>
#include <string.h>

struct ip_port addr_value(const struct sockaddr_storage *sa)
{
    struct ip_port out = {0};
    if (sa->ss_family == AF_INET) {
        const struct sockaddr_in *v4 = (const struct sockaddr_in *)sa;
        out.ip.family = IP_V4;
        memcpy(out.ip.bytes, &v4->sin_addr, 4);
        out.port = ntohs(v4->sin_port);
    } else if (sa->ss_family == AF_INET6) {
        const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)sa;
        out.ip.family = IP_V6;
        memcpy(out.ip.bytes, &v6->sin6_addr, 16);
        out.port = ntohs(v6->sin6_port);
        /* a socket for both families shows IPv4 peers so; limits and logs want the real one */
        if (IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr)) {
            out.ip = (struct ip){.family = IP_V4};
            memcpy(out.ip.bytes, v6->sin6_addr.s6_addr + 12, 4);
        }
    }
    return out;
}

socklen_t addr_make(const struct ip *ip, uint16_t port, struct sockaddr_storage *out)
{
    memset(out, 0, sizeof *out);
    if (ip->family == IP_V6) {
        struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)out;
        v6->sin6_family = AF_INET6;
        v6->sin6_port = htons(port);
        memcpy(&v6->sin6_addr, ip->bytes, 16);
        return sizeof *v6;
    }
    struct sockaddr_in *v4 = (struct sockaddr_in *)out;
    v4->sin_family = AF_INET;
    v4->sin_port = htons(port);
    memcpy(&v4->sin_addr, ip->bytes, 4);
    return sizeof *v4;
}
