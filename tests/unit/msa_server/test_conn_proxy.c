/*
 * Connections behind a proxy, in the simulated world: whose address counts, and what a connection
 * gets that does not begin as agreed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "tests/unit/msa_server/sim_world.h"

#define V1 "PROXY TCP4 203.0.113.7 192.0.2.1 50000 25\r\n"
/* 203.0.113.7 192.0.2.1 50000 465 */
#define V2      "\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xcb\0\x71\7\xc0\0\2\1\xc3\x50\1\xd1"
#define MESSAGE "From: u@example.net\r\nSubject: x\r\n\r\nhello\r\n"
#define SUBMIT \
    "MAIL FROM:<u@example.net>\r\nRCPT TO:<a@example.org>\r\nBDAT 42 LAST\r\n" MESSAGE "QUIT\r\n"

static void start(const char *lines)
{
    world_listen = "proxy_from = [ \"10.0.0.0/28\" ];";
    world_start(lines);
}

static void stop(void)
{
    sim_run_for(2000);
    world_assert_idle();
    world_stop(1000);
    world_listen = "";
}

static struct sv v2(void)
{
    return SV(V2);
}

/* The network of the told client is refused, not the proxy's. */
static void the_told_network_is_refused(void **state)
{
    (void)state;
    world_auth = "require_tls = false; refused_networks = [ \"203.0.113.0/24\" ];";
    start("");
    struct sim_client *c = client_new(LISTEN_PLAIN);
    client_put(c, SV(V1));
    sim_run_for(1000);
    client_expect(c, "554 5.7.1 ");
    client_free(c);
    stop();
    world_auth = "require_tls = false; refused_networks = [ \"10.0.0.0/24\" ];";
    start("");
    c = client_new(LISTEN_PLAIN);
    client_put(c, SV(V1));
    sim_run_for(1000);
    client_expect(c, "220 ");
    client_free(c);
    stop();
    world_auth = "require_tls = false;";
}

/* Whole, and an octet at a time; the greeting waits for the header. */
static void the_told_client_counts(void **state)
{
    static const struct sv headers[] = {{V1, sizeof V1 - 1}, {V2, sizeof V2 - 1}};
    (void)state;
    for (size_t i = 0; i < 4; i++) {
        struct sv header = headers[i / 2];
        start("log = { level = \"debug\"; };");
        struct sim_client *c = client_new(LISTEN_PLAIN);
        sim_run_for(1000);
        assert_int_equal(buf_len(&c->said), 0);
        for (size_t k = 0; i % 2 && k < header.len; k++) {
            assert_int_equal(buf_len(&c->said), 0);
            client_put(c, (struct sv){header.ptr + k, 1});
            sim_run_for(10);
        }
        if (i % 2 == 0)
            client_put(c, header);
        client_say(c, "EHLO c.example\r\n" CLEAR_AUTH SUBMIT);
        assert_true(client_heard(c, "220 mail.example.net"));
        assert_true(client_heard(c, "250 2.0.0 Queued as "));
        client_expect(c, "221 ");
        assert_true(world_logged("client=203.0.113.7: by 10.0.0.1"));
        assert_int_equal(world_log_count("client=203.0.113.7 mechanism=PLAIN"), 1);
        assert_int_equal(world_log_count("client=203.0.113.7 login=u@example.net: from="), 1);
        client_free(c);
        stop();
    }
}

static void tls_begins_behind_the_header(void **state)
{
    (void)state;
    for (int apart = 0; apart < 2; apart++) {
        start("");
        struct tls_ctx *ctx = client_ctx(world_cert.pem, 4);
        struct sim_client *c = client_new(LISTEN_TLS);
        if (apart) {
            client_put(c, v2());
            sim_run_for(1000);
        } else {
            assert_int_equal(buf_put(&c->out, v2()), 0);
        }
        client_tls(c, ctx);
        client_say(c, "EHLO c.example\r\n" CLEAR_AUTH SUBMIT);
        assert_true(client_heard(c, "250 2.0.0 Queued as "));
        client_expect(c, "221 ");
        assert_true(world_logged("client=203.0.113.7 login=u@example.net"));
        client_free(c);
        tls_ctx_drop(ctx);
        stop();
    }
}

/* Each way not to begin with a header: closed without a word, and a line in the log. */
static void no_header_no_session(void **state)
{
    static const struct {
        const char *says, *why;
        uint64_t wait_ms;
    } rows[] = {
        {"EHLO c.example\r\n", "no PROXY header", 0},
        {"\x16\3\1", "no PROXY header", 0},
        {"PROXY TCP4 203.0.113.7\r\n", "the addresses cannot be read", 0},
        {"PROXY TCP4 ", "no PROXY header came in time", 10000},
        {"", "no PROXY header came in time", 10000},
    };
    (void)state;
    for (int listen = 0; listen < LISTENERS; listen++) {
        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
            start("");
            struct sim_client *c = client_new(listen);
            client_put(c, sv_of(rows[i].says));
            sim_run_for(rows[i].wait_ms ? rows[i].wait_ms - 1000 : 0);
            if (rows[i].wait_ms)
                assert_false(c->ended);
            sim_run_for(3000);
            assert_true(c->ended);
            assert_int_equal(buf_len(&c->said), 0);
            assert_true(world_logged("client=10.0.0.1"));
            assert_true(world_logged(rows[i].why));
            assert_int_equal(world_log_count("proxy-failed"), 1);
            client_free(c);
            stop();
        }
    }
}

/* A proxy's probe is no fault; half a header is one. Neither leaves anything. */
static void ends_within_the_header(void **state)
{
    (void)state;
    start("");
    for (int i = 0; i < 6; i++) {
        struct sim_client *c = client_new(LISTEN_STARTTLS);
        if (i % 2)
            client_put(c, SV("PROXY TCP4"));
        sim_run_for(100);
        if (i / 2 == 0)
            stream_shutdown(c->stream);
        else if (i / 2 == 1)
            stream_close(c->stream);
        else
            stream_reset(c->stream);
        sim_run_for(3000);
        world_assert_idle();
        client_free(c);
    }
    assert_int_equal(world_log_count("proxy-failed"), 3);
    stop();
}

static void a_stop_ends_what_waits(void **state)
{
    (void)state;
    start("");
    struct sim_client *c = client_new(LISTEN_PLAIN);
    server_stop(world.server, 30000);
    sim_run_for(1000);
    assert_true(c->ended);
    client_free(c);
    stop();
}

/* The proxy's own connections are its own: its health check is greeted, and counts as its. */
static void local_and_unknown(void **state)
{
    static const char local[] = "\r\n\r\n\0\r\nQUIT\n\x20\0\0\0";
    (void)state;
    start("log = { level = \"debug\"; };");
    struct sim_client *c = client_new(LISTEN_PLAIN), *d = client_new(LISTEN_PLAIN);
    client_put(c, (struct sv){local, sizeof local - 1});
    client_say(c, "EHLO c.example\r\n" CLEAR_AUTH);
    client_expect(c, "235 ");
    client_say(d, "PROXY UNKNOWN\r\n");
    client_expect(d, "220 ");
    assert_int_equal(world_log_count("client=10.0.0.1 mechanism=PLAIN"), 1);
    client_free(c);
    client_free(d);
    stop();
}

/* Limits are the client's, and not the proxy's. */
static void quota_is_of_the_told_client(void **state)
{
    struct sim_client *c[4];
    (void)state;
    start("limits = { connections = 100; connections_per_client = 2; };");
    for (int i = 0; i < 3; i++) {
        c[i] = client_new(LISTEN_PLAIN);
        client_say(c[i], V1);
        client_expect(c[i], i < 2 ? "220 " : "421 4.7.0 ");
    }
    c[3] = client_new(LISTEN_PLAIN);
    client_say(c[3], "PROXY TCP4 203.0.113.8 192.0.2.1 50000 25\r\n");
    client_expect(c[3], "220 ");
    client_free(c[0]);
    sim_run_for(2000);
    c[0] = client_new(LISTEN_PLAIN);
    client_say(c[0], V1);
    client_expect(c[0], "220 ");
    for (int i = 0; i < 4; i++)
        client_free(c[i]);
    stop();
}

/* From elsewhere nobody is believed: the line is an unknown command. */
static void others_are_not_believed(void **state)
{
    (void)state;
    start("");
    struct sim_client *c = client_from(16, LISTEN_PLAIN);
    client_say(c, "");
    client_expect(c, "220 ");
    client_say(c, V1);
    client_expect(c, "500 5.5.1 Command unknown");
    client_say(c, "EHLO c.example\r\n" CLEAR_AUTH);
    client_expect(c, "235 ");
    assert_true(world_logged("client=10.0.0.16 mechanism=PLAIN"));
    assert_false(world_logged("203.0.113.7"));
    client_free(c);
    stop();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_told_network_is_refused),
        cmocka_unit_test(the_told_client_counts),
        cmocka_unit_test(tls_begins_behind_the_header),
        cmocka_unit_test(no_header_no_session),
        cmocka_unit_test(ends_within_the_header),
        cmocka_unit_test(a_stop_ends_what_waits),
        cmocka_unit_test(local_and_unknown),
        cmocka_unit_test(quota_is_of_the_told_client),
        cmocka_unit_test(others_are_not_believed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
