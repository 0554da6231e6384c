/*
 * A channel to a plain listening socket on loopback, which this thread also reads and writes.
 */
#include "relay/channel.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct fixture {
    struct loop *loop;
    struct relay_channel *channel;
    struct route_attempt attempt;
    int listening, fd; /* fd: the accepted side, or -1 */
    unsigned opened, failed, bytes, lost, closed, drained;
    bool keeps; /* on_bytes consumes nothing */
    struct smtp_client_result why;
    int lost_err;
    char heard[100];
};

static struct fixture f;

static void on_open(void *arg)
{
    (void)arg;
    f.opened++;
    loop_stop(f.loop);
}

static void on_failed(void *arg, const struct smtp_client_result *why)
{
    (void)arg;
    f.failed++;
    f.why = *why;
    relay_channel_close(f.channel);
}

static void on_tls(void *arg, int err)
{
    (void)arg;
    (void)err;
    fail();
}

static void on_bytes(void *arg)
{
    struct sv waiting = relay_channel_waiting(f.channel);
    (void)arg;
    f.bytes++;
    if (f.keeps)
        return;
    snprintf(f.heard, sizeof f.heard, "%.*s", SV_ARG(waiting));
    relay_channel_consume(f.channel, waiting.len);
    loop_stop(f.loop);
}

static void on_lost(void *arg, int err)
{
    (void)arg;
    f.lost++;
    f.lost_err = err;
    relay_channel_close(f.channel);
}

static void on_drain(void *arg)
{
    (void)arg;
    f.drained++;
    loop_stop(f.loop);
}

static void on_closed(void *arg)
{
    assert_ptr_equal(arg, &f);
    f.closed++;
    loop_stop(f.loop);
}

static const struct relay_channel_ops ops = {on_open, on_failed, on_tls,   on_bytes,
                                             on_lost, on_drain,  on_closed};

static void begin(void)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof at;
    memset(&f, 0, sizeof f);
    f.fd = -1;
    f.listening = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(f.listening, (struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(getsockname(f.listening, (struct sockaddr *)&at, &len), 0);
    assert_int_equal(listen(f.listening, 4), 0);
    f.loop = loop_new();
    assert_true(ip_parse(SV("127.0.0.1"), &f.attempt.to.ip));
    f.attempt.to.port = ntohs(at.sin_port);
    f.attempt.host = "peer.test";
}

static void open_channel(void)
{
    struct relay_channel_config config = {.loop = f.loop,
                                          .attempts = &f.attempt,
                                          .nattempts = 1,
                                          .connect_ms = 30000,
                                          .queue_id = ""};
    f.channel = relay_channel_open(&config, &ops, &f);
    loop_run(f.loop);
}

static void open_and_accept(void)
{
    open_channel();
    assert_int_equal(f.opened, 1);
    f.fd = accept(f.listening, NULL, NULL);
    assert_true(f.fd >= 0);
}

static void end(void)
{
    if (f.closed == 0) {
        relay_channel_close(f.channel);
        loop_run(f.loop);
    }
    assert_int_equal(f.closed, 1);
    if (f.fd >= 0)
        close(f.fd);
    close(f.listening);
    loop_free(f.loop);
}

static void bytes_go_both_ways(void **state)
{
    char got[16] = "";
    (void)state;
    begin();
    open_and_accept();
    assert_int_equal(relay_channel_write(f.channel, SV("EHLO\r\n")), 0);
    assert_int_equal(read(f.fd, got, sizeof got), 6);
    assert_string_equal(got, "EHLO\r\n");
    assert_int_equal(write(f.fd, "250 ok\r\n", 8), 8);
    loop_run(f.loop);
    assert_string_equal(f.heard, "250 ok\r\n");
    assert_false(relay_channel_is_tls(f.channel));
    end();
    assert_int_equal(f.lost, 0);
}

static void the_end_is_told_once(void **state)
{
    (void)state;
    begin();
    open_and_accept();
    close(f.fd);
    f.fd = -1;
    loop_run(f.loop);
    assert_int_equal(f.lost, 1);
    assert_int_equal(f.lost_err, ERR_EOF);
    end();
}

static void a_refused_connection_fails_in_its_phase(void **state)
{
    (void)state;
    begin();
    close(f.listening);
    f.listening = -1;
    open_channel();
    assert_int_equal(f.failed, 1);
    assert_int_equal(f.opened, 0);
    assert_int_equal(f.why.end, SMTP_END_LOST);
    assert_int_equal(f.why.phase, SMTP_PHASE_CONNECT);
    assert_int_equal(f.why.err, -ECONNREFUSED);
    end();
}

static void implicit_tls_without_a_context_fails_in_the_handshake(void **state)
{
    (void)state;
    begin();
    f.attempt.implicit_tls = true;
    open_channel();
    assert_int_equal(f.failed, 1);
    assert_int_equal(f.why.end, SMTP_END_TLS);
    assert_int_equal(f.why.phase, SMTP_PHASE_HANDSHAKE);
    end();
}

static void start_tls_without_a_context_is_an_error(void **state)
{
    (void)state;
    begin();
    open_and_accept();
    assert_int_equal(relay_channel_start_tls(f.channel), ERR_TLS);
    assert_false(relay_channel_is_tls(f.channel));
    end();
}

/* A peer that talks on while nobody listens costs a bounded amount of memory. */
static void a_flood_that_is_not_consumed_ends_it(void **state)
{
    char block[4096];
    (void)state;
    begin();
    f.keeps = true;
    open_and_accept();
    memset(block, 'x', sizeof block);
    for (int i = 0; i < 20; i++)
        assert_int_equal(send(f.fd, block, sizeof block, MSG_NOSIGNAL), sizeof block);
    loop_run(f.loop);
    assert_int_equal(f.lost, 1);
    assert_int_equal(f.lost_err, ERR_FULL);
    end();
}

/* What the kernel does not take is kept, and told when it is gone. */
static void a_slow_reader_is_waited_for(void **state)
{
    static char block[65536];
    (void)state;
    begin();
    open_and_accept();
    size_t sent = 0;
    while (relay_channel_pending(f.channel) == 0) {
        assert_int_equal(relay_channel_write(f.channel, (struct sv){block, sizeof block}), 0);
        sent += sizeof block;
    }
    for (size_t got = 0; got < sent;) {
        struct pollfd p = {.fd = f.fd, .events = POLLIN};
        while (poll(&p, 1, 0) == 1)
            got += (size_t)read(f.fd, block, sizeof block);
        if (f.drained == 0)
            loop_run(f.loop);
    }
    assert_int_equal(f.drained, 1);
    assert_int_equal(relay_channel_pending(f.channel), 0);
    end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_go_both_ways),
        cmocka_unit_test(the_end_is_told_once),
        cmocka_unit_test(a_refused_connection_fails_in_its_phase),
        cmocka_unit_test(implicit_tls_without_a_context_fails_in_the_handshake),
        cmocka_unit_test(start_tls_without_a_context_is_an_error),
        cmocka_unit_test(a_flood_that_is_not_consumed_ends_it),
        cmocka_unit_test(a_slow_reader_is_waited_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
