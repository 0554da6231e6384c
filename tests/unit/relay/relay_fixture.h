/*
 * relay_fixture.h - a relay with a real store on a temporary folder and one static route for all.
 *
 * Main thread and worker share one loop. The receiver is the test's own; it counts messages in an
 * atomic of which the fixture is told.
 */
#ifndef TESTS_UNIT_RELAY_RELAY_FIXTURE_H
#define TESTS_UNIT_RELAY_RELAY_FIXTURE_H

#include "auth/client/client.h"
#include "auth/tls/ctx.h"
#include "msa/base/mem.h"
#include "msa/loop/clock.h"
#include "relay/relay.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#define UNUSED __attribute__((unused))

static struct {
    struct loop *loop;
    struct mailbox *mailbox;
    struct store *store;
    struct pool *disk;
    struct relay *relay;
    struct relay_worker *worker;
    struct relay_settings *settings;
    struct tls_ctx *tls;
    atomic_uint *messages;    /* that the receiver took */
    struct auth_client *auth; /* NULL: no keeper */
    struct timer poll;
    uint64_t rows_wanted, until_ms;
    unsigned messages_wanted, puts;
    char dir[64];
} t;

/* Behind the paths of what put_message() puts. */
static const char *mail_params = "", *rcpt_params = "";
static const char *second_rcpt_params; /* of the second and further recipients; NULL: the same */

static int64_t retry_items[] = {3600};
static struct queue_options queue = {
    .lifetime_s = 86400, .retry = {.items = retry_items, .count = 1}, .bounce_body_bytes = 10000};
static struct relay_options options = {.per_site = 2, .capture = "", .ipv6 = true};

static void on_queued(void *arg, struct queue_batch *b)
{
    (void)arg;
    relay_on_queued(t.relay, b);
}

static void on_due(void *arg, const char *destination, int64_t due_ms)
{
    (void)arg;
    relay_on_due(t.relay, destination, due_ms);
}

static void on_wish(void *arg, const struct store_wish *wish)
{
    (void)arg;
    relay_on_wish(t.relay, wish);
}

/* Until the queue holds so many rows, none of them in hand, and the receiver has so many. */
static void on_poll(void *arg)
{
    struct store_stats st;
    struct sched_stats sched;
    (void)arg;
    store_get_stats(t.store, &st);
    relay_get_stats(t.relay, &sched);
    bool there = t.puts == 0 && st.rows == t.rows_wanted && st.claimed_rows == 0 &&
                 sched.jobs == 0 && atomic_load(t.messages) >= t.messages_wanted;
    if (there || loop_now_ms(t.loop) > t.until_ms)
        loop_stop(t.loop);
    else
        timer_start(&t.poll, 10);
}

UNUSED static void run_until(uint64_t rows, unsigned messages)
{
    t.rows_wanted = rows;
    t.messages_wanted = messages;
    t.until_ms = loop_now_ms(t.loop) + 10000;
    timer_start(&t.poll, 50);
    loop_run(t.loop);
    struct store_stats st;
    store_get_stats(t.store, &st);
    assert_int_equal(st.rows, rows);
    assert_int_equal(atomic_load(t.messages), messages);
}

static void on_put(struct store_put *p, int err)
{
    assert_int_equal(err, 0);
    t.puts--;
    free(p);
}

UNUSED static void put_message(struct queue_message *m, const char *from, const char *const *to,
                               size_t n)
{
    m->received_ms = clock_wall_ms();
    m->reverse_path = arena_str(&m->arena, sv_of(from));
    m->mail_params = arena_printf(&m->arena, "<%s>%s", from, mail_params);
    struct queue_batch *b = queue_batch_new(m, n);
    for (size_t i = 0; i < n; i++) {
        b->rows[i].address = arena_str(&b->arena, sv_of(to[i]));
        b->rows[i].domain = arena_str(&b->arena, sv_of(strchr(to[i], '@') + 1));
        b->rows[i].rcpt_params = arena_printf(
            &b->arena, "<%s>%s", to[i], i && second_rcpt_params ? second_rcpt_params : rcpt_params);
        b->rows[i].due_ms = m->received_ms;
    }
    struct store_put *p = NEW(struct store_put);
    p->reply = t.mailbox;
    p->message = m;
    p->rows = b;
    p->done = on_put;
    t.puts++;
    store_put(t.store, p);
}

UNUSED static void submit(const char *from, const char *const *to, size_t n, const char *content)
{
    struct queue_message *m = queue_message_new();
    queue_id_make(m->id, clock_wall_ms(), random_u64());
    m->size = strlen(content);
    m->content = block_new(sv_of(content));
    put_message(m, from, to, n);
}

struct relay_setup {
    const char *url;       /* of the only route */
    const char *other_url; /* its second target, or NULL */
    uint32_t exts_off;
    int tls; /* enum relay_route_tls */
    const char *user;
    struct sv ca_pem;
    atomic_uint *messages;
};

/* t.loop, and t.auth where there is a keeper, may have been made before. */
static void open_relay(const struct relay_setup *setup)
{
    static struct relay_route_options route;
    static const char *to[2];
    struct buf why;
    strcpy(t.dir, "/tmp/test_relay.XXXXXX");
    assert_non_null(mkdtemp(t.dir));
    buf_init(&why, 4096, 0);
    t.messages = setup->messages;
    to[0] = setup->url;
    to[1] = setup->other_url;
    route = (struct relay_route_options){.domain = "*",
                                         .sender = "*",
                                         .login = "*",
                                         .to = {.items = to, .count = to[1] ? 2 : 1},
                                         .tls = setup->tls,
                                         .user = setup->user ? setup->user : "",
                                         .socks = "",
                                         .password_file = ""};
    options.routes = (struct conf_list){.items = &route, .count = 1};
    if (!t.loop)
        t.loop = loop_new();
    t.mailbox = mailbox_new(t.loop);
    t.disk = pool_start("disk", 1);
    struct store_config store = {.dir = t.dir,
                                 .memory_bytes = 1 << 20,
                                 .disk_threads = 1,
                                 .notify = t.mailbox,
                                 .on_queued = on_queued,
                                 .on_due = on_due,
                                 .on_wish = on_wish,
                                 .loop = t.loop};
    assert_int_equal(store_open(&store, &why, &t.store), 0);
    assert_int_equal(
        tls_ctx_client_new(&(struct tls_ctx_client_options){.ca_pem = setup->ca_pem}, &t.tls, &why),
        0);
    t.settings = relay_settings_new(&(struct relay_settings){.hostname = "our.test",
                                                             .postmaster = "postmaster@our.test",
                                                             .relay = &options,
                                                             .queue = &queue,
                                                             .dns_timeout_ms = 1000,
                                                             .exts_off = setup->exts_off,
                                                             .tls = t.tls});
    t.relay = relay_new(&(struct relay_config){
        .loop = t.loop, .mailbox = t.mailbox, .store = t.store, .settings = t.settings});
    t.worker =
        relay_worker_new(&(struct relay_worker_config){.loop = t.loop,
                                                       .mailbox = t.mailbox,
                                                       .main = t.mailbox,
                                                       .store = t.store,
                                                       .disk = t.disk,
                                                       .forms = relay_forms_of(t.relay),
                                                       .auth = t.auth,
                                                       .on_recorded = relay_on_recorded,
                                                       .on_slot_closed = relay_on_slot_closed,
                                                       .arg = t.relay});
    relay_set_workers(t.relay, &t.worker, 1);
    relay_start(t.relay);
    timer_init(&t.poll, t.loop, on_poll, NULL);
    buf_deinit(&why);
}

static void on_stopped(void *arg)
{
    loop_stop(arg);
}

/* After relay_stop(). The loop is the caller's to end: free_loop(). */
static void close_stopped_relay(void)
{
    char command[96];
    relay_worker_close(t.worker, on_stopped, t.loop);
    loop_run(t.loop);
    store_close(t.store);
    pool_stop(t.disk);
    mailbox_close(t.mailbox);
    relay_free(t.relay);
    relay_settings_drop(t.settings);
    tls_ctx_drop(t.tls);
    snprintf(command, sizeof command, "rm -r %s", t.dir);
    assert_int_equal(system(command), 0);
}

static void stop_relay(void)
{
    relay_stop(t.relay, on_stopped, t.loop);
    loop_run(t.loop);
}

static void free_loop(void)
{
    loop_stop(t.loop);
    loop_run(t.loop);
    loop_free(t.loop);
    t.loop = NULL;
}

#endif
