/* Milters and transactions that are continued on another connection: TRANSID (RFC 1845). */
#include "tests/unit/msa_server/filter_world.h"

#define TRANSID   "MAIL FROM:<u@example.net> TRANSID=<1@c.example>\r\n"
#define RESUMABLE TRANSID "RCPT TO:<a@example.org>\r\nRCPT TO:<b@example.org> NOTIFY=NEVER\r\n"

static void lose(struct sim_client *c)
{
    stream_reset(c->stream);
    sim_run_for(1000);
    client_free(c);
}

/* Continued on another connection, whose milter hears of the whole message and of the recipients
 * that nobody names again. */
static void test_resumed(void **state)
{
    (void)state;
    for (int refuse = 0; refuse < 2; refuse++) {
        start(MILTER(""));
        struct sim_client *c = client_ready();
        client_say(c, RESUMABLE "DATA\r\nFrom: u@example.net\r\n\r\nfirst\r\n");
        client_expect(c, "354 ");
        lose(c);
        buf_reset(&milter->told);
        if (refuse)
            answer_with(milter, 'R', script, PACKET(0, 'r', ""));
        milter->skip['R'] = 1;
        c = client_ready();
        client_say(c, TRANSID);
        client_expect(c, "355 ");
        client_say(c, "DATA\r\n");
        peer_expect(milter, "\nM <u@example.net>|TRANSID=<1@c.example>\n");
        peer_expect(milter, "\nR <a@example.org>\n");
        peer_expect(milter, "\nR <b@example.org>");
        if (refuse) {
            client_expect(c, "550 5.7.0 ");
            assert_int_equal(world_stats().accepted_messages, 0);
            stop(c);
            continue;
        }
        client_expect(c, "354 ");
        client_say(c, "second\r\n.\r\n");
        settle();
        client_expect(c, "250 2.0.0 Queued");
        peer_expect(milter, "\nB first\r\nsecond\r\n\n");
        assert_int_equal(world_stats().accepted_messages, 1);
        stop(c);
    }
}

/* The client is gone while the milter looks at the message, and comes again: it is told how that
 * ended, and the milter is not asked twice. */
static void test_lost_reply(void **state)
{
    (void)state;
    start(ROUTE
          "policy = { milters = { socket = \"inet:8891@127.0.0.1\"; timeout = \"60s\"; }; };\n");
    milter->hangs_at = 'E';
    struct sim_client *c = client_ready();
    client_say(c, RESUMABLE "DATA\r\n" MESSAGE ".\r\n");
    lose(c);
    struct sim_peer_conn *first = milter->last;
    c = client_ready();
    client_put(c, SV(TRANSID)); /* waits for the one before */
    sim_run_for(5000);
    assert_false(client_heard(c, "355 "));
    peer_write(first, script, PACKET(0, 'c', ""));
    sim_run_for(2000);
    client_expect(c, "355 ");
    assert_int_equal(world_stats().accepted_messages, 1);
    client_say(c, "DATA\r\n");
    client_expect(c, "354 ");
    client_say(c, ".\r\n");
    client_expect(c, "250 2.0.0 Queued as ");
    assert_int_equal(world_stats().accepted_messages, 1);
    assert_int_equal(times(milter, "\nE "), 1);
    stop(c);
}

/* Refused for now, it can be tried again without sending it again. */
static void test_tried_again(void **state)
{
    (void)state;
    start(MILTER(""));
    answer_with(milter, 'E', script, PACKET(0, 't', ""));
    struct sim_client *c = client_ready();
    client_say(c, RESUMABLE "DATA\r\n" MESSAGE ".\r\n");
    client_expect(c, "451 4.7.1 ");
    lose(c);
    answer_with(milter, 'E', NULL, 0);
    c = client_ready();
    client_say(c, TRANSID);
    client_expect(c, "355 ");
    client_say(c, "DATA\r\n");
    client_say(c, ".\r\n");
    settle();
    client_expect(c, "250 2.0.0 Queued as ");
    assert_int_equal(times(milter, "\nB body\r\n.dot\r\n\n"), 2);
    assert_int_equal(world_stats().accepted_messages, 1);
    stop(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_resumed),
        cmocka_unit_test(test_lost_reply),
        cmocka_unit_test(test_tried_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
