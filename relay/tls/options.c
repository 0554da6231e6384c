#include "relay/tls/options.h"

const struct conf_option relay_tls_options_rows[] = {
    CONF_ROW(CONF_BOOL, struct relay_tls_options, dane, "dane", "true",
             "certificates that receivers announce in signed DNS",
             "DANE (RFC 7672): where the way to a mail host is signed with DNSSEC and the host has "
             "TLSA records, mail goes to it only over TLS and with a certificate that they name. "
             "Needs resolvers that let DNSSEC records through (dns.dnssec); with others nothing "
             "is under DANE.",
             .flags = CONF_RELOAD),
    CONF_ROW(
        CONF_BOOL, struct relay_tls_options, mta_sts, "mta_sts", "true",
        "keep to the MTA-STS policies of recipient domains",
        "RFC 8461: a domain says by DNS and HTTPS which hosts take its mail, and that their "
        "certificates are valid. Where its policy is in mode enforce, mail goes only there and "
        "only so, and waits otherwise. Policies are fetched from https://mta-sts.DOMAIN, kept "
        "in <state>/queue for as long as they say, and fetched anew every day; a policy that "
        "cannot be fetched never delays mail by more than 20 s. For hosts with DANE that "
        "alone counts.",
        .flags = CONF_RELOAD),
    CONF_ROW(CONF_PATH, struct relay_tls_options, ca, "ca", NULL,
             "authorities that certificates of others are checked by",
             "PEM file of all certificate authorities that are trusted, in place of the system's "
             "(/etc/ssl/certs/ca-certificates.crt): for MTA-STS, its policy hosts, and routes with "
             "tls = \"verify\". For a smarthost of one's own authority append that to the "
             "system's.",
             .flags = CONF_RELOAD | CONF_FILE, .example = "\"/etc/msa/authorities.pem\""),
    CONF_END,
};
