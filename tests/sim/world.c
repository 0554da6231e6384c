/*
 * What the server commits is heard by taking the place of relay_on_recorded() when the program is
 * linked (--wrap): it is called on the main thread after the commit, which is the moment from
 * which on a delivery must not be repeated.
 */
#include "tests/sim/world.h"

#include "msa/base/log.h"
#include "msa/base/mem.h"
#include "msa/base/require.h"
#include "tests/sim/auth/script.h"
#include "tests/sim/vfs.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RECEIVERS_MAX 256
#define START_MS      60000
#define STOP_GRACE_MS 5000
#define STOP_MS       (4 * 3600 * 1000)
#define LIST_PAGE     1000
#define IDLE_MS       (10 * 60 * 1000) /* no connection lives longer without a client */

static struct {
    char *options;
    struct loop *main, *peers;
    struct server *server;
    bool serving, stopped;
    uint32_t generation;
    struct ip_port at;
    int fd;
    struct receiver *receivers[RECEIVERS_MAX];
    struct qmtp_receiver *qmtp[RECEIVERS_MAX];
    unsigned nreceivers, nqmtp, nclients;
    char users[WORLD_USERS][48];
} world;

static const char own_options[] =
    "hostname = \"msa.example\";\n"
    "domains = [ \"" WORLD_AUTHOR_DOMAIN "\" ];\n"
    "state = \"/state\";\n"
    "listen = ( { address = \"192.0.2.1\"; port = 587; tls = \"none\"; } );\n"
    "auth = { require_tls = false; mechanisms = [ \"PLAIN\" ]; };\n"
    "limits = { memory = \"64M\"; connections_per_client = 1000; };\n"
    "dns = { dnssec = \"off\"; };\n";

/* ---- what was committed ---- */

void __real_store_record(struct store *s, struct store_record *r);
void __wrap_store_record(struct store *s, struct store_record *r);
void __real_relay_on_recorded(void *relay, struct store_record *r, int err);
void __wrap_relay_on_recorded(void *relay, struct store_record *r, int err);

static const struct queue_row *row_of(const struct queue_batch *b, uint32_t number)
{
    for (size_t i = 0; i < b->nrows; i++)
        if (b->rows[i].number == number)
            return &b->rows[i];
    return NULL;
}

static enum ledger_verdict verdict_of(const struct store_result *result)
{
    return result->verdict == STORE_DELIVERED ? LEDGER_DELIVERED
           : result->verdict == STORE_FAILED  ? LEDGER_FAILED
                                              : LEDGER_DEFERRED;
}

static void tell_result(const struct store_record *r, const struct store_result *result)
{
    const struct queue_message *m = r->batch->message;
    const struct queue_row *row = row_of(r->batch, result->number);
    REQUIRE(row);
    if (result->verdict != STORE_RELEASED)
        ledger_on_recorded(sv_of(m->id), sv_of(m->reverse_path), sv_of(row->address),
                           verdict_of(result));
}

void __wrap_store_record(struct store *s, struct store_record *r)
{
    const char *report = r->report ? r->report->id : "";
    for (size_t i = 0; i < r->nresults && *r->batch->message->reverse_path; i++)
        ledger_on_handed(sv_of(row_of(r->batch, r->results[i].number)->address),
                         verdict_of(&r->results[i]), sv_of(report));
    __real_store_record(s, r);
}

void __wrap_relay_on_recorded(void *relay, struct store_record *r, int err)
{
    for (size_t i = 0; err == 0 && i < r->nresults; i++)
        tell_result(r, &r->results[i]);
    __real_relay_on_recorded(relay, r, err);
}

/* ---- life of the world ---- */

static void drop_line(void *arg, const char *line, size_t len)
{
    (void)arg, (void)line, (void)len;
}

void world_begin(uint64_t seed, const char *options)
{
    memset(&world, 0, sizeof world);
    sim_start(seed);
    sim_vfs_register();
    sqlite3_vfs_register(sqlite3_vfs_find(SIM_VFS), 1); /* also for the server's own files */
    sqlite3_randomness(0, NULL); /* what it has drawn in another world is forgotten */
    if (!getenv("MSA_SIM_LOG"))
        log_set_sink(drop_line, NULL);
    ledger_start();
    sim_auth_reset();
    sim_dns_reset();
    sim_dns_delay(10);
    sim_auth_realm(WORLD_AUTHOR_DOMAIN);
    for (unsigned i = 0; i < WORLD_USERS; i++) {
        snprintf(world.users[i], sizeof world.users[i], "u%u@" WORLD_AUTHOR_DOMAIN, i);
        sim_auth_user(world.users[i], "secret");
    }
    world.options = mem_str(options);
    bool good = ip_parse(SV("192.0.2.1"), &world.at.ip);
    int err = disk_mkdir("/state");
    REQUIRE(good && err == 0);
    world.at.port = 587;
    world.fd = sim_listen(&world.at);
    world.peers = loop_new();
}

void world_end(void)
{
    sim_stop();
    for (unsigned i = 0; i < world.nreceivers; i++)
        receiver_free(world.receivers[i]);
    for (unsigned i = 0; i < world.nqmtp; i++)
        qmtp_receiver_free(world.qmtp[i]);
    free(world.options);
    ledger_stop();
    sim_dns_reset();
    log_set_sink(NULL, NULL);
}

void world_options(const char *options)
{
    free(world.options);
    world.options = mem_str(options);
}

const char *world_user(unsigned user)
{
    return world.users[user];
}

bool world_is_serving(void)
{
    return world.serving;
}

struct server *world_server(void)
{
    return world.server;
}

/* ---- the server ---- */

static void on_serving(void *arg)
{
    (void)arg;
    world.serving = true;
}

static void on_stopped(void *arg)
{
    (void)arg;
    world.stopped = true;
}

static struct generation *read_options(void)
{
    struct generation *g = generation_new(++world.generation);
    struct conf_faults faults;
    struct buf text, words;
    buf_init(&text, 1 << 20, 0);
    buf_init(&words, 1 << 20, 0);
    const char *level = getenv("MSA_SIM_LOG");
    int err = buf_printf(&text, "%slog = { level = \"%s\"; };\n%s", own_options,
                         level ? level : "error", world.options);
    REQUIRE(err == 0);
    conf_faults_init(&faults, &g->arena);
    if (!options_read("world", buf_view(&text), "msa.example", &g->arena, &g->options, &faults,
                      NULL)) {
        conf_faults_print(&faults, &words);
        fprintf(stderr, "%.*s\n", SV_ARG(buf_view(&words)));
        abort();
    }
    buf_deinit(&words);
    buf_deinit(&text);
    return g;
}

static bool is_serving(void *arg)
{
    (void)arg;
    return world.serving;
}

bool world_start(void)
{
    static const struct server_ops ops = {.on_serving = on_serving, .on_stopped = on_stopped};
    unsigned workers = 1 + sim_below(3);
    struct buf why;
    world.serving = world.stopped = false;
    world.main = loop_new();
    world.server = server_new(world.main, workers, &ops, NULL);
    buf_init(&why, 4096, 0);
    bool good = server_prepare(world.server, read_options(), &why);
    if (!good && !disk_is_off())
        ledger_fault("the server does not start: %.*s", SV_ARG(buf_view(&why)));
    buf_deinit(&why);
    if (!good) {
        server_free(world.server);
        world.server = NULL;
        return false;
    }
    server_commit(world.server, world.generation);
    for (unsigned i = 0; i < workers; i++)
        server_listen(world.server, world.fd, 0, i);
    return sim_run_while_not(is_serving, NULL, START_MS);
}

void world_reload(void)
{
    struct buf why;
    buf_init(&why, 4096, 0);
    if (server_prepare(world.server, read_options(), &why))
        server_commit(world.server, world.generation);
    else
        ledger_fault("reload: %.*s", SV_ARG(buf_view(&why)));
    buf_deinit(&why);
}

static bool is_stopped(void *arg)
{
    (void)arg;
    return world.stopped;
}

void world_stop(void)
{
    server_stop(world.server, STOP_GRACE_MS);
    if (!sim_run_while_not(is_stopped, NULL, STOP_MS)) {
        ledger_fault("the server does not stop");
        return;
    }
    server_free(world.server);
    loop_free(world.main);
    world.server = NULL;
    world.serving = false;
}

void world_crash(enum disk_loss loss)
{
    if (!disk_is_off())
        disk_power_off();
    sim_crash();
    disk_power_on(loss);
    ledger_on_crash();
    world.server = NULL;
    world.serving = false;
    world.nclients = 0;
    world.peers = loop_new();
    for (unsigned i = 0; i < world.nreceivers; i++)
        receiver_revive(world.receivers[i], world.peers);
    for (unsigned i = 0; i < world.nqmtp; i++)
        qmtp_receiver_revive(world.qmtp[i], world.peers);
}

/* ---- peers ---- */

struct receiver *world_receiver(const char *domain, const char *address,
                                const struct receiver_script *script)
{
    struct receiver_script with_address = *script;
    char host[128], mx[136];
    REQUIRE(world.nreceivers < RECEIVERS_MAX);
    snprintf(host, sizeof host, "mx%u.%s", world.nreceivers, domain);
    snprintf(mx, sizeof mx, "%u %s", 10 + world.nreceivers, host);
    sim_dns_add(domain, DNS_MX, mx);
    sim_dns_add(host, DNS_A, address);
    with_address.address = address;
    world.receivers[world.nreceivers] = receiver_new(world.peers, &with_address);
    return world.receivers[world.nreceivers++];
}

struct receiver *world_mx6(const char *domain, const char *ipv6, const char *ipv4,
                           const struct receiver_script *script, struct receiver **ipv4_out)
{
    struct receiver_script one = *script;
    struct receiver *v6;
    char host[128], srv[160], name[136];
    REQUIRE(world.nreceivers + 2 <= RECEIVERS_MAX);
    snprintf(host, sizeof host, "mx6-%u.%s", world.nreceivers, domain);
    snprintf(name, sizeof name, "_mx6._tcp.%s", domain);
    snprintf(srv, sizeof srv, "%u 1 25 %s", world.nreceivers, host);
    sim_dns_add(name, DNS_SRV, srv);
    sim_dns_add(host, DNS_AAAA, ipv6);
    one.address = ipv6;
    v6 = world.receivers[world.nreceivers++] = receiver_new(world.peers, &one);
    if (!ipv4)
        return v6;
    sim_dns_add(host, DNS_A, ipv4);
    one.address = ipv4;
    one.falls_back = 0;
    *ipv4_out = world.receivers[world.nreceivers++] = receiver_new(world.peers, &one);
    return v6;
}

void world_host(struct world_host *h)
{
    char host[128], mx[136];
    REQUIRE(world.nreceivers < RECEIVERS_MAX && world.nqmtp < RECEIVERS_MAX);
    snprintf(host, sizeof host, "h%u-%u.%s", world.nreceivers, world.nqmtp, h->domain);
    snprintf(mx, sizeof mx, "%u %s", h->preference, host);
    sim_dns_add(h->domain, DNS_MX, mx);
    sim_dns_add(host, DNS_A, h->address);
    if (h->qmtp) {
        struct qmtp_script script = *h->qmtp;
        script.address = h->address;
        h->qmtp_receiver = world.qmtp[world.nqmtp++] = qmtp_receiver_new(world.peers, &script);
    }
    if (h->smtp) {
        struct receiver_script script = *h->smtp;
        script.address = h->address;
        script.beside = h->qmtp_receiver;
        h->receiver = world.receivers[world.nreceivers++] = receiver_new(world.peers, &script);
    }
}

void world_set_faults(unsigned faults)
{
    for (unsigned i = 0; i < world.nqmtp; i++) {
        qmtp_receiver_set_faults(world.qmtp[i], faults);
        qmtp_receiver_link(world.qmtp[i], SIM_OK, 0);
    }
    for (unsigned i = 0; i < world.nreceivers; i++) {
        receiver_set_faults(world.receivers[i], faults);
        receiver_link(world.receivers[i], SIM_OK, 0);
    }
}

static void on_client_done(void *arg)
{
    (void)arg;
    world.nclients--;
}

void world_submit(unsigned user, unsigned first, unsigned count, unsigned breaks)
{
    struct submitter_script script = {.to = world.at,
                                      .from = {IP_V4, {198, 51, 100, (uint8_t)(1 + user)}},
                                      .login = world.users[user],
                                      .password = "secret",
                                      .first = first,
                                      .count = count,
                                      .breaks = breaks};
    world.nclients++;
    submitter_start(world.peers, &script, on_client_done, NULL);
}

unsigned world_clients(void)
{
    return world.nclients;
}

/* ---- the queue ---- */

static bool is_drained(void *arg)
{
    struct store_stats stats;
    (void)arg;
    if (world.nclients > 0)
        return false;
    store_get_stats(server_store(world.server), &stats);
    return stats.messages == 0;
}

bool world_drain(uint64_t ms)
{
    return sim_run_while_not(is_drained, NULL, ms);
}

static void check_no_file(void *arg, const char *name)
{
    (void)arg;
    ledger_fault("spool file %s is left", name);
}

void world_check_idle(bool files)
{
    struct server_stats st;
    (void)sim_run_for(IDLE_MS);
    server_get_stats(world.server, &st);
    if (st.sessions || st.connections || st.memory_used_bytes)
        ledger_fault("idle, but %llu sessions, %llu connections, %llu bytes",
                     (unsigned long long)st.sessions, (unsigned long long)st.connections,
                     (unsigned long long)st.memory_used_bytes);
    if (st.store.rows || st.store.claimed_rows || st.store.memory_bytes || !st.store.accepting)
        ledger_fault("idle store: %llu rows, %llu claimed, %llu bytes",
                     (unsigned long long)st.store.rows, (unsigned long long)st.store.claimed_rows,
                     (unsigned long long)st.store.memory_bytes);
    if (st.relay.jobs || st.relay.slots || st.relay.waiting || st.relay.resolving)
        ledger_fault("idle relay: %zu jobs, %zu slots, %zu waiting, %zu look-ups", st.relay.jobs,
                     st.relay.slots, st.relay.waiting, st.relay.resolving);
    int err = files ? disk_list("/state/queue/spool", check_no_file, NULL) : 0;
    REQUIRE(err == 0);
}

struct listing {
    bool done, more;
    char id[QUEUE_ID_LEN + 1];
    uint32_t number;
};

static void on_listed(struct store_admin *a)
{
    struct listing *l = a->arg;
    REQUIRE(a->err == 0);
    for (size_t i = 0; i < a->nlisted; i++)
        ledger_on_queued(sv_of(a->listed[i].id), sv_of(a->listed[i].address));
    memcpy(l->id, a->after_id, sizeof l->id);
    l->number = a->after_number;
    l->more = a->more;
    l->done = true;
    store_admin_free(a);
}

static bool is_listed(void *arg)
{
    return ((struct listing *)arg)->done;
}

static void ignore_queued(void *arg, struct queue_batch *claimed)
{
    (void)arg;
    queue_batch_free(claimed);
}

static void ignore_due(void *arg, const char *destination, int64_t due_ms)
{
    (void)arg, (void)destination, (void)due_ms;
}

void world_list_queue(void)
{
    struct loop *l = loop_new();
    struct mailbox *mailbox = mailbox_new(l);
    struct store *store;
    struct listing listing = {.more = true};
    int err = store_open(&(struct store_config){.dir = "/state/queue",
                                                .memory_bytes = 1 << 20,
                                                .disk_threads = 1,
                                                .loop = l,
                                                .notify = mailbox,
                                                .on_queued = ignore_queued,
                                                .on_due = ignore_due},
                         NULL, &store);
    REQUIRE(err == 0);
    while (listing.more) {
        struct store_admin *a = store_admin_new(STORE_LIST, mailbox, on_listed, &listing);
        memcpy(a->after_id, listing.id, sizeof a->after_id);
        a->after_number = listing.number;
        a->max = LIST_PAGE;
        listing.done = false;
        store_admin(store, a);
        bool good = sim_run_while_not(is_listed, &listing, START_MS);
        REQUIRE(good);
    }
    store_close(store);
    mailbox_close(mailbox);
    loop_free(l);
}
