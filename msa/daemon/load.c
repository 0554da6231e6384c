#include "msa/daemon/load.h"
#include "auth/database.h"
#include "auth/fetch.h"
#include "auth/jwks.h"
#include "auth/kerberos.h"
#include "auth/name.h"
#include "auth/review.h"
#include "auth/tls/pem.h"
#include "msa/base/mem.h"
#include "msa/daemon/load_dkim.h"
#include "msa/daemon/load_maps.h"
#include "msa/daemon/load_permissions.h"
#include "msa/daemon/load_smime.h"
#include "msa/daemon/total_memory.h"

#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <limits.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define CONFIG_MAX_BYTES (4u << 20)

int load_file(const char *path, struct buf *out)
{
    char piece[16384];
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return -errno;
    int err = 0;
    if (fstat(fd, &st) < 0)
        err = -errno;
    else if (S_ISDIR(st.st_mode))
        err = -EISDIR;
    while (err == 0) {
        ssize_t n = read(fd, piece, sizeof piece);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            err = n < 0 ? -errno : 0;
            break;
        }
        err = buf_append(out, piece, (size_t)n);
    }
    mem_wipe(piece, sizeof piece);
    close(fd);
    return err;
}

struct reading {
    struct generation *g;
    const struct conf_source *src;
    struct conf_faults *faults;
};

static void read_file(void *arg, const char *key, const struct conf_option *row, const void *value)
{
    struct reading *r = arg;
    const char *path;
    struct buf bytes;
    if (row->type != CONF_PATH || !(row->flags & CONF_FILE))
        return;
    path = *(const char *const *)value;
    /* without the anchor mail still flows, unvalidated; every other file is needed */
    bool optional = strcmp(key, "dns.trust_anchor") == 0;
    if (!*path || (optional && r->g->options.dns.dnssec == DNS_DNSSEC_OFF))
        return;
    buf_init(&bytes, LOAD_FILE_MAX_BYTES, BUF_SECRET);
    int err = load_file(path, &bytes);
    if (err == 0) {
        generation_add_file(r->g, key, path, buf_view(&bytes), (row->flags & CONF_SECRET) != 0);
    } else {
        conf_fault_at(r->faults, r->src, optional, key,
                      optional ? "install the package dns-root-data, or set dns.dnssec = \"off\""
                               : "name a file that the user who starts msad can read",
                      "cannot read %s: %s", path, err_text(err));
    }
    buf_deinit(&bytes);
}

static void check_certificates(struct reading *r)
{
    const struct msa_tls_options *entry = r->g->options.tls.items;
    for (size_t i = 0; i < r->g->options.tls.count; i++, entry++) {
        char key[64];
        struct sv chain, secret;
        struct buf why;
        if (!generation_file_at(r->g, &chain, "tls[%zu].certificate", i) ||
            !generation_file_at(r->g, &secret, "tls[%zu].key", i))
            continue; /* said already */
        buf_init(&why, 1024, 0);
        snprintf(key, sizeof key, "tls[%zu].certificate", i);
        if (tls_pem_check(chain, secret, &why) < 0) {
            conf_fault_at(r->faults, r->src, false, key,
                          "a PEM certificate with its chain, and its key in tls.key", "%.*s",
                          SV_ARG(buf_view(&why)));
        } else if (tls_pem_dates(chain, time(NULL), &why) < 0) {
            conf_fault_at(r->faults, r->src, true, key, "renew it and send SIGHUP", "%.*s",
                          SV_ARG(buf_view(&why)));
        }
        buf_deinit(&why);
    }
}

static void check_clients(struct reading *r)
{
    const struct auth_options *o = &r->g->options.auth;
    struct sv ca, crl = SV_NONE;
    struct buf why;
    buf_init(&why, 1024, 0);
    generation_file(r->g, "auth.client_crl", &crl);
    if (generation_file(r->g, "auth.client_ca", &ca) && tls_pem_check_clients(ca, crl, &why) < 0)
        conf_fault_at(r->faults, r->src, false, "auth.client_ca",
                      "PEM certificates in client_ca, PEM revocation lists in client_crl", "%.*s",
                      SV_ARG(buf_view(&why)));
    buf_deinit(&why);
    for (size_t i = 0; i < o->client_table.count; i++) {
        const char *login = CONF_ITEM(o->client_table, i, struct auth_client_row)->login;
        struct auth_name name;
        char key[64];
        enum auth_name_fault fault = auth_database_name(o, sv_of(login), &name);
        snprintf(key, sizeof key, "auth.client_table[%zu].login", i);
        if (fault != AUTH_NAME_OK)
            conf_fault_at(r->faults, r->src, false, key, "\"alice@example.net\"", "%s",
                          auth_name_fault_text(fault));
    }
}

static void check_url(struct reading *r, const char *key, const char *url)
{
    if (*url && !auth_fetch_url_valid(sv_of(url)))
        conf_fault_at(r->faults, r->src, false, key, "https://..., or http on loopback",
                      "\"%s\" is no URL that may be asked", url);
}

static void check_tokens(struct reading *r)
{
    const struct auth_oauth_options *o = &r->g->options.auth.oauth;
    struct auth_jwks *keys = NULL;
    struct buf why;
    struct sv text;
    buf_init(&why, 1024, 0);
    check_url(r, "auth.oauth.keys_url", o->keys_url);
    check_url(r, "auth.oauth.introspection_url", o->introspection_url);
    if (generation_file(r->g, "auth.oauth.keys", &text) && auth_jwks_new(text, &keys, &why) < 0)
        conf_fault_at(r->faults, r->src, false, "auth.oauth.keys",
                      "the issuer's key set as JSON, or its public keys as PEM", "%.*s",
                      SV_ARG(buf_view(&why)));
    auth_jwks_free(keys);
    buf_deinit(&why);
}

/* A secret is a file's first line; without one another way of asking would be taken. */
static void check_first_line(struct reading *r, const char *key)
{
    struct sv text;
    if (generation_file(r->g, key, &text) && sv_trim(sv_split(&text, '\n')).len == 0)
        conf_fault_at(r->faults, r->src, false, key, "a file with the secret in its first line",
                      "its first line is empty");
}

static void check_routes(struct reading *r)
{
    const struct conf_list *routes = &r->g->options.relay.routes;
    char key[64];
    for (size_t i = 0; i < routes->count; i++) {
        snprintf(key, sizeof key, "relay.routes[%zu].oauth.token_url", i);
        check_url(r, key, CONF_ITEM(*routes, i, struct relay_route_options)->oauth.token_url);
        snprintf(key, sizeof key, "relay.routes[%zu].oauth.client_secret_file", i);
        check_first_line(r, key);
        snprintf(key, sizeof key, "relay.routes[%zu].oauth.refresh_token_file", i);
        check_first_line(r, key);
    }
}

static void check_keytab(struct reading *r)
{
    struct sv keytab;
    if (generation_file(r->g, "auth.keytab", &keytab) && !sv_starts(keytab, SV("\x05\x02")))
        conf_fault_at(r->faults, r->src, false, "auth.keytab",
                      "a file that kadmin's ktadd or ktutil has made", "it is no keytab");
}

/* Users of krb5's own realm come without one, and are then taken for those of our first. */
static void check_kerberos_realm(struct reading *r)
{
    const struct auth_options *o = &r->g->options.auth;
    const char *list = getenv("KRB5_CONFIG");
    char path[PATH_MAX], realm[AUTH_KERBEROS_REALM_MAX];
    struct sv files = sv_of(list != NULL ? list : "/etc/krb5.conf"), first = sv_split(&files, ':');
    struct buf text;
    if (!*o->keytab || o->realms.count == 0)
        return;
    buf_init(&text, CONFIG_MAX_BYTES, 0);
    snprintf(path, sizeof path, "%.*s", SV_ARG(first));
    if (load_file(path, &text) == 0) {
        auth_kerberos_default_realm(buf_view(&text), realm);
        if (*realm && !sv_ieq(sv_of(realm), sv_of(o->realms.items[0])))
            conf_fault_at(r->faults, r->src, true, "auth.keytab",
                          "the realm in which our users are as default_realm and first in "
                          "auth.realms",
                          "tickets of \"alice\" in %s, the default_realm of %s, log in as alice@%s",
                          realm, path, o->realms.items[0]);
    }
    buf_deinit(&text);
}

static void check_database(struct reading *r)
{
    const struct auth_options *o = &r->g->options.auth;
    const char *package = auth_database_missing(o);
    char right[128];
    snprintf(right, sizeof right, "install the package %s", package ? package : "");
    if (package)
        conf_fault_at(r->faults, r->src, false, "auth.database", right,
                      "Cyrus SASL's plugin %s is not installed", auth_options_database(o));
}

static void add_review(void *arg, const char *key, const char *wrong, const char *right)
{
    struct reading *r = arg;
    conf_fault_at(r->faults, r->src, true, key, right, "%s", wrong);
}

/* As the keeper would find the users; for who may read the files. */
static void review(struct reading *r)
{
    const struct auth_options *o = &r->g->options.auth;
    struct auth_foreign_files files = {.ca_path = o->database == AUTH_DATABASE_SQL ? o->sql.ca
                                                                                   : o->ldapdb.ca};
    generation_file_at(r->g, &files.password, "auth.%s.password_file", auth_options_database(o));
    auth_review(o, &files, add_review, r);
}

/* The system's resolvers, for a server that may not open the file itself. */
static void read_resolvers(struct reading *r)
{
    struct buf bytes;
    if (r->g->options.dns.servers.count)
        return;
    buf_init(&bytes, 65536, 0);
    int err = load_file("/etc/resolv.conf", &bytes);
    if (err < 0)
        conf_fault_at(r->faults, r->src, true, "dns.servers", "name the resolvers in dns.servers",
                      "cannot read /etc/resolv.conf: %s; asking 127.0.0.1", err_text(err));
    generation_add_file(r->g, GENERATION_RESOLV_CONF, "/etc/resolv.conf", buf_view(&bytes), false);
    buf_deinit(&bytes);
}

/* The server may not ask the kernel for them. */
static bool is_own_address(const struct ip *ip)
{
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } at = {.any.sa_family = ip->family == IP_V4 ? AF_INET : AF_INET6};
    memcpy(ip->family == IP_V4 ? (void *)&at.v4.sin_addr : (void *)&at.v6.sin6_addr, ip->bytes,
           ip->family == IP_V4 ? 4 : 16);
    int fd = socket(at.any.sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    bool own = fd >= 0 && bind(fd, &at.any, ip->family == IP_V4 ? sizeof at.v4 : sizeof at.v6) == 0;
    if (fd >= 0)
        close(fd);
    return own;
}

static void check_bind(struct reading *r)
{
    const struct conf_list *rows = &r->g->options.relay.bind;
    char key[64];
    for (size_t i = 0; i < rows->count; i++) {
        const char *address = CONF_ITEM(*rows, i, struct relay_bind_options)->address;
        struct ip ip;
        snprintf(key, sizeof key, "relay.bind[%zu].address", i);
        if (ip_parse(sv_of(address), &ip) && !is_own_address(&ip))
            conf_fault_at(r->faults, r->src, true, key, "an address that \"ip address\" shows",
                          "%s is not an address of this machine: no mail can leave from it",
                          address);
    }
}

static void read_own_addresses(struct reading *r)
{
    struct ifaddrs *all = NULL;
    struct buf text;
    buf_init(&text, 65536, 0);
    if (getifaddrs(&all) < 0)
        all = NULL;
    for (struct ifaddrs *i = all; i; i = i->ifa_next) {
        char line[IP_TEXT_MAX];
        struct ip ip = {0};
        if (i->ifa_addr && i->ifa_addr->sa_family == AF_INET) {
            ip.family = IP_V4;
            memcpy(ip.bytes, &((struct sockaddr_in *)i->ifa_addr)->sin_addr, 4);
        } else if (i->ifa_addr && i->ifa_addr->sa_family == AF_INET6) {
            ip.family = IP_V6;
            memcpy(ip.bytes, &((struct sockaddr_in6 *)i->ifa_addr)->sin6_addr, 16);
        }
        if (ip.family && buf_printf(&text, "%s\n", ip_text(&ip, line)) < 0)
            break; /* over a thousand addresses: the first are enough for a guard */
    }
    if (all)
        freeifaddrs(all);
    generation_add_file(r->g, GENERATION_OWN_ADDRESSES, "", buf_view(&text), false);
    buf_deinit(&text);
}

/* The server's sandbox hides this from it. */
static void read_total_memory(struct reading *r)
{
    struct buf text;
    buf_init(&text, 32, 0);
    int cut = buf_printf(&text, "%llu", (unsigned long long)total_memory("/"));
    (void)cut;
    generation_add_file(r->g, GENERATION_TOTAL_MEMORY, "", buf_view(&text), false);
    buf_deinit(&text);
}

/* The system's authorities, for policies and routes that verify. */
static void read_authorities(struct reading *r)
{
    static const char path[] = "/etc/ssl/certs/ca-certificates.crt";
    const struct relay_options *o = &r->g->options.relay;
    const struct relay_route_options *route = o->routes.items;
    struct buf bytes;
    bool wanted = o->tls.mta_sts;
    for (size_t i = 0; i < o->routes.count; i++)
        wanted |= route[i].tls == RELAY_ROUTE_TLS_VERIFY;
    if (!wanted || *o->tls.ca)
        return;
    buf_init(&bytes, LOAD_FILE_MAX_BYTES, 0);
    int err = load_file(path, &bytes);
    if (err < 0)
        conf_fault_at(r->faults, r->src, true, "relay.tls.ca",
                      "install the package ca-certificates",
                      "cannot read %s: %s; no route with tls = \"verify\" can be used, and no "
                      "MTA-STS policy be had",
                      path, err_text(err));
    else
        generation_add_file(r->g, GENERATION_CA_BUNDLE, path, buf_view(&bytes), false);
    buf_deinit(&bytes);
}

static void check_authorities(struct reading *r)
{
    struct sv pem;
    struct buf why;
    buf_init(&why, 1024, 0);
    if (generation_file(r->g, "relay.tls.ca", &pem) &&
        tls_pem_check_clients(pem, SV_NONE, &why) < 0)
        conf_fault_at(r->faults, r->src, false, "relay.tls.ca",
                      "PEM certificates of authorities, one behind the other", "%.*s",
                      SV_ARG(buf_view(&why)));
    buf_deinit(&why);
}

/* What keeper and server could not be told must not be started with. */
static void check_size(struct reading *r)
{
    struct buf record;
    buf_init(&record, GENERATION_RECORD_MAX, BUF_SECRET);
    if (generation_pack(r->g, true, &record) < 0)
        conf_fault_at(r->faults, r->src, false, "", "fewer entries, or smaller files",
                      "too large: with defaults written out the options may have %u MiB, with the "
                      "files that they name %u MiB",
                      GENERATION_OPTIONS_MAX >> 20, GENERATION_RECORD_MAX >> 20);
    buf_deinit(&record);
}

static struct generation *load(const char *path, uint32_t number, bool with_review,
                               struct arena *arena, struct conf_faults *faults)
{
    struct buf text;
    struct generation *g = generation_new(number);
    struct conf_source src = {0};
    conf_faults_init(faults, arena);
    buf_init(&text, CONFIG_MAX_BYTES, 0);
    int err = load_file(path, &text);
    if (err < 0) {
        src.file = arena_str(arena, sv_of(path));
        conf_fault_at(faults, &src, false, "", "name another file with -c", "cannot read it: %s",
                      err_text(err));
    } else if (options_read(path, buf_view(&text), options_fqdn(&g->arena), &g->arena, &g->options,
                            faults, &src)) {
        struct reading r = {.g = g, .src = &src, .faults = faults};
        load_permissions(g, path, &src, faults);
        load_maps(g, &src, faults);
        conf_walk(msa_options_rows, &g->options, read_file, &r);
        check_certificates(&r);
        check_clients(&r);
        check_tokens(&r);
        check_routes(&r);
        check_keytab(&r);
        check_kerberos_realm(&r);
        check_database(&r);
        load_dkim(g, &src, faults, time(NULL));
        load_smime(g, &src, faults, time(NULL));
        read_resolvers(&r);
        read_authorities(&r);
        check_authorities(&r);
        read_own_addresses(&r);
        check_bind(&r);
        read_total_memory(&r);
        check_size(&r);
        if (with_review && !faults->errors)
            review(&r);
    } else if (src.readable) { /* all faults at once: of files, too */
        struct reading r = {.g = g, .src = &src, .faults = faults};
        conf_walk(msa_options_rows, &g->options, read_file, &r);
        check_certificates(&r);
    }
    buf_deinit(&text);
    if (faults->errors) {
        generation_drop(g);
        return NULL;
    }
    return g;
}

struct generation *load_generation(const char *path, uint32_t number, struct arena *arena,
                                   struct conf_faults *faults)
{
    return load(path, number, false, arena, faults);
}

struct generation *load_review(const char *path, struct arena *arena, struct conf_faults *faults)
{
    return load(path, 1, true, arena, faults);
}
