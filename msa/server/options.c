/*
 * The root table, and the defaults that depend on other values or on the machine.
 */
#include "msa/server/options.h"

#include "msa/base/log.h"
#include "msa/server/check.h"
#include "msa/smtp/ext.h"
#include "msa/smtp/path.h"
#include "msa/smtp/solicit.h"

#include <netdb.h>
#include <string.h>
#include <unistd.h>

#define KIB INT64_C(1024)
#define MIB (KIB * KIB)
#define GIB (KIB * MIB)

static const char *const listen_tls_names[] = {"starttls", "implicit", "none", NULL};
static const char *const listen_auth_names[] = {"required", "trusted", NULL};
static const char *const bare_newlines_names[] = {"normalize", "reject", NULL};
static const char *const tls_minimum_names[] = {"1.2", "1.3", NULL};
static const char *const log_to_names[] = {"stderr", NULL};
static const char *const log_format_names[] = {[LOG_TEXT] = "text", [LOG_JSON] = "json", NULL};
static const char *const log_level_names[] = {[LOG_ERROR] = "error",
                                              [LOG_WARNING] = "warning",
                                              [LOG_INFO] = "info",
                                              [LOG_DEBUG] = "debug",
                                              NULL};

static void check_domain(const char *value, struct conf_faults *faults)
{
    struct sv text = sv_of(value);
    if (!smtp_domain_valid(text) || sv_find(text, '.') == text.len)
        conf_fault(faults, "for example \"example.net\" (international names as xn--...)",
                   "\"%s\" is no fully qualified domain", value);
}

static void check_postmaster(const char *value, struct conf_faults *faults)
{
    struct arena scratch;
    struct smtp_path path;
    arena_init(&scratch);
    enum smtp_path_verdict v =
        smtp_path_parse_address(&scratch, sv_of(value), SMTP_PATH_FORWARD, &path);
    if (v == SMTP_PATH_OK && path.had_utf8) /* every hop must be able to carry it */
        conf_fault(faults, "for example \"postmaster@example.net\" (domains as xn--...)",
                   "\"%s\" is not in ASCII", value);
    else if (v != SMTP_PATH_OK || path.kind != SMTP_PATH_MAILBOX)
        conf_fault(faults, "for example \"postmaster@example.net\"", "\"%s\" is no mail address",
                   value);
    arena_deinit(&scratch);
}

static void check_listen_address(const char *value, struct conf_faults *faults)
{
    struct ip unused;
    if (strcmp(value, "*") != 0 && !ip_parse(sv_of(value), &unused))
        conf_fault(faults, "\"*\" for all, or one address of this machine", "\"%s\" is no address",
                   value);
}

/* A name in a certificate: a domain, or one with "*" as its first label (RFC 6125). */
static void check_tls_name(const char *value, struct conf_faults *faults)
{
    struct sv text = sv_of(value);
    if (sv_starts(text, SV("*.")))
        text = sv_skip(text, 2);
    if (!smtp_domain_valid(text))
        conf_fault(faults, "for example \"mail.example.net\" (international names as xn--...)",
                   "\"%s\" is no host name", value);
}

static const struct conf_option listen_rows[] = {
    CONF_ROW(CONF_STRING, struct msa_listen_options, address, "address", "*", "where to listen",
             "\"*\" means all addresses of the machine, IPv4 and IPv6; else one address, without "
             "brackets.",
             .check = check_listen_address),
    CONF_ROW(CONF_INT, struct msa_listen_options, port, "port", "587", "TCP port",
             "587 is for submission with STARTTLS (RFC 6409), 465 for submission with TLS from "
             "the first byte (RFC 8314).",
             .min = 1, .max = 65535),
    CONF_ROW(CONF_ENUM, struct msa_listen_options, tls, "tls", "starttls", "how TLS begins",
             "\"starttls\": by the STARTTLS command (RFC 3207). \"implicit\": at once. \"none\": "
             "no TLS; logins are then possible only if auth.require_tls is false.",
             .names = listen_tls_names),
    CONF_ROW(CONF_ENUM, struct msa_listen_options, auth, "auth", "required", "who may submit",
             "\"required\": nobody without AUTH; MAIL is answered 530 5.7.0 before it. "
             "\"trusted\": clients within auth.trusted_networks also without, others as before.",
             .names = listen_auth_names),
    CONF_ROW(CONF_ENUM, struct msa_listen_options, bare_newlines, "bare_newlines", "normalize",
             "what to do with a bare LF or CR in content",
             "RFC 5321 2.3.8 allows only CRLF, but scanners and scripts send bare LF. "
             "\"normalize\": a bare LF becomes CRLF, a bare CR a space. \"reject\": the message "
             "is answered 554 5.6.0. Only CRLF.CRLF ends a message under both, so that no second "
             "message can be smuggled in.",
             .names = bare_newlines_names),
    CONF_ROW(CONF_STRINGS, struct msa_listen_options, proxy_from, "proxy_from", NULL,
             "proxies that tell the client's address",
             "Addresses and networks of load balancers in front of this listener. Each of their "
             "connections has to begin with a header of the PROXY protocol, version 1 or 2, within "
             "10 seconds and before TLS; else it is closed. The address in it counts as the "
             "client's in every respect. From any other address such a header is no command.",
             .check = conf_check_network, .example = "[ \"192.0.2.10\", \"2001:db8:1::/64\" ]"),
    CONF_END,
};

static const struct conf_option tls_rows[] = {
    CONF_ROW(CONF_STRINGS, struct msa_tls_options, names, "names", NULL,
             "host names this certificate serves",
             "Compared with the name the client asks for (SNI, RFC 6066); \"*.example.net\" "
             "serves any one label there. Empty: the names in the certificate itself.",
             .flags = CONF_RELOAD, .check = check_tls_name, .example = "[ \"mail.example.net\" ]"),
    CONF_ROW(CONF_PATH, struct msa_tls_options, certificate, "certificate", "/etc/msa/cert.pem",
             "file with the certificate",
             "PEM; the intermediate certificates stand behind the server's own. Read by the "
             "master at start and at reload.",
             .flags = CONF_RELOAD | CONF_FILE),
    CONF_ROW(CONF_PATH, struct msa_tls_options, key, "key", "/etc/msa/key.pem",
             "file with the private key",
             "PEM, RSA or EC, without a password. It goes to the keeper process alone, which "
             "signs for the process that talks to the network.",
             .flags = CONF_RELOAD | CONF_FILE | CONF_SECRET),
    CONF_END,
};

static const struct conf_option limits_rows[] = {
    CONF_ROW(CONF_SIZE, struct msa_limits_options, message_size_bytes, "message_size", "50M",
             "largest message",
             "Told to clients by SIZE (RFC 1870); a larger one is answered 552 5.3.4. Attachments "
             "grow by a third on their way.",
             .min = 64 * KIB, .max = 64 * GIB, .flags = CONF_RELOAD),
    CONF_ROW(CONF_INT, struct msa_limits_options, recipients, "recipients", "1000",
             "most recipients of one message",
             "One more is answered 452 4.5.3, on which clients send the rest as another message. "
             "RFC 5321 4.5.3.1.8 wants at least 100.",
             .min = 1, .max = 100000, .flags = CONF_RELOAD),
    CONF_ROW(CONF_INT, struct msa_limits_options, connections, "connections", "10000",
             "most client connections at once",
             "One more is answered 421 4.3.2. Each takes a file descriptor: where the hard limit "
             "of the system is too low, this number is lowered with a warning.",
             .min = 1, .max = 1000000, .flags = CONF_RELOAD),
    CONF_ROW(CONF_INT, struct msa_limits_options, connections_per_client, "connections_per_client",
             "50", "most connections of one client at once",
             "A client is an IPv4 address or an IPv6 /64 network. One more is answered 421 4.7.0. "
             "Offices behind one address may need more.",
             .min = 1, .max = 1000000, .flags = CONF_RELOAD),
    CONF_ROW(CONF_INT, struct msa_limits_options, messages_per_session, "messages_per_session",
             "1000", "most messages over one connection",
             "Then MAIL is answered 421 4.7.0, and the client connects again.", .min = 1,
             .max = 1000000, .flags = CONF_RELOAD),
    CONF_ROW(CONF_TIME, struct msa_limits_options, command_timeout_s, "command_timeout", "5m",
             "how long to wait for a command",
             "An idle session is answered 421 4.4.2 and closed; so is one whose line comes by the "
             "octet. A client that has read none of its replies for so long is cut off. RFC 5321 "
             "4.5.3.2.7 wants at least 5 minutes.",
             .min = 1, .max = 3600, .flags = CONF_RELOAD),
    CONF_ROW(CONF_TIME, struct msa_limits_options, data_timeout_s, "data_timeout", "3m",
             "how long to wait for more of a message",
             "Counts from the last bytes that came after DATA or BDAT. RFC 5321 4.5.3.2.5 wants "
             "3 minutes.",
             .min = 1, .max = 3600, .flags = CONF_RELOAD),
    CONF_ROW(CONF_SIZE, struct msa_limits_options, data_rate, "data_rate", "64",
             "slowest rate at which content is taken",
             "Octets per second, over each stretch of data_timeout. A client that sends less, "
             "though something now and then, is answered 421 4.4.2, so that it cannot hold a "
             "session for hours. 0: any rate.",
             .min = 0, .max = MIB, .flags = CONF_RELOAD),
    CONF_ROW(CONF_SIZE, struct msa_limits_options, header_size_bytes, "header_size", "256K",
             "largest header section",
             "All fields of a message together; a larger one is answered 552 5.3.4. The header is "
             "held in memory while it comes in.",
             .min = 4 * KIB, .max = 16 * MIB, .flags = CONF_RELOAD),
    CONF_ROW(CONF_INT, struct msa_limits_options, received_hops, "received_hops", "100",
             "most Received fields",
             "A message with more has gone round in a loop and is answered 554 5.4.6 (RFC 5321 "
             "6.3).",
             .min = 1, .max = 1000, .flags = CONF_RELOAD),
    CONF_ROW(
        CONF_BOOL, struct msa_limits_options, strict_syntax, "strict_syntax", "false",
        "refuse what is wrong by the letter alone",
        "Printers and scripts send a space behind FROM: or TO:, two between parameters or one "
        "at the end of a command, AUTH after HELO, or AUTH LOGIN with a name behind it. false: "
        "that is understood, and logged once a day for each client as client-syntax. true: it "
        "is answered 501 5.5.4 (AUTH after HELO 503 5.5.1).",
        .flags = CONF_RELOAD),
    CONF_ROW(CONF_SIZE, struct msa_limits_options, memory, "memory", "25%",
             "memory for sessions and small messages",
             "A size, or a share of the memory limit of the service (its cgroup), else of the "
             "machine's RAM. What would exceed it is answered 452 4.3.1 and can be tried again "
             "later.",
             .min = 16 * MIB, .max = 1024 * GIB, .flags = CONF_RELOAD | CONF_PERCENT_OK),
    CONF_END,
};

static void check_extension(const char *value, struct conf_faults *faults)
{
    const struct smtp_ext *x = smtp_ext_find(sv_of(value));
    if (!x)
        conf_fault(faults, "an EHLO keyword that \"msactl extensions\" lists",
                   "\"%s\" is no extension of this server", value);
    else if (x->always)
        conf_fault(faults, "leave it out", "\"%s\" cannot be switched off (%s)", value,
                   x->draft == SMTP_EXT_MUST ? "RFC 6409 section 7: MUST" : x->rfc);
}

static void check_solicit(const char *value, struct conf_faults *faults)
{
    if (!smtp_solicit_valid(sv_of(value)) || strchr(value, ','))
        conf_fault(faults, "for example \"net.example:ADV\" (RFC 3865 2.1)",
                   "\"%s\" is no solicitation class keyword", value);
}

static const struct conf_option extensions_rows[] = {
    CONF_ROW(CONF_STRINGS, struct msa_extensions_options, off, "off", NULL,
             "SMTP extensions that are not spoken",
             "EHLO keywords. What stands here is neither offered to clients, its parameters being "
             "answered 555 5.5.4, nor used towards next hops (but for STARTTLS, which relay.routes "
             "decide there). \"msactl extensions\" lists all, with their RFCs.",
             .flags = CONF_RELOAD, .check = check_extension, .example = "[ \"CHUNKING\" ]"),
    CONF_ROW(CONF_TIME, struct msa_extensions_options, hold_max_s, "hold_max", "30d",
             "longest hold of a message for later release",
             "What FUTURERELEASE (RFC 4865) tells clients; a longer HOLDFOR or HOLDUNTIL is "
             "answered 501 5.5.4. The time that a message is held does not count against "
             "queue.lifetime.",
             .min = 60, .max = 999999999, .flags = CONF_RELOAD),
    CONF_ROW(CONF_INT, struct msa_extensions_options, priority_max, "priority_max", "0",
             "highest priority that a login may ask for",
             "MT-PRIORITY (RFC 6710) has -9 to 9. A message that asks for more is lowered to this, "
             "and the reply says so. 0: nobody gets ahead of normal mail, but bulk may step back.",
             .min = -9, .max = 9, .flags = CONF_RELOAD),
    CONF_ROW(CONF_STRINGS, struct msa_extensions_options, no_soliciting, "no_soliciting", NULL,
             "solicitation classes that are refused",
             "Keywords as RFC 3865 has them. A message whose SOLICIT parameter names one is "
             "answered 550 5.7.1. None by default.",
             .flags = CONF_RELOAD, .check = check_solicit, .example = "[ \"net.example:ADV\" ]"),
    CONF_ROW(
        CONF_SIZE, struct msa_extensions_options, checkpoint_bytes, "checkpoint_bytes", "1G",
        "most disk space for interrupted messages",
        "What a client has sent of a message under CHECKPOINT (RFC 1845) is kept for 48 hours, "
        "so that it can go on there after an interruption. All of it together takes no more "
        "than this, that of one login a quarter of it and 1000 messages; what was not touched "
        "for the longest time goes first, and a message above the quarter is not kept. 0: "
        "every interrupted message starts over.",
        .min = 0, .max = INT64_C(1024) * 1024 * 1024 * 1024, .flags = CONF_RELOAD),
    CONF_END,
};

static const struct conf_option admin_rows[] = {
    CONF_ROW(CONF_PATH, struct msa_admin_options, socket, "socket", "<state>/control.sock",
             "control socket of msactl",
             "A Unix socket for the user who started msad alone (mode 0600)."),
    CONF_END,
};

static const struct conf_option log_rows[] = {
    CONF_ROW(CONF_ENUM, struct msa_log_options, to, "to", "stderr", "where the log goes",
             "\"stderr\": standard error, which is the journal under systemd.",
             .names = log_to_names),
    CONF_ROW(CONF_ENUM, struct msa_log_options, format, "format", "text", "form of a line",
             "\"text\" for people, \"json\" for programs: one object a line with the same fields.",
             .flags = CONF_RELOAD, .names = log_format_names),
    CONF_ROW(CONF_ENUM, struct msa_log_options, level, "level", "info", "how much is logged",
             "\"info\" has a few lines for each message; \"warning\" what an operator should "
             "look at; \"error\" what stopped something; \"debug\" each step. Passwords are never "
             "logged.",
             .flags = CONF_RELOAD, .names = log_level_names),
    CONF_ROW(CONF_INT, struct msa_log_options, per_client_per_minute, "per_client_per_minute", "60",
             "most lines about one client in a minute",
             "Further lines about refused commands and logins of that client are counted, and the "
             "count is logged. 0: no limit.",
             .min = 0, .max = 1000000, .flags = CONF_RELOAD),
    CONF_ROW(CONF_BOOL, struct msa_log_options, digest, "digest", "true",
             "daily message about clients with trouble",
             "At 06:00 UTC the postmaster gets a message that lists the clients that had trouble "
             "the day before (faulty commands and addresses, failed logins, limits and the like), "
             "with an example and a line of advice for each kind. None is sent where there was "
             "nothing. \"msactl stats\" shows the same at any time.",
             .flags = CONF_RELOAD),
    CONF_END,
};

const struct conf_option msa_options_rows[] = {
    CONF_ROW(CONF_STRING, struct msa_options, hostname, "hostname", NULL, "our name",
             "Stands in the greeting, in EHLO to other servers and in Received fields. It should "
             "resolve to our address, and our address back to it: many receivers refuse mail "
             "otherwise. Default: the fully qualified name of the machine.",
             .flags = CONF_RELOAD, .check = check_domain, .example = "\"mail.example.net\""),
    CONF_ROW(CONF_STRINGS, struct msa_options, domains, "domains", NULL, "our domains",
             "The domains whose people submit here, each with its subdomains. At least one is "
             "needed.",
             .flags = CONF_RELOAD, .check = check_domain, .example = "[ \"example.net\" ]"),
    CONF_ROW(CONF_STRING, struct msa_options, postmaster, "postmaster", NULL,
             "address of the postmaster",
             "Takes mail to <Postmaster> without a domain (RFC 5321 4.1.1.3), and stands in the "
             "reports that this server writes. Default: postmaster at the first of domains.",
             .flags = CONF_RELOAD, .check = check_postmaster,
             .example = "\"postmaster@example.net\""),
    CONF_ROW(CONF_PATH, struct msa_options, state, "state", "/var/lib/msa",
             "folder of everything that is kept",
             "Queue, users and control sockets. It is created, with the right owners, if it does "
             "not exist, and must be on a local disk that honours fsync. \"<state>\" in other "
             "paths stands for it."),
    CONF_ROW(CONF_STRING, struct msa_options, user, "user", "msa",
             "system user of the server process",
             "The process that talks to the network runs as this user, who owns <state>/queue. "
             "Counts only when msad is started as root."),
    CONF_ROW(CONF_STRING, struct msa_options, auth_user, "auth_user", "msa-auth",
             "system user of the keeper process",
             "The process that holds passwords and keys runs as this user, who owns "
             "<state>/auth. Must be another than user. Counts only when msad is started as root."),
    CONF_ROW(CONF_INT, struct msa_options, workers, "workers", "0",
             "threads that serve connections", "0: one for each processor that msad may use.",
             .min = 0, .max = 256),
    CONF_ROW(CONF_TIME, struct msa_options, shutdown_grace_s, "shutdown_grace", "30s",
             "how long a stop may take",
             "At SIGTERM idle sessions are answered 421 4.3.2 at once. A message that is being "
             "received or delivered may end within this time; what remains is in the queue.",
             .min = 1, .max = 3600, .flags = CONF_RELOAD),
    CONF_ROW(CONF_LIST, struct msa_options, listen, "listen",
             "( { port = 587; tls = \"starttls\"; }, { port = 465; tls = \"implicit\"; } )",
             "addresses and ports for mail clients",
             "One entry for each address and port. Where a list is written it replaces the "
             "default.",
             .rows = listen_rows, .item_bytes = sizeof(struct msa_listen_options)),
    CONF_ROW(CONF_ENUM, struct msa_options, tls_minimum, "tls_minimum", "1.2",
             "oldest version of TLS that clients may use",
             "TLS 1.0 and 1.1 are gone for good (RFC 8996). \"1.3\" shuts out mail programs from "
             "before about 2018.",
             .flags = CONF_RELOAD, .names = tls_minimum_names),
    CONF_ROW(CONF_LIST, struct msa_options, tls, "tls",
             "( { certificate = \"/etc/msa/cert.pem\"; key = \"/etc/msa/key.pem\"; } )",
             "certificates",
             "Several entries serve several host names; a client that names none of them gets "
             "the first. Not needed where no listener speaks TLS.",
             .flags = CONF_RELOAD, .rows = tls_rows, .item_bytes = sizeof(struct msa_tls_options)),
    CONF_ROW(CONF_GROUP, struct msa_options, auth, "auth", NULL, "logins",
             "Who may log in, and how (RFC 4954).", .rows = auth_options_rows),
    CONF_ROW(CONF_GROUP, struct msa_options, limits, "limits", NULL, "limits",
             "Bounds on what clients may ask of this server. Within them it stays responsive to "
             "everybody.",
             .rows = limits_rows),
    CONF_ROW(CONF_LIST, struct msa_options, permissions, "permissions", NULL,
             "who may send as whom, and to whom",
             "One entry for each login that may do more, or less, than send as its own address to "
             "everybody (RFC 6409 6.1, 6.2). The order does not matter.",
             .flags = CONF_RELOAD, .rows = permission_options_rows,
             .item_bytes = sizeof(struct permission_options),
             .example = "( { login = \"alice@example.net\"; "
                        "may_send_as = [ \"%u\", \"@sales.example.net\" ]; } )"),
    CONF_ROW(CONF_GROUP, struct msa_options, rewrite, "rewrite", NULL, "changes to messages",
             "What is completed in the header of a submitted message, and what is hidden (RFC 6409 "
             "section 8).",
             .rows = rewrite_options_rows),
    CONF_ROW(
        CONF_GROUP, struct msa_options, policy, "policy", NULL, "site policy",
        "Programs that look at mail before it is accepted (RFC 6409 6.3). Without any of these "
        "keys nobody is asked.",
        .rows = policy_options_rows),
    CONF_ROW(CONF_GROUP, struct msa_options, queue, "queue", NULL, "the queue",
             "How long mail is kept and how often delivery is tried (RFC 5321 4.5.4.1).",
             .rows = queue_options_rows),
    CONF_ROW(CONF_GROUP, struct msa_options, relay, "relay", NULL, "delivery",
             "Where accepted mail goes, and over which connections. Without any of these keys it "
             "goes by the MX records of each recipient's domain (RFC 5321 section 5).",
             .rows = relay_options_rows),
    CONF_ROW(CONF_GROUP, struct msa_options, dns, "dns", NULL, "names",
             "Who answers questions about names, and whether answers are validated.",
             .rows = dns_options_rows),
    CONF_ROW(CONF_GROUP, struct msa_options, extensions, "extensions", NULL, "SMTP extensions",
             "What is spoken beyond plain SMTP, and how far it goes.", .rows = extensions_rows),
    CONF_ROW(CONF_GROUP, struct msa_options, admin, "admin", NULL, "administration",
             "How msactl reaches the running server.", .rows = admin_rows),
    CONF_ROW(CONF_GROUP, struct msa_options, log, "log", NULL, "log",
             "Where events are written, and how many.", .rows = log_rows),
    CONF_END,
};

static const char *lower(struct arena *a, const char *text)
{
    char *copy = arena_str(a, sv_of(text));
    for (char *c = copy; *c; c++)
        *c = ascii_lower(*c);
    return copy;
}

static void lower_all(struct arena *a, struct conf_strings *strings)
{
    for (size_t i = 0; i < strings->count; i++)
        strings->items[i] = lower(a, strings->items[i]);
}

static void upper_all(struct arena *a, struct conf_strings *strings)
{
    for (size_t i = 0; i < strings->count; i++) {
        char *copy = arena_str(a, sv_of(strings->items[i]));
        for (char *c = copy; *c; c++)
            if (*c >= 'a' && *c <= 'z')
                *c = (char)(*c - 32);
        strings->items[i] = copy;
    }
}

static void complete_auth(struct arena *a, struct msa_options *o)
{
    const struct {
        const char *name;
        bool usable;
    } every[] = {
        {"EXTERNAL", *o->auth.client_ca != '\0'},
        {"GSSAPI", *o->auth.keytab != '\0'},
        {"SCRAM-SHA-256", true},
        {"PLAIN", true},
        {"LOGIN", true},
        {"OAUTHBEARER", *o->auth.oauth.issuer != '\0'},
        {"XOAUTH2", *o->auth.oauth.issuer != '\0'},
    };
    if (o->auth.mechanisms.count == 0) {
        struct conf_strings *m = &o->auth.mechanisms;
        m->items = arena_alloc(a, sizeof every / sizeof *every * sizeof *m->items);
        for (size_t i = 0; i < sizeof every / sizeof *every; i++)
            if (every[i].usable && auth_options_usable(&o->auth, sv_of(every[i].name)))
                m->items[m->count++] = every[i].name;
    }
    upper_all(a, &o->auth.mechanisms);
    lower_all(a, &o->auth.realms);
    if (o->auth.realms.count == 0)
        o->auth.realms = o->domains;
    o->auth.accounts_path = arena_printf(a, "%s/auth/users.db", o->state);
}

static bool speaks_tls(const struct msa_options *o)
{
    for (size_t i = 0; i < o->listen.count; i++)
        if (CONF_ITEM(o->listen, i, struct msa_listen_options)->tls != MSA_LISTEN_NO_TLS)
            return true;
    return false;
}

static void complete_routes(struct arena *a, struct relay_options *relay)
{
    for (size_t i = 0; i < relay->routes.count; i++) {
        struct relay_route_options *r = CONF_ITEM(relay->routes, i, struct relay_route_options);
        r->domain = lower(a, r->domain);
        if (r->tls == RELAY_ROUTE_TLS_AUTO)
            r->tls = r->user[0] ? RELAY_ROUTE_TLS_VERIFY : RELAY_ROUTE_TLS_OPPORTUNISTIC;
    }
}

static void complete(struct arena *a, const char *fqdn, struct msa_options *o)
{
    size_t len = strlen(o->state);
    while (len > 1 && o->state[len - 1] == '/')
        len--;
    o->state = arena_str(a, (struct sv){o->state, len});
    o->hostname = lower(a, o->hostname[0] ? o->hostname : fqdn);
    lower_all(a, &o->domains);
    upper_all(a, &o->extensions.off);
    if (!o->postmaster[0] && o->domains.count)
        o->postmaster = arena_printf(a, "postmaster@%s", o->domains.items[0]);
    for (size_t i = 0; i < o->rewrite.dkim.count; i++) {
        struct rewrite_dkim_options *r = CONF_ITEM(o->rewrite.dkim, i, struct rewrite_dkim_options);
        r->domain = lower(a, r->domain);
        r->selector = lower(a, r->selector);
    }
    complete_auth(a, o);
    complete_routes(a, &o->relay);
    if (!speaks_tls(o))
        o->tls = (struct conf_list){0}; /* else its default files would have to exist */
}

bool options_read(const char *file, struct sv text, const char *fqdn, struct arena *a,
                  struct msa_options *out, struct conf_faults *faults, struct conf_source *src_out)
{
    *out = (struct msa_options){0};
    struct conf_source src = {0};
    size_t errors = faults->errors;
    bool ok = conf_read(msa_options_rows, file, text, a, out, faults, &src);
    complete(a, fqdn, out);
    permissions_complete(a, &out->permissions, &out->auth.realms, &src);
    /* without a tree every cross check would complain of what it could not see */
    if (ok || src.readable)
        check_options(out, &src, faults);
    if (src_out)
        *src_out = src;
    return faults->errors == errors;
}

const char *options_fqdn(struct arena *a)
{
    char name[256];
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_flags = AI_CANONNAME}, *found;
    if (gethostname(name, sizeof name) < 0)
        return "";
    name[sizeof name - 1] = '\0';
    const char *fqdn = arena_str(a, sv_of(name));
    if (strchr(name, '.') || getaddrinfo(name, NULL, &hints, &found) != 0)
        return fqdn;
    if (found->ai_canonname && strchr(found->ai_canonname, '.'))
        fqdn = arena_str(a, sv_of(found->ai_canonname));
    freeaddrinfo(found);
    return fqdn;
}

size_t options_listen_addresses(const struct msa_listen_options *l, struct ip_port out[2])
{
    uint16_t port = (uint16_t)l->port;
    if (strcmp(l->address, "*") == 0) {
        out[0] = (struct ip_port){.ip = {.family = IP_V6}, .port = port};
        out[1] = (struct ip_port){.ip = {.family = IP_V4}, .port = port};
        return 2;
    }
    out[0].port = port;
    return ip_parse(sv_of(l->address), &out[0].ip) ? 1 : 0;
}

uint32_t options_extensions_off(const struct msa_extensions_options *x)
{
    uint32_t off = 0;
    for (size_t i = 0; i < x->off.count; i++) {
        const struct smtp_ext *e = smtp_ext_find(sv_of(x->off.items[i]));
        off |= e ? SMTP_EXT_BIT(e->id) : 0;
    }
    return smtp_ext_off(off);
}

int64_t options_memory_bytes(const struct msa_limits_options *l, int64_t total_bytes)
{
    return l->memory < 0 ? total_bytes / 100 * -l->memory : l->memory;
}
