/*
 * options.h - the keys of the group "relay": where mail goes and over which connections.
 *
 * RFC 5321 5.1 (MX), RFC 3207 (STARTTLS), RFC 7672 (DANE), RFC 8314, RFC 8461 (MTA-STS). Values are
 * plain memory inside a generation, read-only, any thread. After options_read() the tls of a route
 * is never RELAY_ROUTE_TLS_AUTO.
 */
#ifndef RELAY_OPTIONS_H
#define RELAY_OPTIONS_H

#include "msa/base/conf.h"
#include "msa/base/ip.h"
#include "relay/tls/options.h"

enum relay_route_tls {
    RELAY_ROUTE_TLS_AUTO,          /* as written only: verify where a user is given, else next */
    RELAY_ROUTE_TLS_NONE,          /* STARTTLS is not used */
    RELAY_ROUTE_TLS_OPPORTUNISTIC, /* used where offered, certificate unchecked */
    RELAY_ROUTE_TLS_REQUIRE,       /* must be used, certificate unchecked */
    RELAY_ROUTE_TLS_VERIFY,        /* must be used, certificate valid for the host */
};

/* Login by tokens, which the keeper fetches; token_url "": by password. */
struct relay_oauth_options {
    const char *token_url, *client_id, *scope;
    const char *client_secret_file, *refresh_token_file, *ca; /* files */
};

struct relay_route_options {
    const char *sender, *login; /* for relay_options_match_mail() */
    const char *domain;         /* lower case: "*", "example.net" or "*.example.net" */
    struct conf_strings to;     /* for relay_options_url(); the next one when one fails */
    int tls;                    /* enum relay_route_tls */
    const char *user;           /* "" : no AUTH */
    const char *password_file;  /* its first line is the password */
    const char *socks;          /* for relay_options_proxy(); "": none. With it and without to: the
                                   recipient's domain itself */
    struct relay_oauth_options oauth; /* in place of password_file */
};

/* Limits of one site; 0: not limited. */
struct relay_site_options {
    const char *site; /* pattern of a host's name, as relay_options_match() reads it */
    int64_t connections, per_minute, per_connection;
};

#define RELAY_BIND_MAX 64 /* rows of bind */

/* One of our addresses that connections may leave from. */
struct relay_bind_options {
    const char *address;
    const char *name; /* our name for EHLO on these; "": hostname */
    int64_t weight;   /* its share among those of its family */
};

struct relay_options {
    bool mx6;
    struct conf_ints mx6_ports;
    bool mxps;
    bool ipv6;
    bool allow_loopback;
    /* What a host reached by MX6 says behind 550 to ask for IPv4: enhanced codes, or the text
     * "5.5.XXX"; and whether 5.7.1 and 5.7.25 ask for it as well. */
    struct conf_strings mx6_fallback_codes;
    bool mx6_any_550;
    int64_t qmtp_recipients;                /* of one package, at most */
    int64_t qmtp_max_bytes;                 /* larger messages do not go by QMTP */
    int64_t per_site;                       /* connections to one site at once */
    struct conf_strings site_backoff_codes; /* enhanced status codes: "4.7.28" */
    struct conf_list sites; /* of struct relay_site_options; the first that matches counts */
    struct relay_tls_options tls;
    struct conf_list routes; /* of struct relay_route_options; the first that matches counts */
    struct conf_list bind;   /* of struct relay_bind_options; none of a family: any address */
    const char *capture;     /* Maildir in place of the network; "": none */
};

extern const struct conf_option relay_options_rows[];

/* Whether the keeper has to reach an issuer of tokens for a route. */
bool relay_options_network(const struct relay_options *o);

enum relay_url_scheme {
    RELAY_URL_SMTP,  /* STARTTLS as the route's tls says; port 25 */
    RELAY_URL_SMTPS, /* TLS from the first byte; port 465 */
    RELAY_URL_LMTP,  /* as SMTP, but LMTP; port 24 */
    RELAY_URL_QMTP,  /* in clear; port 209 */
    RELAY_URL_QMTPS, /* TLS from the first byte; port 6209 */
};

struct relay_url {
    enum relay_url_scheme scheme;
    struct sv host; /* name or address, without brackets; a view into the text */
    struct ip ip;   /* family IP_NONE if host is a name */
    uint16_t port;  /* the scheme's own if the text names none */
};
static inline bool relay_url_is_qmtp(const struct relay_url *url)
{
    return url->scheme == RELAY_URL_QMTP || url->scheme == RELAY_URL_QMTPS;
}
static inline bool relay_url_is_tls(const struct relay_url *url) /* from the first byte */
{
    return url->scheme == RELAY_URL_SMTPS || url->scheme == RELAY_URL_QMTPS;
}

/* "smtp://host:587", "smtps://[2001:db8::1]". False: *wrong_out says what is wrong (static). */
bool relay_options_url(struct sv text, struct relay_url *out, const char **wrong_out);
/* A SOCKS5 proxy. */
struct relay_proxy_url {
    struct ip_port at;
    struct sv user, password; /* views into the text; empty: no login */
};

/* "socks5://127.0.0.1:9050", "socks5://user:password@[::1]:1080"; port 1080 if none is written. The
 * rest as above. */
bool relay_options_proxy(struct sv text, struct relay_proxy_url *out, const char **wrong_out);
/* Whether domain (a domain in any case, or an address literal with brackets; a host's name) falls
 * under the pattern: "*" takes all, "*.example.net" what is below, anything else itself, an address
 * literal however it is written. */
bool relay_options_match(struct sv pattern, struct sv domain);
/* Whether a mailbox, or a login, falls under the pattern: "*" takes all, also the null
 * reverse-path; "@d" those of that domain, "@*.d" of those below it; anything else itself, without
 * ASCII case. */
bool relay_options_match_mail(struct sv pattern, struct sv mailbox);

#endif
