/*
 * Milters before a whole server: what they are told at every stage, every answer and every change.
 * What is in the queue is read from the next hop.
 */
#include "tests/unit/msa_server/filter_world.h"

/* ---- what is told ---- */

static void test_stages(void **state)
{
    (void)state;
    start(MILTER(""));
    struct sim_client *c = client_ready();
    assert_int_equal(milter->connections, 0); /* nobody makes it work who does not send */
    client_say(c, ENVELOPE "RCPT TO:<b@example.org> NOTIFY=NEVER\r\nDATA\r\n");
    client_expect(c, "354 ");
    client_say(c, MESSAGE ".\r\n");
    settle();
    client_expect(c, "250 2.0.0 Queued");
    assert_int_equal(milter->connections, 1);
    peer_expect(milter, "D Cj|mail.example.net|v|msad ");
    peer_expect(milter, "|{daemon_port}|25|{client_name}|unknown|{client_addr}|10.0.0.1\n");
    peer_expect(milter, "C [10.0.0.1]|410.0.0.1\nH client.example\n");
    peer_expect(milter,
                "D M{auth_type}|PLAIN|{auth_authen}|u@example.net|{mail_addr}|u@example.net|"
                "{mail_host}|example.net|{mail_mailer}|smtp\n"
                "M <u@example.net>|SIZE=100\n");
    peer_expect(milter, "D R{rcpt_addr}|a@example.org|{rcpt_host}|example.org|{rcpt_mailer}|smtp\n"
                        "R <a@example.org>\n");
    peer_expect(milter, "R <b@example.org>|NOTIFY=NEVER\nD Ti|");
    /* the header as it is queued, but for our own Received; folding with LF, no leading space */
    peer_expect(milter, "\nT \nL From|u@example.net\nL Subject|one\n two\nL X-Old|1\nL X-Old|2\n");
    peer_expect(milter, "L Message-ID|<1@example.net>\nD Ni|");
    peer_expect(milter, "\nN \nB body\r\n.dot\r\n\nD Ei|");
    assert_false(peer_was_told(milter, "L Received"));
    peer_expect(sink, "X-Old: 2\r\nDate: Thu, 1 Jan 2026 00:00:00 +0000\r\nMessage-ID: "
                      "<1@example.net>\r\n\r\nbody\r\n..dot\r\n.\r\n");
    /* a second message on the same connection, and QUIT with the session's end */
    client_say(c, ENVELOPE "RSET\r\n" ENVELOPE "DATA\r\n" MESSAGE ".\r\nQUIT\r\n");
    settle();
    client_expect(c, "250 2.0.0 Queued");
    assert_int_equal(milter->connections, 1);
    peer_expect(milter, "R <a@example.org>\nA \nD M"); /* given up, not ended */
    assert_int_equal(times(milter, "\nA \n"), 1);      /* not what was ended */
    peer_expect(milter, "\nE \nQ \n");
    world_assert_idle();
    stop(c);
}

/* A client may take its time between two commands, in which the milter keeps what it was told; and
 * between two messages, in which it is let go. */
static void test_slow_client(void **state)
{
    (void)state;
    start(MILTER(""));
    struct sim_client *c = client_ready();
    client_say(c, "MAIL FROM:<u@example.net>\r\n");
    sim_run_for(250000);
    client_say(c, "RCPT TO:<a@example.org>\r\n");
    sim_run_for(250000);
    client_say(c, "DATA\r\n");
    client_expect(c, "354 ");
    client_say(c, MESSAGE ".\r\n");
    client_expect(c, "250 2.0.0 Queued");
    assert_int_equal(milter->connections, 1);
    sim_run_for(20000);
    assert_false(peer_was_told(milter, "Q "));
    client_say(c, ENVELOPE "DATA\r\n" MESSAGE ".\r\n");
    client_expect(c, "250 2.0.0 Queued");
    assert_int_equal(milter->connections, 1);
    sim_run_for(40000);
    peer_expect(milter, "\nE \nQ \n");
    client_say(c, "NOOP\r\n");
    client_say(c, ENVELOPE "RCPT TO:<Postmaster> NOTIFY=NEVER\r\nDATA\r\n" MESSAGE ".\r\n");
    client_expect(c, "250 2.0.0 Queued");
    assert_int_equal(milter->connections, 2);
    peer_expect(milter, "\nR <postmaster@example.net>|NOTIFY=NEVER\n");
    stop(c);
}

/* Told before HELO; and HELO again when the client calls itself otherwise. */
static void test_tls_and_names(void **state)
{
    (void)state;
    start(MILTER(""));
    struct tls_ctx *ctx = client_ctx(world_cert.pem, 4);
    struct sim_client *c = client_new(LISTEN_TLS);
    client_tls(c, ctx);
    client_say(c, "EHLO one.example\r\n" CLEAR_AUTH);
    client_say(c, ENVELOPE "DATA\r\n" MESSAGE ".\r\n");
    settle();
    peer_expect(milter, "|{daemon_port}|465|");
    peer_expect(milter, "\nD H{tls_version}|TLSv1.3|{cipher}|TLS_");
    peer_expect(milter, "\nH one.example\nD M");
    client_say(c, ENVELOPE "DATA\r\n" MESSAGE ".\r\n");
    settle();
    assert_int_equal(times(milter, "\nH "), 1);
    client_say(c, "EHLO two.example\r\n" ENVELOPE "DATA\r\n" MESSAGE ".\r\n");
    settle();
    assert_int_equal(milter->connections, 1);
    peer_expect(milter, "\nH two.example\nD M");
    assert_int_equal(times(milter, "\nE \n"), 3);
    stop(c);
    tls_ctx_drop(ctx);
}

/* Who needs no login is no login to a milter; what it was told before STARTTLS does not count. */
static void test_trusted(void **state)
{
    (void)state;
    world_listen = "auth = \"trusted\";";
    world_auth = "require_tls = false; trusted_networks = \"10.0.0.0/8\";";
    start(MILTER(""));
    struct tls_ctx *ctx = client_ctx(world_cert.pem, 4);
    struct sim_client *c = client_new(LISTEN_STARTTLS);
    client_say(c, "EHLO client.example\r\n" ENVELOPE "DATA\r\n" MESSAGE ".\r\n");
    settle();
    client_expect(c, "250 2.0.0 Queued");
    peer_expect(milter, "\nD M{mail_addr}|u@example.net");
    client_say(c, ENVELOPE "RSET\r\nSTARTTLS\r\n");
    client_expect(c, "220 ");
    client_tls(c, ctx);
    client_say(c, "EHLO client.example\r\n" CLEAR_AUTH ENVELOPE "DATA\r\n" MESSAGE ".\r\n");
    settle();
    assert_int_equal(milter->connections, 2);
    peer_expect(milter, "\nD M{auth_type}|PLAIN|{auth_authen}|u@example.net|");
    assert_int_equal(world_stats().accepted_messages, 2);
    stop(c);
    tls_ctx_drop(ctx);
    world_listen = "";
    world_auth = "require_tls = false;";
}

static void test_not_wanted_steps(void **state)
{
    (void)state;
    start(MILTER(""));
    milter->steps = MILTER_NO_CONNECT | MILTER_NO_HELO | MILTER_NR_MAIL | MILTER_NO_RCPT |
                    MILTER_NO_DATA | MILTER_NR_HEADER | MILTER_NO_EOH | MILTER_NR_BODY |
                    MILTER_LEADING_SPACE;
    /* it asks for the queue id at DATA alone, and for the login at the connection */
    milter->lists = "\0\0\0\0{auth_authen} j\0\0\0\0\4{i}\0\0\0\0\5\0";
    milter->lists_len = 4 + 16 + 4 + 4 + 4 + 1;
    struct sim_client *c = client_ready();
    client_say(c, ENVELOPE "DATA\r\n" MESSAGE ".\r\n");
    settle();
    client_expect(c, "250 2.0.0 Queued");
    peer_expect(milter, "D Cj|mail.example.net|{auth_authen}|u@example.net\n");
    peer_expect(milter, "\nM <u@example.net>|SIZE=100\n");
    peer_expect(milter, "D Ti|");
    peer_expect(milter, "L Subject| one\n two\n");
    peer_expect(milter, "B body\r\n.dot\r\n\nE \n");
    assert_false(peer_was_told(milter, "\nC "));
    assert_false(peer_was_told(milter, "\nH "));
    assert_false(peer_was_told(milter, "\nR "));
    assert_false(peer_was_told(milter, "\nT "));
    assert_false(peer_was_told(milter, "\nN "));
    assert_false(peer_was_told(milter, "D E"));
    stop(c);
}

/* Larger than what is kept in memory, read back piece by piece; "skip" ends the pieces. */
static void test_large(void **state)
{
    (void)state;
    size_t lines = 40000;
    for (int skip = 0; skip < 2; skip++) {
        start(MILTER(""));
        if (skip) {
            milter->steps = MILTER_SKIP_OK;
            answer_with(milter, 'B', script, PACKET(0, 's', ""));
        }
        struct sim_client *c = client_ready();
        client_say(c, ENVELOPE "DATA\r\nFrom: u@example.net\r\n\r\n");
        for (size_t i = 0; i < lines; i++)
            client_put(c, SV("0123456789012345678901234567890123456789\r\n"));
        client_say(c, ".\r\n");
        sim_run_for(20000);
        client_expect(c, "250 2.0.0 Queued");
        size_t got = buf_len(&milter->told);
        assert_true(skip ? got > 65535 && got < 80000 : got > lines * 42);
        assert_true(buf_len(&sink->told) > lines * 42);
        stop(c);
    }
}

/* ---- verdicts ---- */

static const struct verdict_case {
    char at; /* letter */
    const char *packet;
    size_t len;
    const char *heard; /* by the client */
    bool queued;
} verdicts[] = {
#define V(at, packet, heard, queued)                          \
    {                                                         \
        (at), (packet), sizeof(packet) - 1, (heard), (queued) \
    }
    V('C', "r", "550 5.7.0 The policy of this site refuses it", false),
    V('C', "t", "451 4.7.1 The policy of this site takes it later", false),
    V('C', "a", "250 2.0.0 Queued", true),
    V('H', "r", "550 5.7.0 ", false),
    V('H', "f", "451 4.7.1 ", false),
    V('H', "4", "451 4.7.1 ", false),
    V('M', "r", "550 5.7.0 ", false),
    V('M', "t", "451 4.7.1 ", false),
    V('M', "y554 5.7.9 not you, 100%%\0", "554 5.7.9 not you, 100% (policy.milters)", false),
    V('M', "y550-5.7.9 two\r\n550 5.7.9 lines\0", "550-5.7.9 two\r\n550 5.7.9 lines", false),
    V('M', "y421 4.7.9 go away\0", "451 4.7.9 go away", false),
    V('M', "y550 no status\0", "550 5.7.0 no status", false),
    V('M', "a", "250 2.0.0 Queued", true),
    V('M', "d", "250 2.0.0 Queued", false),
    V('R', "r", "550 5.7.0 ", false),
    V('R', "y450 4.2.0 greylisted\0", "450 4.2.0 greylisted", false),
    V('R', "a", "250 2.0.0 Queued", true),
    V('R', "d", "250 2.0.0 Queued", false),
    V('T', "r", "550 5.7.0 ", false),
    V('T', "t", "451 4.7.1 ", false),
    V('T', "a", "250 2.0.0 Queued", true),
    V('T', "d", "250 2.0.0 Queued", false),
    V('L', "r", "550 5.7.0 ", false),
    V('L', "a", "250 2.0.0 Queued", true),
    V('L', "d", "250 2.0.0 Queued", false),
    V('N', "y550 5.7.1 header\0", "550 5.7.1 header", false),
    V('B', "t", "451 4.7.1 ", false),
    V('B', "a", "250 2.0.0 Queued", true),
    V('E', "r", "550 5.7.0 ", false),
    V('E', "t", "451 4.7.1 ", false),
    V('E', "y552 5.3.4 virus\0", "552 5.3.4 virus", false),
    V('E', "a", "250 2.0.0 Queued", true),
    V('E', "d", "250 2.0.0 Queued", false),
#undef V
};

static void test_verdicts(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof verdicts / sizeof *verdicts; i++) {
        const struct verdict_case *v = &verdicts[i];
        start(MILTER(""));
        answer_with(milter, v->at, script, put_packet(0, v->packet[0], v->packet + 1, v->len - 1));
        struct sim_client *c = client_ready();
        client_say(c, "MAIL FROM:<u@example.net>\r\n");
        client_say(c, "RCPT TO:<a@example.org>\r\n");
        client_say(c, "DATA\r\n");
        if (client_heard(c, "354 "))
            client_say(c, MESSAGE ".\r\n");
        settle();
        if (!client_heard(c, v->heard))
            print_error("%c %s:\n", v->at, v->packet);
        client_expect(c, v->heard);
        if (world_stats().accepted_messages != v->queued)
            print_error("%c %s:\n%.*s", v->at, v->packet, SV_ARG(buf_view(&world.log)));
        assert_int_equal(world_stats().accepted_messages, v->queued);
        assert_int_equal(peer_was_told(sink, "DATA"), v->queued);
        bool discarded = v->packet[0] == 'd';
        assert_int_equal(world_logged(" discarded "), discarded);
        /* the next message passes, where the milter has nothing against it */
        answer_with(milter, v->at, NULL, 0);
        client_say(c, "RSET\r\n" ENVELOPE "DATA\r\n" MESSAGE ".\r\n");
        settle();
        client_expect(c, "250 2.0.0 Queued");
        assert_int_equal(world_stats().accepted_messages, v->queued + 1);
        stop(c);
    }
}

/* One recipient is refused, the other is not. */
static void test_one_recipient(void **state)
{
    (void)state;
    start(MILTER(""));
    answer_with(milter, 'R', script, PACKET(0, 'r', ""));
    milter->skip['R'] = 1;
    struct sim_client *c = client_ready();
    client_say(c, ENVELOPE "RCPT TO:<b@example.org>\r\nDATA\r\n" MESSAGE ".\r\n");
    settle();
    client_expect(c, "550 5.7.0 ");
    peer_expect(sink, "RCPT TO:<a@example.org>");
    assert_false(peer_was_told(sink, "<b@example.org>"));
    stop(c);
}

/* ---- changes ---- */

static void test_header_changes(void **state)
{
    (void)state;
    start(MILTER(""));
    size_t n = PACKET(0, 'h', "X-Added\0at the end\n\tfolded\0");
    n = PACKET(n, 'i', "\0\0\0\0X-First\0before all\0");
    n = PACKET(n, 'i', "\0\0\0\2X-Third\0\0");
    n = PACKET(n, 'i', "\0\1\0\0X-Last\0far\0");
    n = PACKET(n, 'm', "\0\0\0\2x-old\0two\0");
    n = PACKET(n, 'm', "\0\0\0\1X-Old\0\0");
    n = PACKET(n, 'm', "\0\0\0\1X-New\0new\0");
    n = PACKET(n, 'p', "");
    answer_with(milter, 'E', script, PACKET(n, 'c', ""));
    struct sim_client *c = client_ready();
    client_say(c, ENVELOPE "DATA\r\n" MESSAGE ".\r\n");
    settle();
    client_expect(c, "250 2.0.0 Queued");
    peer_expect(sink, "Received: ");
    peer_expect(sink, "\r\nX-First: before all\r\nFrom: u@example.net\r\nX-Third: \r\nSubject: "
                      "one\r\n two\r\nx-old: two\r\nDate: ");
    peer_expect(sink, "\r\nMessage-ID: <1@example.net>\r\nX-Added: at the end\r\n\tfolded\r\n"
                      "X-Last: far\r\nX-New: new\r\n\r\nbody\r\n..dot\r\n.\r\n");
    stop(c);
}

/* Small by small, small by large, large by small and large by large. */
static void test_body_changes(void **state)
{
    (void)state;
    for (int way = 0; way < 4; way++) {
        bool large_before = way & 1, large_after = way & 2;
        start(TWO_MILTERS);
        size_t n = PACKET(0, 'b', "new\nbo\rdy\r"), pieces = large_after ? 3 : 0;
        char *chunk = mem_new(1, 65535);
        memset(chunk, 'x', 65535);
        for (size_t i = 85; i <= 65535; i += 85) /* longer lines would be re-encoded */
            memcpy(chunk + i - 2, "\r\n", 2);
        n = PACKET(n, 'b', "\nend\r\n");
        for (size_t i = 0; i < pieces; i++)
            n = put_packet(n, 'b', chunk, 65535);
        answer_with(milter, 'E', script, PACKET(n, 'a', ""));
        struct sim_client *c = client_ready();
        client_say(c, ENVELOPE "DATA\r\n" MESSAGE);
        for (size_t i = 0; large_before && i < 5000; i++)
            client_put(c, SV("0123456789012345678901234567890123456789\r\n"));
        client_say(c, ".\r\n");
        sim_run_for(20000);
        client_expect(c, "250 2.0.0 Queued");
        peer_expect(second, "B new\r\nbo dy\r\nend\r\n");
        peer_expect(sink, "<1@example.net>\r\n\r\nnew\r\nbo dy\r\nend\r\n");
        assert_false(peer_was_told(sink, "..dot"));
        assert_int_equal(buf_len(&sink->told) > 3 * 65535, large_after);
        assert_true(buf_len(&sink->told) < 3 * 65535 + 4096);
        free(chunk);
        stop(c);
    }
}

static void test_envelope_changes(void **state)
{
    (void)state;
    start(MILTER(""));
    size_t n = PACKET(0, 'e', "<other@example.net>\0RET=HDRS ENVID=x\0");
    n = PACKET(n, '+', "new@example.org\0");
    n = PACKET(n, '+', "<a@example.org>\0"); /* is there already */
    n = PACKET(n, '2', "<notify@example.org>\0NOTIFY=NEVER\0");
    n = PACKET(n, '-', "<B@example.org>\0");
    n = PACKET(n, '-', "<nobody@example.org>\0");
    answer_with(milter, 'E', script, PACKET(n, 'c', ""));
    struct sim_client *c = client_ready();
    client_say(c, ENVELOPE "RCPT TO:<b@example.org>\r\nDATA\r\n" MESSAGE ".\r\n");
    settle();
    client_expect(c, "250 2.0.0 Queued");
    peer_expect(sink, "MAIL FROM:<other@example.net>");
    peer_expect(sink, "RCPT TO:<new@example.org>");
    peer_expect(sink, "RCPT TO:<notify@example.org>");
    assert_false(peer_was_told(sink, "<b@example.org>"));
    assert_int_equal(world_log_count("accepted"), 1);
    assert_true(world_logged("from=<other@example.net> recipients=3 "));
    stop(c);
}

static void test_all_recipients_deleted(void **state)
{
    (void)state;
    start(MILTER(""));
    size_t n = PACKET(0, '-', "<a@example.org>\0");
    answer_with(milter, 'E', script, PACKET(n, 'c', ""));
    struct sim_client *c = client_ready();
    client_say(c, ENVELOPE "DATA\r\n" MESSAGE ".\r\n");
    settle();
    client_expect(c, "250 2.0.0 Queued");
    assert_true(world_logged("discarded"));
    assert_true(world_logged("no recipient is left"));
    assert_int_equal(world_stats().accepted_messages, 0);
    stop(c);
}

static void test_quarantine(void **state)
{
    (void)state;
    start(MILTER(""));
    size_t n = PACKET(0, 'q', "looks\r\nbad\0");
    answer_with(milter, 'E', script, PACKET(n, 'c', ""));
    struct sim_client *c = client_ready();
    client_say(c, ENVELOPE "DATA\r\n" MESSAGE ".\r\n");
    sim_run_for(60000);
    client_expect(c, "250 2.0.0 Queued");
    assert_int_equal(world_stats().accepted_messages, 1);
    assert_false(peer_was_told(sink, "DATA")); /* held */
    assert_true(world_logged("held"));
    assert_true(world_logged("looks  bad"));
    stop(c);
}

/* The second sees what the first has changed, and what it adds stands. */
static void test_in_order(void **state)
{
    (void)state;
    char other[200];
    start(TWO_MILTERS);
    size_t n = PACKET(0, 'i', "\0\0\0\0X-One\0first\0");
    answer_with(milter, 'E', script, PACKET(n, 'c', ""));
    n = say(other, 0, 'm', "\0\0\0\1X-One\0second\0", 4 + 6 + 7);
    answer_with(second, 'E', other, say(other, n, 'c', "", 0));
    struct sim_client *c = client_ready();
    client_say(c, ENVELOPE "DATA\r\n" MESSAGE ".\r\n");
    settle();
    client_expect(c, "250 2.0.0 Queued");
    peer_expect(second, "L X-One|first\n");
    peer_expect(sink, "\r\nX-One: second\r\n");
    /* one that refuses keeps it from the others */
    answer_with(milter, 'M', script, PACKET(0, 'r', ""));
    size_t before = buf_len(&second->told);
    client_say(c, ENVELOPE);
    settle();
    client_expect(c, "550 5.7.0 ");
    assert_int_equal(buf_len(&second->told), before);
    stop(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stages),           cmocka_unit_test(test_slow_client),
        cmocka_unit_test(test_tls_and_names),    cmocka_unit_test(test_trusted),
        cmocka_unit_test(test_not_wanted_steps), cmocka_unit_test(test_large),
        cmocka_unit_test(test_verdicts),         cmocka_unit_test(test_one_recipient),
        cmocka_unit_test(test_header_changes),   cmocka_unit_test(test_body_changes),
        cmocka_unit_test(test_envelope_changes), cmocka_unit_test(test_all_recipients_deleted),
        cmocka_unit_test(test_quarantine),       cmocka_unit_test(test_in_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
