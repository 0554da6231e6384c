/* Milters that hang, lie, die, are slow or are not there, at each stage; and a disk that fails. */
#include "tests/unit/msa_server/filter_world.h"

#include <errno.h>

static void count_name(void *arg, const char *name)
{
    (void)name;
    (*(size_t *)arg)++;
}

static const struct fault_case {
    const char *on_error;
    const char *heard;
    bool queued;
} on_errors[] = {
    {"on_error = \"tempfail\";", "451 4.7.1 It cannot be checked now", false},
    {"on_error = \"reject\";", "550 5.7.0 It cannot be checked as", false},
    {"on_error = \"accept\";", "250 2.0.0 Queued", true},
};

/* A message before a milter that fails as set; then a good one with the milter well again. */
static void expect_fault(const struct fault_case *k, const char *what)
{
    struct sim_client *c = client_ready();
    static const char *const commands[] = {"MAIL FROM:<u@example.net>\r\n",
                                           "RCPT TO:<a@example.org>\r\n", "DATA\r\n"};
    for (size_t i = 0; i < 3; i++) {
        client_say(c, commands[i]);
        sim_run_for(15000);
    }
    if (client_heard(c, "354 "))
        client_say(c, MESSAGE ".\r\n");
    sim_run_for(20000);
    if (!client_heard(c, k->heard))
        print_error("%s, %s:\n", what, k->on_error);
    client_expect(c, k->heard);
    assert_int_equal(world_stats().accepted_messages, k->queued);
    assert_true(world_logged("milter-failed"));
    assert_true(world_logged("inet:8891@127.0.0.1: "));
    milter->hangs_at = milter->dies_at = 0;
    milter->deaf = false;
    memset(milter->answers, 0, sizeof milter->answers);
    if (!milter->listener)
        peer_listen(milter, MILTER_PORT, on_milter_accept);
    client_say(c, "RSET\r\n" ENVELOPE "DATA\r\n" MESSAGE ".\r\n");
    settle();
    client_expect(c, "250 2.0.0 Queued");
    assert_int_equal(world_stats().accepted_messages, k->queued + 1);
    client_say(c, "QUIT\r\n");
    settle();
    world_assert_idle();
    stop(c);
}

static void test_hang_and_die(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof on_errors / sizeof *on_errors; i++)
        for (const char *at = stages; *at; at++)
            for (int dies = 0; dies < 2; dies++) {
                char lines[600], what[40];
                snprintf(lines, sizeof lines,
                         ROUTE "policy = { milters = ( { socket = \"inet:8891@127.0.0.1\"; timeout "
                               "= \"10s\"; %s } ); };\n",
                         on_errors[i].on_error);
                start(lines);
                if (dies)
                    milter->dies_at = *at;
                else
                    milter->hangs_at = *at;
                snprintf(what, sizeof what, "%s at %c", dies ? "dies" : "hangs", *at);
                expect_fault(&on_errors[i], what);
            }
}

/* letter: what it answers there; nothing of it may be believed. */
static const struct lie {
    char at;
    const char *packets;
    size_t len;
    const char *logged;
} lies[] = {
#define L(at, packets, logged)                         \
    {                                                  \
        (at), (packets), sizeof(packets) - 1, (logged) \
    }
    L('O', "\0\0\0\1c", "it does not negotiate"),
    L('O', "\0\0\0\15O\0\0\0\1\0\0\0\0\0\0\0\0", "another version"),
    L('O', "\0\0\0\15O\0\0\0\7\0\0\0\0\0\0\0\0", "another version"),
    L('O', "\0\0\0\15O\0\0\0\6\0\0\2\0\0\0\0\0", "was not offered"),
    L('O', "\0\0\0\15O\0\0\0\6\0\0\0\0\0\0\10\0", "was not offered"),
    L('O', "\0\0\0\3O\0\0", "cut short"),
    L('O', "\0\0\0\24O\0\0\0\6\0\0\0\0\0\0\0\0\0\0\0\7abc", "list of macros"),
    L('C', "\0\0\0\0", "impossible length"),
    L('C', "\377\377\377\377c", "impossible length"),
    L('C', "\0\0\0\1d", "discards a connection"),
    L('H', "HTTP/1.0 400 Bad Request\r\n\r\n", "impossible length"),
    L('M', "\0\0\0\1X", "nobody knows"),
    L('M', "\0\0\0\1s", "skips what is no body"),
    L('M', "\0\0\0\11y250 yes\0", "has no code"),
    L('M', "\0\0\0\10y550 yes", "has no code"),
    L('M', "\0\0\0\1c\0\0\0\1c", "out of turn"),
    L('R', "\0\0\0\6hX\0y\0\0", "before its end"),
    L('E', "\0\0\0\3hX\0", "cut short"),
    L('E', "\0\0\0\4h\0y\0", "names nothing"),
    L('E', "\0\0\0\3m\0\0", "cut short"),
    L('E', "\0\0\0\7hX:Y\0y\0\0\0\0\1c", "malformed"),
    L('E', "\0\0\0\14hX\0y\nBcc: z\0\0\0\0\1c", "malformed"),
    L('E', "\0\0\0\10hX\0y\rzz\0\0\0\0\1c", "malformed"),
    L('E', "\0\0\0\10hX\0y\n\nz\0\0\0\0\1c", "malformed"),
    L('E', "\0\0\0\11+no path\0\0\0\0\1c", "an address"),
    L('E', "\0\0\0\7+<a@b>\0\0\0\0\1c", "an address"),
    L('E', "\0\0\0\6bab\0cd\0\0\0\1c", "NUL"),
#undef L
};

static void test_lies(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
        start(MILTER("on_error = \"tempfail\";"));
        answer_with(milter, lies[i].at, lies[i].packets, lies[i].len);
        struct sim_client *c = client_ready();
        client_say(c, "MAIL FROM:<u@example.net>\r\n");
        client_say(c, "RCPT TO:<a@example.org>\r\n");
        client_say(c, "DATA\r\n");
        if (client_heard(c, "354 "))
            client_say(c, MESSAGE ".\r\n");
        sim_run_for(20000);
        if (!client_heard(c, "451 4.7.1 ") || !world_logged(lies[i].logged))
            print_error("lie %zu at %c, not: %s\n%.*s\n", i, lies[i].at, lies[i].logged,
                        SV_ARG(buf_view(&world.log)));
        client_expect(c, "451 4.7.1 ");
        assert_true(world_logged("milter-failed"));
        assert_true(world_logged(lies[i].logged));
        assert_int_equal(world_stats().accepted_messages, 0);
        stop(c);
    }
}

/* What was begun by one that fails halfway is not done. */
static void test_half_changed(void **state)
{
    (void)state;
    start(MILTER("on_error = \"accept\";"));
    size_t n = PACKET(0, 'h', "X-Half\0done\0");
    n = PACKET(n, 'b', "half a body\r\n");
    n = PACKET(n, '+', "more@example.org\0");
    answer_with(milter, 'E', script, PACKET(n, 'X', ""));
    struct sim_client *c = client_ready();
    client_say(c, ENVELOPE "DATA\r\n" MESSAGE ".\r\n");
    settle();
    client_expect(c, "250 2.0.0 Queued");
    peer_expect(sink, "\r\n\r\nbody\r\n..dot\r\n.\r\n");
    assert_false(peer_was_told(sink, "X-Half"));
    assert_false(peer_was_told(sink, "more@example.org"));
    stop(c);
}

static void test_what_was_not_negotiated(void **state)
{
    (void)state;
    start(MILTER(""));
    milter->actions = MILTER_MAY_ADD_HEADER;
    size_t n = PACKET(0, 'b', "another body\r\n");
    answer_with(milter, 'E', script, PACKET(n, 'c', ""));
    struct sim_client *c = client_ready();
    client_say(c, ENVELOPE "DATA\r\n" MESSAGE ".\r\n");
    settle();
    client_expect(c, "451 4.7.1 ");
    assert_true(world_logged("has not negotiated"));
    stop(c);
}

static void test_not_there(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof on_errors / sizeof *on_errors; i++) {
        char lines[600];
        snprintf(lines, sizeof lines,
                 ROUTE "policy = { milters = ( { socket = \"inet:8891@127.0.0.1\"; %s } ); };\n",
                 on_errors[i].on_error);
        start(lines);
        listener_close(milter->listener);
        milter->listener = NULL;
        struct buf told = milter->told;
        expect_fault(&on_errors[i], "not there");
        buf_deinit(&told);
    }
}

static void expect_figures(const char *name, uint64_t passed, uint64_t refused, uint64_t failed)
{
    struct filter_figures f;
    server_get_filters(world.server, &f);
    for (size_t i = 0; i < f.count; i++) {
        if (strcmp(f.rows[i].name, name) != 0)
            continue;
        if (f.rows[i].passed != passed || f.rows[i].refused != refused ||
            f.rows[i].failed != failed)
            fail_msg("%s: %u passed, %u refused, %u failed", name, (unsigned)f.rows[i].passed,
                     (unsigned)f.rows[i].refused, (unsigned)f.rows[i].failed);
        return;
    }
    fail_msg("%s is not counted", name);
}

/* Each stage is a question; each answer counts once. */
static void test_figures(void **state)
{
    (void)state;
    start(TWO_MILTERS);
    struct sim_client *c = client_ready();
    client_say(c, ENVELOPE "DATA\r\n" MESSAGE ".\r\n");
    settle();
    client_expect(c, "250 2.0.0 Queued");
    expect_figures("inet:8891@127.0.0.1", 4, 0, 0);
    expect_figures("inet:127.0.0.1:8892", 4, 0, 0);
    answer_with(milter, 'R', script, PACKET(0, 'r', ""));
    client_say(c, ENVELOPE "RSET\r\n");
    settle();
    expect_figures("inet:8891@127.0.0.1", 5, 1, 0);
    expect_figures("inet:127.0.0.1:8892", 5, 0, 0); /* was not asked about that recipient */
    answer_with(milter, 'M', script, PACKET(0, 'd', ""));
    client_say(c, ENVELOPE "DATA\r\n" MESSAGE ".\r\n");
    settle();
    expect_figures("inet:8891@127.0.0.1", 5, 2, 0);
    milter->answers['M'] = NULL;
    second->hangs_at = 'M';
    client_say(c, "MAIL FROM:<u@example.net>\r\n");
    sim_run_for(40000);
    expect_figures("inet:8891@127.0.0.1", 6, 2, 0);
    expect_figures("inet:127.0.0.1:8892", 5, 0, 1);
    struct filter_figures f;
    server_get_filters(world.server, &f);
    for (size_t i = 0; i < f.count; i++)
        assert_true((f.rows[i].slowest_ms >= 30000) ==
                    (strcmp(f.rows[i].name, "inet:127.0.0.1:8892") == 0));
    stop(c);
}

/* Who cannot be reached, or does not negotiate, is not tried again at once; what on_error says is
 * done all the same. */
static void test_left_alone(void **state)
{
    (void)state;
    for (int accept = 0; accept < 2; accept++) {
        start(accept ? MILTER("on_error = \"accept\";") : MILTER(""));
        milter->dies_at = 'O';
        struct sim_client *c = client_ready();
        for (unsigned i = 0; i < 20; i++) {
            client_put(c, SV("MAIL FROM:<u@example.net>\r\nRSET\r\n"));
            sim_run_for(10);
            client_expect(c, accept ? "250 2.1.0" : "451 4.7.1");
        }
        assert_int_equal(milter->connections, 1);
        assert_true(world_logged("it was not there a moment ago"));
        expect_figures("inet:8891@127.0.0.1", 0, 0, 20);
        milter->dies_at = 0;
        sim_run_for(FILTER_PAUSE_MS);
        client_say(c, ENVELOPE "DATA\r\n" MESSAGE ".\r\n");
        settle();
        client_expect(c, "250 2.0.0 Queued");
        assert_int_equal(milter->connections, 2);
        peer_expect(milter, "M <u@example.net>");
        stop(c);
    }
}

/* The disk fails in each operation of reading back, of a new body and of writing anew, also while
 * the milter has more to say: refused for now, or not even that; then all is well again. */
static void test_disk(void **state)
{
    (void)state;
    static const unsigned ops[] = {DISK_OP_READ, DISK_OP_WRITE, DISK_OP_SYNC, DISK_OP_NAME};
    unsigned refused = 0;
    for (size_t k = 0; k < 4; k++)
        for (unsigned skip = 0; skip < 12; skip++)
            for (int ends = 0; ends < 2; ends++) {
                start(MILTER(""));
                char *chunk = mem_new(1, 65535);
                memset(chunk, 'x', 65535);
                size_t n = PACKET(0, 'h', "X-A\0b\0");
                for (size_t i = 0; i < 3; i++)
                    n = put_packet(n, 'b', chunk, 65535);
                n = ends ? PACKET(n, 'c', "") : n;
                answer_with(milter, 'E', script, n);
                struct sim_client *c = client_ready();
                client_say(c, ENVELOPE "DATA\r\n" MESSAGE);
                for (size_t i = 0; i < 5000; i++)
                    client_put(c, SV("0123456789012345678901234567890123456789\r\n"));
                sim_run_for(2000);
                disk_fail(ops[k], "spool", skip, 1, -ENOSPC);
                client_say(c, ".\r\n");
                sim_run_for(15000);
                disk_fail(0, NULL, 0, 0, 0);
                bool good = client_heard(c, "250 2.0.0 Queued"),
                     full = client_heard(c, "452 4.3.1");
                refused += full;
                assert_true(good || full || (!ends && client_heard(c, "451 4.7.1")));
                assert_int_equal(world_stats().accepted_messages, good);
                free(chunk);
                answer_with(milter, 'E', NULL, 0);
                client_say(c, "RSET\r\n" ENVELOPE "DATA\r\n" MESSAGE ".\r\n");
                sim_run_for(20000);
                assert_int_equal(world_stats().accepted_messages, good + 1);
                sim_run_for(400000); /* what could not be read for delivery is tried again */
                size_t left = 0;
                assert_int_equal(disk_list("/s/queue/spool", count_name, &left), 0);
                /* a removal that fails is made good at the next start */
                assert_true(left <= world_log_count("spool-left"));
                stop(c);
            }
    assert_true(refused > 10);
}

/* A milter that says forever that it makes progress, and several that are slow: the client is
 * answered within two minutes (RFC 6409 5.3). */
static void test_budget(void **state)
{
    (void)state;
    start(ROUTE
          "policy = { milters = ( { socket = \"inet:8891@127.0.0.1\"; timeout = \"80s\"; }, "
          "{ socket = \"inet:8892@127.0.0.1\"; timeout = \"80s\"; on_error = \"accept\"; } ); "
          "};\n");
    struct sim_client *c = client_ready();
    milter->hangs_at = 'E';
    client_say(c, ENVELOPE "DATA\r\n" MESSAGE ".\r\n");
    sim_run_for(75000);
    assert_false(client_heard(c, "451 "));
    sim_run_for(10000);
    client_expect(c, "451 4.7.1 ");
    /* the first needs nearly all of it, so that the second has none */
    milter->hangs_at = 0;
    second->hangs_at = 'M';
    client_say(c, ENVELOPE);
    sim_run_for(90000);
    client_expect(c, "250 2.1.0");
    stop(c);
}

static size_t replies(const struct sim_client *c)
{
    struct sv said = buf_view(&c->said);
    size_t n = 0;
    while (said.len) {
        struct sv line = sv_split(&said, '\n');
        n += line.len > 3 && line.ptr[3] == ' ';
    }
    return n;
}

/* Two milters that say anything at any time, also while the disk fails: every command has its
 * answer, and nothing is left. */
static void test_by_chance(void **state)
{
    (void)state;
    static const char *const lines[] = {
        TWO_MILTERS, ROUTE "policy = { milters = ( { socket = \"inet:8891@127.0.0.1\"; timeout = "
                           "\"10s\"; on_error = \"accept\"; }, { socket = "
                           "\"inet:127.0.0.1:8892\"; on_error = \"accept\"; } ); };\n"};
    static const char *const commands[] = {ENVELOPE, "RCPT TO:<b@example.org>\r\n", "DATA\r\n"};
    for (size_t way = 0; way < 4; way++) {
        start(lines[way & 1]);
        milter->odd = second->odd = 15;
        milter->odd_end = second->odd_end = 500;
        for (int i = 0; i < (way > 1 ? 150 : 400); i++) {
            struct sim_client *c = client_ready();
            for (int message = 0; message < 2; message++) {
                size_t said = 0;
                buf_reset(&c->said);
                for (size_t k = 0; k < 3; k++) {
                    client_put(c, sv_of(commands[k]));
                    said += k == 0 ? 2 : 1;
                    for (int n = 0; n < 200 && replies(c) < said; n++)
                        sim_run_for(1000);
                    assert_int_equal(replies(c), said);
                }
                if (client_heard(c, "354 ")) {
                    client_put(c, SV(MESSAGE));
                    if (way > 1)
                        disk_fail(sim_below(16), "spool", sim_below(10), 1, -EIO);
                    for (uint32_t n = way > 1 ? sim_below(4000) : 0; n > 0; n--)
                        client_put(c, SV("0123456789012345678901234567890123456789\r\n"));
                    client_put(c, SV(".\r\n"));
                    for (int n = 0; n < 100 && replies(c) == said; n++)
                        sim_run_for(1000);
                    assert_int_equal(replies(c), said + 1);
                }
                client_say(c, "RSET\r\n");
            }
            client_free(c);
        }
        sim_run_for(100000);
        world_assert_idle();
        assert_true(world_stats().accepted_messages > (way > 1 ? 20 : 100));
        assert_true(world_logged("milter-failed"));
        assert_true(way > 1 || world_logged(" held "));
        assert_true(way > 1 || world_logged(" discarded "));
        assert_false(peer_was_told(sink, "\r\nc: ")); /* no header of the milter's making */
        stop(NULL);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hang_and_die), cmocka_unit_test(test_lies),
        cmocka_unit_test(test_half_changed), cmocka_unit_test(test_what_was_not_negotiated),
        cmocka_unit_test(test_not_there),    cmocka_unit_test(test_figures),
        cmocka_unit_test(test_left_alone),   cmocka_unit_test(test_disk),
        cmocka_unit_test(test_budget),       cmocka_unit_test(test_by_chance),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
