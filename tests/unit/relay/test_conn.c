/*
 * Jobs over real connections: the relay with a real store on a temporary folder, and a scripted
 * receiver on loopback (a thread with blocking sockets). Main thread and worker share one loop.
 */
#include "auth/tls/ctx.h"
#include "relay/relay.h"

#include "msa/base/crashring.h"
#include "msa/base/log.h"
#include "msa/base/mem.h"
#include "msa/loop/clock.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

/* ---- receiver ---- */

struct receiver {
    int fd;
    uint16_t port;
    pthread_t thread;
    /* what it does */
    bool refuse_starttls_handshake; /* offers STARTTLS and closes in the handshake */
    bool silent;                    /* accepts and never says a word */
    bool drop_after_each;           /* closes instead of staying for the next message */
    const char *refuse;             /* recipient that gets 550 */
    const char *defer;              /* recipient that gets 450 */
    /* what it saw */
    atomic_uint connections, messages, handshakes;
    atomic_size_t bytes;
    char data[4][65536];
};

static bool get_line(FILE *in, char *line, size_t room)
{
    if (!fgets(line, (int)room, in))
        return false;
    line[strcspn(line, "\r\n")] = '\0';
    return true;
}

static bool get_data(struct receiver *r, FILE *in)
{
    unsigned n = atomic_load(&r->messages);
    char line[2048];
    size_t used = 0;
    while (fgets(line, sizeof line, in)) {
        if (strcmp(line, ".\r\n") == 0)
            return true;
        atomic_fetch_add(&r->bytes, strlen(line));
        if (n < 4)
            used += (size_t)snprintf(r->data[n] + used, sizeof r->data[n] - used, "%s", line);
        if (used >= sizeof r->data[0])
            used = sizeof r->data[0] - 1;
    }
    return false;
}

static void put(FILE *f, const char *text)
{
    fputs(text, f);
    fputs("\r\n", f);
}

static void converse(struct receiver *r, FILE *f)
{
    char line[2048];
    unsigned recipients = 0;
    if (r->silent) {
        get_line(f, line, sizeof line);
        return;
    }
    put(f, "220 test");
    while (fflush(f) == 0 && get_line(f, line, sizeof line)) {
        if (strncmp(line, "EHLO", 4) == 0) {
            put(f, "250-test");
            if (r->refuse_starttls_handshake)
                put(f, "250-STARTTLS");
            put(f, "250 PIPELINING");
        } else if (strncmp(line, "STARTTLS", 8) == 0) {
            atomic_fetch_add(&r->handshakes, 1);
            put(f, "220 go");
            return;
        } else if (r->refuse && strstr(line, r->refuse) && line[0] == 'R') {
            put(f, "550 5.1.1 no such user");
        } else if (r->defer && strstr(line, r->defer) && line[0] == 'R') {
            put(f, "450 4.2.0 later");
        } else if (strncmp(line, "DATA", 4) == 0 && recipients == 0) {
            put(f, "554 5.5.1 no recipients");
        } else if (strncmp(line, "DATA", 4) == 0) {
            recipients = 0;
            put(f, "354 go");
            fflush(f);
            if (!get_data(r, f))
                return;
            put(f, "250 2.0.0 taken");
            fflush(f);
            atomic_fetch_add(&r->messages, 1);
            if (r->drop_after_each)
                return;
        } else if (strncmp(line, "QUIT", 4) == 0) {
            put(f, "221 bye");
            return;
        } else {
            recipients += line[0] == 'R' && line[1] == 'C';
            put(f, "250 2.0.0 ok");
        }
    }
}

static void *receive(void *arg)
{
    struct receiver *r = arg;
    int fd;
    while ((fd = accept(r->fd, NULL, NULL)) >= 0) {
        FILE *f = fdopen(fd, "r+");
        setvbuf(f, NULL, _IONBF, 0);
        atomic_fetch_add(&r->connections, 1);
        converse(r, f);
        fflush(f);
        fclose(f);
    }
    return NULL;
}

static void receiver_start(struct receiver *r)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof at;
    r->fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(r->fd, (struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(getsockname(r->fd, (struct sockaddr *)&at, &len), 0);
    assert_int_equal(listen(r->fd, 8), 0);
    r->port = ntohs(at.sin_port);
    pthread_create(&r->thread, NULL, receive, r);
}

static void receiver_stop(struct receiver *r)
{
    shutdown(r->fd, SHUT_RDWR);
    pthread_join(r->thread, NULL);
    close(r->fd);
}

/* ---- the relay ---- */

static struct {
    struct loop *loop;
    struct mailbox *mailbox;
    struct store *store;
    struct pool *disk;
    struct relay *relay;
    struct relay_worker *worker;
    struct relay_settings *settings;
    struct tls_ctx *tls;
    struct receiver *receiver;
    struct timer poll;
    uint64_t rows_wanted, until_ms;
    unsigned messages_wanted, puts;
    char dir[64];
} t;

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

/* Until the queue holds so many rows, none of them in hand, and the receiver has so many. */
static void on_poll(void *arg)
{
    struct store_stats st;
    struct sched_stats sched;
    (void)arg;
    store_get_stats(t.store, &st);
    relay_get_stats(t.relay, &sched);
    bool there = t.puts == 0 && st.rows == t.rows_wanted && st.claimed_rows == 0 &&
                 sched.jobs == 0 && atomic_load(&t.receiver->messages) >= t.messages_wanted;
    if (there || loop_now_ms(t.loop) > t.until_ms)
        loop_stop(t.loop);
    else
        timer_start(&t.poll, 10);
}

static void run_until(uint64_t rows, unsigned messages)
{
    t.rows_wanted = rows;
    t.messages_wanted = messages;
    t.until_ms = loop_now_ms(t.loop) + 10000;
    timer_start(&t.poll, 50);
    loop_run(t.loop);
    struct store_stats st;
    store_get_stats(t.store, &st);
    assert_int_equal(st.rows, rows);
    assert_int_equal(atomic_load(&t.receiver->messages), messages);
}

static void on_put(struct store_put *p, int err)
{
    assert_int_equal(err, 0);
    t.puts--;
    free(p);
}

static void put_message(struct queue_message *m, const char *from, const char *const *to, size_t n)
{
    m->received_ms = clock_wall_ms();
    m->reverse_path = arena_str(&m->arena, sv_of(from));
    m->mail_params = arena_printf(&m->arena, "<%s>", from);
    struct queue_batch *b = queue_batch_new(m, n);
    for (size_t i = 0; i < n; i++) {
        b->rows[i].address = arena_str(&b->arena, sv_of(to[i]));
        b->rows[i].domain = arena_str(&b->arena, sv_of(strchr(to[i], '@') + 1));
        b->rows[i].rcpt_params = arena_printf(&b->arena, "<%s>", to[i]);
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

static void submit(const char *from, const char *const *to, size_t n, const char *content)
{
    struct queue_message *m = queue_message_new();
    queue_id_make(m->id, clock_wall_ms(), random_u64());
    m->size = strlen(content);
    m->content = block_new(sv_of(content));
    put_message(m, from, to, n);
}

static void open_all(struct receiver *r)
{
    static struct relay_route_options route;
    static const char *to[1];
    static char url[64];
    struct buf why;
    strcpy(t.dir, "/tmp/test_conn.XXXXXX");
    assert_non_null(mkdtemp(t.dir));
    buf_init(&why, 4096, 0);
    t.receiver = r;
    receiver_start(r);
    snprintf(url, sizeof url, "smtp://127.0.0.1:%u", r->port);
    to[0] = url;
    route = (struct relay_route_options){.domain = "*",
                                         .to = {.items = to, .count = 1},
                                         .tls = RELAY_ROUTE_TLS_OPPORTUNISTIC,
                                         .user = "",
                                         .password_file = ""};
    options.routes = (struct conf_list){.items = &route, .count = 1};
    t.loop = loop_new();
    t.mailbox = mailbox_new(t.loop);
    t.disk = pool_start("disk", 1);
    struct store_config store = {.dir = t.dir,
                                 .memory_bytes = 1 << 20,
                                 .disk_threads = 1,
                                 .notify = t.mailbox,
                                 .on_queued = on_queued,
                                 .on_due = on_due,
                                 .loop = t.loop};
    assert_int_equal(store_open(&store, &why, &t.store), 0);
    assert_int_equal(tls_ctx_client_new(&(struct tls_ctx_client_options){0}, &t.tls, &why), 0);
    t.settings = relay_settings_new(&(struct relay_settings){.hostname = "our.test",
                                                             .postmaster = "postmaster@our.test",
                                                             .relay = &options,
                                                             .queue = &queue,
                                                             .dns_timeout_ms = 1000,
                                                             .tls = t.tls});
    t.relay = relay_new(&(struct relay_config){
        .loop = t.loop, .mailbox = t.mailbox, .store = t.store, .settings = t.settings});
    t.worker =
        relay_worker_new(&(struct relay_worker_config){.loop = t.loop,
                                                       .mailbox = t.mailbox,
                                                       .main = t.mailbox,
                                                       .store = t.store,
                                                       .disk = t.disk,
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

static void close_after_stop(void)
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
    loop_stop(t.loop);
    loop_run(t.loop);
    loop_free(t.loop);
    receiver_stop(t.receiver);
    snprintf(command, sizeof command, "rm -r %s", t.dir);
    assert_int_equal(system(command), 0);
}

static void close_all(void)
{
    relay_stop(t.relay, on_stopped, t.loop);
    loop_run(t.loop);
    close_after_stop();
}

#define CONTENT "Subject: x\r\n\r\nbody\r\n.dot\r\n"

static void delivers_over_a_kept_connection(void **state)
{
    static struct receiver r;
    static const char *const to[] = {"a@x.test", "b@x.test"};
    (void)state;
    open_all(&r);
    submit("me@our.test", to, 2, CONTENT);
    run_until(0, 1);
    assert_string_equal(r.data[0], "Subject: x\r\n\r\nbody\r\n..dot\r\n");
    submit("me@our.test", to, 1, CONTENT);
    run_until(0, 2);
    assert_int_equal(atomic_load(&r.connections), 1);
    close_all();
}

/* The receiver hung up meanwhile: that costs a connection, not an attempt. */
static void a_dead_kept_connection_is_no_attempt(void **state)
{
    static struct receiver r = {.drop_after_each = true};
    static const char *const to[] = {"a@x.test"};
    (void)state;
    open_all(&r);
    submit("me@our.test", to, 1, CONTENT);
    run_until(0, 1);
    submit("me@our.test", to, 1, CONTENT);
    run_until(0, 2);
    assert_int_equal(atomic_load(&r.connections), 2);
    close_all();
}

static void a_failed_handshake_is_followed_by_clear_text(void **state)
{
    static struct receiver r = {.refuse_starttls_handshake = true};
    static const char *const to[] = {"a@x.test"};
    (void)state;
    open_all(&r);
    submit("me@our.test", to, 1, CONTENT);
    run_until(0, 1);
    assert_int_equal(atomic_load(&r.handshakes), 1);
    assert_int_equal(atomic_load(&r.connections), 2);
    close_all();
}

static void a_refused_recipient_is_reported(void **state)
{
    static struct receiver r = {.refuse = "bad@", .defer = "later@"};
    static const char *const to[] = {"good@x.test", "bad@x.test", "later@x.test"};
    (void)state;
    open_all(&r);
    submit("me@our.test", to, 3, CONTENT);
    run_until(1, 2); /* the message, and the report about bad@; later@ stays */
    assert_non_null(strstr(r.data[1], "multipart/report"));
    assert_non_null(strstr(r.data[1], "bad@x.test"));
    assert_non_null(strstr(r.data[1], "no such user"));
    assert_null(strstr(r.data[1], "good@x.test"));
    assert_null(strstr(r.data[1], "later@x.test"));
    close_all();
}

/* ---- the crash ring ---- */

static struct crashring *ring;
static unsigned told, in_hand;

static bool is_in_ring(const char *id, size_t len)
{
    for (size_t i = 0; i < CRASHRING_SLOTS; i++)
        if (strlen(ring->slot[i].id) == len && memcmp(ring->slot[i].id, id, len) == 0)
            return true;
    return false;
}

/* A crash at this moment, in the middle of what the line is about, would be found. */
static void on_line(void *arg, const char *line, size_t len)
{
    const char *id = strstr(line, " queue=");
    (void)arg;
    (void)len;
    if (!id)
        return;
    id += strlen(" queue=");
    told++;
    in_hand += is_in_ring(id, strcspn(id, ":"));
}

static void what_is_in_hand_stands_in_the_crash_ring(void **state)
{
    static struct receiver r = {.refuse = "bad@", .defer = "later@"};
    static const char *const to[] = {"good@x.test", "bad@x.test", "later@x.test"};
    int fd;
    (void)state;
    assert_int_equal(crashring_create(&fd, &ring), 0);
    assert_int_equal(crashring_attach(fd), 0);
    close(fd);
    open_all(&r);
    log_set_sink(on_line, NULL);
    submit("me@our.test", to, 3, CONTENT);
    run_until(1, 2);
    log_set_sink(NULL, NULL);
    assert_int_equal(told, 5); /* failed, deferred, delivered, report; report delivered */
    assert_int_equal(in_hand, told);
    close_all();
    for (size_t i = 0; i < CRASHRING_SLOTS; i++)
        assert_string_equal(ring->slot[i].id, "");
}

static void on_finished(void *arg, int err)
{
    assert_int_equal(err, 0);
    loop_stop(arg);
}

static void on_room(void *arg)
{
    (void)arg;
}

/* Too large for the database: it comes from the spool file, piece by piece. */
static void large_content_is_fed_from_the_spool(void **state)
{
    static struct receiver r;
    static const struct content_writer_ops ops = {on_room, on_finished};
    static const char *const to[] = {"a@x.test"};
    static const char line[] =
        "..a line of a large message, with dots to double in front of it\r\n";
    struct queue_message *m = queue_message_new();
    (void)state;
    open_all(&r);
    queue_id_make(m->id, clock_wall_ms(), random_u64());
    struct content_writer *w = content_begin(t.store, m->id, t.mailbox, &ops, t.loop);
    for (size_t i = 0; i < 50000; i++)
        assert_int_equal(content_append(w, (struct sv){line, sizeof line - 1}), 0);
    content_finish(w);
    loop_run(t.loop);
    content_take(w, m);
    content_free(w);
    assert_true(m->spooled);
    put_message(m, "me@our.test", to, 1);
    run_until(0, 1);
    assert_int_equal(atomic_load(&r.bytes), 50000 * sizeof line); /* one dot more each */
    close_all();
}

/* A stop does not wait for a host that says nothing; its rows are as they were. */
static void a_stop_ends_what_has_not_begun(void **state)
{
    static struct receiver r = {.silent = true};
    static const char *const to[] = {"a@x.test"};
    struct timer stop;
    struct store_stats st;
    (void)state;
    open_all(&r);
    submit("me@our.test", to, 1, CONTENT);
    timer_init(&stop, t.loop, on_stopped, t.loop);
    timer_start(&stop, 300);
    loop_run(t.loop);
    assert_int_equal(atomic_load(&r.connections), 1);
    uint64_t began = loop_now_ms(t.loop);
    relay_stop(t.relay, on_stopped, t.loop);
    loop_run(t.loop);
    assert_true(loop_now_ms(t.loop) - began < 5000);
    store_get_stats(t.store, &st);
    assert_int_equal(st.rows, 1);
    assert_int_equal(st.claimed_rows, 0);
    close_after_stop();
}

static void a_null_reverse_path_is_never_reported(void **state)
{
    static struct receiver r = {.refuse = "bad@"};
    static const char *const to[] = {"bad@x.test"};
    (void)state;
    open_all(&r);
    submit("", to, 1, CONTENT);
    run_until(0, 0);
    assert_int_equal(atomic_load(&r.messages), 0);
    close_all();
}

static void captured_instead_of_sent(void **state)
{
    static struct receiver r;
    static const char *const to[] = {"a@x.test", "b@x.test"};
    static char dir[96];
    char command[400];
    (void)state;
    options.capture = dir;
    open_all(&r);
    snprintf(dir, sizeof dir, "%s/maildir", t.dir);
    submit("me@our.test", to, 2, CONTENT);
    run_until(0, 0);
    snprintf(command, sizeof command,
             "printf 'Return-Path: <me@our.test>\\nDelivered-To: a@x.test\\nDelivered-To: "
             "b@x.test\\nSubject: x\\n\\nbody\\n.dot\\n' | cmp - %s/new/*",
             dir);
    assert_int_equal(system(command), 0);
    assert_int_equal(atomic_load(&r.connections), 0);
    options.capture = "";
    close_all();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(delivers_over_a_kept_connection),
        cmocka_unit_test(a_dead_kept_connection_is_no_attempt),
        cmocka_unit_test(a_failed_handshake_is_followed_by_clear_text),
        cmocka_unit_test(a_refused_recipient_is_reported),
        cmocka_unit_test(what_is_in_hand_stands_in_the_crash_ring),
        cmocka_unit_test(large_content_is_fed_from_the_spool),
        cmocka_unit_test(a_stop_ends_what_has_not_begun),
        cmocka_unit_test(a_null_reverse_path_is_never_reported),
        cmocka_unit_test(captured_instead_of_sent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
