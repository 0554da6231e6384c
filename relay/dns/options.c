#include "relay/dns/options.h"

static const char *const dnssec_names[] = {"auto", "off", NULL};

#define DNS_PORT 53

bool dns_options_server(struct sv text, struct ip_port *out)
{
    size_t at = sv_find(text, '@');
    uint64_t port = DNS_PORT;
    struct ip_port parsed;
    if (!ip_parse(sv_first(text, at), &parsed.ip))
        return false;
    if (at < text.len && (!sv_u64(sv_skip(text, at + 1), UINT16_MAX, &port) || port == 0))
        return false;
    parsed.port = (uint16_t)port;
    *out = parsed;
    return true;
}

static void check_server(const char *value, struct conf_faults *faults)
{
    struct ip_port unused;
    if (!dns_options_server(sv_of(value), &unused))
        conf_fault(faults, "an address, \"192.0.2.53\" or \"127.0.0.1@5353\"",
                   "\"%s\" is no address of a resolver", value);
}

const struct conf_option dns_options_rows[] = {
    CONF_ROW(CONF_STRINGS, struct dns_options, servers, "servers", NULL,
             "addresses of the resolvers to ask",
             "Recursive resolvers, by address and not by name; \"127.0.0.1@5353\" names a port "
             "other than 53. Empty: those in /etc/resolv.conf. A resolver on the same machine or "
             "network is best, as each destination needs several questions.",
             .check = check_server, .example = "[ \"127.0.0.1\", \"192.0.2.53\" ]"),
    CONF_ROW(
        CONF_ENUM, struct dns_options, dnssec, "dnssec", "auto", "validation of answers",
        "\"auto\" validates answers against trust_anchor where the resolvers let the "
        "DNSSEC records (RFC 4035) through, and works without where they do not, with one "
        "warning: there is no DANE then, and mail with REQUIRETLS, for which the way to a host "
        "has to be proven (RFC 8689), goes only where MTA-STS vouches for it. Else it waits for "
        "an hour, and when the resolvers have let nothing through for that long it comes back "
        "(5.7.10). \"off\" never validates.",
        .names = dnssec_names),
    CONF_ROW(CONF_PATH, struct dns_options, trust_anchor, "trust_anchor", "/usr/share/dns/root.key",
             "key of the DNS root",
             "Zone file with the DS or DNSKEY records of the root, as the package dns-root-data "
             "installs it. Not read when dnssec is \"off\".",
             .flags = CONF_FILE),
    CONF_ROW(CONF_TIME, struct dns_options, timeout_s, "timeout", "8s",
             "time for one question with all its tries",
             "A question that is not answered in this time counts as a temporary failure: the "
             "recipients are tried again at their next time in queue.retry.",
             .min = 1, .max = 120, .flags = CONF_RELOAD),
    CONF_END,
};
