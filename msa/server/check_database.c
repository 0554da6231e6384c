/*
 * What Cyrus' plugins would misread is refused here: they put what they are given into statements
 * and connection strings as it is.
 */
#include "msa/server/check_database.h"

#include "msa/base/ip.h"

#include <stdio.h>
#include <string.h>

#define KEY_MAX 64

struct checking {
    const struct auth_options *o;
    const struct conf_source *src;
    struct conf_faults *faults;
};

#define FAULT(c, key, right, ...) \
    conf_fault_at((c)->faults, (c)->src, false, (key), (right), __VA_ARGS__)
#define WARNING(c, key, right, ...) \
    conf_fault_at((c)->faults, (c)->src, true, (key), (right), __VA_ARGS__)

static void need(struct checking *c, const char *key, const char *value, const char *right)
{
    if (!*value)
        FAULT(c, key, right, "is missing: auth.database is \"%s\"", auth_options_database(c->o));
}

/* Whether the connection stays on this machine. */
static bool is_local(const char *host)
{
    struct sv name = sv_of(host);
    struct ip ip;
    if (name.len == 0 || host[0] == '/' || sv_eq(name, SV("localhost")))
        return true;
    if (sv_find(name, ':') < name.len && host[0] != ':' && !ip_parse(name, &ip))
        name = sv_first(name, sv_rfind(name, ':'));
    return sv_eq(name, SV("localhost")) || (ip_parse(name, &ip) && ip_is_loopback(&ip));
}

static void check_select(struct checking *c, const char *select)
{
    bool quoted = false, has_user = false;
    for (const char *at = select; *at; at++) {
        if (*at == '\'')
            quoted = !quoted;
        if (at[0] != '%' || (at[1] != 'u' && at[1] != 'r'))
            continue;
        has_user |= at[1] == 'u';
        if (!quoted) {
            FAULT(c, "auth.sql.select", "'%u' and '%r'", "%%%c stands outside of single quotes",
                  at[1]);
            return;
        }
    }
    if (*select && !has_user)
        FAULT(c, "auth.sql.select", "... WHERE name = '%u'",
              "it has no %%u: everybody would have the same password");
    else if (*select && c->o->realms.count > 1 && !strstr(select, "%r"))
        WARNING(
            c, "auth.sql.select", "... AND domain = '%r'",
            "it has no %%r: the same name is one user with one password in each of auth.realms");
}

static void check_hostnames(struct checking *c, const struct auth_sql_options *sql)
{
    char key[KEY_MAX];
    for (size_t i = 0; i < sql->hostnames.count; i++) {
        const char *host = sql->hostnames.items[i];
        bool good = ascii_digit(*host) || ascii_alpha(*host) || (i == 0 && *host == '/');
        for (const char *at = host; *at; at++)
            good &= ascii_digit(*at) || ascii_alpha(*at) || strchr("-._:/", *at);
        snprintf(key, sizeof key, "auth.sql.hostnames[%zu]", i);
        if (!good)
            FAULT(c, key, "\"db.example.net\" or \"192.0.2.5:5432\"", "\"%s\" is no host", host);
        else if (!sql->tls && !is_local(host))
            WARNING(c, key, "auth.sql.tls = true",
                    "what passwords are checked against crosses the network unprotected");
    }
}

/* The plugin writes the words of libpq between quotes, and nothing in them is escaped. */
static void check_quotes(struct checking *c, const char *key, const char *value)
{
    if (strpbrk(value, "'\\"))
        FAULT(c, key, "without these", "has a quote or a backslash");
}

static void check_sql(struct checking *c)
{
    const struct auth_sql_options *sql = &c->o->sql;
    bool is_file = sql->engine == AUTH_SQL_SQLITE3;
    need(c, "auth.sql.database", sql->database,
         is_file ? "\"/var/lib/mail/users.db\"" : "the name of the database");
    need(c, "auth.sql.select", sql->select,
         "\"SELECT password FROM users WHERE name = '%u' AND domain = '%r'\"");
    check_select(c, sql->select);
    check_quotes(c, "auth.sql.user", sql->user);
    if (!is_file) {
        need(c, "auth.sql.user", sql->user, "our name there");
        check_quotes(c, "auth.sql.database", sql->database);
        check_hostnames(c, sql);
    } else {
        if (*sql->database && *sql->database != '/')
            FAULT(c, "auth.sql.database", "a path that begins with \"/\"",
                  "\"%s\" is no path of a file", sql->database);
        if (sql->hostnames.count || *sql->user || *sql->password_file || sql->tls)
            WARNING(c, "auth.sql.engine", "\"pgsql\" or \"mysql\"",
                    "hostnames, user, password_file and tls count for servers only");
    }
    if (*sql->ca && (sql->engine != AUTH_SQL_PGSQL || !sql->tls))
        FAULT(c, "auth.sql.ca", "engine = \"pgsql\" and tls = true; or without it",
              "no certificate is checked against it");
}

/* Whether one of several URIs goes over the network without TLS. */
static bool goes_in_clear(const struct auth_ldapdb_options *ldap)
{
    struct sv rest = sv_of(ldap->uri);
    while (rest.len && !ldap->starttls) {
        struct sv uri = sv_split(&rest, ' '), host;
        char name[256];
        if (!sv_istarts(uri, SV("ldap://")))
            continue;
        host = sv_skip(uri, 7);
        host = sv_first(host, sv_find(host, '/'));
        snprintf(name, sizeof name, "%.*s", SV_ARG(host));
        if (!is_local(name))
            return true;
    }
    return false;
}

static void check_ldapdb(struct checking *c)
{
    const struct auth_ldapdb_options *ldap = &c->o->ldapdb;
    struct sv rest = sv_of(ldap->uri);
    need(c, "auth.ldapdb.uri", ldap->uri, "\"ldap://ldap.example.net\"");
    while (rest.len) {
        struct sv uri = sv_split(&rest, ' ');
        if (!sv_istarts(uri, SV("ldap://")) && !sv_istarts(uri, SV("ldaps://")) &&
            !sv_istarts(uri, SV("ldapi://"))) {
            FAULT(c, "auth.ldapdb.uri", "ldap://, ldaps:// or ldapi://", "\"%.*s\" is no LDAP URI",
                  SV_ARG(uri));
            break;
        }
        if (ldap->starttls && !sv_istarts(uri, SV("ldap://"))) {
            FAULT(c, "auth.ldapdb.starttls", "false, or a URI with ldap://",
                  "there is no StartTLS on %.*s", SV_ARG(uri));
            break;
        }
    }
    need(c, "auth.ldapdb.id", ldap->id, "our name there");
    if (strcmp(ldap->mech, "EXTERNAL") != 0)
        need(c, "auth.ldapdb.password_file", ldap->password_file, "\"/etc/msa/ldap.secret\"");
    if (goes_in_clear(ldap))
        WARNING(c, "auth.ldapdb.uri", "ldaps://, or starttls = true",
                "what passwords are checked against crosses the network unprotected");
}

static void check_cleartext(struct checking *c)
{
    char key[KEY_MAX];
    if (!auth_options_bare_cleartext(c->o))
        return;
    snprintf(key, sizeof key, "auth.%s.cleartext", auth_options_database(c->o));
    WARNING(c, key, "false, with {PLAIN} before what is a password",
            "every bare value that is not locked is a password, also a hash of a kind that msad "
            "does not know");
}

/* Settings of a database that is not the one. */
static void check_others(struct checking *c)
{
    const struct auth_options *o = c->o;
    if (o->database != AUTH_DATABASE_SQL && (*o->sql.database || *o->sql.select))
        WARNING(c, "auth.sql", "auth.database = \"sql\"",
                "it counts nowhere: auth.database is \"%s\"", auth_options_database(o));
    if (o->database != AUTH_DATABASE_LDAPDB && *o->ldapdb.uri)
        WARNING(c, "auth.ldapdb", "auth.database = \"ldapdb\"",
                "it counts nowhere: auth.database is \"%s\"", auth_options_database(o));
    if (o->database != AUTH_DATABASE_SASLDB && o->store_cleartext)
        WARNING(c, "auth.store_cleartext", "without it",
                "it counts nowhere: msad does not write the users of auth.database = \"%s\"",
                auth_options_database(o));
}

/* They go into statements and names, too. */
static void check_realms(struct checking *c)
{
    char key[KEY_MAX];
    for (size_t i = 0; i < c->o->realms.count; i++) {
        bool good = true;
        for (const char *at = c->o->realms.items[i]; *at; at++)
            good &= ascii_digit(*at) || ascii_alpha(*at) || strchr("-._", *at);
        snprintf(key, sizeof key, "auth.realms[%zu]", i);
        if (!good)
            FAULT(c, key, "a name such as \"example.net\"",
                  "with auth.database = \"%s\" a realm has letters, digits and - . _ only",
                  auth_options_database(c->o));
    }
}

static void check_mechanisms(struct checking *c)
{
    const struct conf_strings *m = &c->o->mechanisms;
    char key[KEY_MAX];
    for (size_t i = 0; i < m->count; i++) {
        snprintf(key, sizeof key, "auth.mechanisms[%zu]", i);
        if (!auth_options_usable(c->o, sv_of(m->items[i])))
            FAULT(c, key, "\"PLAIN\" and \"LOGIN\", or another auth.database",
                  "%s does not work with auth.database = \"saslauthd\", which only judges a name "
                  "with its password",
                  m->items[i]);
        else if (strcmp(m->items[i], "CRAM-MD5") == 0 && c->o->database != AUTH_DATABASE_SASLDB)
            WARNING(c, key, "SCRAM in its place",
                    "CRAM-MD5 works only for users whose password is in the database in clear text "
                    "({PLAIN}..., or auth.%s.cleartext)",
                    auth_options_database(c->o));
    }
}

void check_database(const struct auth_options *o, const struct conf_source *src,
                    struct conf_faults *faults)
{
    struct checking c = {.o = o, .src = src, .faults = faults};
    check_others(&c);
    check_mechanisms(&c);
    if (o->database == AUTH_DATABASE_SASLDB)
        return;
    check_realms(&c);
    check_cleartext(&c);
    if (o->database == AUTH_DATABASE_SQL)
        check_sql(&c);
    else if (o->database == AUTH_DATABASE_LDAPDB)
        check_ldapdb(&c);
    else if (o->realms.count > 1)
        WARNING(&c, "auth.realms", "one realm, or saslauthd -r and users by realm behind it",
                "saslauthd may take the same name for one user with one password in each of them");
}
