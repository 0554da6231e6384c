#include "auth/options.h"

static const char *const database_names[] = {"sasldb", "sql", "ldapdb", "saslauthd", NULL};
static const char *const engine_names[] = {"sqlite3", "pgsql", "mysql", NULL};

static const char *const mechanism_names[] = {
    "SCRAM-SHA-256", "SCRAM-SHA-512", "SCRAM-SHA-1", "PLAIN",   "LOGIN",
    "CRAM-MD5",      "EXTERNAL",      "OAUTHBEARER", "XOAUTH2", "GSSAPI",
};
#define MECHANISMS (sizeof mechanism_names / sizeof mechanism_names[0])

bool auth_options_mechanism(struct sv name)
{
    /* each SCRAM also with channel binding */
    if (sv_istarts(name, SV("SCRAM-")) && sv_iends(name, SV("-PLUS")))
        name.len -= 5;
    for (size_t i = 0; i < MECHANISMS; i++)
        if (sv_ieq(name, sv_of(mechanism_names[i])))
            return true;
    return false;
}

/* saslauthd answers yes or no to a name with a password, and nothing else. */
bool auth_options_usable(const struct auth_options *o, struct sv mechanism)
{
    return o->database != AUTH_DATABASE_SASLAUTHD || sv_ieq(mechanism, SV("PLAIN")) ||
           sv_ieq(mechanism, SV("LOGIN"));
}

bool auth_options_network(const struct auth_options *o)
{
    return o->database == AUTH_DATABASE_LDAPDB ||
           (o->database == AUTH_DATABASE_SQL && o->sql.hostnames.count > 0) ||
           *o->oauth.keys_url != '\0' || *o->oauth.introspection_url != '\0' || *o->keytab != '\0';
}

bool auth_options_bare_cleartext(const struct auth_options *o)
{
    return (o->database == AUTH_DATABASE_SQL && o->sql.cleartext) ||
           (o->database == AUTH_DATABASE_LDAPDB && o->ldapdb.cleartext);
}

uint32_t auth_options_iterations(const struct auth_options *o)
{
    return o->database == AUTH_DATABASE_SQL      ? (uint32_t)o->sql.scram_iterations
           : o->database == AUTH_DATABASE_LDAPDB ? (uint32_t)o->ldapdb.scram_iterations
                                                 : 0;
}

const char *auth_options_database(const struct auth_options *o)
{
    return database_names[o->database];
}

static void check_mechanism(const char *value, struct conf_faults *faults)
{
    if (!auth_options_mechanism(sv_of(value)))
        conf_fault(faults,
                   "one of \"SCRAM-SHA-256-PLUS\", \"SCRAM-SHA-256\", \"SCRAM-SHA-512\", "
                   "\"SCRAM-SHA-1\", \"PLAIN\", \"LOGIN\", \"CRAM-MD5\", \"EXTERNAL\", "
                   "\"OAUTHBEARER\", \"XOAUTH2\", \"GSSAPI\"",
                   "the mechanism \"%s\" is not known", value);
}

/* A realm goes into database keys and is what stands behind the "@" of a login. */
static void check_realm(const char *value, struct conf_faults *faults)
{
    struct sv realm = sv_of(value);
    for (size_t i = 0; i < realm.len; i++) {
        char c = realm.ptr[i];
        if (c <= ' ' || c == '@' || c == 0x7f) {
            conf_fault(faults, "a name such as \"example.net\"",
                       "\"%s\" is no realm: only ASCII without space, control characters and @ is",
                       value);
            return;
        }
    }
    if (realm.len > 255)
        conf_fault(faults, "at most 255 bytes", "the realm is %zu bytes long", realm.len);
}

static void check_fingerprint(const char *value, struct conf_faults *faults)
{
    size_t digits = 0;
    bool bad = false;
    for (const char *c = value; *c; c++) {
        bool hex = ascii_digit(*c) || (ascii_lower(*c) >= 'a' && ascii_lower(*c) <= 'f');
        digits += hex;
        bad |= !hex && *c != ':';
    }
    if (bad || digits != 64)
        conf_fault(faults,
                   "what \"openssl x509 -noout -fingerprint -sha256\" prints behind the \"=\"",
                   "\"%s\" is no SHA-256 fingerprint", value);
}

static void check_ldapdb_mech(const char *value, struct conf_faults *faults)
{
    static const char *const known[] = {"SCRAM-SHA-256", "SCRAM-SHA-512", "SCRAM-SHA-1", "PLAIN",
                                        "EXTERNAL"};
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (sv_eq(sv_of(value), sv_of(known[i])))
            return;
    conf_fault(faults,
               "one of \"SCRAM-SHA-256\", \"SCRAM-SHA-512\", \"SCRAM-SHA-1\", \"PLAIN\", "
               "\"EXTERNAL\"",
               "the mechanism \"%s\" is not known", value);
}

static const char *const client_names[] = {"email", "common-name", "table", NULL};

static const struct conf_option client_rows[] = {
    CONF_ROW(CONF_STRING, struct auth_client_row, fingerprint, "fingerprint", NULL,
             "SHA-256 fingerprint of a certificate",
             "Sixty-four hexadecimal digits, with or without colons.", .flags = CONF_RELOAD,
             .check = check_fingerprint, .example = "\"0A:1B:...\""),
    CONF_ROW(CONF_STRING, struct auth_client_row, subject, "subject", NULL,
             "its whole subject in place of a fingerprint",
             "As openssl x509 -noout -subject -nameopt RFC2253 prints it behind \"subject=\".",
             .flags = CONF_RELOAD, .example = "\"CN=printer 7,O=Example\""),
    CONF_ROW(CONF_STRING, struct auth_client_row, login, "login", NULL,
             "the login that it stands for", "As everywhere, without \"@\" of the first realm.",
             .flags = CONF_RELOAD | CONF_REQUIRED, .example = "\"printer7@example.net\""),
    CONF_END,
};

#define FIRST_SERVER                                                                              \
    "The keeper is confined without a network until it has a server to reach: the first of "      \
    "oauth.keys_url, oauth.introspection_url and keytab counts at the next start; a reload that " \
    "brings it is refused. Its name is looked up by the system's resolvers, not dns.servers."

static const struct conf_option oauth_rows[] = {
    CONF_ROW(CONF_STRING, struct auth_oauth_options, issuer, "issuer", NULL,
             "who issues the tokens",
             "What stands in a token as iss, exactly. Empty: no tokens are taken.",
             .flags = CONF_RELOAD, .example = "\"https://login.example.net/realms/mail\""),
    CONF_ROW(CONF_STRINGS, struct auth_oauth_options, audience, "audience", NULL,
             "for whom tokens are made",
             "A token must have one of these as aud, so that one for another service of the same "
             "issuer is no login here.",
             .flags = CONF_RELOAD, .example = "[ \"mail\" ]"),
    CONF_ROW(
        CONF_PATH, struct auth_oauth_options, keys, "keys", NULL,
        "file with the issuer's public keys",
        "A JSON Web Key Set, or PEM. RSA of 2048 bits or more, P-256 and Ed25519 are used, with "
        "RS256, PS256, ES256 and EdDSA.",
        .flags = CONF_RELOAD | CONF_FILE, .example = "\"/etc/msa/issuer.jwks\""),
    CONF_ROW(CONF_STRING, struct auth_oauth_options, keys_url, "keys_url", NULL,
             "where the issuer publishes them, in place of a file",
             "https, or http on loopback. They are fetched when a token comes, again after 10 "
             "minutes, and when a token names a key that is not among them. While the issuer does "
             "not answer, the ones at hand count for a day. " FIRST_SERVER,
             .flags = CONF_RELOAD, .example = "\"https://login.example.net/certs\""),
    CONF_ROW(CONF_STRING, struct auth_oauth_options, introspection_url, "introspection_url", NULL,
             "whom to ask about each token, in place of keys",
             "RFC 7662; for tokens that are no signed JWT, or that can be withdrawn. Each login "
             "waits for the answer, at most 5 seconds. " FIRST_SERVER,
             .flags = CONF_RELOAD, .example = "\"https://login.example.net/introspect\""),
    CONF_ROW(CONF_STRING, struct auth_oauth_options, client_id, "client_id", NULL, "our name there",
             "For introspection_url.", .flags = CONF_RELOAD, .example = "\"msad\""),
    CONF_ROW(CONF_PATH, struct auth_oauth_options, client_secret_file, "client_secret_file", NULL,
             "file with our password there", "Its first line. Only the keeper gets it.",
             .flags = CONF_RELOAD | CONF_FILE | CONF_SECRET,
             .example = "\"/etc/msa/oauth.secret\""),
    CONF_ROW(CONF_PATH, struct auth_oauth_options, ca, "ca", NULL,
             "authorities of the issuer's own certificate", "A PEM file. Empty: the system's.",
             .flags = CONF_RELOAD | CONF_FILE, .example = "\"/etc/msa/issuer-ca.pem\""),
    CONF_ROW(CONF_STRING, struct auth_oauth_options, login_claim, "login_claim", "email",
             "what in a token is the login",
             "The claim whose value is the login; without \"@\" it is of the first realm. Such as "
             "email, preferred_username or sub. The user must be in the user database, and not be "
             "disabled.",
             .flags = CONF_RELOAD),
    CONF_ROW(CONF_STRING, struct auth_oauth_options, scope, "scope", NULL,
             "what a token must grant",
             "One word of its scope; a client whose token is refused is told it. Empty: any. With "
             "introspection_url set it: an issuer need not answer for whom a token was made (aud), "
             "and the scope then is all that tells one for mail from others.",
             .flags = CONF_RELOAD, .example = "\"mail.send\""),
    CONF_ROW(CONF_STRING, struct auth_oauth_options, discovery_url, "discovery_url", NULL,
             "where clients find the issuer's endpoints",
             "Told to a client whose token is refused (openid-configuration of RFC 7628).",
             .flags = CONF_RELOAD,
             .example = "\"https://login.example.net/.well-known/openid-configuration\""),
    CONF_ROW(CONF_TIME, struct auth_oauth_options, clock_skew_s, "clock_skew", "60s",
             "by how much clocks may differ", "A token counts so much longer, and so much earlier.",
             .min = 1, .max = 600, .flags = CONF_RELOAD),
    CONF_END,
};

#define CLEARTEXT                                                                                  \
    "While true, a value that begins neither with {SCHEME} nor with $id$ is the password itself, " \
    "but for one that begins with \"!\" or \"*\" or is \"x\", as locked ones do: put {PLAIN} "     \
    "before a password that looks like that. Then nothing tells a password from a hash of a kind " \
    "that msad does not know (DES, MD5): whoever sees that hash logs in with it. While false a "   \
    "value is a password only behind {PLAIN} or {CLEARTEXT}, and who has but another bare value "  \
    "cannot log in."

#define ITERATIONS                                                                               \
    "A login that does not exist is answered as one that does, with so many iterations; always " \
    "the same, or the change would tell. Set it to what the SCRAM verifiers in the database "    \
    "have: one with another count can be told from a name that is nobody's (auth-iterations in " \
    "the log)."

static const struct conf_option sql_rows[] = {
    CONF_ROW(CONF_ENUM, struct auth_sql_options, engine, "engine", "sqlite3",
             "kind of SQL database",
             "\"sqlite3\", \"pgsql\" (PostgreSQL) or \"mysql\" (MySQL, MariaDB). A server of the "
             "last one that hangs without closing the connection is given up only by the kernel, "
             "after minutes; the two others within 10 seconds.",
             .names = engine_names),
    CONF_ROW(CONF_STRINGS, struct auth_sql_options, hostnames, "hostnames", NULL,
             "where the database listens",
             "Host names, addresses or host:port; the next is tried where one does not answer. "
             "Empty: this machine's socket. Not for sqlite3.",
             .example = "[ \"db1.example.net\", \"db2.example.net:5433\" ]"),
    CONF_ROW(CONF_STRING, struct auth_sql_options, user, "user", NULL, "our name there",
             "One that may only read what select reads. Not for sqlite3.", .example = "\"msad\""),
    CONF_ROW(CONF_PATH, struct auth_sql_options, password_file, "password_file", NULL,
             "file with our password there", "Its first line. Only the keeper gets it.",
             .flags = CONF_FILE | CONF_SECRET, .example = "\"/etc/msa/sql.secret\""),
    CONF_ROW(
        CONF_STRING, struct auth_sql_options, database, "database", NULL,
        "name of the database, or for sqlite3 its file",
        "The file must be readable for auth_user; in WAL mode its -wal and -shm, too, and where no "
        "other program keeps it open auth_user must be able to make these in its folder.",
        .example = "\"/var/lib/mail/users.db\""),
    CONF_ROW(CONF_STRING, struct auth_sql_options, select, "select", NULL,
             "query for a user's password",
             "%u is the part of the login before \"@\", %r the realm behind it, both within single "
             "quotes; %p is userPassword, for tables with a column of that name. One row with one "
             "column: what the password is checked against.",
             .example = "\"SELECT password FROM users WHERE name = '%u' AND domain = '%r'\""),
    CONF_ROW(CONF_BOOL, struct auth_sql_options, tls, "tls", "false", "TLS to the database",
             "While true, a server that has no TLS is not asked. Not for sqlite3."),
    CONF_ROW(CONF_PATH, struct auth_sql_options, ca, "ca", NULL,
             "authorities of the database's certificate",
             "A PEM file, for pgsql. Empty: the certificate is not checked.", .flags = CONF_FILE,
             .example = "\"/etc/msa/directory-ca.pem\""),
    CONF_ROW(CONF_BOOL, struct auth_sql_options, cleartext, "cleartext", "false",
             "bare values are passwords in clear text", CLEARTEXT, .flags = CONF_RELOAD),
    CONF_ROW(CONF_INT, struct auth_sql_options, scram_iterations, "scram_iterations", "4096",
             "iterations of the SCRAM verifiers there", ITERATIONS, .min = 1, .max = 1000000,
             .flags = CONF_RELOAD),
    CONF_END,
};

static const struct conf_option ldapdb_rows[] = {
    CONF_ROW(CONF_STRING, struct auth_ldapdb_options, uri, "uri", NULL,
             "where the directory listens",
             "Such as \"ldapi:///\", \"ldap://ldap.example.net\" or \"ldaps://ldap.example.net\"; "
             "several, separated by spaces: the next is tried where one does not answer.",
             .example = "\"ldap://ldap.example.net\""),
    CONF_ROW(
        CONF_STRING, struct auth_ldapdb_options, id, "id", NULL, "our name there",
        "A SASL name, no DN. The directory must map it, and user@realm of each user, to an "
        "entry, and allow it to act as them. For slapd: authz-policy to; authz-regexp "
        "^uid=msad(,cn=[^,]*)*,cn=auth$ cn=msad,dc=example,dc=net; authz-regexp "
        "^uid=([^,@]*)@example.net(,cn=[^,]*)*,cn=auth$ uid=$1,ou=people,dc=example,dc=net; and "
        "in the entry cn=msad the attribute authzTo: "
        "dn.children:ou=people,dc=example,dc=net.",
        .example = "\"msad\""),
    CONF_ROW(CONF_PATH, struct auth_ldapdb_options, password_file, "password_file", NULL,
             "file with our password there", "Its first line. Only the keeper gets it.",
             .flags = CONF_FILE | CONF_SECRET, .example = "\"/etc/msa/ldap.secret\""),
    CONF_ROW(
        CONF_STRING, struct auth_ldapdb_options, mech, "mech", "SCRAM-SHA-256",
        "how we log in there",
        "SCRAM-SHA-256, SCRAM-SHA-512, SCRAM-SHA-1, which cost both sides a derivation of a key "
        "for each login; PLAIN, which sends the password; EXTERNAL, for ldapi, where the "
        "directory sees that it is auth_user who asks.",
        .check = check_ldapdb_mech),
    CONF_ROW(
        CONF_BOOL, struct auth_ldapdb_options, starttls, "starttls", "false",
        "TLS to the directory",
        "StartTLS on an ldap URI; a directory that has none is not asked. Its certificate must "
        "hold."),
    CONF_ROW(CONF_PATH, struct auth_ldapdb_options, ca, "ca", NULL,
             "authorities of the directory's certificate",
             "A PEM file. Empty: those of /etc/ldap/ldap.conf, on Debian the system's.",
             .flags = CONF_FILE, .example = "\"/etc/msa/directory-ca.pem\""),
    CONF_ROW(CONF_BOOL, struct auth_ldapdb_options, cleartext, "cleartext", "false",
             "bare values are passwords in clear text", CLEARTEXT, .flags = CONF_RELOAD),
    CONF_ROW(CONF_INT, struct auth_ldapdb_options, scram_iterations, "scram_iterations", "4096",
             "iterations of the SCRAM verifiers there", ITERATIONS, .min = 1, .max = 1000000,
             .flags = CONF_RELOAD),
    CONF_END,
};

static const struct conf_option saslauthd_rows[] = {
    CONF_ROW(CONF_PATH, struct auth_saslauthd_options, socket, "socket", "/run/saslauthd/mux",
             "socket of saslauthd",
             "auth_user must be able to connect to it: on Debian, a member of the group sasl.",
             .example = "\"/run/saslauthd/mux\""),
    CONF_ROW(CONF_STRING, struct auth_saslauthd_options, service, "service", "smtp",
             "service that saslauthd is told", "With PAM, the name of the file in /etc/pam.d."),
    CONF_END,
};

static const struct conf_option block_rows[] = {
    CONF_ROW(CONF_INT, struct auth_block_options, failures, "failures", "10",
             "failed logins before a block",
             "So many within window block an IPv4 address or IPv6 /64, and likewise the login that "
             "was tried, whether there is such a user or not. From the third failure on answers "
             "are delayed, by at most 4 seconds; the /24 or /48 around the address is only slowed. "
             "0: nobody is slowed or blocked.",
             .min = 0, .max = 1000, .flags = CONF_RELOAD),
    CONF_ROW(CONF_TIME, struct auth_block_options, window_s, "window", "10m",
             "how long a failed login counts", "An older one is forgotten.", .min = 8, .max = 86400,
             .flags = CONF_RELOAD),
    CONF_ROW(CONF_TIME, struct auth_block_options, time_s, "time", "15m", "how long a block lasts",
             "It is not made longer by further attempts, and ends with msactl block remove, for a "
             "login also with msactl user unlock, and when msad is started anew: blocks and what "
             "has failed are not written to the disk.",
             .min = 1, .max = 30 * 86400, .flags = CONF_RELOAD),
    CONF_END,
};

const struct conf_option auth_options_rows[] = {
    CONF_ROW(CONF_STRINGS, struct auth_options, realms, "realms", NULL,
             "realms whose users may log in",
             "A login is user@realm. The first realm is added to a login without \"@\", here and "
             "in msactl. Users of other realms in the same database cannot log in, and are "
             "answered as if they did not exist. Default: the list in domains.",
             .flags = CONF_RELOAD, .check = check_realm,
             .example = "[ \"example.net\", \"example.org\" ]"),
    CONF_ROW(
        CONF_STRINGS, struct auth_options, mechanisms, "mechanisms", NULL,
        "SASL mechanisms offered, in this order",
        "SCRAM-SHA-256 (RFC 7677) never sends the password; as SCRAM-SHA-256-PLUS the login "
        "also fails where somebody in between has made the TLS connection (tls-exporter, "
        "tls-unique, tls-server-end-point: RFC 9266, RFC 5929). A client set to the -PLUS form of "
        "a mechanism named here gets it under TLS; EHLO announces -PLUS only where it is named "
        "itself, since some programs choose it and then fail, or offer nothing else (mutt 2.2 "
        "under TLS 1.3, whatever is behind a proxy that ends TLS). PLAIN (RFC 4616) and LOGIN "
        "send the password, protected by TLS only; most mail programs use one of these two, LOGIN "
        "mainly old "
        "ones. SCRAM-SHA-1 (RFC 5802), SCRAM-SHA-512 (each also with -PLUS) and CRAM-MD5 (RFC "
        "2195, which needs store_cleartext) are for programs that have nothing better. Users who "
        "got their password before one of these was named here need a new one for it: msactl "
        "check counts them, msactl user show names what is missing. EXTERNAL (RFC 4422) is offered "
        "to clients with a certificate (client_ca). Default: SCRAM-SHA-256, PLAIN, "
        "LOGIN, before them EXTERNAL where client_ca is set and GSSAPI where keytab is, "
        "behind "
        "them OAUTHBEARER and XOAUTH2 where oauth is.",
        .flags = CONF_RELOAD, .check = check_mechanism,
        .example = "[ \"SCRAM-SHA-256-PLUS\", \"SCRAM-SHA-256\", \"PLAIN\", \"LOGIN\" ]"),
    CONF_ROW(
        CONF_ENUM, struct auth_options, database, "database", "sasldb", "kind of user database",
        "\"sasldb\" is the file database of Cyrus SASL. msactl user add writes no password into it "
        "but a SCRAM-SHA-256 verifier, against which PLAIN and LOGIN are checked, too. Databases "
        "made "
        "with saslpasswd2 work as they are. What it has no place for (state of a login, roles, app "
        "passwords, verifiers of other mechanisms, last logins) stands in <state>/auth/users.db, "
        "an "
        "SQLite file of the keeper's. \"sql\" asks an SQL database about each user, \"ldapdb\" a "
        "directory, \"saslauthd\" the daemon of that name, for PAM and what else it knows; how is "
        "in "
        "the groups sql, ldapdb and saslauthd. msad writes none of these three: users are added, "
        "and "
        "passwords set, where they are; msactl user disable and all else that is in users.db "
        "counts "
        "for their users as well. Logins are looked up there in lower case and have letters, "
        "digits "
        "and - . _ + only; any other is nobody's, and so is a Kerberos principal or the login of "
        "a token with capitals, who may be somebody else where they come from. A password that was "
        "right counts for up to a "
        "minute "
        "after it was changed there (not with sqlite3). While the database cannot be asked, logins "
        "that it decides are answered 454 4.7.0, and the log says why (auth-database).",
        .names = database_names),
    CONF_ROW(CONF_PATH, struct auth_options, path, "path", "<state>/auth/sasldb2",
             "file of the user database",
             "Only the keeper process (auth_user) opens it; the process that talks to the network "
             "cannot. It is created by the first msactl user add. For database = \"sasldb\"."),
    CONF_ROW(CONF_BOOL, struct auth_options, store_cleartext, "store_cleartext", "false",
             "keep passwords in clear text, for CRAM-MD5",
             "CRAM-MD5 cannot be checked without the password itself. While true, msactl user add "
             "and passwd write it into the user database: whoever gets that file, or a backup of "
             "it, has every password. App passwords are never kept.",
             .flags = CONF_RELOAD),
    CONF_ROW(CONF_BOOL, struct auth_options, require_tls, "require_tls", "true",
             "AUTH only under TLS",
             "While true, AUTH is not offered before STARTTLS, and an attempt is answered 538 "
             "5.7.11 (RFC 4954). Without TLS anybody on the path can read PLAIN and LOGIN "
             "passwords: false is for tests and for listeners on loopback.",
             .flags = CONF_RELOAD),
    CONF_ROW(CONF_INT, struct auth_options, max_failures, "max_failures", "5",
             "failed logins before the connection ends",
             "After so many failed AUTH commands in one session it is answered 421 4.7.0 and "
             "closed, so that guessing needs a new connection each time.",
             .min = 1, .max = 100, .flags = CONF_RELOAD),
    CONF_ROW(CONF_PATH, struct auth_options, client_ca, "client_ca", NULL,
             "authorities of clients' certificates, for EXTERNAL",
             "A PEM file. Clients are then asked for a certificate, which they need not have. One "
             "that shows a certificate of these authorities may log in with AUTH EXTERNAL (RFC "
             "4422) as the user whom the certificate names; he must be in the user database, and "
             "not be disabled. A certificate that does not hold is a line in the log (certificate-"
             "refused), and the client goes on as one without. Sessions of clients with "
             "certificates are not resumed: each is checked. Empty: no client is asked.",
             .flags = CONF_RELOAD | CONF_FILE, .example = "\"/etc/msa/clients.pem\""),
    CONF_ROW(CONF_PATH, struct auth_options, client_crl, "client_crl", NULL,
             "their revocation lists",
             "A PEM file. If it is set each authority on the way needs a list that is in force: "
             "renew the file, and send SIGHUP, before nextUpdate passes.",
             .flags = CONF_RELOAD | CONF_FILE, .example = "\"/etc/msa/clients-crl.pem\""),
    CONF_ROW(CONF_ENUM, struct auth_options, client_name, "client_name", "email",
             "what in a certificate names the login",
             "\"email\": its addresses (subjectAltName rfc822Name, or emailAddress of the "
             "subject). \"common-name\": the subject's CN. \"table\": client_table alone. "
             "client_table comes before. Where there are several names, the client says which "
             "(authorization identity), else the first counts.",
             .names = client_names, .flags = CONF_RELOAD),
    CONF_ROW(CONF_LIST, struct auth_options, client_table, "client_table", NULL,
             "single certificates, and whose they are",
             "Each entry has fingerprint or subject, and login. The certificate must be of "
             "client_ca all the same.",
             .flags = CONF_RELOAD, .rows = client_rows,
             .item_bytes = sizeof(struct auth_client_row)),
    CONF_ROW(
        CONF_PATH, struct auth_options, keytab, "keytab", NULL,
        "key of this server's Kerberos service, for GSSAPI",
        "A keytab with smtp/HOSTNAME of hostname. A client may then log in with a ticket "
        "(GSSAPI, RFC 4752); the user is its principal, whose realm must be one of realms but "
        "for capitals, and who must be in the user database, and not be disabled. Realms and "
        "their servers are looked up in /etc/krb5.conf, whose default_realm must be the first of "
        "realms: its users come without a realm (check warns where it is not). Needs the package "
        "libsasl2-modules-gssapi-mit. Only the keeper gets the file; it keeps a copy in "
        "<state>/auth. " FIRST_SERVER,
        .flags = CONF_RELOAD | CONF_FILE | CONF_SECRET, .example = "\"/etc/msa/smtp.keytab\""),
    CONF_ROW(
        CONF_GROUP, struct auth_options, sql, "sql", NULL, "users in an SQL database",
        "Where database is \"sql\". Needs the package libsasl2-modules-sql. For each login select "
        "is "
        "run once, on a connection of its own. It finds the password in clear text behind {PLAIN} "
        "(or without, see cleartext); or a SCRAM "
        "verifier as saslpasswd2 and msactl write it (SCRAM-SHA-256$4096:...), which serves that "
        "SCRAM mechanism, PLAIN and LOGIN; or a hash as crypt(5) has it ($6$..., {CRYPT}...) or "
        "{SSHA}, {SSHA256}, {SSHA512} and these without salt, which serve PLAIN and LOGIN: where "
        "a table has only hashes set mechanisms to [ \"PLAIN\", \"LOGIN\" ], else programs that "
        "prefer SCRAM fail. What begins with another {NAME} is no password. Who has no password "
        "there is "
        "disabled for every way to log in: no value, an empty one (NULL), one that begins with "
        "\"!\" "
        "or \"*\" or is \"x\", also behind {NAME}, and a bare one of a form not named here; who "
        "logs "
        "in by certificate, ticket or token alone needs a value such as {SASL}alice. No row: there "
        "is no "
        "such user; a query that fails is a fault, and refuses nobody.",
        .rows = sql_rows),
    CONF_ROW(
        CONF_GROUP, struct auth_options, ldapdb, "ldapdb", NULL, "users in a directory",
        "Where database is \"ldapdb\". Needs the package libsasl2-modules-ldap. For each login "
        "msad "
        "logs in to the directory, asks who u:user@realm is (proxy authorization, RFC 4370) and "
        "reads userPassword and authPassword of that entry, acting as it. Their values are those "
        "that select of sql may find, and who has none is disabled as there; other marks of a "
        "locked entry (pwdAccountLockedTime) are not seen. An entry that it may not act for is "
        "nobody's. A directory "
        "whose passwords nobody may read is asked by saslauthd instead.",
        .rows = ldapdb_rows),
    CONF_ROW(
        CONF_GROUP, struct auth_options, saslauthd, "saslauthd", NULL, "users of saslauthd",
        "Where database is \"saslauthd\". Needs saslauthd (package sasl2-bin), which answers yes "
        "or no "
        "to a name with its password: only PLAIN and LOGIN work with it, there are no app "
        "passwords, and msactl cannot tell who exists. It is told the user and the realm apart; "
        "with several realms start it with -r, else the same name is one user in each. Where it "
        "says no because something behind it does not answer (its ldap and pam do), that is a "
        "wrong password; where it does not answer itself within 8 seconds, it is not.",
        .rows = saslauthd_rows),
    CONF_ROW(
        CONF_GROUP, struct auth_options, oauth, "oauth", NULL, "login by token",
        "OAUTHBEARER (RFC 7628) and XOAUTH2, its older form: the client shows a token that its "
        "user got from an issuer. Needs issuer, audience, and one of keys, keys_url and "
        "introspection_url.",
        .rows = oauth_rows),
    CONF_ROW(CONF_GROUP, struct auth_options, block, "block", NULL, "guessing of passwords",
             "Who guesses is slowed down, then blocked: AUTH is answered 454 4.7.0 before the "
             "secret is looked at. A login is neither slowed nor blocked at an address (or IPv6 "
             "/64) from which it has logged in within 30 days, whatever others do there; only if "
             "it fails there ten times as often as failures says it loses that right for a while. "
             "That outlives a restart; the last 64 such places of a login count. "
             "msactl block list shows blocks. In the log, for fail2ban: see msad(8).",
             .rows = block_rows),
    CONF_ROW(
        CONF_STRINGS, struct auth_options, exempt_networks, "exempt_networks", NULL,
        "networks that are never blocked",
        "Addresses and networks, such as that of a web mail program, through whose one address "
        "everybody logs in. Failed logins from there are not counted, for the login neither.",
        .flags = CONF_RELOAD, .check = conf_check_network, .example = "[ \"192.0.2.25\" ]"),
    CONF_ROW(
        CONF_STRINGS, struct auth_options, refused_networks, "refused_networks", NULL,
        "networks that are not let in",
        "Addresses and networks. Whoever connects from there is answered 554 5.7.1 in place of "
        "the greeting. Behind a proxy (listen[].proxy_from) the address counts that it tells.",
        .flags = CONF_RELOAD, .check = conf_check_network, .example = "[ \"198.51.100.0/24\" ]"),
    CONF_ROW(CONF_STRINGS, struct auth_options, trusted_networks, "trusted_networks", NULL,
             "networks that may submit without AUTH",
             "Addresses and networks. They count only on a listener with auth = \"trusted\". Such "
             "a client may send from any address to which mail can go back; one that logs in all "
             "the same comes under the rules of its login. Its messages stand under the login "
             "\"@trusted\" in the queue. A client of which a proxy (listen[].proxy_from) does not "
             "tell the address is not trusted.",
             .flags = CONF_RELOAD, .check = conf_check_network, .example = "[ \"192.0.2.0/24\" ]"),
    CONF_ROW(CONF_BOOL, struct auth_options, open_postmaster, "open_postmaster", "false",
             "mail to the postmaster without AUTH",
             "For people who cannot log in. A session without a login may give one message of at "
             "most 1M to <Postmaster>, to the address in postmaster or to postmaster at one of "
             "domains, where auth.require_tls does not stand against it; all else is answered 530 "
             "5.7.0. It stands under the login \"@postmaster\" in the queue. Counts on listeners "
             "with auth = \"required\".",
             .flags = CONF_RELOAD),
    CONF_END,
};
