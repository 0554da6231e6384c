/*
 * Limits and slow peers of a whole server, in the simulated world: what one client can take, what
 * the server holds while its disk or the DNS does not answer, and how long it waits for whom.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "tests/unit/msa_server/conn_mail.h"
#include "tests/unit/msa_server/sim_world.h"

static void limits_of_connections(void **state)
{
    struct sim_client *c[6];
    (void)state;
    world_start("limits = { connections = 4; connections_per_client = 2; };");
    for (unsigned i = 0; i < 5; i++)
        c[i] = client_from(1 + i / 2, LISTEN_PLAIN);
    c[5] = client_from(1, LISTEN_TLS);
    sim_run_for(100);
    for (unsigned i = 0; i < 4; i++)
        client_expect(c[i], "220 ");
    client_expect(c[4], "421 4.3.2 ");
    assert_int_equal(buf_len(&c[5]->said), 0); /* no words before TLS */
    struct tls_ctx *ctx = client_ctx(world_cert.pem, 4);
    client_tls(c[5], ctx);
    sim_run_for(500);
    client_expect(c[5], "421 4.3.2 ");
    sim_run_for(2000);
    assert_true(c[5]->ended);
    tls_ctx_drop(ctx);
    client_free(c[3]);
    client_free(c[4]);
    sim_run_for(2000);
    c[3] = client_from(1, LISTEN_PLAIN);
    sim_run_for(100);
    client_expect(c[3], "421 4.7.0 ");
    c[4] = client_from(7, LISTEN_PLAIN);
    sim_run_for(100);
    client_expect(c[4], "220 ");
    for (unsigned i = 0; i < 6; i++)
        client_free(c[i]);
    sim_run_for(2000);
    world_assert_idle();
    world_stop(1000);
}

static void limit_of_memory(void **state)
{
    struct sim_client *c[300];
    size_t n = 0;
    (void)state;
    world_start("limits = { memory = \"16M\"; };"); /* one half is for sessions and messages */
    bool refused = false;
    while (!refused && n < sizeof c / sizeof *c) {
        c[n] = client_from((unsigned)n, LISTEN_PLAIN);
        sim_run_for(10);
        refused = client_heard(c[n++], "421 4.3.1 ");
    }
    assert_true(refused);
    assert_int_equal(n, 257); /* of 32 KiB each */
    client_say(c[0], "EHLO c.example\r\n" CLEAR_AUTH ENVELOPE "DATA\r\n");
    client_expect(c[0], "452 4.3.1 ");
    while (n > 1)
        client_free(c[--n]);
    sim_run_for(2000);
    client_say(c[0], "DATA\r\n");
    client_expect(c[0], "354 ");
    client_free(c[0]);
    sim_run_for(2000);
    world_assert_idle();
    world_stop(1000);
}

/* While the disk takes nothing a fast client is not read from: what the server holds is bounded. */
static void blocked_disk_stops_reading(void **state)
{
    static const struct sim_net net = {.latency_max_ms = 1, .segment_max = 65536, .window = 65536};
    char *line = mem_new(1, 1000);
    (void)state;
    world_start("");
    sim_net_set(&net);
    struct sim_client *c = client_ready();
    client_say(c, ENVELOPE "DATA\r\n");
    client_expect(c, "354 ");
    client_put(c, SV("Subject: x\r\n\r\n"));
    sim_thread_delay(1000000); /* every job of the disk takes long */
    memset(line, 'x', 998);
    memcpy(line + 998, "\r\n", 2);
    for (int i = 0; i < 10000; i++)
        client_put(c, (struct sv){line, 1000});
    sim_run_for(500);
    size_t taken = 10 * 1000 * 1000 - stream_pending(c->stream);
    assert_in_range(taken, 256 << 10, 1 << 20);
    sim_run_for(500);
    assert_int_equal(taken, 10 * 1000 * 1000 - stream_pending(c->stream));
    sim_thread_delay(0);
    sim_run_for(3600 * 1000);
    assert_int_equal(stream_pending(c->stream), 0);
    client_free(c);
    sim_run_for(2000);
    world_assert_idle();
    free(line);
    world_stop(1000);
}

/* The store does not answer: the client hears 451 in under 2 minutes (RFC 6409 5.3), and what was
 * not begun leaves nothing when the store is back. */
static void a_late_store_is_answered_for(void **state)
{
    (void)state;
    world_start("");
    struct sim_client *c = client_ready();
    client_say(c, ENVELOPE "DATA\r\n");
    client_expect(c, "354 ");
    sim_thread_delay(300000);
    client_say(c, "Subject: x\r\n\r\nx\r\n.\r\n");
    sim_run_for(90000);
    assert_false(client_heard(c, "451 4.3.0 "));
    sim_run_for(20000);
    assert_true(client_heard(c, "451 4.3.0 This takes too long"));
    assert_true(world_logged("operation-late"));
    client_say(c, "NOOP\r\n");
    client_expect(c, "250 2.0.0 Ok");
    sim_thread_delay(0);
    sim_run_for(400000);
    assert_int_equal(world_stats().store.messages, 0);
    assert_int_equal(world_stats().store.puts, 0);
    client_free(c);
    sim_run_for(2000);
    world_assert_idle();
    world_stop(1000);
}

/* A single label is completed to the first of our domains where the name exists; the DNS is waited
 * for, and its silence is no refusal for good. */
static void single_labels_are_looked_up(void **state)
{
    (void)state;
    world_start("rewrite = { complete_domains = true; };");
    sim_dns_add("sales.example.net", DNS_A, "192.0.2.9");
    sim_dns_fail("broken.example.net", DNS_MX, DNS_TEMPFAIL);
    struct sim_client *c = client_ready();
    client_say(c, "MAIL FROM:<u@example.net>\r\nRCPT TO:<bob@Sales>\r\n");
    client_expect(c, "250 2.1.5 Recipient ok");
    client_say(c, "RCPT TO:<bob@nosuch>\r\n");
    client_expect(c, "554 5.1.2 Domain is not fully qualified, and no domain of ours completes it "
                     "(rewrite.complete_domains)");
    client_say(c, "RCPT TO:<bob@broken>\r\n");
    client_expect(c, "451 4.4.3 ");
    client_say(c, "RCPT TO:<bob@a.broken>\r\n"); /* several labels: as they are */
    client_expect(c, "250 2.1.5 Recipient ok");
    client_say(c, "DATA\r\n");
    client_expect(c, "354 ");
    client_say(c, "To: <bob@sales>, <c@sales>\r\nSubject: x\r\n\r\nx\r\n.\r\n");
    client_expect(c, "250 2.0.0 Queued");
    assert_true(world_logged("sales.example.net"));
    client_say(c, "MAIL FROM:<u@example.net>\r\nRCPT TO:<bob@sales>\r\nDATA\r\n");
    client_expect(c, "354 ");
    client_say(c, "To: <bob@nosuch>\r\n\r\nx\r\n.\r\n");
    client_expect(c, "554 5.6.0 ");
    client_say(c, "MAIL FROM:<u@example.net>\r\nRCPT TO:<bob@sales>\r\nDATA\r\n");
    client_expect(c, "354 ");
    client_say(c, "To: <bob@broken>\r\n\r\nx\r\n");
    client_say(c, "more\r\n.\r\n");
    client_expect(c, "451 4.4.3 ");
    /* gone while its name is looked up */
    sim_dns_delay(3000);
    client_say(c, "MAIL FROM:<u@example.net>\r\nRCPT TO:<bob@slow>\r\n");
    client_free(c);
    c = client_ready();
    client_say(c, "MAIL FROM:<u@example.net>\r\nRCPT TO:<bob@a.example>\r\nDATA\r\n");
    client_expect(c, "354 ");
    client_say(c, "To: <bob@slow>\r\n\r\nx\r\n");
    client_free(c);
    sim_run_for(10000);
    world_assert_idle();
    world_stop(1000);
}

/* The disk takes nothing: the client is not told that it was late itself, and hears it in time. */
static void a_blocked_disk_is_answered_for(void **state)
{
    char *line = mem_new(1, 1000);
    (void)state;
    world_start("limits = { data_timeout = \"1m\"; };");
    struct sim_client *c = client_ready();
    client_say(c, ENVELOPE "DATA\r\n");
    client_expect(c, "354 ");
    sim_thread_delay(3600000);
    client_put(c, SV("Subject: x\r\n\r\n"));
    memset(line, 'x', 998);
    memcpy(line + 998, "\r\n", 2);
    for (int i = 0; i < 10000; i++)
        client_put(c, (struct sv){line, 1000});
    client_put(c, SV(".\r\nNOOP\r\n"));
    sim_run_for(90000);
    assert_int_equal(buf_len(&c->said), 0);
    sim_run_for(30000);
    assert_true(client_heard(c, "451 4.3.0 This takes too long now, try again later"));
    client_expect(c, "250 2.0.0 Ok");
    assert_int_equal(world_log_count("operation-late"), 1);
    sim_thread_delay(0);
    sim_run_for(3600000);
    client_free(c);
    sim_run_for(2000);
    world_assert_idle();
    assert_int_equal(world_stats().store.messages, 0);
    free(line);
    world_stop(1000);
}

/* A disk that is slow, but goes on, is waited for: each stop is a new one. */
static void a_slow_disk_is_waited_for(void **state)
{
    char *line = mem_new(1, 1000);
    (void)state;
    world_start("limits = { data_timeout = \"1m\"; };");
    struct sim_client *c = client_ready();
    client_say(c, ENVELOPE "DATA\r\n");
    client_expect(c, "354 ");
    sim_thread_delay(60000);
    client_put(c, SV("Subject: x\r\n\r\n"));
    memset(line, 'x', 998);
    memcpy(line + 998, "\r\n", 2);
    for (int i = 0; i < 5000; i++)
        client_put(c, (struct sv){line, 1000});
    sim_run_for(300000);
    assert_int_equal(buf_len(&c->said), 0);
    sim_thread_delay(0);
    sim_run_for(70000);
    client_say(c, ".\r\n");
    client_expect(c, "250 2.0.0 Queued as ");
    client_free(c);
    free(line);
    world_stop(1000);
}

/* Command lines and responses to AUTH are not waited for longer when they come by the octet. */
static void lines_that_trickle_are_cut_off(void **state)
{
    static const char *const before[] = {"", "EHLO c\r\n", "EHLO c\r\nAUTH LOGIN\r\n",
                                         "EHLO c\r\n" CLEAR_AUTH ENVELOPE "BDAT 4\r\na: b"};
    (void)state;
    world_start("limits = { command_timeout = \"1m\"; };");
    for (size_t i = 0; i < sizeof before / sizeof *before; i++) {
        struct sim_client *c = client_new(LISTEN_PLAIN);
        client_say(c, before[i]);
        buf_reset(&c->said);
        for (int k = 0; k < 57; k++) {
            client_put(c, SV("N"));
            sim_run_for(1000);
        }
        assert_int_equal(buf_len(&c->said), 0);
        for (int k = 0; k < 5; k++) {
            client_put(c, SV("N"));
            sim_run_for(1000);
        }
        client_expect(c, "421 4.4.2 Timeout: no command came");
        assert_true(c->ended);
        client_free(c);
    }
    sim_run_for(2000);
    world_assert_idle();
    world_stop(1000);
}

/* One octet a second would hold a session for ever. */
static void content_that_trickles_is_cut_off(void **state)
{
    (void)state;
    world_start("limits = { data_timeout = \"1m\"; data_rate = 64; };");
    struct sim_client *slow = client_ready(), *fair = client_ready();
    client_say(slow, ENVELOPE "DATA\r\n");
    client_say(fair, ENVELOPE "DATA\r\n");
    client_expect(slow, "354 ");
    client_expect(fair, "354 ");
    client_say(slow, "Subject: x\r\n\r\n");
    client_say(fair, "Subject: x\r\n\r\n");
    for (int i = 0; i < 130; i++) {
        client_put(slow, SV("x"));
        client_put(fair, SV("0123456789012345678901234567890123456789012345678901234567890"
                            "0123456789012345678901234567890123456789\r\n"));
        sim_run_for(1000);
    }
    assert_true(client_heard(slow, "421 4.4.2 The content comes too slowly (limits.data_rate)"));
    client_say(fair, ".\r\n");
    client_expect(fair, "250 2.0.0 Queued");
    client_free(slow);
    client_free(fair);
    sim_run_for(2000);
    world_stop(1000);
}

/* A client that reads no replies is not read from either, and ends by its timeout. */
static void unread_replies_stop_reading(void **state)
{
    static const struct sim_net net = {.latency_max_ms = 1, .segment_max = 65536, .window = 65536};
    struct buf many;
    (void)state;
    world_start("limits = { command_timeout = \"1m\"; recipients = 100000; };");
    sim_net_set(&net);
    struct sim_client *c = client_ready();
    stream_read_stop(c->stream);
    buf_init(&many, 32u << 20, 0);
    assert_int_equal(buf_put(&many, SV(ENVELOPE)), 0);
    for (int i = 0; i < 90000; i++)
        assert_int_equal(buf_put(&many, SV("RCPT TO:<another@example.org>\r\n")), 0);
    size_t all = buf_len(&many);
    client_put(c, buf_view(&many));
    sim_run_for(10000);
    assert_in_range(all - stream_pending(c->stream), 1000, 1 << 20);
    sim_run_for(120 * 1000);
    assert_int_equal(world_stats().sessions, 0);
    buf_deinit(&many);
    client_free(c);
    world_assert_idle();
    world_stop(1000);
}

/* The same where it goes on to send a command now and then: the session would never be idle. */
static void unread_replies_end_a_talkative_session(void **state)
{
    static const struct sim_net net = {.latency_max_ms = 1, .segment_max = 65536, .window = 4096};
    (void)state;
    world_start("limits = { command_timeout = \"1m\"; recipients = 100000; };");
    sim_net_set(&net);
    struct sim_client *deaf = client_ready(), *slow = client_ready();
    client_say(deaf, ENVELOPE);
    client_say(slow, ENVELOPE);
    stream_read_stop(deaf->stream);
    for (int i = 0; i < 12; i++) {
        for (int k = 0; k < 50; k++) {
            client_put(deaf, SV("RCPT TO:<another@example.org>\r\n"));
            client_put(slow, SV("RCPT TO:<another@example.org>\r\n"));
        }
        stream_read_stop(slow->stream);
        sim_run_for(20000);
        stream_read_start(slow->stream); /* takes what has come, and is content */
        sim_run_for(100);
    }
    assert_int_equal(world_stats().sessions, 1);
    assert_int_equal(world_log_count("unread session="), 1);
    client_say(slow, "QUIT\r\n");
    client_expect(slow, "221 ");
    client_free(deaf);
    client_free(slow);
    sim_run_for(2000);
    world_assert_idle();
    world_stop(1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(limits_of_connections),
        cmocka_unit_test(limit_of_memory),
        cmocka_unit_test(blocked_disk_stops_reading),
        cmocka_unit_test(a_late_store_is_answered_for),
        cmocka_unit_test(single_labels_are_looked_up),
        cmocka_unit_test(a_blocked_disk_is_answered_for),
        cmocka_unit_test(a_slow_disk_is_waited_for),
        cmocka_unit_test(lines_that_trickle_are_cut_off),
        cmocka_unit_test(content_that_trickles_is_cut_off),
        cmocka_unit_test(unread_replies_stop_reading),
        cmocka_unit_test(unread_replies_end_a_talkative_session),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
