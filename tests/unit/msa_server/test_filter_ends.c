/* What ends or changes while milters are asked: the session, the server, the configuration. */
#include "tests/unit/msa_server/filter_world.h"

/* The client has gone while the milter thinks: what it was to hear of is still done. */
static void test_client_gone(void **state)
{
    (void)state;
    start(MILTER(""));
    milter->hangs_at = 'E';
    struct sim_client *c = client_ready();
    client_say(c, ENVELOPE "DATA\r\n" MESSAGE ".\r\n");
    client_free(c);
    sim_run_for(30000);
    assert_true(world_logged("milter-failed"));
    assert_int_equal(world_stats().accepted_messages, 0);
    world_assert_idle();
    /* and when it answers after all */
    milter->hangs_at = 0;
    sim_net_set(&(struct sim_net){
        .latency_min_ms = 300, .latency_max_ms = 300, .segment_max = 65536, .window = 65536});
    c = client_new(LISTEN_PLAIN);
    client_say(c, "EHLO client.example\r\n" CLEAR_AUTH);
    sim_run_for(5000);
    client_say(c, ENVELOPE "DATA\r\n");
    sim_run_for(20000);
    client_put(c, SV(MESSAGE ".\r\n"));
    sim_run_for(500);
    client_free(c);
    sim_run_for(30000);
    assert_int_equal(world_stats().accepted_messages, 1);
    world_assert_idle();
    stop(NULL);
}

/* Stopping does not wait for a milter that hangs. */
static void test_stop(void **state)
{
    (void)state;
    start(MILTER(""));
    milter->hangs_at = 'E';
    struct sim_client *c = client_ready();
    client_say(c, ENVELOPE "DATA\r\n" MESSAGE ".\r\n");
    uint64_t before = sim_now();
    server_stop(world.server, 2000);
    assert_true(sim_run_while_not(flag, &world.stopped, 120000));
    assert_true(sim_now() - before < 5000);
    client_expect(c, "451 4.3.0 ");
    stop(c);
}

/* Half a session at each stage: nothing is left, and the milter is told to go. */
static void test_leave_anywhere(void **state)
{
    (void)state;
    for (const char *at = stages; *at; at++)
        for (int hang = 0; hang < 2; hang++) {
            start(MILTER(""));
            if (hang)
                milter->hangs_at = *at;
            struct sim_client *c = client_ready();
            client_say(c, "MAIL FROM:<u@example.net>\r\n");
            if (*at == 'M')
                client_free(c), c = NULL;
            if (c)
                client_say(c, "RCPT TO:<a@example.org>\r\nDATA\r\n");
            if (c && *at != 'T')
                client_say(c, MESSAGE);
            if (c && strchr("LNBE", *at))
                client_say(c, ".\r\n");
            if (c)
                client_free(c);
            sim_run_for(120000);
            world_assert_idle();
            stop(NULL);
        }
}

/* A reload takes milters away, and brings them back: sessions end under what they began with. */
static void test_reload(void **state)
{
    (void)state;
    start(MILTER(""));
    struct sim_client *old = client_ready();
    client_say(old, ENVELOPE);
    world_reload(2, ROUTE);
    sim_run_for(1000);
    struct sim_client *c = client_ready();
    client_say(c, ENVELOPE "DATA\r\n" MESSAGE ".\r\n");
    settle();
    client_expect(c, "250 2.0.0 Queued");
    assert_int_equal(milter->connections, 1);
    assert_false(peer_was_told(milter, "E "));
    client_say(old, "DATA\r\n" MESSAGE ".\r\n");
    settle();
    client_expect(old, "250 2.0.0 Queued");
    peer_expect(milter, "E ");
    client_free(old);
    stop(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_client_gone),
        cmocka_unit_test(test_stop),
        cmocka_unit_test(test_leave_anywhere),
        cmocka_unit_test(test_reload),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
