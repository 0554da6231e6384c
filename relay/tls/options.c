#include "relay/tls/options.h"

static void check_mailbox(const char *value, struct conf_faults *faults)
{
    struct sv text = sv_of(value), domain = sv_skip(text, sv_rfind(text, '@') + 1);
    bool good = domain.len > 0 && domain.len + 1 < text.len && text.len <= 254;
    for (size_t i = 0; i < text.len; i++)
        good = good && text.ptr[i] > ' ' && text.ptr[i] <= '~' && text.ptr[i] != '<' &&
               text.ptr[i] != '>' && text.ptr[i] != '"' && text.ptr[i] != '\\';
    if (!good)
        conf_fault(faults, "\"tls-reports@example.net\"", "\"%s\" is no mailbox", value);
}

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
    CONF_ROW(
        CONF_BOOL, struct relay_tls_options, refuse_downgrade, "refuse_downgrade", "false",
        "no clear text to hosts that have had TLS",
        "A host where TLS has worked within the last 90 days has to have it again, else mail "
        "to it waits: for all that is known somebody has taken STARTTLS out of the connection. "
        "The certificate is not checked. False: the mail goes in clear, and the log says "
        "\"downgrade\" once a day and host.",
        .flags = CONF_RELOAD),
    CONF_ROW(CONF_STRING, struct relay_tls_options, tlsrpt_from, "tlsrpt_from", NULL,
             "author of reports about TLS",
             "RFC 8460: domains can ask, by a TXT record at _smtp._tls, for a daily report of how "
             "many connections to their hosts had TLS and what was wrong with the others. With an "
             "address here those reports are sent from it, by mail or HTTPS as the domain asks; "
             "its domain should have a key in rewrite.dkim, because a report without signature is "
             "not read. Answers of people go there, too. Empty: no reports, and nothing is "
             "gathered.",
             .flags = CONF_RELOAD, .check = check_mailbox,
             .example = "\"tls-reports@example.net\""),
    CONF_ROW(CONF_PATH, struct relay_tls_options, ca, "ca", NULL,
             "authorities that certificates of others are checked by",
             "PEM file of all certificate authorities that are trusted, in place of the system's "
             "(/etc/ssl/certs/ca-certificates.crt): for MTA-STS, its policy hosts, and routes with "
             "tls = \"verify\". For a smarthost of one's own authority append that to the "
             "system's.",
             .flags = CONF_RELOAD | CONF_FILE, .example = "\"/etc/msa/authorities.pem\""),
    CONF_END,
};
