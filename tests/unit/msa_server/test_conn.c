/*
 * Sessions of a whole server, in the simulated world: every way in which one can end gives back
 * what it held, and no session gets a byte of another.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "tests/unit/msa_server/conn_mail.h"
#include "tests/unit/msa_server/sim_world.h"

#define TRANSID "MAIL FROM:<u@example.net> TRANSID=<1@c.example>\r\n"
#define TO      "RCPT TO:<a@example.org>\r\n"

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
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
