/*
 * Jobs over real connections, to a scripted receiver on loopback (a thread with blocking sockets).
 */
#include "tests/unit/relay/relay_fixture.h"

#include "msa/base/crashring.h"
#include "msa/base/log.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

/* ---- receiver ---- */

struct receiver {
    int fd;
    uint16_t port;
    pthread_t thread;
    /* what it does */
    bool refuse_starttls_handshake; /* offers STARTTLS and closes in the handshake */
    bool silent;                    /* accepts and never says a word */
    bool drop_after_each;           /* closes instead of staying for the next message */
    bool utf8;                      /* offers SMTPUTF8 and 8BITMIME */
    const char *refuse;             /* recipient that gets 550 */
    const char *defer;              /* recipient that gets 450 */
    /* what it saw */
    atomic_uint connections, messages, handshakes;
    atomic_size_t bytes;
    char mail[300]; /* the last MAIL and RCPT */
    char rcpt[300];
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

static void converse(struct receiver *r, FILE *in, FILE *f)
{
    char line[2048];
    unsigned recipients = 0;
    if (r->silent) {
        get_line(in, line, sizeof line);
        return;
    }
    put(f, "220 test");
    while (fflush(f) == 0 && get_line(in, line, sizeof line)) {
        if (line[0] == 'M' || (line[0] == 'R' && line[1] == 'C'))
            snprintf(line[0] == 'M' ? r->mail : r->rcpt, sizeof r->mail, "%.299s", line);
        if (strncmp(line, "EHLO", 4) == 0) {
            put(f, "250-test");
            if (r->refuse_starttls_handshake)
                put(f, "250-STARTTLS");
            if (r->utf8)
                put(f, "250-8BITMIME\r\n250-SMTPUTF8");
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
            if (!get_data(r, in))
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
        FILE *in = fdopen(fd, "r"), *out = fdopen(dup(fd), "w");
        atomic_fetch_add(&r->connections, 1);
        converse(r, in, out);
        fclose(out);
        fclose(in);
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

/* ---- both ---- */

static struct receiver *receiver;

static void open_all(struct receiver *r)
{
    static char url[64];
    receiver = r;
    receiver_start(r);
    snprintf(url, sizeof url, "smtp://127.0.0.1:%u", r->port);
    open_relay(&(struct relay_setup){
        .url = url, .tls = RELAY_ROUTE_TLS_OPPORTUNISTIC, .messages = &r->messages});
}

static void close_after_stop(void)
{
    close_stopped_relay();
    free_loop();
    receiver_stop(receiver);
}

static void close_all(void)
{
    stop_relay();
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
    /* and is not kept: the next message tries TLS again */
    submit("me@our.test", to, 1, CONTENT);
    run_until(0, 2);
    assert_int_equal(atomic_load(&r.handshakes), 2);
    assert_int_equal(atomic_load(&r.connections), 4);
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

/* RFC 6533: the report to an author whose address holds UTF-8 is an SMTPUTF8 message. */
static void an_author_with_utf8_gets_a_report_with_utf8(void **state)
{
    static struct receiver r = {.refuse = "bad@", .utf8 = true};
    static const char *const to[] = {"bad@x.test"};
    (void)state;
    open_all(&r);
    submit("jörg@our.test", to, 1, CONTENT);
    run_until(0, 1);
    assert_string_equal(r.mail, "MAIL FROM:<> BODY=8BITMIME SMTPUTF8");
    assert_string_equal(r.rcpt, "RCPT TO:<jörg@our.test>");
    assert_non_null(strstr(r.data[0], "To: <jörg@our.test>\r\n"));
    assert_non_null(strstr(r.data[0], "report-type=global-delivery-status;"));
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
        cmocka_unit_test(an_author_with_utf8_gets_a_report_with_utf8),
        cmocka_unit_test(what_is_in_hand_stands_in_the_crash_ring),
        cmocka_unit_test(large_content_is_fed_from_the_spool),
        cmocka_unit_test(a_stop_ends_what_has_not_begun),
        cmocka_unit_test(a_null_reverse_path_is_never_reported),
        cmocka_unit_test(captured_instead_of_sent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
