/*
 * Each function checks one matter and speaks of one key. A key that has an error already is not
 * spoken of again (conf_fault_at()), so that a wrong type does not also count as missing.
 */
#include "msa/server/check.h"

#include "msa/server/check_database.h"
#include "msa/server/rewriting.h"
#include "msa/smtp/path.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct checking {
    const struct msa_options *o;
    const struct conf_source *src;
    struct conf_faults *faults;
};

#define FAULT(c, key, right, ...) \
    conf_fault_at((c)->faults, (c)->src, false, (key), (right), __VA_ARGS__)
#define WARNING(c, key, right, ...) \
    conf_fault_at((c)->faults, (c)->src, true, (key), (right), __VA_ARGS__)

#define KEY_MAX           64   /* bytes of a composed key */
#define SOLICIT_TOTAL_MAX 400u /* RFC 5321 4.5.3.1.5: a reply line has 512 */

static bool is_fqdn(const char *name)
{
    struct sv text = sv_of(name);
    return smtp_domain_valid(text) && sv_find(text, '.') < text.len;
}

static void check_names(struct checking *c)
{
    const struct msa_options *o = c->o;
    if (!is_fqdn(o->hostname))
        FAULT(c, "hostname", "hostname = \"mail.example.net\";",
              "no name is written, and the machine's own, \"%s\", is not fully qualified",
              o->hostname);
    if (o->domains.count == 0)
        FAULT(c, "domains",
              "three lines suffice: hostname = \"mail.example.net\"; domains = [ \"example.net\" "
              "]; tls = ( { certificate = \"/etc/msa/cert.pem\"; key = \"/etc/msa/key.pem\"; } );",
              "at least one domain is needed");
}

static void check_state(struct checking *c)
{
    if (strcmp(c->o->state, "/") == 0)
        FAULT(c, "state", "a folder of its own, such as \"/var/lib/msa\"",
              "the root folder cannot be the state folder");
    else if (strstr(c->o->state, "/../") || sv_iends(sv_of(c->o->state), SV("/..")))
        FAULT(c, "state", "the path without \"..\"", "\"%s\" has \"..\" in it", c->o->state);
    if (strcmp(c->o->user, c->o->auth_user) == 0)
        FAULT(c, "auth_user", "another user, such as \"msa-auth\"",
              "it is the same as user, so that the server could read passwords and keys");
}

/* Whether two entries would bind the same address and port. */
static bool same_listener(const struct msa_listen_options *a, const struct msa_listen_options *b)
{
    struct ip_port x[2], y[2];
    size_t nx = options_listen_addresses(a, x), ny = options_listen_addresses(b, y);
    for (size_t i = 0; i < nx; i++)
        for (size_t j = 0; j < ny; j++) {
            bool any = strcmp(a->address, "*") == 0 || strcmp(b->address, "*") == 0;
            if (x[i].port == y[j].port && x[i].ip.family == y[j].ip.family &&
                (any || ip_eq(&x[i].ip, &y[j].ip)))
                return true;
        }
    return false;
}

static void check_listener(struct checking *c, size_t index)
{
    const struct msa_listen_options *l = CONF_ITEM(c->o->listen, index, struct msa_listen_options);
    char key[KEY_MAX];
    for (size_t i = 0; i < index; i++)
        if (same_listener(CONF_ITEM(c->o->listen, i, struct msa_listen_options), l)) {
            snprintf(key, sizeof key, "listen[%zu]", index);
            FAULT(c, key, "another address or port",
                  "address \"%s\", port %" PRId64 " is taken by listen[%zu]", l->address, l->port,
                  i);
            break;
        }
    snprintf(key, sizeof key, "listen[%zu].tls", index);
    if (l->port == 465 && l->tls != MSA_LISTEN_IMPLICIT)
        WARNING(c, key, "tls = \"implicit\";",
                "clients expect TLS from the first byte on port 465");
    if (l->port == 587 && l->tls == MSA_LISTEN_IMPLICIT)
        WARNING(c, key, "tls = \"starttls\";", "clients expect STARTTLS on port 587");
    if (l->tls == MSA_LISTEN_NO_TLS && c->o->auth.require_tls && l->auth != MSA_LISTEN_AUTH_TRUSTED)
        FAULT(c, key, "tls = \"starttls\"; or auth.require_tls = false",
              "nobody could log in here: auth.require_tls is true");
}

/* A network of everybody is rarely what was meant. */
static void check_everybody(struct checking *c, const char *list, const struct conf_strings *nets,
                            const char *right, const char *effect)
{
    char key[KEY_MAX];
    for (size_t i = 0; i < nets->count; i++) {
        struct ip_net net;
        snprintf(key, sizeof key, "%s[%zu]", list, i);
        if (ip_net_parse(sv_of(nets->items[i]), &net) && net.bits == 0)
            WARNING(c, key, right, "%s", effect);
    }
}

static void check_trust(struct checking *c)
{
    const struct conf_strings *nets = &c->o->auth.trusted_networks;
    bool used = false;
    char key[KEY_MAX];
    for (size_t i = 0; i < c->o->listen.count; i++) {
        if (CONF_ITEM(c->o->listen, i, struct msa_listen_options)->auth != MSA_LISTEN_AUTH_TRUSTED)
            continue;
        used = true;
        snprintf(key, sizeof key, "listen[%zu].auth", i);
        if (nets->count == 0)
            WARNING(c, key, "auth.trusted_networks = [ \"192.0.2.0/24\" ]; or auth = \"required\"",
                    "nobody is trusted: auth.trusted_networks is empty");
    }
    if (nets->count && !used)
        WARNING(c, "auth.trusted_networks", "a listener with auth = \"trusted\"",
                "they count nowhere: every listener has auth = \"required\"");
    check_everybody(c, "auth.trusted_networks", nets, "the networks of your own machines",
                    "anybody may send mail through this server");
    check_everybody(c, "auth.exempt_networks", &c->o->auth.exempt_networks,
                    "the networks of your own machines, or auth.block.failures = 0",
                    "nobody who guesses passwords is blocked");
    check_everybody(c, "auth.refused_networks", &c->o->auth.refused_networks,
                    "the networks that trouble comes from", "nobody can connect");
}

static bool has_mechanism(const struct msa_options *o, const char *name)
{
    for (size_t i = 0; i < o->auth.mechanisms.count; i++)
        if (strcmp(o->auth.mechanisms.items[i], name) == 0)
            return true;
    return false;
}

static void check_clients(struct checking *c)
{
    const struct auth_options *a = &c->o->auth;
    char key[KEY_MAX];
    if (!*a->client_ca && has_mechanism(c->o, "EXTERNAL"))
        FAULT(c, "auth.mechanisms", "auth.client_ca = \"/etc/msa/clients.pem\"; or without it",
              "EXTERNAL needs the authorities of clients' certificates");
    if (*a->client_ca && !has_mechanism(c->o, "EXTERNAL"))
        WARNING(c, "auth.client_ca", "\"EXTERNAL\" in auth.mechanisms",
                "clients are asked for certificates that they cannot log in with");
    if (!*a->client_ca && *a->client_crl)
        WARNING(c, "auth.client_crl", "auth.client_ca beside it",
                "it counts nowhere: auth.client_ca is not set");
    if (!*a->client_ca && a->client_table.count)
        WARNING(c, "auth.client_table", "auth.client_ca beside it",
                "it counts nowhere: auth.client_ca is not set");
    for (size_t i = 0; i < a->client_table.count; i++) {
        const struct auth_client_row *row = CONF_ITEM(a->client_table, i, struct auth_client_row);
        snprintf(key, sizeof key, "auth.client_table[%zu]", i);
        if (!*row->fingerprint == !*row->subject)
            FAULT(c, key, "either of them", "fingerprint and subject are %s",
                  *row->subject ? "both set" : "both missing");
    }
}

static void check_kerberos(struct checking *c)
{
    bool wanted = has_mechanism(c->o, "GSSAPI");
    if (wanted && !*c->o->auth.keytab)
        FAULT(c, "auth.mechanisms", "auth.keytab = \"/etc/msa/smtp.keytab\"; or without it",
              "GSSAPI needs the key of a Kerberos service");
    if (!wanted && *c->o->auth.keytab)
        WARNING(c, "auth.keytab", "\"GSSAPI\" in auth.mechanisms",
                "no client is offered a login by ticket");
}

static void check_tokens(struct checking *c)
{
    const struct auth_oauth_options *o = &c->o->auth.oauth;
    bool wanted = has_mechanism(c->o, "OAUTHBEARER") || has_mechanism(c->o, "XOAUTH2");
    int ways = (*o->keys != 0) + (*o->keys_url != 0) + (*o->introspection_url != 0);
    if (!*o->issuer) {
        if (wanted)
            FAULT(c, "auth.mechanisms",
                  "auth.oauth.issuer, and what belongs to it; or without them",
                  "OAUTHBEARER and XOAUTH2 need an issuer of tokens");
        if (ways || o->audience.count)
            WARNING(c, "auth.oauth", "auth.oauth.issuer beside it",
                    "it counts nowhere: auth.oauth.issuer is not set");
        return;
    }
    if (!wanted)
        WARNING(c, "auth.oauth.issuer", "\"OAUTHBEARER\" in auth.mechanisms",
                "no client is offered a login by token");
    if (o->audience.count == 0)
        FAULT(c, "auth.oauth.audience", "audience = [ \"mail\" ];",
              "is missing: tokens for any other service would be logins here");
    if (ways != 1)
        FAULT(c, "auth.oauth.keys", "one of keys, keys_url and introspection_url",
              ways ? "several ways to check tokens are set" : "there is no way to check tokens");
    if (*o->introspection_url && (!*o->client_id || !*o->client_secret_file))
        WARNING(c, "auth.oauth.introspection_url", "client_id and client_secret_file beside it",
                "most issuers answer nobody whom they do not know");
    if (*o->introspection_url && !*o->scope)
        WARNING(
            c, "auth.oauth.introspection_url", "scope = \"mail.send\"; beside it",
            "where an answer has no aud, a token for any other service of the issuer is a login "
            "here");
}

static void check_auth(struct checking *c)
{
    const struct conf_strings *m = &c->o->auth.mechanisms;
    char key[KEY_MAX];
    for (size_t i = 1; i < m->count; i++)
        for (size_t j = 0; j < i; j++)
            if (strcmp(m->items[i], m->items[j]) == 0) {
                snprintf(key, sizeof key, "auth.mechanisms[%zu]", i);
                FAULT(c, key, "name it once", "%s is named twice", m->items[i]);
                break;
            }
    for (size_t i = 0; i < m->count; i++)
        if (strcmp(m->items[i], "CRAM-MD5") == 0 && !c->o->auth.store_cleartext &&
            c->o->auth.database == AUTH_DATABASE_SASLDB) {
            snprintf(key, sizeof key, "auth.mechanisms[%zu]", i);
            FAULT(c, key, "auth.store_cleartext = true, or without this mechanism",
                  "CRAM-MD5 cannot be checked: passwords are not kept");
        }
    if (c->o->auth.store_cleartext && c->o->auth.database == AUTH_DATABASE_SASLDB)
        WARNING(c, "auth.store_cleartext", "false, and SCRAM in place of CRAM-MD5",
                "whoever gets the user database, or a backup of it, has every password");
    if (!c->o->auth.require_tls)
        WARNING(c, "auth.require_tls", "true, but for tests and loopback",
                "passwords may cross the network unprotected");
}

static void check_limits(struct checking *c)
{
    const struct msa_limits_options *l = &c->o->limits;
    if (l->header_size_bytes > l->message_size_bytes)
        FAULT(c, "limits.header_size", "a size up to limits.message_size",
              "larger than limits.message_size");
    if (l->connections_per_client > l->connections &&
        conf_source_find(c->src, "limits.connections_per_client"))
        WARNING(c, "limits.connections_per_client", "a number below limits.connections",
                "it never counts, as limits.connections is smaller");
    if (l->memory > 0 && l->memory < l->header_size_bytes * 4)
        FAULT(c, "limits.memory", "at least four times limits.header_size",
              "too small to hold the headers of a few sessions");
}

static void check_queue(struct checking *c)
{
    const struct queue_options *q = &c->o->queue;
    if (q->retry.count == 0)
        FAULT(c, "queue.retry", "at least one time, such as [ \"5m\", \"1h\" ]",
              "there is no time to wait between tries");
    /* only what was written: a short lifetime beside long defaults is no mistake */
    bool written = conf_source_find(c->src, "queue.retry") != NULL;
    for (size_t i = 0; written && i < q->retry.count; i++)
        if (q->retry.items[i] >= q->lifetime_s) {
            char key[KEY_MAX];
            snprintf(key, sizeof key, "queue.retry[%zu]", i);
            WARNING(c, key, "times below queue.lifetime",
                    "as long as queue.lifetime: no further try would follow");
            break;
        }
    if (q->delay_warning_s >= q->lifetime_s && conf_source_find(c->src, "queue.delay_warning"))
        WARNING(c, "queue.delay_warning", "a time below queue.lifetime, if reports are wanted",
                "not below queue.lifetime: there will be no delay reports");
}

static void check_route_oauth(struct checking *c, const struct relay_route_options *r, size_t index)
{
    const struct relay_oauth_options *o = &r->oauth;
    char key[KEY_MAX];
    snprintf(key, sizeof key, "relay.routes[%zu].oauth.token_url", index);
    if (!o->token_url[0]) {
        if (o->client_id[0] || o->client_secret_file[0] || o->refresh_token_file[0] ||
            o->scope[0] || o->ca[0])
            FAULT(c, key, "token_url = \"https://login.example.net/token\";",
                  "is missing, but other keys of oauth are set");
        return;
    }
    if (!r->user[0])
        FAULT(c, key, "user = \"...\"; beside oauth", "is set without user");
    if (r->tls == RELAY_ROUTE_TLS_NONE)
        FAULT(c, key, "another value of tls",
              "tokens are shown under TLS only, but tls is \"none\"");
    snprintf(key, sizeof key, "relay.routes[%zu].oauth.client_id", index);
    if (!o->client_id[0])
        FAULT(c, key, "client_id = \"msad\";", "is missing, but token_url is set");
    snprintf(key, sizeof key, "relay.routes[%zu].oauth.refresh_token_file", index);
    if (!o->refresh_token_file[0] && !o->client_secret_file[0])
        FAULT(c, key, "refresh_token_file = \"/etc/msa/smarthost.refresh\";, or client_secret_file",
              "is missing, and so is client_secret_file: there is nothing to get a token by");
}

static void check_route(struct checking *c, size_t index)
{
    const struct relay_route_options *r =
        CONF_ITEM(c->o->relay.routes, index, struct relay_route_options);
    char key[KEY_MAX];
    bool is_tls = false, is_clear = false, is_qmtp = false;
    struct relay_url url;
    const char *wrong;
    for (size_t i = 0; i < r->to.count; i++) {
        if (!relay_options_url(sv_of(r->to.items[i]), &url, &wrong))
            continue;
        is_tls |= relay_url_is_tls(&url);
        is_qmtp |= relay_url_is_qmtp(&url);
        is_clear |= relay_url_is_qmtp(&url) && !relay_url_is_tls(&url);
    }
    snprintf(key, sizeof key, "relay.routes[%zu].to", index);
    if (r->to.count == 0 && !r->socks[0])
        FAULT(c, key, "to = [ \"smtp://smarthost.example.net:587\" ];", "no next hop is named");
    snprintf(key, sizeof key, "relay.routes[%zu].password_file", index);
    if (r->user[0] && !r->password_file[0] && !r->oauth.token_url[0])
        FAULT(c, key, "password_file = \"/etc/msa/smarthost.password\";",
              "is missing, but user is set");
    if (r->password_file[0] && r->oauth.token_url[0])
        FAULT(c, key, "password_file, or oauth", "counts nowhere beside oauth");
    if (!r->user[0] && r->password_file[0])
        FAULT(c, key, "user = \"...\"; beside it", "is set without user");
    snprintf(key, sizeof key, "relay.routes[%zu].user", index);
    if (r->user[0] && is_qmtp)
        FAULT(c, key, "smtp:// or smtps:// in to", "QMTP knows no login");
    snprintf(key, sizeof key, "relay.routes[%zu].tls", index);
    if (is_tls && r->tls == RELAY_ROUTE_TLS_NONE)
        FAULT(c, key, "another value of tls, or smtp:// or qmtp:// in to",
              "\"none\" contradicts TLS from the first byte, which to asks for");
    if (is_clear && !r->user[0] && r->tls >= RELAY_ROUTE_TLS_REQUIRE)
        FAULT(c, key, "\"opportunistic\", or qmtps:// in to",
              "qmtp:// in to is clear text, which has no TLS");
    if (r->user[0] && r->tls == RELAY_ROUTE_TLS_NONE && !r->oauth.token_url[0])
        WARNING(c, key, "\"verify\"", "the password of user is sent without TLS");
    check_route_oauth(c, r, index);
}

static bool takes(const char *before, const char *pattern)
{
    return strcmp(before, "*") == 0 || strcmp(before, pattern) == 0;
}

static void check_routes(struct checking *c)
{
    const struct conf_list *routes = &c->o->relay.routes;
    char key[KEY_MAX];
    for (size_t i = 0; i < routes->count; i++) {
        const struct relay_route_options *r = CONF_ITEM(*routes, i, struct relay_route_options);
        check_route(c, i);
        for (size_t j = 0; j < i; j++) {
            const struct relay_route_options *before =
                CONF_ITEM(*routes, j, struct relay_route_options);
            if (!takes(before->domain, r->domain) || !takes(before->sender, r->sender) ||
                !takes(before->login, r->login))
                continue;
            snprintf(key, sizeof key, "relay.routes[%zu].domain", i);
            WARNING(c, key, "the more special route first",
                    "never taken: relay.routes[%zu] takes \"%s\" before it", j, before->domain);
            break;
        }
    }
}

static void check_bind(struct checking *c)
{
    if (c->o->relay.bind.count > RELAY_BIND_MAX)
        FAULT(c, "relay.bind", "fewer of them", "more than %d addresses", RELAY_BIND_MAX);
}

static void check_permissions(struct checking *c)
{
    struct permissions_seen *seen = NULL;
    permissions_check(&seen, &c->o->permissions, &c->o->auth.realms, false, c->src, c->faults);
    permissions_seen_free(seen);
}

/* The EHLO line with all of them must be one. */
static void check_extensions(struct checking *c)
{
    const struct conf_strings *words = &c->o->extensions.no_soliciting;
    size_t len = 0;
    for (size_t i = 0; i < words->count; i++)
        len += strlen(words->items[i]) + 1;
    if (len > SOLICIT_TOTAL_MAX)
        FAULT(c, "extensions.no_soliciting", "fewer or shorter keywords",
              "together they have %zu octets, and %u fit into the reply to EHLO", len,
              SOLICIT_TOTAL_MAX);
}

static void check_policy(struct checking *c)
{
    const struct policy_options *p = &c->o->policy;
    char key[KEY_MAX];
    if (p->milters.count > POLICY_MILTERS_MAX)
        FAULT(c, "policy.milters", "fewer of them", "more than %d milters", POLICY_MILTERS_MAX);
    for (size_t i = 1; i < p->milters.count; i++)
        for (size_t j = 0; j < i; j++) {
            if (strcmp(CONF_ITEM(p->milters, i, struct policy_milter_options)->socket,
                       CONF_ITEM(p->milters, j, struct policy_milter_options)->socket) != 0)
                continue;
            snprintf(key, sizeof key, "policy.milters[%zu].socket", i);
            WARNING(c, key, "name it once", "the same as policy.milters[%zu].socket", j);
            break;
        }
    if (*p->service && policy_options_stages(p) == 0)
        WARNING(c, "policy.service_stages", "[ \"RCPT\" ]", "the policy service is never asked");
}

void check_options(const struct msa_options *o, const struct conf_source *src,
                   struct conf_faults *faults)
{
    struct checking c = {.o = o, .src = src, .faults = faults};
    check_names(&c);
    check_state(&c);
    for (size_t i = 0; i < o->listen.count; i++)
        check_listener(&c, i);
    check_trust(&c);
    check_auth(&c);
    check_database(&o->auth, src, faults);
    check_clients(&c);
    check_tokens(&c);
    check_kerberos(&c);
    check_limits(&c);
    check_policy(&c);
    check_queue(&c);
    check_routes(&c);
    check_bind(&c);
    check_permissions(&c);
    rewriting_check(o, src, faults);
    check_extensions(&c);
    check_dkim(o, src, faults);
}
