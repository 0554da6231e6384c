/*
 * options.h - the keys of the group "dns": who answers questions about names.
 *
 * RFC 1035, RFC 4035 (DNSSEC). Values are plain memory inside a generation, read-only, any thread.
 */
#ifndef RELAY_DNS_OPTIONS_H
#define RELAY_DNS_OPTIONS_H

#include "msa/base/conf.h"
#include "msa/base/ip.h"

enum dns_dnssec {
    DNS_DNSSEC_AUTO, /* validate where the resolvers let DNSSEC records through */
    DNS_DNSSEC_OFF,
};

struct dns_options {
    struct conf_strings servers; /* for dns_options_server(); empty: the system's resolvers */
    int dnssec;                  /* enum dns_dnssec */
    const char *trust_anchor;    /* path */
    int64_t timeout_s;           /* one question, all tries */
};

extern const struct conf_option dns_options_rows[];

/* "192.0.2.53", "127.0.0.1@5353", "::1@53"; port 53 if none is named. */
bool dns_options_server(struct sv text, struct ip_port *out);

#endif
