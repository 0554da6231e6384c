#include "msa/server/service.h"
#include "msa/base/mem.h"
#include "msa/loop/clock.h"
#include "msa/server/dkim.h"
#include "msa/server/smime.h"
#include "msa/server/rewriting.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BAD_COMMANDS  25  /* before 421 */
#define IDLE_COMMANDS 250 /* NOOP and its like between two messages */
#define SMTP_PORT     25
#define TLS_SESSIONS  1024

struct service *service_keep(struct service *s)
{
    atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
    return s;
}

void service_drop(struct service *s)
{
    if (!s || atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) != 1)
        return;
    tls_ctx_drop(s->tls);
    relay_settings_drop(s->relay);
    rights_free(s->rights);
    rewrite_smime_drop(s->smime);
    rewrite_rules_free(s->rules);
    arena_deinit(&s->arena);
    generation_drop(s->generation);
    free(s->setups);
    free(s->trusting);
    free(s);
}

static bool make_tls(struct service *s, struct buf *why)
{
    const struct generation *g = s->generation;
    const struct msa_tls_options *entries = g->options.tls.items;
    size_t count = g->options.tls.count;
    if (count == 0)
        return true;
    struct tls_ctx_cert *certs = arena_alloc(&s->arena, count * sizeof *certs);
    for (size_t i = 0; i < count; i++) {
        struct sv *names = arena_alloc(&s->arena, entries[i].names.count * sizeof *names);
        for (size_t k = 0; k < entries[i].names.count; k++)
            names[k] = sv_of(entries[i].names.items[k]);
        certs[i] = (struct tls_ctx_cert){.names = names, .name_count = entries[i].names.count};
        if (!generation_file_at(g, &certs[i].chain_pem, "tls[%zu].certificate", i)) {
            int cut = buf_printf(why, "tls[%zu].certificate: the file did not come along", i);
            (void)cut;
            return false;
        }
    }
    struct tls_ctx_server_options o = {.certs = certs,
                                       .cert_count = count,
                                       .minimum = g->options.tls_minimum == MSA_TLS_MINIMUM_1_3
                                                      ? AUTH_TLS_MINIMUM_1_3
                                                      : AUTH_TLS_MINIMUM_1_2};
    _Static_assert(GENERATION_TICKET_KEY_BYTES == AUTH_TLS_TICKET_KEY_BYTES, "one size of keys");
    generation_file(g, "auth.client_ca", &o.client_ca_pem);
    generation_file(g, "auth.client_crl", &o.client_crl_pem);
    memcpy(o.tickets.current, g->ticket_keys[0], sizeof o.tickets.current);
    memcpy(o.tickets.previous, g->ticket_keys[1], sizeof o.tickets.previous);
    return tls_ctx_server_new(&o, &s->tls, why) == 0;
}

static uint32_t ms_of(int64_t seconds)
{
    return seconds > UINT32_MAX / 1000 ? UINT32_MAX : (uint32_t)(seconds * 1000);
}

static struct sv join(struct arena *a, const struct conf_strings *words, char separator)
{
    size_t len = 0, at = 0;
    for (size_t i = 0; i < words->count; i++)
        len += strlen(words->items[i]) + 1;
    char *text = arena_alloc(a, len + 1);
    for (size_t i = 0; i < words->count; i++) {
        if (i)
            text[at++] = separator;
        memcpy(text + at, words->items[i], strlen(words->items[i]));
        at += strlen(words->items[i]);
    }
    return (struct sv){text, at};
}

static struct smtp_ext_config make_extensions(struct service *s)
{
    const struct msa_options *o = &s->generation->options;
    return (struct smtp_ext_config){
        .off = options_extensions_off(&o->extensions),
        .hold_max_s = o->extensions.hold_max_s,
        .priority_max = (int)o->extensions.priority_max,
        .no_soliciting = join(&s->arena, &o->extensions.no_soliciting, ','),
        .messages = (uint32_t)o->limits.messages_per_session,
        .recipients = (uint32_t)o->limits.recipients,
    };
}

static struct service_nets make_nets(struct service *s, const struct conf_strings *texts)
{
    struct service_nets nets = {arena_alloc(&s->arena, texts->count * sizeof *nets.items), 0};
    for (size_t i = 0; i < texts->count; i++)
        nets.count += ip_net_parse(sv_of(texts->items[i]), &nets.items[nets.count]);
    return nets;
}

static bool has(const struct service_nets *nets, const struct ip *ip)
{
    for (size_t i = 0; i < nets->count; i++)
        if (ip_net_has(&nets->items[i], ip))
            return true;
    return false;
}

bool service_is_proxy(const struct service *s, uint32_t listen, const struct ip *peer)
{
    return has(&s->listeners[listen].proxy_from, peer);
}

bool service_trusts(const struct service *s, uint32_t listen, const struct ip *client)
{
    return s->listeners[listen].trusts && has(&s->trusted, client);
}

bool service_refuses(const struct service *s, const struct ip *client)
{
    return has(&s->refused, client);
}

static void make_listeners(struct service *s)
{
    const struct msa_options *o = &s->generation->options;
    const struct msa_listen_options *l = o->listen.items;
    s->trusted = make_nets(s, &o->auth.trusted_networks);
    s->refused = make_nets(s, &o->auth.refused_networks);
    s->listeners = arena_alloc(&s->arena, o->listen.count * sizeof *s->listeners);
    for (size_t i = 0; i < o->listen.count; i++)
        s->listeners[i] = (struct service_listener){
            .proxy_from = make_nets(s, &l[i].proxy_from),
            .trusts = l[i].auth == MSA_LISTEN_AUTH_TRUSTED,
        };
}

/* What may be offered where: what binds to the channel of TLS only there, EXTERNAL only to a client
 * with a certificate. */
static struct sv offer(struct service *s, bool tls, bool certified)
{
    const struct auth_options *o = &s->generation->options.auth;
    struct conf_strings kept = {arena_alloc(&s->arena, o->mechanisms.count * sizeof(char *)), 0};
    for (size_t i = 0; i < o->mechanisms.count && (tls || !o->require_tls); i++) {
        struct sv name = sv_of(o->mechanisms.items[i]);
        if ((tls || !sv_iends(name, SV("-PLUS"))) && (certified || !sv_eq(name, SV("EXTERNAL"))))
            kept.items[kept.count++] = o->mechanisms.items[i];
    }
    return join(&s->arena, &kept, ' ');
}

static void make_setups(struct service *s)
{
    const struct msa_options *o = &s->generation->options;
    const struct msa_listen_options *l = o->listen.items;
    struct sv clear = offer(s, false, false), tls = offer(s, true, false);
    struct sv certified = offer(s, true, true);
    struct smtp_ext_config ext = make_extensions(s);

    s->limits = (struct smtp_server_limits){
        .message_size = (uint64_t)o->limits.message_size_bytes,
        .recipients = (uint32_t)o->limits.recipients,
        .messages_per_session = (uint32_t)o->limits.messages_per_session,
        .auth_failures = (uint32_t)o->auth.max_failures,
        .bad_commands = BAD_COMMANDS,
        .idle_commands = IDLE_COMMANDS,
        .command_timeout_ms = ms_of(o->limits.command_timeout_s),
        .data_timeout_ms = ms_of(o->limits.data_timeout_s),
    };
    s->setups = mem_new(o->listen.count, sizeof *s->setups);
    s->trusting = mem_new(o->listen.count, sizeof *s->trusting);
    for (size_t i = 0; i < o->listen.count; i++) {
        s->setups[i] = (struct smtp_server_setup){
            .hostname = sv_of(o->hostname),
            .postmaster = sv_of(o->postmaster),
            .mechanisms_tls = tls,
            .mechanisms_cert = certified,
            .mechanisms_clear = clear,
            .tls_from_start = l[i].tls == MSA_LISTEN_IMPLICIT,
            .starttls = l[i].tls == MSA_LISTEN_STARTTLS && s->tls &&
                        !(ext.off & SMTP_EXT_BIT(SMTP_EXT_STARTTLS)),
            .auth_required = true,
            .open_postmaster = o->auth.open_postmaster && l[i].auth == MSA_LISTEN_AUTH_REQUIRED,
            .reject_bare_newlines = l[i].bare_newlines == MSA_BARE_NEWLINES_REJECT,
            .strict_syntax = o->limits.strict_syntax,
            .complete_domains = o->rewrite.complete_domains,
            .ext = ext,
            .limits = &s->limits,
        };
        if (l[i].port == SMTP_PORT) /* RFC 4865 3: for submission alone */
            s->setups[i].ext.off |= SMTP_EXT_BIT(SMTP_EXT_FUTURERELEASE);
        s->trusting[i] = s->setups[i];
        s->trusting[i].auth_required = false;
    }
    s->operated = s->setups[0];
    s->operated.auth_required = s->operated.tls_from_start = s->operated.starttls = false;
    s->operated.open_postmaster = false;
    s->operated.mechanisms_tls = s->operated.mechanisms_cert = s->operated.mechanisms_clear =
        SV_NONE;
    s->operated.ext.off &= ~(SMTP_EXT_BIT(SMTP_EXT_XRETURN) | SMTP_EXT_BIT(SMTP_EXT_CHUNKING));
}

/* What percentages are of. The sandbox hides the cgroup's limit, so the master has looked. */
static int64_t total_memory(const struct generation *g)
{
    struct sv text;
    uint64_t bytes;
    if (generation_file(g, GENERATION_TOTAL_MEMORY, &text) && sv_u64(text, INT64_MAX, &bytes))
        return (int64_t)bytes;
    return (int64_t)sysconf(_SC_PHYS_PAGES) * sysconf(_SC_PAGESIZE);
}

/* What relay settings point to; jobs keep it longer than the service lives. */
struct relay_owner {
    struct generation *generation;
    struct tls_ctx *tls;
    struct rewrite_dkim_keys *dkim;
};

static void release_relay_owner(void *owner)
{
    struct relay_owner *o = owner;
    tls_ctx_drop(o->tls);
    rewrite_dkim_keys_drop(o->dkim);
    generation_drop(o->generation);
    free(o);
}

/* Addresses of this machine, for listeners on all addresses. */
static size_t own_addresses(struct generation *g, const struct ip **out)
{
    struct sv text = SV_NONE;
    size_t n = 0, lines = 1;
    generation_file(g, GENERATION_OWN_ADDRESSES, &text);
    for (size_t i = 0; i < text.len; i++)
        lines += text.ptr[i] == '\n';
    struct ip *list = arena_alloc(&g->arena, lines * sizeof *list);
    while (text.len)
        n += ip_parse(sv_split(&text, '\n'), &list[n]);
    *out = list;
    return n;
}

static bool make_relay(struct service *s, struct buf *why)
{
    struct generation *g = s->generation;
    const struct msa_options *o = &g->options;
    const struct msa_listen_options *l = o->listen.items;
    struct tls_ctx_client_options client = {.session_count = TLS_SESSIONS};
    struct relay_settings values = {
        .generation = g->number,
        .hostname = o->hostname,
        .postmaster = o->postmaster,
        .relay = &o->relay,
        .queue = &o->queue,
        .dns_timeout_ms = (uint64_t)o->dns.timeout_s * 1000,
        /* these two belong to the routes */
        .exts_off = options_extensions_off(&o->extensions) &
                    ~(SMTP_EXT_BIT(SMTP_EXT_STARTTLS) | SMTP_EXT_BIT(SMTP_EXT_AUTH)),
        .release = release_relay_owner,
    };
    struct sv ca;
    if (generation_file(g, "relay.tls.ca", &ca) || generation_file(g, GENERATION_CA_BUNDLE, &ca))
        client.ca_pem = ca;
    if (tls_ctx_client_new(&client, &values.tls, why) < 0)
        return false;
    /* these live in the generation's arena, which the settings keep */
    struct ip_port *own = arena_alloc(&g->arena, 2 * o->listen.count * sizeof *own);
    for (size_t i = 0; i < o->listen.count; i++)
        values.nlisteners += options_listen_addresses(&l[i], own + values.nlisteners);
    values.listeners = own;
    values.nown_ips = own_addresses(g, &values.own_ips);
    values.header_size = (size_t)o->limits.header_size_bytes;
    values.dkim = dkim_keys(g, why);
    struct relay_owner *owner = NEW(struct relay_owner);
    *owner = (struct relay_owner){generation_keep(g), values.tls, values.dkim};
    values.owner = owner;
    s->relay = relay_settings_new(&values);
    return true;
}

struct service *service_new(struct generation *g, struct buf *why)
{
    struct service *s = NEW(struct service);
    atomic_init(&s->refs, 1);
    arena_init(&s->arena);
    s->generation = g;
    if (!make_tls(s, why) || !make_relay(s, why)) {
        service_drop(s);
        return NULL;
    }
    make_listeners(s);
    make_setups(s);
    s->rights = rights_new(g, &s->arena);
    s->smime = smime_set(g, clock_wall_s(), NULL, NULL);
    s->rules = rewriting_rules(g, &s->arena);
    s->memory_bytes = options_memory_bytes(&g->options.limits, total_memory(g));
    return s;
}
