#include "options_run.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#define SQL(more) "domains = \"example.net\"; auth = { database = \"sql\"; sql = { " more " }; };"
#define FILE_     "database = \"/db\"; select = \"SELECT p FROM t WHERE u = '%u'\"; "
#define SERVER    "engine = \"pgsql\"; user = \"u\"; database = \"d\"; select = \"... '%u'\"; "
#define LDAP(more) \
    "domains = \"example.net\"; auth = { database = \"ldapdb\"; ldapdb = { " more " }; };"
#define US              "id = \"m\"; password_file = \"/f\"; "
#define SASLAUTHD(more) "domains = \"example.net\"; auth = { database = \"saslauthd\"; " more " };"

/* What is said, in part; NULL: nothing at all. */
static const struct row {
    const char *text, *part;
} rows[] = {
    {SQL(FILE_), NULL},
    {SQL(SERVER), NULL},
    {SQL(SERVER "hostnames = [ \"/run/postgresql\" ];"), NULL},
    {SQL(SERVER "hostnames = [ \"127.0.0.1:5433\", \"localhost\", \"localhost:1\" ];"), NULL},
    {SQL(SERVER "hostnames = \"db.example.net\"; tls = true; ca = \"/ca\";"), NULL},
    {LDAP(US "uri = \"ldapi:///\";"), NULL},
    {LDAP(US "uri = \"ldaps://a ldaps://b\";"), NULL},
    {LDAP(US "uri = \"ldap://a\"; starttls = true;"), NULL},
    {LDAP(US "uri = \"ldap://127.0.0.1:3890/\";"), NULL},
    {LDAP("uri = \"ldapi:///\"; id = \"m\"; mech = \"EXTERNAL\";"), NULL},
    {SASLAUTHD(""), NULL},
    {SASLAUTHD("mechanisms = [ \"login\", \"plain\" ];"), NULL},
    /* what is missing */
    {SQL(""),
     "auth.sql.database: is missing: auth.database is \"sql\"; \"/var/lib/mail/users.db\"\n"},
    {SQL(""), "auth.sql.select: is missing"},
    {SQL("engine = \"mysql\";"), "auth.sql.user: is missing"},
    {LDAP(""), "auth.ldapdb.uri: is missing"},
    {LDAP(""), "auth.ldapdb.id: is missing"},
    {LDAP("uri = \"ldapi:///\"; id = \"m\";"), "auth.ldapdb.password_file: is missing"},
    /* statements */
    {SQL("database = \"/db\"; select = \"SELECT p WHERE u = %u\";"),
     "auth.sql.select: %u stands outside of single quotes; '%u' and '%r'\n"},
    {SQL("database = \"/db\"; select = \"SELECT 'a' WHERE u = '%u' AND r = %r\";"),
     "auth.sql.select: %r stands outside of single quotes"},
    {SQL("database = \"/db\"; select = \"SELECT p\";"), "everybody would have the same password"},
    {"domains = [ \"a.net\", \"b.net\" ]; auth = { database = \"sql\"; sql = { " FILE_ "}; };",
     "auth.sql.select: warning: it has no %r"},
    /* what the plugin would take for something else */
    {SQL(SERVER "hostnames = \"a b\";"), "auth.sql.hostnames[0]: \"a b\" is no host"},
    {SQL(SERVER "hostnames = [ \"a\", \"/run\" ];"), "auth.sql.hostnames[1]: \"/run\" is no host"},
    {SQL(SERVER "hostnames = \"x'y\";"), "is no host"},
    {SQL("engine = \"pgsql\"; user = \"a'b\"; database = \"c\\\\\"; select = \"'%u'\";"),
     "auth.sql.user: has a quote or a backslash"},
    {SQL("engine = \"pgsql\"; user = \"a'b\"; database = \"c\\\\\"; select = \"'%u'\";"),
     "auth.sql.database: has a quote or a backslash"},
    {SQL("database = \"db\"; select = \"'%u'\";"),
     "auth.sql.database: \"db\" is no path of a file"},
    {SASLAUTHD("realms = \"o'brien\";"), "a realm has letters, digits and - . _ only"},
    {LDAP(US "uri = \"http://x\";"), "\"http://x\" is no LDAP URI"},
    {LDAP(US "uri = \"ldapi:///\"; mech = \"MAGIC\";"), "the mechanism \"MAGIC\" is not known"},
    {LDAP(US "uri = \"ldaps://x\"; starttls = true;"), "there is no StartTLS on ldaps://x"},
    /* what crosses the network */
    {SQL(SERVER "hostnames = [ \"localhost\", \"db.example.net:1\" ];"),
     "auth.sql.hostnames[1]: warning: what passwords are checked against crosses the network"},
    {LDAP(US "uri = \"ldapi:/// ldap://ldap.example.net\";"),
     "auth.ldapdb.uri: warning: what passwords are checked against crosses the network"},
    {SQL(SERVER "ca = \"/ca\";"), "auth.sql.ca: no certificate is checked against it"},
    {SQL("engine = \"mysql\"; user = \"u\"; database = \"d\"; select = \"'%u'\"; tls = true; ca = "
         "\"/ca\";"),
     "auth.sql.ca: no certificate is checked against it"},
    {SASLAUTHD("realms = [ \"a.net\", \"b.net\" ];"),
     "auth.realms: warning: saslauthd may take the same name for one user"},
    /* bare values */
    {SQL(FILE_ "cleartext = true;"),
     "auth.sql.cleartext: warning: every bare value that is not locked is a password"},
    {LDAP(US "uri = \"ldapi:///\"; cleartext = true;"), "auth.ldapdb.cleartext: warning: "},
    /* what counts nowhere */
    {SQL(FILE_ "tls = true;"), "auth.sql.engine: warning: hostnames, user, password_file and tls"},
    {"domains = \"example.net\"; auth = { sql = { " FILE_ "}; };",
     "auth.sql: warning: it counts nowhere: auth.database is \"sasldb\""},
    {"domains = \"example.net\"; auth = { ldapdb = { uri = \"ldapi:///\"; }; };",
     "auth.ldapdb: warning: it counts nowhere: auth.database is \"sasldb\""},
    {SASLAUTHD("store_cleartext = true;"), "auth.store_cleartext: warning: it counts nowhere"},
    /* mechanisms */
    {SASLAUTHD("mechanisms = [ \"PLAIN\", \"SCRAM-SHA-256\" ];"),
     "auth.mechanisms[1]: SCRAM-SHA-256 does not work with auth.database = \"saslauthd\""},
    {SASLAUTHD("mechanisms = \"EXTERNAL\"; client_ca = \"/ca\";"),
     "EXTERNAL does not work with auth.database = \"saslauthd\""},
    {"domains = \"example.net\"; auth = { database = \"sql\"; mechanisms = \"CRAM-MD5\"; sql = "
     "{ " FILE_ "}; };",
     "auth.mechanisms[0]: warning: CRAM-MD5 works only for users whose password is in the "
     "database"},
};

static void each_fault_is_told(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct run r;
        run_start(&r, rows[i].text, "host.example.net");
        if (rows[i].part ? !strstr(r.printed, rows[i].part) : *r.printed != '\0')
            fail_msg("%s\nwant %s\ngot  %s", rows[i].text, rows[i].part ? rows[i].part : "nothing",
                     r.printed);
        run_stop(&r);
    }
}

/* The default of auth.mechanisms. */
static void what_works_is_offered(void **state)
{
    static const struct {
        const char *text, *mechanisms;
    } defaults[] = {
        {SASLAUTHD(""), "PLAIN LOGIN "},
        {SASLAUTHD(
             "client_ca = \"/ca\"; keytab = \"/k\"; oauth = { issuer = \"i\"; audience = \"a\"; "
             "keys = \"/k\"; };"),
         "PLAIN LOGIN "},
        {SQL(FILE_), "SCRAM-SHA-256 PLAIN LOGIN "},
        {LDAP(US "uri = \"ldapi:///\";"), "SCRAM-SHA-256 PLAIN LOGIN "},
    };
    (void)state;
    for (size_t i = 0; i < sizeof defaults / sizeof defaults[0]; i++) {
        char got[200] = "";
        struct run r;
        run_start(&r, defaults[i].text, "host.example.net");
        for (size_t j = 0; j < r.o.auth.mechanisms.count; j++)
            snprintf(got + strlen(got), sizeof got - strlen(got), "%s ",
                     r.o.auth.mechanisms.items[j]);
        assert_string_equal(got, defaults[i].mechanisms);
        run_stop(&r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_fault_is_told),
        cmocka_unit_test(what_works_is_offered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
