/*
 * options.h - the root of all options: top-level keys, listen, tls, limits, extensions, admin, log.
 *
 * Ownership: all values live in the arena given to options_read(); the generation frees it.
 * Order: options_read() once on a fresh struct; read-only afterwards, any thread.
 * The defaults that depend on other values or on the machine are in place when options_read()
 * returns true: hostname, postmaster, auth.realms, auth.mechanisms, the tls of routes. Domains
 * and realms are in lower case. src then finds lines for the faults that a caller adds itself.
 * src_out (may be NULL) tells where each key was written, for faults found later.
 * Units: _s seconds, _bytes bytes.
 *
 *     struct msa_options o; struct conf_faults faults; struct arena a;
 *     struct conf_source src;
 *     arena_init(&a); conf_faults_init(&faults, &a);
 *     if (!options_read("msa.conf", text, fqdn_of_machine, &a, &o, &faults, NULL)) ...
 *     conf_faults_print(&faults, &out);        // also when true: warnings
 */
#ifndef MSA_SERVER_OPTIONS_H
#define MSA_SERVER_OPTIONS_H

#include "auth/options.h"
#include "msa/base/ip.h"
#include "msa/policy/options.h"
#include "msa/server/permissions.h"
#include "relay/dns/options.h"
#include "relay/options.h"
#include "relay/queue/options.h"
#include "rewrite/options.h"

enum msa_listen_tls { MSA_LISTEN_STARTTLS, MSA_LISTEN_IMPLICIT, MSA_LISTEN_NO_TLS };
enum msa_listen_auth { MSA_LISTEN_AUTH_REQUIRED, MSA_LISTEN_AUTH_TRUSTED };
enum msa_bare_newlines { MSA_BARE_NEWLINES_NORMALIZE, MSA_BARE_NEWLINES_REJECT };
enum msa_tls_minimum { MSA_TLS_MINIMUM_1_2, MSA_TLS_MINIMUM_1_3 };
enum msa_log_to { MSA_LOG_TO_STDERR };

struct msa_listen_options {
    const char *address; /* "*" or one address */
    int64_t port;
    int tls;                        /* enum msa_listen_tls */
    int auth;                       /* enum msa_listen_auth */
    int bare_newlines;              /* enum msa_bare_newlines */
    struct conf_strings proxy_from; /* networks */
};

struct msa_tls_options {
    struct conf_strings names; /* SNI; empty: the names in the certificate */
    const char *certificate;   /* path, PEM, chain behind it */
    const char *key;           /* path, PEM */
};

struct msa_limits_options {
    int64_t message_size_bytes;
    int64_t recipients; /* of one message */
    int64_t connections;
    int64_t connections_per_client;
    int64_t messages_per_session;
    int64_t command_timeout_s;
    int64_t data_timeout_s;
    int64_t data_rate; /* octets per second; 0: any */
    int64_t header_size_bytes;
    int64_t received_hops;
    bool strict_syntax;
    int64_t memory; /* bytes, or -n for n percent: options_memory_bytes() */
};

struct msa_extensions_options {
    struct conf_strings off; /* EHLO keywords, upper case */
    int64_t hold_max_s;
    int64_t priority_max;
    struct conf_strings no_soliciting;
    int64_t checkpoint_bytes;
};

struct msa_admin_options {
    const char *socket; /* path of the control socket */
};

struct msa_log_options {
    int to;                        /* enum msa_log_to */
    int format;                    /* enum log_format */
    int level;                     /* enum log_level */
    int64_t per_client_per_minute; /* lines; 0: no limit */
    bool digest;
};

struct msa_options {
    const char *hostname;
    struct conf_strings domains;
    const char *postmaster;
    const char *state; /* folder, absolute, no slash at the end */
    const char *user, *auth_user;
    int64_t workers; /* 0: one a core */
    int64_t shutdown_grace_s;
    struct conf_list listen; /* of struct msa_listen_options; never empty */
    int tls_minimum;         /* enum msa_tls_minimum */
    struct conf_list tls;    /* of struct msa_tls_options; empty if no listener speaks TLS */
    struct auth_options auth;
    struct msa_limits_options limits;
    struct conf_list permissions; /* of struct permission_options */
    struct rewrite_options rewrite;
    struct policy_options policy;
    struct queue_options queue;
    struct relay_options relay;
    struct dns_options dns;
    struct msa_extensions_options extensions;
    struct msa_admin_options admin;
    struct msa_log_options log;
};

/* extensions.off, and what needs an extension that is off: SMTP_EXT_BIT()s. */
uint32_t options_extensions_off(const struct msa_extensions_options *x);

/* Ended by a row without a name. */
extern const struct conf_option msa_options_rows[];

/* Defaults, the file, derived defaults, then check_options(). fqdn: the machine's own name, used
 * as hostname where none is written; "" if unknown. False if faults holds an error. */
bool options_read(const char *file, struct sv text, const char *fqdn, struct arena *a,
                  struct msa_options *out, struct conf_faults *faults, struct conf_source *src_out);
/* The machine's fully qualified name, or "" (asks the system's resolver; may block). */
const char *options_fqdn(struct arena *a);

/* Where a listener binds: "*" gives [::] (to be bound IPv6-only) and 0.0.0.0. Returns how many. */
size_t options_listen_addresses(const struct msa_listen_options *l, struct ip_port out[2]);
/* limits.memory in bytes, percentages of total (the cgroup's limit, else RAM). */
int64_t options_memory_bytes(const struct msa_limits_options *l, int64_t total_bytes);

#endif
