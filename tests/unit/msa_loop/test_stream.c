#include "msa/loop/stream.h"
#include "msa/base/buf.h"
#include "msa/base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define LARGE 30000000 /* bytes; more than the kernel keeps for a connection */

/* One end of a connection and all that happened to it. */
struct end {
    struct loop *l;
    struct stream *s;
    int connects, connect_err, ends, end_err, drains, closes;
    size_t got;
    uint32_t sum; /* of bytes got, by place */
    size_t stop_after;
    bool close_at_end, echo;
};

static struct loop *l;
static struct listener *ln;
static struct timer guard;
static struct end client, server;
static int accepts, accept_errors, last_accept_error;
static bool (*finished)(void);

static void check(void)
{
    if (finished && finished())
        loop_stop(l);
}

static uint32_t sum_of(uint32_t sum, const char *at, size_t len)
{
    for (size_t i = 0; i < len; i++)
        sum = sum * 31 + (unsigned char)at[i];
    return sum;
}

static void on_connect(void *arg, int err)
{
    struct end *e = arg;
    e->connects++;
    e->connect_err = err;
    if (err < 0)
        stream_close(e->s);
    check();
}

static void on_read(void *arg, struct sv bytes)
{
    struct end *e = arg;
    e->got += bytes.len;
    e->sum = sum_of(e->sum, bytes.ptr, bytes.len);
    if (e->echo)
        assert_int_equal(stream_write(e->s, bytes), 0);
    if (e->stop_after && e->got >= e->stop_after)
        stream_read_stop(e->s);
    check();
}

static void on_end(void *arg, int err)
{
    struct end *e = arg;
    e->ends++;
    e->end_err = err;
    if (e->close_at_end)
        stream_close(e->s);
    check();
}

static void on_drain(void *arg)
{
    struct end *e = arg;
    e->drains++;
    assert_int_equal(stream_pending(e->s), 0);
    check();
}

static void on_closed(void *arg)
{
    struct end *e = arg;
    e->closes++;
    e->s = NULL;
    check();
}

static const struct stream_ops ops = {on_connect, on_read, on_end, on_drain, on_closed};

static void on_accept(void *arg, struct stream *s)
{
    struct end *e = arg;
    accepts++;
    e->s = s;
    stream_set_ops(s, &ops, e);
    stream_read_start(s);
    check();
}

static void on_error(void *arg, int err)
{
    (void)arg;
    accept_errors++;
    last_accept_error = err;
    check();
}

static void on_guard(void *arg)
{
    (void)arg;
    fail_msg("the test hangs");
}

static void run_until(bool (*done)(void))
{
    finished = done;
    if (!done())
        loop_run(l);
    assert_true(done());
    finished = NULL;
}

static int listen_fd(struct ip_port *at)
{
    struct sockaddr_in sa = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof sa;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&sa, len), 0);
    assert_int_equal(listen(fd, 128), 0);
    getsockname(fd, (struct sockaddr *)&sa, &len);
    assert_true(ip_parse(SV("127.0.0.1"), &at->ip));
    at->port = ntohs(sa.sin_port);
    return fd;
}

static struct ip_port at;
static int master_fd;

static int set_up(void **state)
{
    (void)state;
    memset(&client, 0, sizeof client);
    memset(&server, 0, sizeof server);
    accepts = accept_errors = 0;
    l = loop_new();
    master_fd = listen_fd(&at);
    ln = listener_new(l, master_fd, on_accept, on_error, &server);
    timer_init(&guard, l, on_guard, NULL);
    timer_start(&guard, 20000);
    return 0;
}

static bool all_closed(void)
{
    return !client.s && !server.s;
}

static int tear_down(void **state)
{
    (void)state;
    if (client.s)
        stream_close(client.s);
    if (server.s)
        stream_close(server.s);
    run_until(all_closed);
    listener_close(ln);
    timer_stop(&guard);
    loop_free(l);
    close(master_fd);
    return 0;
}

static bool both_up(void)
{
    return client.connects && server.s;
}

static void connect_both(void)
{
    client.s = stream_connect(l, &at, NULL, &ops, &client);
    assert_int_equal(client.connects, 0);
    run_until(both_up);
    assert_int_equal(client.connect_err, 0);
    stream_read_start(client.s);
}

static bool server_got_all(void)
{
    return server.got == LARGE;
}

static bool client_drained(void)
{
    return client.drains > 0;
}

static bool client_got_some(void)
{
    return client.got > 0;
}

static bool client_got_all(void)
{
    return client.got == LARGE;
}

/* By path; where nobody listens, and where there is no such file, on_connect says so. */
static void unix_socket(void **state)
{
    (void)state;
    struct sockaddr_un sa = {.sun_family = AF_UNIX};
    snprintf(sa.sun_path, sizeof sa.sun_path, "/tmp/test_stream.%d", (int)getpid());
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&sa, sizeof sa), 0);
    assert_int_equal(listen(fd, 5), 0);
    struct listener *other = listener_new(l, fd, on_accept, on_error, &server);
    client.s = stream_connect_unix(l, sa.sun_path, &ops, &client);
    assert_int_equal(client.connects, 0);
    run_until(both_up);
    assert_int_equal(client.connect_err, 0);
    assert_int_equal(stream_peer(client.s).ip.family, IP_NONE);
    stream_read_start(client.s);
    assert_int_equal(stream_write(server.s, SV("hello")), 0);
    run_until(client_got_some);
    assert_int_equal(client.got, 5);
    stream_close(client.s);
    stream_close(server.s);
    run_until(all_closed);
    listener_close(other);
    close(fd);
    unlink(sa.sun_path);
    fd = socket(AF_UNIX, SOCK_STREAM, 0); /* a file at which nobody listens */
    assert_int_equal(bind(fd, (struct sockaddr *)&sa, sizeof sa), 0);
    for (int gone = 0; gone < 2; gone++) {
        memset(&client, 0, sizeof client);
        client.s = stream_connect_unix(l, sa.sun_path, &ops, &client);
        run_until(all_closed);
        assert_int_equal(client.connects, 1);
        assert_int_equal(client.connect_err, gone ? -ENOENT : -ECONNREFUSED);
        unlink(sa.sun_path);
    }
    close(fd);
}

static void more_than_the_kernel_takes(void **state)
{
    (void)state;
    static char bytes[LARGE];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (char)(i * 7 + i / 1000);
    connect_both();
    stream_read_stop(server.s);
    for (size_t i = 0; i < sizeof bytes; i += 10000)
        assert_int_equal(stream_write(client.s, (struct sv){bytes + i, 10000}), 0);
    size_t kept = stream_pending(client.s);
    assert_in_range(kept, 1, sizeof bytes);
    assert_int_equal(client.drains, 0);
    server.echo = true;
    stream_read_start(server.s);
    run_until(server_got_all);
    run_until(client_drained);
    assert_int_equal(client.drains, 1);
    assert_int_equal(server.sum, sum_of(0, bytes, sizeof bytes));
    run_until(client_got_all);
    assert_int_equal(client.sum, server.sum);
}

static bool server_ended(void)
{
    return server.ends > 0;
}

static bool client_ended(void)
{
    return client.ends > 0;
}

static void half_close_after_what_is_pending(void **state)
{
    (void)state;
    static char bytes[LARGE];
    connect_both();
    stream_read_stop(server.s);
    assert_int_equal(stream_write(client.s, (struct sv){bytes, sizeof bytes}), 0);
    assert_true(stream_pending(client.s) > 0);
    stream_shutdown(client.s);
    stream_read_start(server.s);
    run_until(server_ended);
    assert_int_equal(server.got, sizeof bytes);
    assert_int_equal(server.end_err, ERR_EOF);
    assert_int_equal(stream_write(server.s, SV("bye")), 0);
    stream_close(server.s);
    run_until(client_ended);
    assert_int_equal(client.got, 3);
    assert_int_equal(client.end_err, ERR_EOF);
}

static void reset_reaches_the_peer(void **state)
{
    (void)state;
    connect_both();
    stream_reset(server.s);
    run_until(client_ended);
    assert_int_equal(client.end_err, -ECONNRESET);
    assert_true(stream_write(client.s, SV("x")) < 0);
    assert_int_equal(server.closes, 1);
    assert_int_equal(server.ends, 0);
}

static bool client_closed(void)
{
    return client.closes > 0;
}

static void refused_connection(void **state)
{
    (void)state;
    struct ip_port nobody;
    int fd = listen_fd(&nobody);
    close(fd);
    client.s = stream_connect(l, &nobody, NULL, &ops, &client);
    run_until(client_closed);
    assert_int_equal(client.connects, 1);
    assert_int_equal(client.connect_err, -ECONNREFUSED);
    assert_int_equal(client.ends, 0);
}

static void impossible_source_is_told_later(void **state)
{
    (void)state;
    struct ip source;
    assert_true(ip_parse(SV("192.0.2.77"), &source));
    client.s = stream_connect(l, &at, &source, &ops, &client);
    assert_int_equal(client.connects, 0);
    run_until(client_closed);
    assert_int_equal(client.connect_err, -EADDRNOTAVAIL);
}

static void addresses_and_source(void **state)
{
    (void)state;
    struct ip source;
    assert_true(ip_parse(SV("127.0.0.9"), &source));
    client.s = stream_connect(l, &at, &source, &ops, &client);
    run_until(both_up);
    struct ip_port seen = stream_peer(server.s);
    assert_true(ip_eq(&seen.ip, &source));
    assert_int_equal(stream_peer(client.s).port, at.port);
}

static void tcp_nodelay_everywhere(void **state)
{
    (void)state;
    int found = 0;
    connect_both();
    for (int fd = 3; fd < 64; fd++) {
        struct sockaddr_in peer;
        socklen_t len = sizeof peer;
        int on = 0;
        socklen_t on_len = sizeof on;
        if (getpeername(fd, (struct sockaddr *)&peer, &len) < 0 || peer.sin_family != AF_INET)
            continue;
        getsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, &on_len);
        assert_int_equal(on, 1);
        found++;
    }
    assert_int_equal(found, 2);
}

static bool write_before_connect_arrived(void)
{
    return server.got == 5;
}

static void write_and_shutdown_before_connected(void **state)
{
    (void)state;
    client.s = stream_connect(l, &at, NULL, &ops, &client);
    assert_int_equal(stream_write(client.s, SV("early")), 0);
    stream_shutdown(client.s);
    run_until(write_before_connect_arrived);
    run_until(server_ended);
    assert_int_equal(server.end_err, ERR_EOF);
    assert_int_equal(client.connect_err, 0);
}

static bool accept_failed(void)
{
    return accept_errors > 0;
}

static bool accepted(void)
{
    return server.s != NULL;
}

static void without_descriptors_the_backlog_waits(void **state)
{
    (void)state;
    struct rlimit before, low;
    struct sockaddr_in sa = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), top = dup(fd);
    close(top);
    sa.sin_port = htons(at.port);
    getrlimit(RLIMIT_NOFILE, &before);
    low = before;
    low.rlim_cur = (rlim_t)top;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&sa, sizeof sa), 0);
    run_until(accept_failed);
    assert_int_equal(last_accept_error, -EMFILE);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    uint64_t failed_at = loop_now_ms(l);
    run_until(accepted);
    assert_in_range(loop_now_ms(l) - failed_at, 90, 5000);
    assert_int_equal(accept_errors, 1);
    close(fd);
}

static void unix_peer_has_no_address(void **state)
{
    (void)state;
    struct sockaddr_un sa = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int peer = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    snprintf(sa.sun_path + 1, sizeof sa.sun_path - 1, "msa-test-%d", (int)getpid());
    assert_int_equal(bind(fd, (struct sockaddr *)&sa, sizeof sa), 0);
    assert_int_equal(listen(fd, 8), 0);
    struct listener *local = listener_new(l, fd, on_accept, on_error, &server);
    assert_int_equal(connect(peer, (struct sockaddr *)&sa, sizeof sa), 0);
    run_until(accepted);
    assert_int_equal(stream_peer(server.s).ip.family, IP_NONE);
    close(peer);
    run_until(server_ended);
    listener_close(local);
    close(fd);
}

/* A socket from elsewhere is as one that was accepted; a duplicate goes on when the stream has
 * gone. */
static void taken_and_duplicated(void **state)
{
    (void)state;
    int pair[2], err = 0;
    char text[10] = "";
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
    client.s = stream_take(l, pair[0], &err);
    assert_non_null(client.s);
    assert_int_equal(stream_peer(client.s).ip.family, IP_NONE);
    stream_set_ops(client.s, &ops, &client);
    stream_read_start(client.s);
    assert_int_equal(write(pair[1], "hello", 5), 5);
    run_until(client_got_some);
    assert_int_equal(client.got, 5);
    int copy = stream_duplicate(client.s);
    assert_true(copy >= 0);
    stream_close(client.s);
    run_until(all_closed);
    assert_int_equal(write(copy, "world", 5), 5);
    assert_int_equal(read(pair[1], text, 5), 5);
    assert_string_equal(text, "world");
    close(copy);
    assert_int_equal(read(pair[1], text, 5), 0);
    close(pair[1]);
    int lone = socket(AF_UNIX, SOCK_STREAM, 0); /* which it closes */
    assert_null(stream_take(l, lone, &err));
    assert_int_equal(err, -ENOTCONN);
    assert_int_equal(close(lone), -1);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(more_than_the_kernel_takes),
        CASE(half_close_after_what_is_pending),
        CASE(reset_reaches_the_peer),
        CASE(refused_connection),
        CASE(impossible_source_is_told_later),
        CASE(addresses_and_source),
        CASE(tcp_nodelay_everywhere),
        CASE(write_and_shutdown_before_connected),
        CASE(without_descriptors_the_backlog_waits),
        CASE(unix_peer_has_no_address),
        CASE(unix_socket),
        CASE(taken_and_duplicated),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
