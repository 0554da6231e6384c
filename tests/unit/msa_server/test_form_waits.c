/*
 * A job whose next hop needs another form of the content, while that is made: the connection may
 * end, the time may be over, the server may stop. The maker of forms is this file's own (same
 * symbols), so that the test answers when it likes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "relay/internal.h"
#include "tests/unit/msa_server/signing_world.h"

#define OTHER_PORT 2526
#define TWO_HOPS                                                                \
    "relay = { routes = ( { domain = \"*\"; to = [ \"smtp://127.0.0.1:2525\", " \
    "\"smtp://127.0.0.1:2526\" ]; tls = \"none\"; } ); };\n"
#define HEADER "From: u@example.net\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n"

static struct relay_form_build *build; /* that waits for the test */
static unsigned builds;

void relay_form_build_run(struct task *task)
{
    assert_null(build);
    build = (struct relay_form_build *)(void *)task;
    builds++;
}

static void make(const struct relay_form_answer *answer)
{
    struct relay_form_build *b = build;
    build = NULL;
    b->answer = *answer;
    b->task.run = b->over;
    mailbox_post(relay_worker_config(b->worker)->main, &b->task);
}

void relay_form_stop(struct relay_worker *w)
{
    (void)w;
    if (build)
        make(&(struct relay_form_answer){.err = ERR_CANCELED});
}

/* Nothing has to change. */
static void make_same(void)
{
    assert_non_null(build);
    make(&(struct relay_form_answer){.content = queue_message_keep(build->message)});
    sim_run_for(2000);
}

/* A host that closes each connection at once. */
static void on_rude_accept(void *arg, struct stream *s)
{
    static const struct stream_ops ops = {
        .on_read = on_sink_read, .on_end = on_peer_end, .on_closed = on_peer_closed};
    stream_set_ops(s, &ops, peer_conn(arg, s));
    stream_close(s);
}

static void start(const char *lines)
{
    builds = 0;
    signing_start(lines, sign, on_sink_accept);
    sink->plain = true;
}

static void submit(struct sim_client *c, const char *content)
{
    client_say(c, "MAIL FROM:<u@example.net> BODY=8BITMIME\r\nRCPT TO:<a@example.org>\r\nDATA\r\n");
    client_put(c, sv_of(content));
    client_say(c, ".\r\n");
    client_expect(c, "250 2.0.0 Queued");
}

static void submit_8bit(struct sim_client *c)
{
    submit(c, HEADER "Gr\xc3\xbcn\r\n");
    assert_non_null(build);
}

static void lose_connection(void)
{
    assert_non_null(sink->last);
    stream_close(sink->last->stream);
    sink->last->stream = NULL;
    sim_run_for(1000);
}

static void expect_results(size_t delivered, size_t deferred)
{
    assert_int_equal(world_log_count(" delivered "), delivered);
    assert_int_equal(world_log_count(" deferred "), deferred);
}

/* The same host is asked again as soon as there is something to send; it was never at fault. */
static void connection_ends(void **state)
{
    (void)state;
    for (int idle = 0; idle < 2; idle++) {
        start(ROUTE);
        struct sim_client *c = client_ready();
        if (idle)
            submit(c, HEADER "plain\r\n");
        submit_8bit(c);
        assert_int_equal(sink->connections, 1);
        lose_connection();
        sim_run_for(60000);
        assert_int_equal(sink->connections, 1);
        expect_results((size_t)idle, 0);
        make_same();
        assert_int_equal(sink->connections, 2);
        expect_results((size_t)idle + 1, 0);
        assert_int_equal(builds, 1);
        peer_expect(sink, "Gr\xc3\xbcn");
        signing_stop(c);
    }
}

/* The second try has the host's own word: its end then is its own. */
static void connection_ends_again(void **state)
{
    (void)state;
    start(ROUTE);
    struct sim_client *c = client_ready();
    submit_8bit(c);
    lose_connection();
    peer_close(sink);
    struct sim_peer *rude = peer_new(SINK_PORT, on_rude_accept);
    make_same();
    sim_run_for(2000);
    assert_int_equal(rude->connections, 1);
    expect_results(0, 1);
    assert_true(world_logged(" phase=GREETING "));
    peer_close(rude);
    signing_stop(c);
    peer_free(rude);
}

/* After two hours it is put off, whether the connection lives or not; the host is not blamed. */
static void time_is_over(void **state)
{
    (void)state;
    for (int lost = 0; lost < 2; lost++) {
        start(ROUTE);
        struct sim_client *c = client_ready();
        submit_8bit(c);
        if (lost)
            lose_connection();
        sim_run_for(2 * 3600 * 1000 + 120000);
        expect_results(0, 1);
        assert_true(world_logged("status=4.3.0: the content could not be re-encoded: timed out"));
        make_same(); /* nobody waits any more */
        expect_results(0, 1);
        signing_stop(c);
    }
}

static void server_stops(void **state)
{
    (void)state;
    for (int lost = 0; lost < 2; lost++) {
        start(ROUTE);
        struct sim_client *c = client_ready();
        submit_8bit(c);
        if (lost)
            lose_connection();
        assert_int_equal(world_stats().store.messages, 1);
        signing_stop(c);
        assert_null(build);
    }
}

static void not_signed(void **state)
{
    (void)state;
    start(ROUTE);
    struct sim_client *c = client_ready();
    submit_8bit(c);
    make(&(struct relay_form_answer){.err = ERR_KEEPER, .is_unsigned = true});
    sim_run_for(1000);
    expect_results(0, 1);
    assert_true(world_logged("status=4.7.0: the re-encoded content could not be signed"));
    assert_false(peer_was_told(sink, "MAIL FROM"));
    signing_stop(c);
}

/* No form goes to the host of the idle connection: the next one has its own try, once. */
static void next_host(void **state)
{
    (void)state;
    start(TWO_HOPS);
    struct sim_client *c = client_ready();
    struct sim_peer *other = peer_new(OTHER_PORT, on_rude_accept);
    submit(c, HEADER "plain\r\n");
    submit_8bit(c);
    assert_int_equal(sink->connections, 1);
    make(&(struct relay_form_answer){.unfit = REWRITE_UNFIT_SIGNED});
    sim_run_for(2000);
    assert_int_equal(sink->connections, 1);
    assert_int_equal(other->connections, 1);
    assert_int_equal(world_log_count(" phase=GREETING "), 1);
    peer_close(other);
    signing_stop(c);
    peer_free(other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(connection_ends), cmocka_unit_test(connection_ends_again),
        cmocka_unit_test(time_is_over),    cmocka_unit_test(server_stops),
        cmocka_unit_test(not_signed),      cmocka_unit_test(next_host),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
