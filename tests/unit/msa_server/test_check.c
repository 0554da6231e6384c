#include "options_run.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#define ROUTE "relay = { routes = { to = \"smtp://a.example\"; "
#define OAUTH                                                                         \
    "oauth = { token_url = \"https://i/t\"; client_id = \"m\"; client_secret_file = " \
    "\"/s\" } }; };"
#define DOMAINS "domains = \"example.net\";\n"
#define FINGERPRINT                                    \
    "00:11:22:33:44:55:66:77:88:99:aa:BB:cc:dd:ee:ff:" \
    "00:11:22:33:44:55:66:77:88:99:aa:BB:cc:dd:ee:ff"

struct bad {
    const char *text;
    const char *printed; /* all faults and warnings */
};

#define DKIM(row) DOMAINS "rewrite = { dkim = ( { " row " } ); };"
#define DKIM_ROW  "domain = \"example.net\"; selector = \"s1\"; key = \"/k\"; "

static const struct bad bad[] = {
    {DOMAINS, ""},
    {DKIM(DKIM_ROW), ""},
    {DKIM(DKIM_ROW "from = \"2026-01-31\"; require = true;"), ""},
    {DKIM("domain = \"A.Example.NET\"; selector = \"a.b-c_d\"; key = \"/k\";"), ""},
    {DKIM("domain = \"net.example\"; selector = \"s\"; key = \"/k\";"),
     "m:2: rewrite.dkim[0].domain: warning: net.example is none of domains: who sends as it here?; "
     "a domain of domains, or one above or below\n"},
    {"domains = \"mail.example.net\"; rewrite = { dkim = ( { " DKIM_ROW "} ); };", ""},
    {DKIM("domain = \"bücher.example\"; selector = \"s\"; key = \"/k\";"),
     "m:2: rewrite.dkim[0].domain: \"bücher.example\" is no fully qualified domain; for example "
     "\"example.net\" (international names as xn--...)\n"},
    {DKIM("domain = \"net\"; selector = \"s\"; key = \"/k\";"),
     "m:2: rewrite.dkim[0].domain: \"net\" is no fully qualified domain; for example "
     "\"example.net\" (international names as xn--...)\n"},
    {DKIM("selector = \"s\"; key = \"/k\";"),
     "m:2: rewrite.dkim[0].domain: is missing; domain = \"example.net\";\n"},
    {DKIM(DKIM_ROW "from = \"2026-02-30\";"),
     "m:2: rewrite.dkim[0].from: \"2026-02-30\" is no date; \"2026-01-31\", or "
     "\"2026-01-31T12:00:00Z\", in UTC\n"},
    {DKIM("domain = \"example.net\"; selector = \"a..b\"; key = \"/k\";"),
     "m:2: rewrite.dkim[0].selector: \"a..b\" is no selector; letters, digits and hyphens, such "
     "as \"s2026\"\n"},
    {DOMAINS "rewrite = { dkim = ( { " DKIM_ROW "},\n { " DKIM_ROW "},\n{ domain = "
             "\"Example.net\"; selector = \"S1\"; key = \"/o\" } ); };",
     "m:3: rewrite.dkim[1].selector: domain and selector are those of rewrite.dkim[0]; another "
     "selector: each names one key (RFC 6376 3.6.1)\n"
     "m:4: rewrite.dkim[2].selector: domain and selector are those of rewrite.dkim[0]; another "
     "selector: each names one key (RFC 6376 3.6.1)\n"},
    {"", "m: domains: at least one domain is needed; three lines suffice: hostname = "
         "\"mail.example.net\"; domains = [ \"example.net\" ]; tls = ( { certificate = "
         "\"/etc/msa/cert.pem\"; key = \"/etc/msa/key.pem\"; } );\n"},
    {"\ndomains = [ ];",
     "m:2: domains: at least one domain is needed; three lines suffice: hostname = "
     "\"mail.example.net\"; domains = [ \"example.net\" ]; tls = ( { certificate = "
     "\"/etc/msa/cert.pem\"; key = \"/etc/msa/key.pem\"; } );\n"},
    /* a bad domain is not also a missing one */
    {"domains = [ \"a b\" ];", "m:1: domains[0]: \"a b\" is no fully qualified domain; for example "
                               "\"example.net\" (international names as xn--...)\n"},
    {"domains = 5;",
     "m:1: domains: a number cannot stand here; text in quotes, or an array such as "
     "[ \"a\", \"b\" ]\n"},
    {"domains = \"localhost\";", "m:1: domains: \"localhost\" is no fully qualified domain; for "
                                 "example \"example.net\" (international names as xn--...)\n"},
    {DOMAINS "hostname = \"mail\";",
     "m:2: hostname: \"mail\" is no fully qualified domain; for example \"example.net\" "
     "(international names as xn--...)\n"},
    /* international names stand as A-labels, good ones */
    {"domains = \"bücher.example\";",
     "m:1: domains: \"bücher.example\" is no fully qualified domain; for example \"example.net\" "
     "(international names as xn--...)\n"},
    {"domains = \"xn--bcher-kva.example\";", ""},
    {"domains = \"xn--a.example\";",
     "m:1: domains: \"xn--a.example\" is no fully qualified domain; for example \"example.net\" "
     "(international names as xn--...)\n"},
    {DOMAINS "hostname = \"mail.bücher.example\";",
     "m:2: hostname: \"mail.bücher.example\" is no fully qualified domain; for example "
     "\"example.net\" (international names as xn--...)\n"},
    {DOMAINS "postmaster = \"jörg@example.net\";",
     "m:2: postmaster: \"jörg@example.net\" is not in ASCII; for example "
     "\"postmaster@example.net\" (domains as xn--...)\n"},
    {DOMAINS "postmaster = \"p@bücher.example\";",
     "m:2: postmaster: \"p@bücher.example\" is not in ASCII; for example "
     "\"postmaster@example.net\" (domains as xn--...)\n"},
    {DOMAINS "postmaster = \"p@xn--bcher-kva.example\";", ""},
    {DOMAINS "tls = { certificate = \"/c\"; key = \"/k\"; names = \"*.bücher.example\" };",
     "m:2: tls[0].names: \"*.bücher.example\" is no host name; for example \"mail.example.net\" "
     "(international names as xn--...)\n"},
    {DOMAINS "relay = { routes = { to = \"smtp://a.example\"; domain = \"bücher.example\" }; };",
     "m:2: relay.routes[0].domain: \"bücher.example\" is no domain pattern; \"*\", "
     "\"example.net\", \"*.example.net\" (international names as xn--...) or "
     "\"[IPv6:2001:db8::1]\"\n"},
    {DOMAINS "relay = { routes = { to = \"smtp://bücher.example\" }; };",
     "m:2: relay.routes[0].to: \"smtp://bücher.example\" cannot be used: its host is neither a "
     "name nor an address; for example \"smtp://smarthost.example.net:587\"\n"},
    {DOMAINS "auth = { realms = \"bücher.example\"; };",
     "m:2: auth.realms: \"bücher.example\" is no realm: only ASCII without space, control "
     "characters and @ is; a name such as \"example.net\"\n"},
    {DOMAINS "postmaster = \"postmaster\";",
     "m:2: postmaster: \"postmaster\" is no mail address; for example "
     "\"postmaster@example.net\"\n"},
    {DOMAINS "state = \"/\";",
     "m:2: state: the root folder cannot be the state folder; a folder of "
     "its own, such as \"/var/lib/msa\"\n"},
    {DOMAINS "state = \"/srv/../etc\";",
     "m:2: state: \"/srv/../etc\" has \"..\" in it; the path without \"..\"\n"},
    {DOMAINS "state = \"msa\";",
     "m:2: state: \"msa\" is not absolute; a path that begins with / or <state>\n"},
    {DOMAINS "user = \"x\"; auth_user = \"x\";",
     "m:2: auth_user: it is the same as user, so that the server could read passwords and keys; "
     "another user, such as \"msa-auth\"\n"},
    /* listeners */
    {DOMAINS "listen = ( { },\n { address = \"192.0.2.1\" } );",
     "m:3: listen[1]: address \"192.0.2.1\", port 587 is taken by listen[0]; another address or "
     "port\n"},
    {DOMAINS "listen = ( { address = \"::1\" },\n { address = \"0:0::1\" } );",
     "m:3: listen[1]: address \"0:0::1\", port 587 is taken by listen[0]; another address or "
     "port\n"},
    {DOMAINS "listen = ( { address = \"192.0.2.1\" }, { address = \"192.0.2.2\" } );", ""},
    {DOMAINS "listen = {\n address = \"mail.example.net\" };",
     "m:3: listen[0].address: \"mail.example.net\" is no address; \"*\" for all, or one address of "
     "this machine\n"},
    {DOMAINS "listen = { port = 70000 };", "m:2: listen[0].port: 70000 is too large; 1 to 65535\n"},
    {DOMAINS "listen = { auth = \"trust\" };",
     "m:2: listen[0].auth: \"trust\" is not known; \"required\" or \"trusted\"\n"},
    {DOMAINS "listen = { auth = \"trusted\" };",
     "m:2: listen[0].auth: warning: nobody is trusted: auth.trusted_networks is empty; "
     "auth.trusted_networks = [ \"192.0.2.0/24\" ]; or auth = \"required\"\n"},
    {DOMAINS "auth = { trusted_networks = \"192.0.2.0/24\" };",
     "m:2: auth.trusted_networks: warning: they count nowhere: every listener has auth = "
     "\"required\"; a listener with auth = \"trusted\"\n"},
    {DOMAINS "auth = { trusted_networks = [ \"127.0.0.0/8\", \"0.0.0.0/0\" ]; };\n"
             "listen = { port = 2525; tls = \"none\"; auth = \"trusted\" };",
     "m:2: auth.trusted_networks[1]: warning: anybody may send mail through this server; the "
     "networks of your own machines\n"},
    {DOMAINS "auth = { mechanisms = [ \"PLAIN\", \"EXTERNAL\" ]; };",
     "m:2: auth.mechanisms: EXTERNAL needs the authorities of clients' certificates; "
     "auth.client_ca = \"/etc/msa/clients.pem\"; or without it\n"},
    {DOMAINS "auth = { client_ca = \"/ca\"; mechanisms = [ \"PLAIN\" ]; };",
     "m:2: auth.client_ca: warning: clients are asked for certificates that they cannot log in "
     "with; \"EXTERNAL\" in auth.mechanisms\n"},
    {DOMAINS "auth = { client_crl = \"/crl\"; client_table = { subject = \"CN=a\"; login = "
             "\"a\"; }; };",
     "m:2: auth.client_crl: warning: it counts nowhere: auth.client_ca is not set; auth.client_ca "
     "beside it\n"
     "m:2: auth.client_table: warning: it counts nowhere: auth.client_ca is not set; "
     "auth.client_ca beside it\n"},
    {DOMAINS "auth = { client_ca = \"/ca\"; client_table = ( { login = \"a\"; },\n"
             "{ login = \"a\"; subject = \"CN=a\"; fingerprint = \"" FINGERPRINT "\"; } ); };",
     "m:2: auth.client_table[0]: fingerprint and subject are both missing; either of them\n"
     "m:3: auth.client_table[1]: fingerprint and subject are both set; either of them\n"},
    {DOMAINS "auth = { client_ca = \"/ca\"; client_table = { login = \"a\"; fingerprint = "
             "\"0g" FINGERPRINT "\"; }; };",
     "m:2: auth.client_table[0].fingerprint: \"0g" FINGERPRINT "\" is no SHA-256 fingerprint; what "
     "\"openssl x509 -noout -fingerprint -sha256\" prints behind the \"=\"\n"},
    {DOMAINS "auth = { mechanisms = [ \"PLAIN\", \"XOAUTH2\" ]; oauth = { keys = \"/k\"; }; };",
     "m:2: auth.mechanisms: OAUTHBEARER and XOAUTH2 need an issuer of tokens; auth.oauth.issuer, "
     "and what belongs to it; or without them\n"
     "m:2: auth.oauth: warning: it counts nowhere: auth.oauth.issuer is not set; "
     "auth.oauth.issuer beside it\n"},
    {DOMAINS "auth = { mechanisms = [ \"PLAIN\" ];\n"
             "oauth = { issuer = \"i\"; audience = \"a\"; keys = \"/k\"; }; };",
     "m:3: auth.oauth.issuer: warning: no client is offered a login by token; \"OAUTHBEARER\" in "
     "auth.mechanisms\n"},
    {DOMAINS "auth = { oauth = { issuer = \"i\"; }; };",
     "m:2: auth.oauth.audience: is missing: tokens for any other service would be logins here; "
     "audience = [ \"mail\" ];\n"
     "m:2: auth.oauth.keys: there is no way to check tokens; one of keys, keys_url and "
     "introspection_url\n"},
    {DOMAINS "auth = { oauth = { issuer = \"i\"; audience = \"a\"; keys = \"/k\"; "
             "introspection_url = \"https://i/\"; }; };",
     "m:2: auth.oauth.keys: several ways to check tokens are set; one of keys, keys_url and "
     "introspection_url\n"
     "m:2: auth.oauth.introspection_url: warning: most issuers answer nobody whom they do not "
     "know; client_id and client_secret_file beside it\n"
     "m:2: auth.oauth.introspection_url: warning: where an answer has no aud, a token for any "
     "other "
     "service of the issuer is a login here; scope = \"mail.send\"; beside it\n"},
    {DOMAINS "auth = { oauth = { issuer = \"i\"; audience = \"a\"; scope = \"s\"; client_id = "
             "\"c\"; client_secret_file = \"/s\"; introspection_url = \"https://i/\"; }; };",
     ""},
    {DOMAINS "auth = { mechanisms = [ \"gssapi\" ]; };",
     "m:2: auth.mechanisms: GSSAPI needs the key of a Kerberos service; auth.keytab = "
     "\"/etc/msa/smtp.keytab\"; or without it\n"},
    {DOMAINS "auth = { mechanisms = [ \"PLAIN\" ]; keytab = \"/k\"; };",
     "m:2: auth.keytab: warning: no client is offered a login by ticket; \"GSSAPI\" in "
     "auth.mechanisms\n"},
    {DOMAINS "auth = { exempt_networks = \"::/0\"; refused_networks = [ \"0.0.0.0/0\" ]; };",
     "m:2: auth.exempt_networks[0]: warning: nobody who guesses passwords is blocked; the networks "
     "of your own machines, or auth.block.failures = 0\n"
     "m:2: auth.refused_networks[0]: warning: nobody can connect; the networks that trouble comes "
     "from\n"},
    {DOMAINS "auth = { trusted_networks = \"192.0.2.1/8\" };",
     "m:2: auth.trusted_networks: \"192.0.2.1/8\" is no network, nor an address; for example "
     "\"192.0.2.0/24\" or \"2001:db8::1\"\n"},
    {DOMAINS "listen = { tls = \"startls\" };",
     "m:2: listen[0].tls: \"startls\" is not known; \"starttls\", \"implicit\" or \"none\"\n"},
    {DOMAINS "listen = { port = 2525;\n tls = \"none\" };",
     "m:3: listen[0].tls: nobody could log in here: auth.require_tls is true; tls = \"starttls\"; "
     "or auth.require_tls = false\n"},
    {DOMAINS "listen = { port = 465 };",
     "m:2: listen[0].tls: warning: clients expect TLS from the first byte on port 465; tls = "
     "\"implicit\";\n"},
    {DOMAINS "listen = { tls = \"implicit\" };",
     "m:2: listen[0].tls: warning: clients expect STARTTLS on port 587; tls = \"starttls\";\n"},
    {DOMAINS "listen = { proxy_from = [ \"192.0.2.0/24\", \"2001:db8::/32\", \"192.0.2.7\" ] };",
     ""},
    {DOMAINS "listen = { proxy_from = \"192.0.2.1/24\" };",
     "m:2: listen[0].proxy_from: \"192.0.2.1/24\" is no network, nor an address; for example "
     "\"192.0.2.0/24\" or \"2001:db8::1\"\n"},
    {DOMAINS "listen = { proxy_from = [ \"::1\", \"lb.example.net\" ] };",
     "m:2: listen[0].proxy_from[1]: \"lb.example.net\" is no network, nor an address; for example "
     "\"192.0.2.0/24\" or \"2001:db8::1\"\n"},
    {DOMAINS "tls_minimum = 1.2;",
     "m:2: tls_minimum: a fraction cannot stand here; \"1.2\" or \"1.3\"\n"},
    /* logins */
    {DOMAINS "auth = { mechanisms = [ \"PLAIN\", \"DIGEST-MD5\" ]; };",
     "m:2: auth.mechanisms[1]: the mechanism \"DIGEST-MD5\" is not known; one of "
     "\"SCRAM-SHA-256-PLUS\", \"SCRAM-SHA-256\", \"SCRAM-SHA-512\", \"SCRAM-SHA-1\", \"PLAIN\", "
     "\"LOGIN\", \"CRAM-MD5\", \"EXTERNAL\", \"OAUTHBEARER\", \"XOAUTH2\", \"GSSAPI\"\n"},
    {DOMAINS "auth = { mechanisms = [ \"SCRAM-SHA-1\", \"scram-sha-512\" ]; };", ""},
    {DOMAINS "auth = { mechanisms = [ \"PLAIN\", \"cram-md5\" ]; };",
     "m:2: auth.mechanisms[1]: CRAM-MD5 cannot be checked: passwords are not kept; "
     "auth.store_cleartext = true, or without this mechanism\n"},
    {DOMAINS "auth = { mechanisms = [ \"CRAM-MD5\" ]; store_cleartext = true; };",
     "m:2: auth.store_cleartext: warning: whoever gets the user database, or a backup of it, has "
     "every password; false, and SCRAM in place of CRAM-MD5\n"},
    {DOMAINS "auth = { mechanisms = [ \"PLAIN\", \"plain\" ]; };",
     "m:2: auth.mechanisms[1]: PLAIN is named twice; name it once\n"},
    {DOMAINS "auth = { realms = \"a@b\"; };", "m:2: auth.realms: \"a@b\" is no realm: only ASCII "
                                              "without space, control characters and @ is; "
                                              "a name such as \"example.net\"\n"},
    {DOMAINS "auth = { require_tls = false; };",
     "m:2: auth.require_tls: warning: passwords may cross the network unprotected; true, but for "
     "tests and loopback\n"},
    /* limits */
    {DOMAINS "limits = { message_size = \"64K\"; header_size = \"128K\"; };",
     "m:2: limits.header_size: larger than limits.message_size; a size up to "
     "limits.message_size\n"},
    {DOMAINS "limits = { connections = 10; };", ""},
    {DOMAINS "limits = { connections = 10; connections_per_client = 11; };",
     "m:2: limits.connections_per_client: warning: it never counts, as limits.connections is "
     "smaller; a number below limits.connections\n"},
    {DOMAINS "limits = { memory = \"20M\"; header_size = \"8M\"; };",
     "m:2: limits.memory: too small to hold the headers of a few sessions; at least four times "
     "limits.header_size\n"},
    {DOMAINS "limits = { connections = 99999999999999999999; };",
     "m:2: limits.connections: the number is too large; 1 to 1000000\n"},
    /* queue */
    {DOMAINS "queue = {\n retry = [ ]; };",
     "m:3: queue.retry: there is no time to wait between tries; at least one time, such as "
     "[ \"5m\", \"1h\" ]\n"},
    {DOMAINS "queue = { lifetime = \"1h\"; };", ""},
    {DOMAINS "queue = { lifetime = \"1h\"; retry = [ \"1m\", \"1h\" ]; };",
     "m:2: queue.retry[1]: warning: as long as queue.lifetime: no further try would follow; times "
     "below queue.lifetime\n"},
    {DOMAINS "queue = { delay_warning = \"5d\"; };",
     "m:2: queue.delay_warning: warning: not below queue.lifetime: there will be no delay "
     "reports; a time below queue.lifetime, if reports are wanted\n"},
    /* policy */
    {DOMAINS "policy = { milters = { socket = \"unix:/run/a\"; }; };", ""},
    {DOMAINS "policy = { milters = { timeout = \"1s\"; }; };",
     "m:2: policy.milters[0].socket: is missing; socket = \"unix:/run/rspamd/milter.sock\";\n"},
    {DOMAINS "policy = { milters = { socket = \"/run/a\"; }; };",
     "m:2: policy.milters[0].socket: \"/run/a\" is no socket; \"unix:/run/rspamd/milter.sock\" or "
     "\"inet:8891@127.0.0.1\", an address and no name\n"},
    {DOMAINS "policy = { milters = ( { socket = \"unix:/run/a\"; },\n"
             "{ socket = \"unix:/run/a\"; } ); };",
     "m:3: policy.milters[1].socket: warning: the same as policy.milters[0].socket; name it "
     "once\n"},
    {DOMAINS "policy = { service = \"inet:10023\"; };",
     "m:2: policy.service: \"inet:10023\" is no socket; \"unix:/run/rspamd/milter.sock\" or "
     "\"inet:8891@127.0.0.1\", an address and no name\n"},
    {DOMAINS "policy = { service = \"inet:127.0.0.1:10023\";\n service_stages = [ ]; };",
     "m:3: policy.service_stages: warning: the policy service is never asked; [ \"RCPT\" ]\n"},
    {DOMAINS "policy = { service_stages = [ \"EHLO\" ]; };",
     "m:2: policy.service_stages[0]: \"EHLO\" is no such stage; MAIL, RCPT, DATA or "
     "END-OF-MESSAGE\n"},
    /* our addresses */
    {DOMAINS "relay = { bind = { name = \"a.example\" }; };",
     "m:2: relay.bind[0].address: is missing; address = \"192.0.2.1\";\n"},
    {DOMAINS "relay = { bind = ( { address = \"192.0.2.1\"; weight = 2 },\n { address = "
             "\"out.example\" } ); };",
     "m:3: relay.bind[1].address: \"out.example\" is no address; for example \"192.0.2.1\" or "
     "\"2001:db8::1\"\n"},
    {DOMAINS "relay = { bind = { address = \"::1\"; name = \"a b\" }; };",
     "m:2: relay.bind[0].name: \"a b\" is no host name; for example \"out1.example.net\"\n"},
    /* routes */
    {DOMAINS "relay = { site_backoff_codes = [ \"4.7.28\",\n \"2.0.0\" ]; };",
     "m:3: relay.site_backoff_codes[1]: \"2.0.0\" is no enhanced code of a refusal; for example "
     "\"4.7.28\"\n"},
    {DOMAINS "relay = { site_backoff_codes = \"4.7\"; };",
     "m:2: relay.site_backoff_codes: \"4.7\" is no enhanced code of a refusal; for example "
     "\"4.7.28\"\n"},
    {DOMAINS
     "relay = { sites = ( { connections = 2 },\n { site = \"a@b\"; per_minute = 6001 } ) };",
     "m:2: relay.sites[0].site: is missing; site = \"*.mx.example.net\";\n"
     "m:3: relay.sites[1].site: \"a@b\" is no domain pattern; \"*\", \"example.net\", "
     "\"*.example.net\" (international names as xn--...) or \"[IPv6:2001:db8::1]\"\n"
     "m:3: relay.sites[1].per_minute: 6001 is too large; 0 to 6000\n"},
    {DOMAINS "relay = { routes = { to = \"smtp://a.example\";\n sender = \"example.net\";\n "
             "login = \"@*.\" }; };",
     "m:3: relay.routes[0].sender: \"example.net\" is no pattern of addresses; \"*\", "
     "\"a@example.net\", \"@example.net\" or \"@*.example.net\"\n"
     "m:4: relay.routes[0].login: \"@*.\" is no pattern of addresses; \"*\", "
     "\"a@example.net\", \"@example.net\" or \"@*.example.net\"\n"},
    {DOMAINS "relay = { routes = { domain = \"*\" }; };",
     "m:2: relay.routes[0].to: no next hop is named; to = [ "
     "\"smtp://smarthost.example.net:587\" ];\n"},
    {DOMAINS "relay = { routes = ( { domain = \"*.onion\"; socks = \"socks5://127.0.0.1\" },\n { "
             "domain = \"*.i2p\"; socks = \"socks5://localhost:4447\" } ); };",
     "m:3: relay.routes[1].socks: it cannot be used: its host is no address; for example "
     "\"socks5://127.0.0.1:9050\"\n"
     "m:3: relay.routes[1].to: no next hop is named; to = [ "
     "\"smtp://smarthost.example.net:587\" ];\n"},
    {DOMAINS "relay = { routes = { to = [ ] }; };",
     "m:2: relay.routes[0].to: no next hop is named; to = [ "
     "\"smtp://smarthost.example.net:587\" ];\n"},
    {DOMAINS "relay = { routes = {\n to = [ \"smtp://a.example\",\n \"http://a.example\" ] }; };",
     "m:4: relay.routes[0].to[1]: \"http://a.example\" cannot be used: it begins with none of "
     "smtp://, smtps://, lmtp://, qmtp:// and qmtps://; for example "
     "\"smtp://smarthost.example.net:587\"\n"},
    {DOMAINS "relay = { routes = { to = \"smtp://a.example\";\n domain = \"a@b\" }; };",
     "m:3: relay.routes[0].domain: \"a@b\" is no domain pattern; \"*\", \"example.net\", "
     "\"*.example.net\" (international names as xn--...) or \"[IPv6:2001:db8::1]\"\n"},
    {DOMAINS "relay = { routes = {\n to = \"smtp://a.example\"; user = \"u\" }; };",
     "m:2: relay.routes[0].password_file: is missing, but user is set; password_file = "
     "\"/etc/msa/smarthost.password\";\n"},
    {DOMAINS "relay = { routes = { to = \"smtp://a.example\";\n password_file = \"/p\" }; };",
     "m:3: relay.routes[0].password_file: is set without user; user = \"...\"; beside it\n"},
    {DOMAINS ROUTE "oauth = { client_id = \"m\" } }; };",
     "m:2: relay.routes[0].oauth.token_url: is missing, but other keys of oauth are set; "
     "token_url = \"https://login.example.net/token\";\n"},
    {DOMAINS ROUTE "oauth = { token_url = \"https://i\" } }; };",
     "m:2: relay.routes[0].oauth.token_url: is set without user; user = \"...\"; beside oauth\n"
     "m:2: relay.routes[0].oauth.client_id: is missing, but token_url is set; client_id = "
     "\"msad\";\n"
     "m:2: relay.routes[0].oauth.refresh_token_file: is missing, and so is client_secret_file: "
     "there is nothing to get a token by; refresh_token_file = \"/etc/msa/smarthost.refresh\";, or "
     "client_secret_file\n"},
    {DOMAINS ROUTE "user = \"u\"; password_file = \"/p\"; tls = \"none\"; " OAUTH,
     "m:2: relay.routes[0].password_file: counts nowhere beside oauth; password_file, or oauth\n"
     "m:2: relay.routes[0].oauth.token_url: tokens are shown under TLS only, but tls is \"none\"; "
     "another value of tls\n"},
    {DOMAINS ROUTE "user = \"u\"; " OAUTH, ""},
    {DOMAINS "relay = { routes = { to = \"smtps://a.example\"; tls = \"none\" }; };",
     "m:2: relay.routes[0].tls: \"none\" contradicts TLS from the first byte, which to asks for; "
     "another value of tls, or smtp:// or qmtp:// in to\n"},
    {DOMAINS "relay = { routes = { to = \"qmtps://a.example\"; tls = \"none\" }; };",
     "m:2: relay.routes[0].tls: \"none\" contradicts TLS from the first byte, which to asks for; "
     "another value of tls, or smtp:// or qmtp:// in to\n"},
    {DOMAINS "relay = { routes = { to = \"qmtp://a.example\"; tls = \"require\" }; };",
     "m:2: relay.routes[0].tls: qmtp:// in to is clear text, which has no TLS; "
     "\"opportunistic\", or qmtps:// in to\n"},
    {DOMAINS "relay = { routes = { to = [ \"smtp://a.example\", \"qmtp://a.example\" ];\n "
             "user = \"u\"; password_file = \"/p\" }; };",
     "m:3: relay.routes[0].user: QMTP knows no login; smtp:// or smtps:// in to\n"},
    {DOMAINS "relay = { routes = { to = [ \"qmtp://a.example\", \"qmtps://b.example\" ] }; };", ""},
    {DOMAINS "relay = { routes = { to = \"smtp://a.example\"; tls = \"none\"; user = \"u\"; "
             "password_file = \"/p\"; }; };",
     "m:2: relay.routes[0].tls: warning: the password of user is sent without TLS; \"verify\"\n"},
    {DOMAINS "relay = { routes = ( { to = \"smtp://a.example\" },\n { domain = \"b.example\"; to = "
             "\"smtp://b.example\" } ); };",
     "m:3: relay.routes[1].domain: warning: never taken: relay.routes[0] takes \"*\" before it; "
     "the more special route first\n"},
    {DOMAINS "relay = { routes = ( { sender = \"@s.example\"; to = \"smtp://a.example\" },\n"
             " { domain = \"b.example\"; to = \"smtp://b.example\" } ); };",
     ""},
    {DOMAINS "relay = { routes = ( { domain = \"[192.0.2.1]\"; to = \"smtp://a.example\" } ); };",
     ""},
    {DOMAINS
     "relay = { routes = { domain = \"[IPv6:2001:db8::1]\"; to = \"smtp://a.example\" }; };",
     ""},
    {DOMAINS "relay = { routes = { domain = \"[2001:db8::1]\"; to = \"smtp://a.example\" }; };",
     "m:2: relay.routes[0].domain: \"[2001:db8::1]\" is no domain pattern; \"*\", "
     "\"example.net\", \"*.example.net\" (international names as xn--...) or "
     "\"[IPv6:2001:db8::1]\"\n"},
    {DOMAINS "dns = { servers = \"dns.example\"; };",
     "m:2: dns.servers: \"dns.example\" is no address of a resolver; an address, \"192.0.2.53\" "
     "or \"127.0.0.1@5353\"\n"},
    {DOMAINS "tls = { names = \"a_b c\"; };",
     "m:2: tls[0].names: \"a_b c\" is no host name; for example \"mail.example.net\" "
     "(international names as xn--...)\n"},
    /* bad syntax: nothing is said of what could not be seen */
    {"domains = [ \"example.net\";", "m:1: domains: the [ of this line is not closed; its closing "
                                     "bracket\n"},
    /* several faults of every kind in one run, in the order of the lines */
    {"limts = { };\nuser = 5;\nqueue = { retry = [ ]; };\nhostname = x.y;\n"
     "workers = 300;\n",
     "m: domains: at least one domain is needed; three lines suffice: hostname = "
     "\"mail.example.net\"; domains = [ \"example.net\" ]; tls = ( { certificate = "
     "\"/etc/msa/cert.pem\"; key = \"/etc/msa/key.pem\"; } );\n"
     "m:1: limts: unknown key; the nearest known key is limits\n"
     "m:2: user: a number cannot stand here; text in quotes\n"
     "m:3: queue.retry: there is no time to wait between tries; at least one time, such as "
     "[ \"5m\", \"1h\" ]\n"
     "m:4: hostname: x.y must stand in quotes; \"x.y\"\n"
     "m:5: workers: 300 is too large; 0 to 256\n"},
};

static void each_contradiction_is_told(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct run r;
        run_start(&r, bad[i].text, "host.example.net");
        if (strcmp(r.printed, bad[i].printed) != 0)
            fail_msg("%s\nwant %sgot  %s", bad[i].text, bad[i].printed, r.printed);
        assert_int_equal(r.ok, r.faults.errors == 0);
        run_stop(&r);
    }
}

static void a_machine_without_a_name_must_be_told_one(void **state)
{
    static const char *const names[] = {"", "vm"};
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct run r;
        char want[200];
        run_start(&r, DOMAINS, names[i]);
        snprintf(want, sizeof want,
                 "m: hostname: no name is written, and the machine's own, \"%s\", is not fully "
                 "qualified; hostname = \"mail.example.net\";\n",
                 names[i]);
        assert_string_equal(r.printed, want);
        run_stop(&r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_contradiction_is_told),
        cmocka_unit_test(a_machine_without_a_name_must_be_told_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
