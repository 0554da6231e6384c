/* S/MIME of a whole server while the keeper cannot or will not sign, the disk fails or is slow, and
 * the server or the session ends in the middle. */
#include "tests/unit/msa_server/protect_world.h"

#include <errno.h>

/* Unsigned with a warning, once a minute, or refused. */
static void test_keeper_refuses(void **state)
{
    (void)state;
    for (int require = 0; require < 2; require++) {
        start(require ? HAS_TO : SIGNED);
        struct sim_client *c = client_ready();
        denies = true;
        client_say(c, MAIL TO("a") DATA(MESSAGE));
        sim_run_for(5000);
        client_expect(c, require ? "451 4.7.0 This message has to be signed (S/MIME), and cannot "
                                   "be: the keeper of the key does not sign (rewrite.smime)"
                                 : "250 2.0.0 Queued");
        assert_int_equal(world_log_count(" unsigned "), !require);
        assert_int_equal(peer_was_told(sink, "Subject: x\r\n\r\nbody\r\n..dot\r\n.\r\n"), !require);
        client_say(c, MAIL TO("a") DATA(MESSAGE));
        sim_run_for(1000);
        assert_int_equal(world_log_count(" unsigned "), !require);
        sim_run_for(60000);
        client_say(c, MAIL TO("a") DATA(MESSAGE));
        sim_run_for(1000);
        assert_int_equal(world_log_count(" unsigned "), require ? 0 : 2);
        denies = false;
        buf_reset(&c->said);
        client_say(c, MAIL TO("a") DATA(MESSAGE));
        sim_run_for(5000);
        client_expect(c, "250 2.0.0 Queued");
        peer_expect(sink, "Content-Type: multipart/signed");
        client_free(c);
        expect_idle();
        stop(NULL);
    }
}

/* A keeper that hangs is waited for for a while. */
static void test_keeper_hangs(void **state)
{
    (void)state;
    for (int require = 0; require < 2; require++) {
        start(require ? HAS_TO : SIGNED);
        struct sim_client *c = client_ready();
        sim_auth_delay(60000);
        client_say(c, MAIL TO("a") DATA(MESSAGE));
        sim_run_for(8000);
        assert_false(client_heard(c, "Queued") || client_heard(c, "451 "));
        sim_run_for(4000);
        client_expect(c, require ? "451 4.7.0 This message has to be signed (S/MIME), and cannot "
                                   "be: the keeper of the key does not answer"
                                 : "250 2.0.0 Queued");
        client_free(c);
        sim_run_for(60000);
        expect_idle();
        stop(NULL);
    }
}

/* Ends in the middle: the server's, the session's. */
static void test_stopped(void **state)
{
    (void)state;
    start(BOTH);
    struct sim_client *c = client_ready();
    sim_auth_delay(600000);
    client_say(c, MAIL TO("a") TO("c") DATA(MESSAGE));
    sim_run_for(1000);
    assert_int_equal(asked, 1);
    server_stop(world.server, 2000);
    sim_run_for(1000);
    assert_false(client_heard(c, "451 "));
    sim_run_for(2000);
    client_expect(c, "451 4.3.0 ");
    stop(c);
    start(BOTH);
    c = client_ready();
    sim_auth_delay(3000);
    client_say(c, MAIL TO("a") TO("c") DATA(MESSAGE));
    sim_run_for(500);
    client_free(c);
    sim_run_for(20000);
    assert_int_equal(world_stats().accepted_messages, 1); /* its end of data was there */
    expect_idle();
    stop(NULL);
}

static void count_name(void *arg, const char *name)
{
    (void)name;
    ++*(size_t *)arg;
}

/* The disk fails in each operation: refused for now, and nothing stays, or all is queued. */
static void test_disk(void **state)
{
    static const unsigned ops[] = {DISK_OP_READ, DISK_OP_WRITE, DISK_OP_SYNC, DISK_OP_NAME};
    unsigned refused = 0, accepted = 0;
    (void)state;
    for (size_t k = 0; k < 4; k++)
        for (unsigned skip = 0; skip < 20; skip += k == 3 ? 1 : 2) {
            start(BOTH);
            struct sim_client *c = client_ready();
            client_say(c, MAIL TO("a") TO("c") TO("z") "DATA\r\n" HEADER "\r\n");
            for (size_t i = 0; i < 5000; i++)
                client_put(c, SV("0123456789012345678901234567890123456789\r\n"));
            sim_run_for(2000);
            disk_fail(ops[k], "spool", skip, 1, -ENOSPC);
            client_say(c, ".\r\n");
            sim_run_for(15000);
            disk_fail(0, NULL, 0, 0, 0);
            bool good = client_heard(c, "250 2.0.0 Queued"), full = client_heard(c, "452 4.3.1");
            refused += full;
            accepted += good;
            assert_true(good != full);
            assert_int_equal(world_stats().accepted_messages, good);
            client_say(c, "RSET\r\n" MAIL TO("b") DATA(MESSAGE));
            sim_run_for(20000);
            assert_int_equal(world_stats().accepted_messages, good + 1);
            sim_run_for(400000); /* what could not be read for delivery is tried again */
            if (good) {
                assert_true(received("a").len && received("c").len && received("z").len);
            }
            size_t left = 0;
            assert_int_equal(disk_list("/s/queue/spool", count_name, &left), 0);
            /* a removal that fails is made good at the next start */
            assert_true(left <= world_log_count("spool-left"));
            stop(c);
        }
    assert_true(refused > 10 && accepted > 2);
}

/* A slow disk, and content that ends anywhere in a piece: what is full at the end has room later,
 * when nothing is left to be read. */
static void test_slow_disk(void **state)
{
    (void)state;
    start(BOTH);
    for (size_t i = 0; i < 40; i++) {
        struct sim_client *c = client_ready();
        client_say(c, MAIL TO("a") TO("c") TO("z") "DATA\r\n" HEADER "\r\n");
        sim_thread_delay(30);
        for (size_t n = 0; n < 6000 + 100 * i; n++)
            client_put(c, SV("0123456789012345678901234567890123456789\r\n"));
        client_put(c, SV(".\r\n"));
        sim_run_for(20000);
        client_expect(c, "250 2.0.0 Queued");
        sim_thread_delay(0);
        client_free(c);
    }
    assert_int_equal(world_stats().accepted_messages, 40);
    expect_idle();
    stop(NULL);
}

static void check_got(const struct got *g)
{
    struct sv rcpts = buf_view(&g->rcpts), text = buf_view(&g->text);
    bool plain = memmem(text.ptr, text.len, "the secret", 10) != NULL;
    for (size_t i = 0; i < rcpts.len; i++)
        if (plain == (strchr("abc", rcpts.ptr[i]) != NULL))
            fail_msg("%.*s: %.*s", SV_ARG(rcpts), SV_ARG(text));
}

/* Any recipients, sizes, moods of the keeper, faults of the disk and clients that leave: whoever
 * stays is answered, nothing is left, and who has a certificate never gets plain text. */
static void test_by_chance(void **state)
{
    static const char *const to[] = {TO("a"), TO("b"), TO("c"), TO("x"), TO("y")};
    unsigned answered = 0, left = 0;
    size_t names = 0;
    (void)state;
    for (int way = 0; way < 2; way++) {
        start(way ? BOTH : ROUTE "rewrite = { " SIGNS("require = true;") ENCRYPTS "};\n");
        for (int i = 0; i < 120; i++) {
            sim_auth_delay(0);
            struct sim_client *c = client_ready();
            sim_auth_delay(sim_below(3) ? sim_below(300) : sim_below(20000));
            denies = sim_below(5) == 0;
            client_say(c, MAIL);
            for (uint32_t n = 1 + sim_below(5); n > 0; n--)
                client_say(c, to[sim_below(5)]);
            client_say(c, "DATA\r\n");
            if (sim_below(3) == 0)
                disk_fail(sim_below(16), "spool", sim_below(20), 1, -EIO);
            client_put(c, SV(HEADER "\r\nthe secret\r\n"));
            for (uint32_t n = sim_below(2) ? sim_below(9000) : 0; n > 0; n--)
                client_put(c, SV("0123456789012345678901234567890123456789\r\n"));
            buf_reset(&c->said);
            client_put(c, SV(".\r\n"));
            bool leaves = sim_below(4) == 0;
            sim_run_for(leaves ? sim_below(3000) : 40000);
            disk_fail(0, NULL, 0, 0, 0);
            left += leaves;
            if (!leaves) {
                answered++;
                assert_true(client_heard(c, "250 ") || client_heard(c, "451 ") ||
                            client_heard(c, "452 "));
            }
            client_free(c);
        }
        sim_run_for(500000);
        for (const struct got *g = all; g; g = g->next)
            if (g->whole)
                check_got(g);
        expect_idle();
        assert_int_equal(world_stats().store.messages, 0);
        assert_int_equal(disk_list("/s/queue/spool", count_name, &names), 0);
        assert_true(names <= world_log_count("spool-left"));
        assert_true(world_stats().accepted_messages > 30);
        stop(NULL);
    }
    assert_true(answered > 100 && left > 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_keeper_refuses), cmocka_unit_test(test_keeper_hangs),
        cmocka_unit_test(test_stopped),        cmocka_unit_test(test_disk),
        cmocka_unit_test(test_slow_disk),      cmocka_unit_test(test_by_chance),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
