#include "relay/options.h"

static const struct {
    struct sv prefix;
    enum relay_url_scheme scheme;
    uint16_t port;
} schemes[] = {
    {{"smtp://", 7}, RELAY_URL_SMTP, 25},     {{"smtps://", 8}, RELAY_URL_SMTPS, 465},
    {{"lmtp://", 7}, RELAY_URL_LMTP, 24},     {{"qmtp://", 7}, RELAY_URL_QMTP, 209},
    {{"qmtps://", 8}, RELAY_URL_QMTPS, 6209},
};
#define SOCKS_PORT 1080
#define LOGIN_MAX  255 /* bytes, RFC 1929 */
#define BAD_PORT   "its port is no number from 1 to 65535"
#define SCHEMES    (sizeof schemes / sizeof schemes[0])

static const char *const route_tls_names[] = {"auto",    "none",   "opportunistic",
                                              "require", "verify", NULL};

static bool is_domain(struct sv name)
{
    if (name.len == 0 || name.len > 253)
        return false;
    while (name.len) {
        struct sv label = sv_split(&name, '.');
        if (label.len == 0 || label.len > 63 || label.ptr[0] == '-' ||
            label.ptr[label.len - 1] == '-')
            return false;
        for (size_t i = 0; i < label.len; i++) {
            char c = label.ptr[i];
            if (!ascii_alpha(c) && !ascii_digit(c) && c != '-' && c != '_')
                return false;
        }
        if (name.ptr[-1] == '.' && name.len == 0)
            return false;
    }
    return true;
}

/* Takes "name", "address" or "[v6 address]" from the front of *text. */
static bool take_host(struct sv *text, struct relay_url *url)
{
    if (text->len && text->ptr[0] == '[') {
        *text = sv_skip(*text, 1);
        size_t end = sv_find(*text, ']');
        url->host = sv_first(*text, end);
        if (end == text->len || !ip_parse(url->host, &url->ip) || url->ip.family != IP_V6)
            return false;
        *text = sv_skip(*text, end + 1);
        return true;
    }
    url->host = sv_first(*text, sv_find(*text, ':'));
    *text = sv_skip(*text, url->host.len);
    if (ip_parse(url->host, &url->ip))
        return true;
    url->ip.family = IP_NONE;
    return is_domain(url->host);
}

/* What is left behind the host: nothing, or ":port". */
static bool take_port(struct sv text, uint16_t *port)
{
    uint64_t number;
    if (text.len == 0)
        return true;
    if (text.ptr[0] != ':' || !sv_u64(sv_skip(text, 1), UINT16_MAX, &number) || number == 0)
        return false;
    *port = (uint16_t)number;
    return true;
}

bool relay_options_url(struct sv text, struct relay_url *out, const char **wrong_out)
{
    size_t i = 0;
    while (i < SCHEMES && !sv_istarts(text, schemes[i].prefix))
        i++;
    if (i == SCHEMES) {
        *wrong_out = "it begins with none of smtp://, smtps://, lmtp://, qmtp:// and qmtps://";
        return false;
    }
    struct relay_url url = {.scheme = schemes[i].scheme, .port = schemes[i].port};
    text = sv_skip(text, schemes[i].prefix.len);
    if (text.len && text.ptr[text.len - 1] == '/')
        text.len--;
    if (!take_host(&text, &url)) {
        *wrong_out = "its host is neither a name nor an address";
        return false;
    }
    if (!take_port(text, &url.port)) {
        *wrong_out = BAD_PORT;
        return false;
    }
    *out = url;
    return true;
}

bool relay_options_proxy(struct sv text, struct relay_proxy_url *out, const char **wrong_out)
{
    struct relay_proxy_url proxy = {.at.port = SOCKS_PORT};
    struct relay_url host;
    if (!sv_istarts(text, SV("socks5://"))) {
        *wrong_out = "it does not begin with socks5://";
        return false;
    }
    text = sv_skip(text, 9);
    size_t at = sv_rfind(text, '@');
    if (at < text.len) {
        struct sv login = sv_first(text, at);
        proxy.user = sv_split(&login, ':');
        proxy.password = login;
        text = sv_skip(text, at + 1);
        if (proxy.user.len == 0 || proxy.user.len > LOGIN_MAX || proxy.password.len > LOGIN_MAX) {
            *wrong_out = "user and password have no more than 255 octets, and user has one";
            return false;
        }
    }
    if (text.len && text.ptr[text.len - 1] == '/')
        text.len--;
    if (!take_host(&text, &host) || host.ip.family == IP_NONE) {
        *wrong_out = "its host is no address";
        return false;
    }
    proxy.at.ip = host.ip;
    if (!take_port(text, &proxy.at.port)) {
        *wrong_out = BAD_PORT;
        return false;
    }
    *out = proxy;
    return true;
}

bool relay_options_network(const struct relay_options *o)
{
    for (size_t i = 0; i < o->routes.count; i++)
        if (*CONF_ITEM(o->routes, i, struct relay_route_options)->oauth.token_url)
            return true;
    return false;
}

bool relay_options_match(struct sv pattern, struct sv domain)
{
    if (sv_eq(pattern, SV("*")))
        return true;
    struct ip wanted, literal;
    if (ip_literal_parse(pattern, &wanted) && ip_literal_parse(domain, &literal))
        return ip_eq(&wanted, &literal);
    if (!sv_starts(pattern, SV("*.")))
        return sv_ieq(pattern, domain);
    struct sv below = sv_skip(pattern, 1);
    return domain.len > below.len && sv_iends(domain, below);
}

bool relay_options_match_mail(struct sv pattern, struct sv mailbox)
{
    if (sv_eq(pattern, SV("*")))
        return true;
    if (!sv_starts(pattern, SV("@")))
        return sv_ieq(pattern, mailbox);
    size_t at = sv_rfind(mailbox, '@');
    return at < mailbox.len && relay_options_match(sv_skip(pattern, 1), sv_skip(mailbox, at + 1));
}

static void check_mail_pattern(const char *value, struct conf_faults *faults)
{
    struct sv text = sv_of(value);
    size_t at = sv_rfind(text, '@');
    struct sv domain = sv_skip(text, at + 1);
    if (at == 0 && sv_starts(domain, SV("*.")))
        domain = sv_skip(domain, 2);
    if (!sv_eq(text, SV("*")) && (at >= text.len || !is_domain(domain)))
        conf_fault(faults, "\"*\", \"a@example.net\", \"@example.net\" or \"@*.example.net\"",
                   "\"%s\" is no pattern of addresses", value);
}

static void check_url(const char *value, struct conf_faults *faults)
{
    struct relay_url unused;
    const char *wrong;
    if (!relay_options_url(sv_of(value), &unused, &wrong))
        conf_fault(faults, "for example \"smtp://smarthost.example.net:587\"",
                   "\"%s\" cannot be used: %s", value, wrong);
}

static void check_proxy(const char *value, struct conf_faults *faults)
{
    struct relay_proxy_url unused;
    const char *wrong;
    if (!relay_options_proxy(sv_of(value), &unused, &wrong))
        conf_fault(faults, "for example \"socks5://127.0.0.1:9050\"", "it cannot be used: %s",
                   wrong);
}

static void check_pattern(const char *value, struct conf_faults *faults)
{
    struct sv text = sv_of(value);
    if (sv_eq(text, SV("*")))
        return;
    struct ip unused;
    if (!ip_literal_parse(text, &unused) &&
        !is_domain(sv_starts(text, SV("*.")) ? sv_skip(text, 2) : text))
        conf_fault(faults,
                   "\"*\", \"example.net\", \"*.example.net\" (international names as xn--...) or "
                   "\"[IPv6:2001:db8::1]\"",
                   "\"%s\" is no domain pattern", value);
}

/* "4.7.28": an enhanced status code of a refusal. */
static bool is_code(struct sv text)
{
    struct sv class = sv_split(&text, '.'), subject = sv_split(&text, '.');
    uint64_t unused;
    return (sv_eq(class, SV("4")) || sv_eq(class, SV("5"))) && sv_u64(subject, 999, &unused) &&
           sv_u64(text, 999, &unused);
}

static void check_code(const char *value, struct conf_faults *faults)
{
    if (!is_code(sv_of(value)))
        conf_fault(faults, "for example \"4.7.28\"", "\"%s\" is no enhanced code of a refusal",
                   value);
}

static void check_fallback_code(const char *value, struct conf_faults *faults)
{
    struct sv text = sv_of(value);
    if (!(is_code(text) && text.ptr[0] == '5') && !sv_eq(text, SV("5.5.XXX")))
        conf_fault(faults, "for example \"5.5.604\", or \"5.5.XXX\" as it stands",
                   "\"%s\" is no enhanced code of class 5", value);
}

static void check_address(const char *value, struct conf_faults *faults)
{
    struct ip ip;
    if (!ip_parse(sv_of(value), &ip))
        conf_fault(faults, "for example \"192.0.2.1\" or \"2001:db8::1\"", "\"%s\" is no address",
                   value);
}

static void check_name(const char *value, struct conf_faults *faults)
{
    if (!is_domain(sv_of(value)))
        conf_fault(faults, "for example \"out1.example.net\"", "\"%s\" is no host name", value);
}

static const struct conf_option bind_rows[] = {
    CONF_ROW(CONF_STRING, struct relay_bind_options, address, "address", NULL,
             "an address of this machine", "Connections to receivers of its family leave from it.",
             .flags = CONF_RELOAD | CONF_REQUIRED, .check = check_address,
             .example = "\"192.0.2.1\""),
    CONF_ROW(CONF_STRING, struct relay_bind_options, name, "name", NULL,
             "our name in EHLO on its connections",
             "It should be the name that the address has in the DNS, as large receivers look at "
             "that. Empty: hostname.",
             .flags = CONF_RELOAD, .check = check_name, .example = "\"out1.example.net\""),
    CONF_ROW(CONF_INT, struct relay_bind_options, weight, "weight", "1",
             "its share of the connections",
             "Of the addresses of a family one is drawn for each connection: twice the weight, "
             "twice as often. 0: only when the others cannot be used.",
             .min = 0, .max = 1000, .flags = CONF_RELOAD),
    CONF_END,
};

static const struct conf_option oauth_rows[] = {
    CONF_ROW(CONF_STRING, struct relay_oauth_options, token_url, "token_url", NULL,
             "where the issuer gives tokens",
             "Its token endpoint (RFC 6749 3.2): https, or http on loopback. A token is kept until "
             "shortly before it ends; while the issuer does not answer, mail waits in the queue. "
             "Its name is looked up by the system's resolvers, not those of dns.servers. "
             "The keeper is confined without a network until it has a server to reach: the first "
             "one counts at the next start; a reload that brings it is refused.",
             .flags = CONF_RELOAD, .example = "\"https://login.example.net/token\""),
    CONF_ROW(CONF_STRING, struct relay_oauth_options, client_id, "client_id", NULL,
             "our name there", "As the issuer has registered this server.", .flags = CONF_RELOAD,
             .example = "\"msad\""),
    CONF_ROW(CONF_PATH, struct relay_oauth_options, client_secret_file, "client_secret_file", NULL,
             "file with our password there",
             "Its first line. Only the keeper gets it; the issuer gets it in the form, as "
             "client_secret.",
             .flags = CONF_RELOAD | CONF_FILE | CONF_SECRET,
             .example = "\"/etc/msa/smarthost.client\""),
    CONF_ROW(CONF_PATH, struct relay_oauth_options, refresh_token_file, "refresh_token_file", NULL,
             "file with the refresh token of user",
             "Its first line (RFC 6749 6). Where the issuer hands out another one in its place, "
             "that is kept in <state>/auth and used until this file has another content. Empty: "
             "tokens are asked for in our own name (client_credentials, RFC 6749 4.4), which needs "
             "client_secret_file.",
             .flags = CONF_RELOAD | CONF_FILE | CONF_SECRET,
             .example = "\"/etc/msa/smarthost.refresh\""),
    CONF_ROW(CONF_STRING, struct relay_oauth_options, scope, "scope", NULL, "what a token is for",
             "Words of the issuer, separated by spaces. Empty: what it gives by itself.",
             .flags = CONF_RELOAD, .example = "\"https://outlook.office.com/SMTP.Send\""),
    CONF_ROW(CONF_PATH, struct relay_oauth_options, ca, "ca", NULL,
             "authorities of the issuer's own certificate", "A PEM file. Empty: the system's.",
             .flags = CONF_RELOAD | CONF_FILE, .example = "\"/etc/msa/issuer-ca.pem\""),
    CONF_END,
};

static const struct conf_option route_rows[] = {
    CONF_ROW(CONF_STRING, struct relay_route_options, domain, "domain", "*",
             "recipient domains that go this way",
             "\"*\" takes all mail, address literals too; \"example.net\" that domain; "
             "\"*.example.net\" the domains below it, not itself.",
             .flags = CONF_RELOAD, .check = check_pattern),
    CONF_ROW(CONF_STRING, struct relay_route_options, sender, "sender", "*",
             "whose mail goes this way, by its return path",
             "\"*\" is everybody; \"a@example.net\" that address; \"@example.net\" those of that "
             "domain; \"@*.example.net\" those below it. The null return path of reports is only "
             "in \"*\".",
             .flags = CONF_RELOAD, .check = check_mail_pattern,
             .example = "\"@sales.example.net\""),
    CONF_ROW(CONF_STRING, struct relay_route_options, login, "login", "*",
             "whose mail goes this way, by who has logged in",
             "As sender, of logins. Mail that was submitted without a login, and reports, are only "
             "in \"*\".",
             .flags = CONF_RELOAD, .check = check_mail_pattern,
             .example = "\"newsletter@example.net\""),
    CONF_ROW(
        CONF_STRINGS, struct relay_route_options, to, "to", NULL, "where it goes",
        "URLs of next hops: smtp://HOST:PORT (port 25 if none is written) or "
        "smtps://HOST:PORT with TLS from the first byte (465); lmtp://HOST:PORT for LMTP, to a "
        "mail store (24); qmtp://HOST:PORT for QMTP "
        "(209), qmtps://HOST:PORT for QMTP under TLS (6209). HOST is a name, whose MX "
        "records are not asked for, or an address, also of this machine; IPv6 in brackets. "
        "The next one is tried when one cannot be reached. What would lose by QMTP "
        "(SMTPUTF8 and other parameters, binary content) goes by the next one that is not QMTP; "
        "where there is none it is re-encoded, and returned if it must have what QMTP lacks "
        "(REQUIRETLS, an address in UTF-8, BY with R).",
        .flags = CONF_RELOAD, .check = check_url,
        .example = "[ \"smtp://smarthost.example.net:587\" ]"),
    CONF_ROW(CONF_ENUM, struct relay_route_options, tls, "tls", "auto", "TLS on this route",
             "\"none\": clear text. \"opportunistic\": STARTTLS where it is offered, any "
             "certificate. \"require\": always TLS, any certificate. \"verify\": always TLS, and "
             "the certificate must be valid for the host's name. \"auto\": \"verify\" where user "
             "is set, else \"opportunistic\". What a next hop's domain publishes (DANE, MTA-STS) "
             "is not asked for, as this route is your word: where it publishes something, or "
             "where mail must not go in clear, write \"verify\".",
             .flags = CONF_RELOAD, .names = route_tls_names),
    CONF_ROW(CONF_STRING, struct relay_route_options, user, "user", NULL, "login at the next hop",
             "With it AUTH is used (RFC 4954), and password_file or oauth is needed. Without it "
             "the next "
             "hop must take our mail by our address.",
             .flags = CONF_RELOAD, .example = "\"gateway@example.net\""),
    CONF_ROW(CONF_PATH, struct relay_route_options, password_file, "password_file", NULL,
             "file with the password of user",
             "Its first line is the password. The master process reads it at start and at reload "
             "and gives it to the keeper alone; keep it readable for root only.",
             .flags = CONF_RELOAD | CONF_FILE | CONF_SECRET,
             .example = "\"/etc/msa/smarthost.password\""),
    CONF_ROW(CONF_STRING, struct relay_route_options, socks, "socks", NULL,
             "SOCKS5 proxy that this route goes by",
             "socks5://ADDRESS:PORT or socks5://USER:PASSWORD@ADDRESS:PORT (port 1080 if none is "
             "written), such as that of Tor. Names of next hops are given to the proxy and never "
             "asked for in the DNS. Where to is not set, mail goes to the recipient's domain "
             "itself, as is right for domain = \"*.onion\". Mail to .onion and .i2p domains that "
             "no route takes is returned.",
             .flags = CONF_RELOAD | CONF_SECRET, .check = check_proxy,
             .example = "\"socks5://127.0.0.1:9050\""),
    CONF_ROW(CONF_GROUP, struct relay_route_options, oauth, "oauth", NULL,
             "login by token in place of a password",
             "OAUTHBEARER (RFC 7628) where the next hop offers it, else XOAUTH2, always over TLS. "
             "Needs user, token_url and client_id, and refresh_token_file or "
             "client_secret_file.",
             .rows = oauth_rows),
    CONF_END,
};

#define PER_MINUTE_MAX 6000 /* the scheduler paces in steps of 10 ms */

static const struct conf_option site_rows[] = {
    CONF_ROW(CONF_STRING, struct relay_site_options, site, "site", NULL, "which site",
             "The name of one of its hosts, as MX records or a static route name them: "
             "\"mx.example.net\", or \"*.example.net\" for all names below, or \"*\" for "
             "every site, each by itself.",
             .flags = CONF_RELOAD | CONF_REQUIRED, .check = check_pattern,
             .example = "\"*.mx.example.net\""),
    CONF_ROW(CONF_INT, struct relay_site_options, connections, "connections", "0",
             "most connections at once", "In place of relay.per_site, which 0 leaves as it is.",
             .min = 0, .max = 1000, .flags = CONF_RELOAD),
    CONF_ROW(CONF_INT, struct relay_site_options, per_minute, "per_minute", "0",
             "most messages in a minute",
             "Evenly spread: with 60, one message a second. What has to wait is sent when its turn "
             "has come, or put off. 0: as many as the site takes.",
             .min = 0, .max = PER_MINUTE_MAX, .flags = CONF_RELOAD),
    CONF_ROW(CONF_INT, struct relay_site_options, per_connection, "per_connection", "0",
             "most messages over one connection",
             "Then it is closed. 0: 100. Whatever is set, a connection is used for five minutes at "
             "most, and one that is not to the host that comes first for ten messages or a minute.",
             .min = 0, .max = 1000000, .flags = CONF_RELOAD),
    CONF_END,
};

/* Sites that are known to refuse or block whoever comes with more, or faster. */
#define STRICT_SITES                                                                \
    "( { site = \"*.yahoodns.net\"; connections = 5; per_connection = 20; },\n"     \
    "  { site = \"smtp-in.orange.fr\"; connections = 2; per_connection = 100; },\n" \
    "  { site = \"*.laposte.net\"; connections = 2; per_connection = 100; },\n"     \
    "  { site = \"*.free.fr\"; connections = 2; per_connection = 100; },\n"         \
    "  { site = \"*.comcast.net\"; connections = 20; per_connection = 1000; },\n"   \
    "  { site = \"*.t-online.de\"; connections = 4; per_connection = 100; } )"

const struct conf_option relay_options_rows[] = {
    CONF_ROW(CONF_BOOL, struct relay_options, mx6, "mx6", "true", "look for MX6 targets",
             "The hosts that the SRV records of _mx6._tcp.DOMAIN name are tried first, over IPv6; "
             "such a host may ask for a message over IPv4 instead of refusing it. Not looked for "
             "while ipv6 is false, or if this machine had no global IPv6 address at the last "
             "start or reload. A domain whose look-up failed is not asked again for an hour.",
             .flags = CONF_RELOAD),
    CONF_ROW(CONF_INTS, struct relay_options, mx6_ports, "mx6_ports", "[ 25 ]",
             "ports that MX6 targets may have",
             "SRV records of MX6 that name another port are skipped: few networks let anything "
             "but port 25 out to other mail servers.",
             .min = 1, .max = 65535, .flags = CONF_RELOAD),
    CONF_ROW(CONF_BOOL, struct relay_options, mxps, "mxps", "true", "QMTP where MX records ask",
             "MXPS: MX preferences 12801, 12817, ... 13041 say that the host takes QMTP on port "
             "209, which costs fewer round trips. QMTP is clear text: it is left out where TLS is "
             "required, and for messages that need what it cannot carry. Where it cannot be "
             "connected to, SMTP is used at the same address.",
             .flags = CONF_RELOAD),
    CONF_ROW(CONF_BOOL, struct relay_options, ipv6, "ipv6", "true", "connect to IPv6 addresses too",
             "False leaves IPv6 addresses of receivers out. For machines whose IPv6 has no reverse "
             "name, which large receivers refuse.",
             .flags = CONF_RELOAD),
    CONF_ROW(CONF_BOOL, struct relay_options, allow_loopback, "allow_loopback", "false",
             "connect to loopback and similar addresses",
             "While false, loopback, unspecified, multicast, link-local and IPv4-mapped addresses "
             "are never connected to when they come out of DNS or stand in an address, so that a "
             "stranger's DNS cannot turn this server against its own machine. Static routes may "
             "name any address. True is for tests.",
             .flags = CONF_RELOAD),
    CONF_ROW(
        CONF_STRINGS, struct relay_options, mx6_fallback_codes, "mx6_fallback_codes",
        "[ \"5.5.604\" ]", "what asks for IPv4 over MX6",
        "Enhanced status codes. A host that was found by MX6 and reached over IPv6 asks by one "
        "of them, behind 550, that the message come over IPv4: that is no failure, and IPv4 is "
        "tried at once. 5.5.604 is in no registry and means nothing else; codes that other "
        "refusals have would be taken for that wish too. \"5.5.XXX\" takes those letters as "
        "they stand. An empty list: never.",
        .flags = CONF_RELOAD, .check = check_fallback_code),
    CONF_ROW(
        CONF_BOOL, struct relay_options, mx6_any_550, "mx6_any_550", "false",
        "550 5.7.1 and 5.7.25 ask for IPv4 too",
        "Large receivers refuse mail over IPv6 with these two where they would take it over "
        "IPv4. Off, because it makes a second try of what they refuse for good. Only hosts that "
        "were found by MX6 are meant.",
        .flags = CONF_RELOAD),
    CONF_ROW(CONF_INT, struct relay_options, qmtp_recipients, "qmtp_recipients", "1",
             "recipients of one QMTP package",
             "QMTP servers should answer for each recipient, but some give one answer whatever "
             "the number of recipients. One that is seen to do so gets one recipient a package "
             "from then on, and its recipients without a good answer are tried again, perhaps a "
             "second time for some. More than one is for servers that are known to do it right.",
             .min = 1, .max = 100, .flags = CONF_RELOAD),
    CONF_ROW(CONF_SIZE, struct relay_options, qmtp_max_bytes, "qmtp_max_size", "190M",
             "largest message that goes by QMTP",
             "A QMTP server that finds a message too large closes the connection, which looks "
             "like a fault of the network. Larger messages go by SMTP.",
             .min = 1024, .max = 900ULL << 20, .flags = CONF_RELOAD),
    CONF_ROW(CONF_INT, struct relay_options, per_site, "per_site", "20",
             "most connections to one site at once",
             "A site is a set of MX hosts: all domains at one provider share it. Fewer are used "
             "at first and after failures.",
             .min = 1, .max = 1000, .flags = CONF_RELOAD),
    CONF_ROW(CONF_STRINGS, struct relay_options, site_backoff_codes, "site_backoff_codes",
             "[ \"4.7.28\" ]", "replies that stop all mail to a site for a while",
             "Enhanced status codes (RFC 3463). When a host answers with one of them, to whatever "
             "it was, nothing more is sent to any host of its site for half a minute, and longer "
             "each time that it happens again, up to five minutes; then one message finds out "
             "whether the site takes mail. 4.7.28 says that a limit on the rate was exceeded. The "
             "same becomes of a site none of whose hosts can be used.",
             .flags = CONF_RELOAD, .check = check_code),
    CONF_ROW(CONF_LIST, struct relay_options, sites, "sites", STRICT_SITES,
             "how fast mail goes to some sites",
             "The first entry that matches the name of any of a site's hosts counts. The default "
             "holds what careful senders keep to at some large sites that are strict. A list that "
             "is written replaces it: copy from it what is to stay; ( ) means no limits but "
             "relay.per_site.",
             .flags = CONF_RELOAD, .rows = site_rows,
             .item_bytes = sizeof(struct relay_site_options)),
    CONF_ROW(CONF_GROUP, struct relay_options, tls, "tls", NULL, "transport security",
             "What connections to other mail servers have to prove, beyond what relay.routes says.",
             .rows = relay_tls_options_rows),
    CONF_ROW(
        CONF_LIST, struct relay_options, routes, "routes", NULL,
        "mail that does not go by MX records",
        "Static routes, such as a smarthost. The first entry whose domain, sender "
        "and login match is taken, for each recipient at each try; changes also count for what "
        "is queued already.",
        .flags = CONF_RELOAD, .rows = route_rows, .item_bytes = sizeof(struct relay_route_options),
        .example = "( { domain = \"*\"; to = \"smtp://smarthost.example.net:587\"; } )"),
    CONF_ROW(CONF_LIST, struct relay_options, bind, "bind", NULL,
             "our addresses that connections leave from",
             "Without an entry of the receiver's family the system chooses. Connections to "
             "loopback are left alone. An address that this machine does not have is passed over, "
             "with a warning in the log; where a family is left with none, connections over it "
             "fail and are tried again later.",
             .flags = CONF_RELOAD, .rows = bind_rows,
             .item_bytes = sizeof(struct relay_bind_options),
             .example = "( { address = \"192.0.2.1\"; name = \"out1.example.net\"; } )"),
    CONF_ROW(CONF_PATH, struct relay_options, capture, "capture", NULL,
             "deliver everything into this Maildir",
             "In place of the network: nothing leaves the machine. For a first look and for "
             "staging. The folder is created if it does not exist. Empty: off.",
             .example = "\"<state>/captured\""),
    CONF_END,
};
