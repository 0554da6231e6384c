/*
 * answer.h - questions to the DNS and their decoded answers, as plain values.
 *
 * RFC 1035, RFC 2782 (SRV), RFC 4035 (secure, bogus), RFC 6698 (TLSA), RFC 7505 (null MX is an MX
 * record with host "."). Names are lower case, A-labels, without the dot at the end; the root is
 * "". Any thread; no sockets here.
 */
#ifndef RELAY_DNS_ANSWER_H
#define RELAY_DNS_ANSWER_H

#include "msa/base/arena.h"
#include "msa/base/ip.h"

#define DNS_NAME_MAX    253  /* bytes of text, without the dot at the end */
#define DNS_RECORDS_MAX 1000 /* of one answer; the rest is not looked at */

enum dns_type {
    DNS_A = 1,
    DNS_CNAME = 5, /* the alias itself, not what stands behind it */
    DNS_MX = 15,
    DNS_TXT = 16,
    DNS_AAAA = 28,
    DNS_SRV = 33,
    DNS_DNSKEY = 48,
    DNS_TLSA = 52,
};

enum dns_status {
    DNS_OK,       /* records stand in the answer */
    DNS_NODATA,   /* the name exists, without such a record */
    DNS_NXDOMAIN, /* the name does not exist */
    DNS_TEMPFAIL, /* no usable answer; text says why */
    DNS_BOGUS,    /* the answer failed DNSSEC validation */
};

struct dns_record {
    uint16_t preference;               /* MX; SRV: its priority */
    uint16_t weight, port;             /* SRV */
    const char *name;                  /* MX: the host; SRV: the target; CNAME */
    struct ip ip;                      /* A, AAAA */
    uint8_t usage, selector, matching; /* TLSA */
    struct sv text; /* TXT: its strings, one behind the other; TLSA: what is matched. Any bytes */
};

struct dns_answer {
    enum dns_status status;
    bool secure;           /* validated: each alias on the way, and a denial too */
    const char *canonical; /* the name behind aliases (CNAME), lower case; NULL: there was none */
    uint32_t ttl_s;
    const struct dns_record *records;
    size_t nrecords;
    const char *text; /* DNS_TEMPFAIL, DNS_BOGUS: why */
};

/* Below .onion (RFC 7686) or .i2p: names that must never be asked for. */
static inline bool dns_is_hidden(struct sv name)
{
    if (name.len && name.ptr[name.len - 1] == '.')
        name.len--;
    size_t dot = sv_rfind(name, '.');
    struct sv top = dot < name.len ? sv_skip(name, dot + 1) : name;
    return sv_ieq(top, SV("onion")) || sv_ieq(top, SV("i2p"));
}

static inline const char *dns_type_text(enum dns_type type)
{
    switch (type) {
    case DNS_A:
        return "A";
    case DNS_CNAME:
        return "CNAME";
    case DNS_MX:
        return "MX";
    case DNS_TXT:
        return "TXT";
    case DNS_AAAA:
        return "AAAA";
    case DNS_SRV:
        return "SRV";
    case DNS_DNSKEY:
        return "DNSKEY";
    case DNS_TLSA:
        return "TLSA";
    }
    return "?";
}

#endif
