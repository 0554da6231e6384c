/*
 * options.h - the keys of the group "auth": who may log in, and how.
 *
 * RFC 4954 (AUTH), RFC 4616 (PLAIN), RFC 7677 (SCRAM-SHA-256). Values are plain memory inside a
 * generation, read-only, any thread. After options_read() realms and mechanisms are never empty.
 */
#ifndef AUTH_OPTIONS_H
#define AUTH_OPTIONS_H

#include "msa/base/conf.h"

enum auth_database {
    AUTH_DATABASE_SASLDB,
    AUTH_DATABASE_SQL,
    AUTH_DATABASE_LDAPDB,
    AUTH_DATABASE_SASLAUTHD,
};

enum auth_sql_engine { AUTH_SQL_SQLITE3, AUTH_SQL_PGSQL, AUTH_SQL_MYSQL };

/* Cyrus' plugin sql. */
struct auth_sql_options {
    int engine; /* enum auth_sql_engine */
    struct conf_strings hostnames;
    const char *user, *password_file;
    const char *database; /* its name, or of sqlite3 the file */
    const char *select;   /* with %u, %r, %p */
    bool tls;
    const char *ca;
    bool cleartext;           /* a bare value is a password */
    int64_t scram_iterations; /* of made-up verifiers */
};

/* Cyrus' plugin ldapdb. */
struct auth_ldapdb_options {
    const char *uri, *id, *password_file, *mech;
    bool starttls;
    const char *ca;
    bool cleartext;           /* as of sql */
    int64_t scram_iterations; /* as of sql */
};

struct auth_saslauthd_options {
    const char *socket, *service;
};

/* Guessing; failures 0: nobody is slowed or blocked. */
struct auth_block_options {
    int64_t failures; /* of an address or a login within window_s */
    int64_t window_s, time_s;
};

enum auth_client_name { AUTH_CLIENT_EMAIL, AUTH_CLIENT_COMMON_NAME, AUTH_CLIENT_TABLE };

/* One certificate of auth.client_table: either is set. */
struct auth_client_row {
    const char *fingerprint; /* SHA-256 of the certificate, 64 hex digits, colons allowed */
    const char *subject;     /* distinguished name in the form of RFC 4514 */
    const char *login;
};

/* Tokens; issuer "": none are taken. */
struct auth_oauth_options {
    const char *issuer;
    struct conf_strings audience;
    const char *keys, *keys_url, *introspection_url; /* one of them; keys is a file */
    const char *client_id, *client_secret_file, *ca; /* files */
    const char *login_claim, *scope, *discovery_url;
    int64_t clock_skew_s;
};

struct auth_options {
    struct conf_strings realms;         /* lower case; the first is added to a login without "@" */
    struct conf_strings mechanisms;     /* SASL names in upper case, in the order offered */
    int database;                       /* enum auth_database */
    const char *path;                   /* of the database */
    const char *accounts_path;          /* <state>/auth/users.db; no key of its own */
    bool store_cleartext;               /* user add and passwd keep the password itself, too */
    bool require_tls;                   /* AUTH is neither offered nor taken without TLS */
    int64_t max_failures;               /* failed logins in one session, then 421 */
    bool open_postmaster;               /* one message to the postmaster needs no login */
    const char *client_ca, *client_crl; /* PEM files; "": no client is asked for a certificate */
    int client_name;                    /* enum auth_client_name */
    struct conf_list client_table;      /* of struct auth_client_row */
    const char *keytab;                 /* file; "": no Kerberos */
    struct auth_sql_options sql;
    struct auth_ldapdb_options ldapdb;
    struct auth_saslauthd_options saslauthd;
    struct auth_oauth_options oauth;
    struct auth_block_options block;
    struct conf_strings exempt_networks;  /* never counted, slowed or blocked */
    struct conf_strings refused_networks; /* no session */
    struct conf_strings trusted_networks; /* need no AUTH on a listener with auth = "trusted" */
};

extern const struct conf_option auth_options_rows[];

/* True for a SASL mechanism that this program offers (ASCII case does not count). */
bool auth_options_mechanism(struct sv name);
/* Whether the kind of database has what this mechanism needs. */
bool auth_options_usable(const struct auth_options *o, struct sv mechanism);
/* Whether the keeper has to reach others over the network: an issuer of tokens, a database of
 * users, and with a keytab the resolvers, for our own name. */
bool auth_options_network(const struct auth_options *o);
/* Whether a value of a foreign database that has no form of its own is a password. */
bool auth_options_bare_cleartext(const struct auth_options *o);
/* How many iterations made-up SCRAM verifiers have; 0: as many as those in the database. */
uint32_t auth_options_iterations(const struct auth_options *o);
/* "sasldb", "sql" ... as the option auth.database has it. */
const char *auth_options_database(const struct auth_options *o);

#endif
