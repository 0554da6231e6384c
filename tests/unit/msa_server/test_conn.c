/*
 * Sessions of a whole server, in the simulated world: every way in which one can end gives back
 * what it held, and no session gets a byte of another.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "tests/unit/msa_server/sim_world.h"

#define ENVELOPE "MAIL FROM:<u@example.net>\r\nRCPT TO:<a@example.org>\r\n"
#define TRANSID  "MAIL FROM:<u@example.net> TRANSID=<1@c.example>\r\n"
#define TO       "RCPT TO:<a@example.org>\r\n"
#define MESSAGE  "From: u@example.net\r\nSubject: x\r\n\r\nhello\r\n"

static void submits(void **state)
{
    (void)state;
    world_start("");
    struct sim_client *c = client_ready();
    client_say(c, ENVELOPE "DATA\r\n");
    client_expect(c, "354 ");
    client_say(c, MESSAGE ".\r\n");
    client_expect(c, "250 2.0.0 Queued as ");
    assert_int_equal(world_stats().accepted_messages, 1);
    assert_int_equal(world_stats().connections, 1);
    client_say(c, "QUIT\r\n");
    client_expect(c, "221 ");
    assert_true(c->ended);
    client_free(c);
    world_assert_idle();
    world_stop(1000);
}

/* Who is named twice gets one copy; the local part's case tells two mailboxes apart. */
static void recipients_are_told_apart(void **state)
{
    (void)state;
    world_start("");
    struct sim_client *c = client_ready();
    client_say(c, ENVELOPE "RCPT TO:<a@EXAMPLE.org> NOTIFY=NEVER\r\nRCPT TO:<A@example.org>\r\n"
                           "RCPT TO:<\"a\"@example.org>\r\nDATA\r\n");
    client_expect(c, "354 ");
    client_say(c, MESSAGE ".\r\n");
    client_expect(c, "250 2.0.0 Queued as ");
    struct sv log = buf_view(&world.log);
    assert_non_null(memmem(log.ptr, log.len, "recipients=2 ", 13));
    client_free(c);
    world_stop(1000);
}

/* Everything at once, then the end: every command still gets its reply. */
static void half_closed_client_is_answered(void **state)
{
    (void)state;
    world_start("");
    struct sim_client *c = client_new(LISTEN_PLAIN);
    client_put(c, SV("EHLO c.example\r\n" CLEAR_AUTH));
    client_put(c, SV(ENVELOPE "BDAT 42 LAST\r\n" MESSAGE "QUIT\r\n"));
    _Static_assert(sizeof MESSAGE - 1 == 42, "the chunk's size");
    stream_shutdown(c->stream);
    sim_run_for(5000);
    assert_true(client_heard(c, "250 2.0.0 Queued as "));
    client_expect(c, "221 ");
    assert_true(c->ended);
    client_free(c);
    world_assert_idle();
    world_stop(1000);
}

/* The same without QUIT: the session ends when all is answered. */
static void half_closed_without_quit(void **state)
{
    (void)state;
    world_start("");
    struct sim_client *c = client_new(LISTEN_PLAIN);
    client_put(c, SV("EHLO c.example\r\n" CLEAR_AUTH ENVELOPE "BDAT 42 LAST\r\n" MESSAGE));
    stream_shutdown(c->stream);
    sim_run_for(5000);
    client_expect(c, "250 2.0.0 Queued as ");
    assert_true(c->ended);
    client_free(c);
    world_assert_idle();
    world_stop(1000);
}

/* ---- the ends ---- */

enum how { HOW_CLOSE, HOW_RESET, HOW_HALF, HOW_TIMEOUT, HOW_STOP };

static const struct stage {
    const char *name, *says;
    uint64_t auth_delay_ms;
} stages[] = {
    {"connected", "", 0},
    {"greeted", "EHLO c.example\r\n", 0},
    {"waiting for the keeper", "EHLO c.example\r\n" CLEAR_AUTH "NOOP\r\n", 8000},
    {"between steps", "EHLO c.example\r\nAUTH LOGIN\r\n", 0},
    {"exchange left", "EHLO c.example\r\nAUTH LOGIN\r\n*\r\n", 0},
    {"wrong password", "EHLO c.example\r\nAUTH PLAIN AHUAeA==\r\n", 0},
    {"logged in", "EHLO c.example\r\n" CLEAR_AUTH, 0},
    {"envelope", "EHLO c.example\r\n" CLEAR_AUTH ENVELOPE, 0},
    {"in data", "EHLO c.example\r\n" CLEAR_AUTH ENVELOPE "DATA\r\nFrom: u@exa", 0},
    {"in a chunk", "EHLO c.example\r\n" CLEAR_AUTH ENVELOPE "BDAT 42\r\nFrom: ", 0},
    {"between chunks", "EHLO c.example\r\n" CLEAR_AUTH ENVELOPE "BDAT 42\r\n" MESSAGE, 0},
    {"refused content", "EHLO c.example\r\n" CLEAR_AUTH ENVELOPE "DATA\r\nbad\r\n", 0},
    {"accepted", "EHLO c.example\r\n" CLEAR_AUTH ENVELOPE "BDAT 42 LAST\r\n" MESSAGE, 0},
    {"TRANSID", "EHLO c.example\r\n" CLEAR_AUTH TRANSID, 0},
    {"TRANSID in data", "EHLO c.example\r\n" CLEAR_AUTH TRANSID TO "DATA\r\nFrom: u@exa", 0},
    {"TRANSID accepted", "EHLO c.example\r\n" CLEAR_AUTH TRANSID TO "BDAT 42 LAST\r\n" MESSAGE, 0},
    {"TRANSID finished",
     "EHLO c.example\r\n" CLEAR_AUTH TRANSID TO "BDAT 42 LAST\r\n" MESSAGE TRANSID "DATA\r\n", 0},
    {"TRANSID interrupted",
     "EHLO c.example\r\n" CLEAR_AUTH TRANSID TO "BDAT 42\r\n" MESSAGE "EHLO c.example\r\n" TRANSID
     "NOOP\r\n",
     0},
    {"half a STARTTLS", "EHLO c.example\r\nSTARTTLS\r\n\x16\x03", 0},
};

static void end_as(struct sim_client *c, enum how how)
{
    switch (how) {
    case HOW_CLOSE:
        stream_close(c->stream);
        break;
    case HOW_RESET:
        stream_reset(c->stream);
        break;
    case HOW_HALF:
        stream_shutdown(c->stream);
        break;
    case HOW_TIMEOUT:
        sim_run_for(11 * 60 * 1000);
        break;
    case HOW_STOP:
        server_stop(world.server, 30000);
        sim_run_for(60 * 1000);
        assert_true(world.stopped);
        break;
    }
    sim_run_for(20 * 1000); /* a client that only half-closed waits for the keeper's answer */
}

static void every_end_gives_everything_back(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof stages / sizeof *stages; i++) {
        for (enum how how = HOW_CLOSE; how <= HOW_STOP; how++) {
            world_start("");
            sim_auth_delay(stages[i].auth_delay_ms);
            struct sim_client *c = client_new(LISTEN_STARTTLS);
            client_say(c, stages[i].says);
            assert_int_equal(world_stats().sessions, 1);
            end_as(c, how);
            struct server_stats s = world_stats();
            if (s.sessions || s.connections || s.memory_used_bytes)
                print_error("stage \"%s\", end %d\n", stages[i].name, how);
            world_assert_idle();
            client_free(c);
            world_stop(1000);
        }
    }
}

/* The session ends at each moment of a submission; the steps of the world stand for the moments. */
static void ends_at_every_step(void **state)
{
    (void)state;
    for (unsigned steps = 0; steps < 60; steps++) {
        world_start("");
        struct sim_client *c = client_new(LISTEN_PLAIN);
        client_put(c, SV("EHLO c.example\r\n" CLEAR_AUTH ENVELOPE "BDAT 42 LAST\r\n" MESSAGE));
        for (unsigned n = 0; n < steps; n++)
            sim_step();
        stream_reset(c->stream);
        sim_run_for(5000);
        world_assert_idle();
        client_free(c);
        world_stop(1000);
    }
}

/* ---- TLS ---- */

static void tls_sessions(void **state)
{
    (void)state;
    struct tls_ctx *ctx;
    world_start("");
    ctx = client_ctx(world_cert.pem, 4);
    struct sim_client *c = client_new(LISTEN_TLS);
    client_tls(c, ctx);
    client_say(c, "EHLO c.example\r\n" CLEAR_AUTH ENVELOPE "BDAT 42 LAST\r\n" MESSAGE "QUIT\r\n");
    assert_true(client_heard(c, "250 2.0.0 Queued as "));
    client_expect(c, "221 ");
    client_free(c);
    c = client_new(LISTEN_STARTTLS);
    client_say(c, "EHLO c.example\r\nSTARTTLS\r\n");
    client_expect(c, "220 2.0.0");
    client_tls(c, ctx);
    client_say(c, "EHLO c.example\r\n");
    assert_false(client_heard(c, "STARTTLS"));
    client_expect(c, "AUTH PLAIN");
    tls_stream_close(c->tls);
    client_flush(c);
    sim_run_for(2000);
    assert_true(c->ended);
    client_free(c);
    sim_run_for(2000);
    world_assert_idle();
    tls_ctx_drop(ctx);
    world_stop(1000);
}

/* RFC 3207 4.2: a login in the clear does not reach into TLS, in the log neither. */
static void starttls_forgets_the_login(void **state)
{
    struct tls_ctx *ctx;
    (void)state;
    world_start("");
    ctx = client_ctx(world_cert.pem, 4);
    struct sim_client *c = client_new(LISTEN_STARTTLS);
    client_say(c, "EHLO c.example\r\n" CLEAR_AUTH "MAIL FROM:<b@example.net>\r\n");
    client_expect(c, "550 5.7.1");
    assert_int_equal(world_log_count("client=10.0.0.1 login=u@example.net: 550"), 1);
    client_say(c, "STARTTLS\r\n");
    client_expect(c, "220 2.0.0");
    client_tls(c, ctx);
    client_say(c, "EHLO c.example\r\nMAIL FROM:<u@example.net>\r\n");
    client_expect(c, "530 5.7.0");
    assert_int_equal(world_log_count("client=10.0.0.1: 530"), 1);
    client_free(c);
    sim_run_for(2000);
    world_assert_idle();
    tls_ctx_drop(ctx);
    world_stop(1000);
}

/* A good record, then a broken one, in one read: what the good one held is for nobody else. */
static void failed_tls_leaves_nothing_behind(void **state)
{
    static const char garbage[] = "\x17\x03\x03\x00\x20 32 bytes that were never sealed.";
    struct tls_ctx *ctx;
    (void)state;
    world_start("");
    ctx = client_ctx(world_cert.pem, 4);
    struct sim_client *bad = client_new(LISTEN_TLS), *good = client_new(LISTEN_TLS);
    client_tls(bad, ctx);
    client_tls(good, ctx);
    client_expect(good, "220 ");
    for (int i = 0; i < 20; i++) {
        static const char command[] = "VRFY injected\r\n";
        size_t n = tls_stream_write(bad->tls, (struct sv){command, sizeof command - 1});
        assert_int_equal(n, sizeof command - 1);
    }
    assert_int_equal(buf_append(&bad->out, garbage, sizeof garbage - 1), 0);
    client_flush(bad);
    sim_run_for(3000);
    assert_true(bad->ended);
    client_say(good, "NOOP\r\n");
    assert_true(sv_eq(buf_view(&good->said), SV("250 2.0.0 Ok\r\n")));
    client_free(bad);
    client_free(good);
    sim_run_for(2000);
    world_assert_idle();
    tls_ctx_drop(ctx);
    world_stop(1000);
}

static void no_signature_no_session(void **state)
{
    struct tls_ctx *ctx;
    (void)state;
    world_start("");
    ctx = client_ctx(world_cert.pem, 4);
    for (enum how how = HOW_CLOSE; how <= HOW_TIMEOUT; how++) {
        sim_auth_delay(3600 * 1000); /* the keeper does not answer */
        static const struct tls_stream_peer peer = {.name = SV("mail.example.net")};
        struct sim_client *c = client_new(LISTEN_TLS);
        c->tls = tls_stream_client(ctx, &peer, &c->out);
        client_flush(c);
        sim_run_for(1000);
        end_as(c, how);
        sim_run_for(120 * 1000);
        world_assert_idle();
        client_free(c);
    }
    assert_true(world_logged("tls-failed"));
    tls_ctx_drop(ctx);
    world_stop(1000);
}

/* A handshake that waits for its signature, which comes in 3 seconds. */
static struct sim_client *client_waiting(struct tls_ctx *ctx)
{
    static const struct tls_stream_peer peer = {.name = SV("mail.example.net")};
    sim_auth_delay(3000);
    struct sim_client *c = client_new(LISTEN_TLS);
    c->tls = tls_stream_client(ctx, &peer, &c->out);
    client_flush(c);
    sim_run_for(1000);
    assert_int_equal(world_stats().sessions, 1);
    return c;
}

static void reset_before_the_signature(void **state)
{
    struct tls_ctx *ctx;
    (void)state;
    world_start("");
    ctx = client_ctx(world_cert.pem, 4);
    struct sim_client *c = client_waiting(ctx);
    stream_reset(c->stream);
    sim_run_for(1000);
    world_assert_idle();
    sim_run_for(4000); /* the signature comes for nobody */
    client_free(c);
    tls_ctx_drop(ctx);
    world_stop(1000);
}

/* No client has anything to say there. What comes is kept for TLS to judge, but not without end. */
static void talk_before_the_signature(void **state)
{
    static const char junk[32 << 10];
    struct tls_ctx *ctx;
    (void)state;
    world_start("");
    ctx = client_ctx(world_cert.pem, 4);
    struct sim_client *c = client_waiting(ctx);
    for (int i = 0; i < 32; i++) {
        assert_int_equal(stream_write(c->stream, (struct sv){junk, sizeof junk}), 0);
        sim_run_for(10);
    }
    assert_true(stream_pending(c->stream) > 0);
    assert_int_equal(world_stats().sessions, 1);
    assert_false(world_logged("tls-failed"));
    sim_run_for(4000);
    assert_true(world_logged("tls-failed"));
    client_free(c);
    sim_run_for(4000);
    world_assert_idle();
    tls_ctx_drop(ctx);
    world_stop(1000);
}

/* ---- limits ---- */

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

/* ---- log ---- */

static void log_lines_are_limited_and_escaped(void **state)
{
    (void)state;
    world_start("log = { per_client_per_minute = 5; };");
    for (int i = 0; i < 40; i++) {
        struct sim_client *c = client_from(9, LISTEN_PLAIN);
        client_put(c, SV("EHLO c\r\nBAD\x1b[31m\nevent=accepted\r\nAUTH PLAIN AHUAeA==\r\n"));
        sim_run_for(100);
        client_free(c);
    }
    size_t lines = world_log_count("reply") + world_log_count("login-failed");
    assert_int_equal(lines, 5);
    assert_false(world_logged("\x1b"));
    assert_false(world_logged("\nevent=accepted"));
    sim_run_for(61 * 1000);
    struct sim_client *c = client_from(9, LISTEN_PLAIN);
    client_say(c, "BAD\r\n");
    assert_true(world_logged("log-limited"));
    client_free(c);
    c = client_from(10, LISTEN_PLAIN); /* another client is not meant */
    size_t before = world_log_count("reply");
    client_say(c, "BAD\r\n");
    assert_int_equal(world_log_count("reply"), before + 1);
    client_free(c);
    world_stop(1000);
}

/* A client that writes MAIL FROM: <a> all day is one line a day for each fault. */
static void tolerated_syntax_is_logged_once_a_day(void **state)
{
    (void)state;
    world_start("");
    for (int day = 0; day < 2; day++) {
        for (int i = 0; i < 10; i++) {
            struct sim_client *c = client_from(9 + i % 2, LISTEN_PLAIN);
            client_say(c, "EHLO c\r\n" CLEAR_AUTH "MAIL FROM: <u@example.net>\r\nRSET \r\n");
            client_expect(c, "250 2.1.0 ");
            client_free(c);
        }
        sim_run_for(24 * 3600 * 1000);
        assert_int_equal(world_log_count("client-syntax"), 4 * (day + 1));
    }
    assert_int_equal(world_log_count("No space may stand behind FROM: or TO:"), 4);
    world_stop(1000);
}

static void strict_syntax_is_an_option(void **state)
{
    (void)state;
    world_start("limits = { strict_syntax = true; };");
    struct sim_client *c = client_ready();
    client_say(c, "MAIL FROM: <u@example.net>\r\n");
    client_expect(c, "501 5.5.4 No space may stand behind FROM: or TO: (limits.strict_syntax)");
    assert_false(world_logged("client-syntax"));
    client_free(c);
    world_stop(1000);
}

static void passwords_are_not_logged(void **state)
{
    (void)state;
    world_start("log = { level = \"debug\"; };");
    struct sim_client *c = client_new(LISTEN_PLAIN);
    client_say(c, "EHLO c\r\nAUTH PLAIN AHVAZXhhbXBsZS5uZXQAc2VjcmV0\r\n");
    client_expect(c, "535 5.7.8");
    client_free(c);
    assert_int_equal(world_log_count("client=10.0.0.1 mechanism=PLAIN login=u@example.net\n"), 1);
    assert_int_equal(world_log_count("login-failed"), 1);
    assert_false(world_logged("5.7.8")); /* once is enough */
    assert_false(world_logged("AHVA"));
    assert_false(world_logged("c2VjcmV0"));
    assert_false(world_logged("secret"));
    world_stop(1000);
}

/* ---- guessing ---- */

/* 454 as often as it is tried, with one line for fail2ban and none besides; the session goes on. */
static void blocked_logins_are_refused_for_a_while(void **state)
{
    (void)state;
    world_start("");
    sim_auth_block("u@example.net");
    struct sim_client *c = client_new(LISTEN_PLAIN);
    client_say(c, "EHLO c\r\n");
    for (int i = 0; i < 10; i++) {
        client_say(c, CLEAR_AUTH);
        client_expect(c, "454 4.7.0 Too many failed logins, try again later [");
    }
    client_say(c, "NOOP\r\n");
    client_expect(c, "250 ");
    assert_int_equal(world_log_count(" warning "), 10);
    assert_int_equal(world_log_count(" login-refused session="), 10);
    assert_int_equal(world_log_count(" client=10.0.0.1 mechanism=PLAIN login=u@example.net\n"), 10);
    assert_int_equal(world_log_count("454 "), 0);
    sim_auth_block("");
    client_say(c, CLEAR_AUTH);
    client_expect(c, "235 ");
    client_free(c);
    world_stop(1000);
}

/* In place of the greeting, also under TLS; others are let in. */
static void refused_networks_are_not_greeted(void **state)
{
    struct tls_ctx *ctx;
    (void)state;
    world_auth = "require_tls = false; refused_networks = [ \"10.0.0.0/28\", \"10.0.1.4\" ];";
    world_start("");
    struct sim_client *c = client_from(9, LISTEN_PLAIN);
    sim_run_for(1000);
    client_expect(c, "554 5.7.1 No service for your network [");
    assert_false(client_heard(c, "220 "));
    sim_run_for(2000);
    assert_true(c->ended);
    client_free(c);
    ctx = client_ctx(world_cert.pem, 4);
    c = client_from(260, LISTEN_TLS);
    client_tls(c, ctx);
    client_expect(c, "554 5.7.1 No service for your network [");
    client_free(c);
    c = client_from(16, LISTEN_PLAIN);
    client_say(c, "EHLO c\r\n" CLEAR_AUTH);
    client_expect(c, "235 ");
    client_free(c);
    tls_ctx_drop(ctx);
    assert_int_equal(world_log_count("reply session="), 2);
    assert_int_equal(world_log_count("] (auth.refused_networks)\n"), 2);
    sim_run_for(2000);
    world_assert_idle();
    world_stop(1000);
    world_auth = "require_tls = false;";
}

/* ---- stop, reload, users ---- */

static void stop_waits_for_content(void **state)
{
    (void)state;
    world_start("");
    struct sim_client *idle = client_ready(), *busy = client_ready();
    client_say(busy, ENVELOPE "DATA\r\n");
    client_expect(busy, "354 ");
    server_stop(world.server, 30000);
    sim_run_for(2000);
    client_expect(idle, "421 4.3.2 ");
    assert_true(idle->ended);
    assert_false(world.stopped);
    client_say(busy, MESSAGE ".\r\n");
    sim_run_for(2000);
    assert_true(client_heard(busy, "250 2.0.0 Queued as "));
    client_expect(busy, "421 4.3.2 ");
    assert_true(world.stopped);
    client_free(idle);
    client_free(busy);
    world_assert_idle();
    world_stop(1000);
}

static void stop_ends_after_grace(void **state)
{
    (void)state;
    world_start("");
    struct sim_client *c = client_ready();
    client_say(c, ENVELOPE "DATA\r\n");
    server_stop(world.server, 5000);
    sim_run_for(4000);
    assert_false(world.stopped);
    sim_run_for(3000);
    assert_true(world.stopped);
    client_free(c);
    world_assert_idle();
    world_stop(1000);
}

static void sessions_keep_their_generation(void **state)
{
    (void)state;
    world_start("limits = { message_size = \"1M\"; };");
    struct sim_client *old = client_new(LISTEN_PLAIN);
    world_reload(2, "limits = { message_size = \"2M\"; };");
    sim_run_for(100);
    struct sim_client *fresh = client_new(LISTEN_PLAIN);
    client_say(old, "EHLO c\r\n");
    client_expect(old, "SIZE 1048576");
    client_say(fresh, "EHLO c\r\n");
    client_expect(fresh, "SIZE 2097152");
    assert_int_equal(world_stats().generation, 2);
    client_free(old);
    client_free(fresh);
    world_stop(1000);
}

/* What is being committed is answered first, or the client would send it again. */
static void changed_user_hears_of_his_message(void **state)
{
    (void)state;
    world_start("");
    struct sim_client *u = client_ready();
    client_say(u, "MAIL FROM:<u@example.net>\r\nRCPT TO:<a@example.org>\r\n");
    buf_reset(&u->said);
    sim_thread_delay(60000);
    client_say(u, "BDAT 17 LAST\r\nSubject: x\r\n\r\nx\r\nVRFY x\r\n");
    assert_int_equal(buf_len(&u->said), 0);
    sim_auth_change("u@example.net");
    sim_run_for(70000);
    struct sv said = buf_view(&u->said);
    assert_true(sv_starts(said, SV("250 2.0.0 Queued as ")));
    sv_split(&said, '\n');
    assert_true(sv_starts(said, SV("421 4.7.0 ")));
    assert_true(u->ended);
    client_free(u);
    sim_thread_delay(0);
    world_stop(1000);
}

static void changed_user_is_logged_out(void **state)
{
    (void)state;
    world_start("");
    sim_auth_user("v@example.net", "p");
    struct sim_client *u = client_ready(), *v = client_new(LISTEN_PLAIN);
    client_say(v, "EHLO c\r\nAUTH PLAIN AHZAZXhhbXBsZS5uZXQAcA==\r\n");
    client_expect(v, "235 ");
    sim_auth_change("u@example.net");
    sim_run_for(2000);
    client_expect(u, "421 4.7.0 ");
    assert_true(u->ended);
    client_say(v, "NOOP\r\n");
    client_expect(v, "250 ");
    client_free(u);
    client_free(v);
    world_stop(1000);
}

static void keeper_is_away(void **state)
{
    (void)state;
    world_start("");
    struct sim_client *c = client_ready(), *d = client_new(LISTEN_PLAIN);
    client_say(d, "EHLO c\r\nAUTH LOGIN\r\n");
    client_expect(d, "334 ");
    sim_auth_down(true);
    client_say(d, "dQ==\r\n");
    client_expect(d, "454 4.7.0 ");
    client_say(c, ENVELOPE "BDAT 42 LAST\r\n" MESSAGE);
    client_expect(c, "250 2.0.0 Queued as ");
    client_free(c);
    client_free(d);
    world_stop(1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(submits),
        cmocka_unit_test(recipients_are_told_apart),
        cmocka_unit_test(half_closed_client_is_answered),
        cmocka_unit_test(half_closed_without_quit),
        cmocka_unit_test(every_end_gives_everything_back),
        cmocka_unit_test(ends_at_every_step),
        cmocka_unit_test(tls_sessions),
        cmocka_unit_test(starttls_forgets_the_login),
        cmocka_unit_test(failed_tls_leaves_nothing_behind),
        cmocka_unit_test(no_signature_no_session),
        cmocka_unit_test(reset_before_the_signature),
        cmocka_unit_test(talk_before_the_signature),
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
        cmocka_unit_test(log_lines_are_limited_and_escaped),
        cmocka_unit_test(tolerated_syntax_is_logged_once_a_day),
        cmocka_unit_test(strict_syntax_is_an_option),
        cmocka_unit_test(passwords_are_not_logged),
        cmocka_unit_test(blocked_logins_are_refused_for_a_while),
        cmocka_unit_test(refused_networks_are_not_greeted),
        cmocka_unit_test(stop_waits_for_content),
        cmocka_unit_test(stop_ends_after_grace),
        cmocka_unit_test(sessions_keep_their_generation),
        cmocka_unit_test(changed_user_is_logged_out),
        cmocka_unit_test(changed_user_hears_of_his_message),
        cmocka_unit_test(keeper_is_away),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
