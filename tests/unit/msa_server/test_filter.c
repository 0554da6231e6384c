/*
 * Milters before a whole server: every stage, every answer, every change, and milters that hang,
 * lie and die at each stage. What is in the queue is read from the next hop.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "tests/unit/msa_server/sim_milter.h"
#include "tests/unit/msa_server/sim_world.h"

#include <errno.h>
#include <stdio.h>

#define ROUTE                                                                           \
    "relay = { routes = ( { domain = \"*\"; to = [ \"smtp://127.0.0.1:2525\" ]; tls = " \
    "\"none\"; } ); };\n"
#define MILTER(more)                                                                            \
    ROUTE "policy = { milters = ( { socket = \"inet:8891@127.0.0.1\"; timeout = \"10s\"; " more \
          " } ); };\n"
#define TWO_MILTERS                                                                   \
    ROUTE "policy = { milters = ( { socket = \"inet:8891@127.0.0.1\"; }, { socket = " \
          "\"inet:127.0.0.1:8892\"; } ); };\n"

#define MESSAGE                                                                                \
    "From: u@example.net\r\nSubject: one\r\n two\r\nX-Old: 1\r\nX-Old: 2\r\nDate: Thu, 1 Jan " \
    "2026 "                                                                                    \
    "00:00:00 +0000\r\nMessage-ID: <1@example.net>\r\n\r\nbody\r\n..dot\r\n"
#define ENVELOPE "MAIL FROM:<u@example.net> SIZE=100\r\nRCPT TO:<a@example.org>\r\n"

static struct sim_peer *milter, *second, *sink;
static char script[256u << 10];

static void start(const char *lines)
{
    world_start(lines);
    milter = peer_new(MILTER_PORT, on_milter_accept);
    sink = peer_new(SINK_PORT, on_sink_accept);
    second = peer_new(8892, on_milter_accept);
}

static void stop(struct sim_client *c)
{
    if (c)
        client_free(c);
    peer_close(milter);
    peer_close(second);
    peer_close(sink);
    world_stop(1000);
    peer_free(milter);
    peer_free(second);
    peer_free(sink);
}

static void settle(void)
{
    sim_run_for(5000);
}

/* One packet in answer to the letter, before what else there is. */
static size_t put_packet(size_t at, char letter, const char *data, size_t len)
{
    return say(script, at, letter, data, len);
}

#define PACKET(at, letter, literal) put_packet((at), (letter), (literal), sizeof(literal) - 1)

static size_t times(const struct sim_peer *p, const char *words)
{
    struct sv told = buf_view(&p->told);
    size_t n = 0;
    for (const char *at; told.len && (at = memmem(told.ptr, told.len, words, strlen(words))); n++)
        told = sv_skip(told, (size_t)(at - told.ptr) + 1);
    return n;
}

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

/* ---- transactions with TRANSID (RFC 1845) ---- */

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

/* ---- milters that fail ---- */

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

static const char stages[] = "OCHMRTLNBE";

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
        cmocka_unit_test(test_stages),
        cmocka_unit_test(test_slow_client),
        cmocka_unit_test(test_tls_and_names),
        cmocka_unit_test(test_trusted),
        cmocka_unit_test(test_not_wanted_steps),
        cmocka_unit_test(test_large),
        cmocka_unit_test(test_verdicts),
        cmocka_unit_test(test_one_recipient),
        cmocka_unit_test(test_header_changes),
        cmocka_unit_test(test_body_changes),
        cmocka_unit_test(test_envelope_changes),
        cmocka_unit_test(test_all_recipients_deleted),
        cmocka_unit_test(test_quarantine),
        cmocka_unit_test(test_in_order),
        cmocka_unit_test(test_resumed),
        cmocka_unit_test(test_lost_reply),
        cmocka_unit_test(test_tried_again),
        cmocka_unit_test(test_hang_and_die),
        cmocka_unit_test(test_lies),
        cmocka_unit_test(test_half_changed),
        cmocka_unit_test(test_what_was_not_negotiated),
        cmocka_unit_test(test_not_there),
        cmocka_unit_test(test_figures),
        cmocka_unit_test(test_left_alone),
        cmocka_unit_test(test_disk),
        cmocka_unit_test(test_budget),
        cmocka_unit_test(test_client_gone),
        cmocka_unit_test(test_stop),
        cmocka_unit_test(test_by_chance),
        cmocka_unit_test(test_leave_anywhere),
        cmocka_unit_test(test_reload),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
