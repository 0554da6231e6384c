/*
 * Transactions with TRANSID (RFC 1845) in a whole server: cut off at each octet and continued,
 * finished without the client knowing, wanted by two connections, with and without room. What is
 * in the queue in the end is the message, once.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "tests/unit/msa_server/sim_world.h"

#include <stdio.h>

#define MAIL     "MAIL FROM:<u@example.net> TRANSID=<1@c.example>\r\n"
#define ENVELOPE MAIL "RCPT TO:<a@example.org>\r\nRCPT TO:<b@example.org> NOTIFY=NEVER\r\n"
/* As on the wire, and what of it is content. */
#define WIRE    "From: u@example.net\r\nSubject: x\r\n\r\n..dot\r\nhello\r\n..\r\n"
#define CONTENT "From: u@example.net\r\nSubject: x\r\n\r\n.dot\r\nhello\r\n.\r\n"

/* Which octet of the content a piece of the wire's text has reached. */
static size_t content_octets(const char *wire, size_t len)
{
    size_t n = 0;
    for (size_t i = 0; i < len; i++)
        n += !(wire[i] == '.' && (i == 0 || wire[i - 1] == '\n'));
    return n;
}

/* What is left of the wire's text from an octet of the content on, which begins a line. */
static const char *wire_from(const char *wire, size_t octet)
{
    size_t i = 0;
    while (content_octets(wire, i) < octet)
        i++;
    return wire + i;
}

static size_t offset_heard(struct sim_client *c)
{
    struct sv said = buf_view(&c->said);
    uint64_t n = 0;
    const char *at = memmem(said.ptr, said.len, "355 ", 4);
    if (!at) {
        print_error("no 355: %.*s\n", SV_ARG(said));
        fail();
    }
    struct sv rest = sv_skip(said, (size_t)(at - said.ptr) + 4);
    assert_true(sv_u64(sv_split(&rest, ' '), 1u << 30, &n));
    assert_true(sv_starts(rest, SV("is the transaction offset\r\n")));
    buf_reset(&c->said);
    return n;
}

/* The size of each accepted message, as the log tells it. */
static void expect_accepted(unsigned count, size_t size)
{
    char words[60];
    assert_int_equal(world_stats().accepted_messages, count);
    snprintf(words, sizeof words, " recipients=2 size=%zu ", size);
    assert_int_equal(world_log_count("recipients="), count);
    if (world_log_count(words) != count) {
        struct sv log = buf_view(&world.log);
        print_error("not %u times \"%s\":\n%.*s", count, words, SV_ARG(log));
        fail();
    }
}

static size_t whole_size(void)
{
    world_start("");
    struct sim_client *c = client_ready();
    client_say(c, ENVELOPE "DATA\r\n" WIRE ".\r\n");
    client_expect(c, "250 2.0.0 Queued");
    struct sv log = buf_view(&world.log);
    const char *at = memmem(log.ptr, log.len, " size=", 6);
    assert_non_null(at);
    size_t size = strtoul(at + 6, NULL, 10);
    client_free(c);
    world_stop(1000);
    return size;
}

static void lose(struct sim_client *c)
{
    stream_reset(c->stream);
    sim_run_for(1000);
    client_free(c);
    sim_run_for(1000);
    world_assert_idle();
}

/* Cut off after each octet that a client sends, by DATA, and continued by DATA and by BDAT; the
 * final 250 is lost as well. */
static void cut_off_at_each_octet(void **state)
{
    size_t size = whole_size();
    (void)state;
    for (size_t cut = 0; cut <= sizeof WIRE - 1; cut++) {
        for (int chunks = 0; chunks < 2; chunks++) {
            char id[100];
            world_start("");
            struct sim_client *c = client_ready();
            client_say(c, ENVELOPE "DATA\r\n");
            client_put(c, (struct sv){WIRE, cut});
            sim_run_for(100);
            lose(c);
            assert_int_equal(world_stats().accepted_messages, 0);

            c = client_ready();
            client_say(c, MAIL);
            size_t offset = offset_heard(c);
            assert_true(offset <= content_octets(WIRE, cut));
            assert_true(offset == 0 || CONTENT[offset - 1] == '\n');
            /* nothing but the last line is lost */
            assert_null(memchr(CONTENT + offset, '\n', content_octets(WIRE, cut) - offset));
            if (chunks) {
                char bdat[40];
                snprintf(bdat, sizeof bdat, "BDAT %zu LAST\r\n", sizeof CONTENT - 1 - offset);
                client_put(c, sv_of(bdat));
                client_put(c, sv_of(CONTENT + offset));
            } else {
                client_say(c, "RCPT TO:<d@example.org>\r\n");
                client_expect(c, "503 5.5.1 Recipients are remembered");
                client_say(c, "DATA\r\n");
                client_expect(c, "354 ");
                client_put(c, sv_of(wire_from(WIRE, offset)));
                client_put(c, SV(".\r\n"));
            }
            sim_run_for(2000);
            struct sv said = buf_view(&c->said);
            assert_true(sv_starts(said, SV("250 2.0.0 Queued as ")));
            snprintf(id, sizeof id, "%.*s", SV_ARG(said));
            expect_accepted(1, size);

            /* the 250 was not seen */
            lose(c);
            c = client_ready();
            client_say(c, MAIL);
            assert_int_equal(offset_heard(c), sizeof CONTENT - 1);
            client_say(c, "DATA\r\n");
            client_expect(c, "354 ");
            client_say(c, ".\r\n");
            client_expect(c, id);
            expect_accepted(1, size);
            client_say(c, "QUIT\r\n");
            client_free(c);
            c = client_ready();
            client_say(c, MAIL);
            client_expect(c, "250 2.1.0");
            client_free(c);
            sim_run_for(1000);
            world_assert_idle();
            world_stop(1000);
        }
    }
}

static struct sim_client *client_ready_tls(struct tls_ctx *ctx)
{
    struct sim_client *c = client_new(LISTEN_TLS);
    client_tls(c, ctx);
    client_say(c, "EHLO client.example\r\n" CLEAR_AUTH);
    client_expect(c, "235 ");
    return c;
}

/* The end comes before any reply could be read: also what is sent with the last dot shows nothing
 * of what the client knows. Under TLS, where what is written at once arrives at once. */
static void lost_250(void **state)
{
    static const char *const behind[] = {"", "QUIT\r\n", "RSET\r\n",
                                         "MAIL FROM:<u@example.net>\r\nQUIT\r\n"};
    (void)state;
    for (size_t i = 0; i < sizeof behind / sizeof *behind; i++) {
        world_start("");
        struct tls_ctx *ctx = client_ctx(world_cert.pem, 4);
        for (int n = 0; n < 4; n++) { /* the 250 is lost again and again */
            char text[200];
            struct sim_client *c = client_ready_tls(ctx);
            client_say(c, n == 0 ? ENVELOPE "DATA\r\n" : MAIL);
            if (n > 0) {
                assert_int_equal(offset_heard(c), sizeof CONTENT - 1);
                client_say(c, "DATA\r\n");
            }
            client_expect(c, "354 ");
            snprintf(text, sizeof text, "%s.\r\n%s", n == 0 ? WIRE : "", behind[i]);
            client_say(c, text);
            client_expect(c, "250 2.0.0 Queued as ");
            lose(c);
            assert_int_equal(world_stats().accepted_messages, 1);
        }
        tls_ctx_drop(ctx);
        world_stop(1000);
    }
}

/* At every step of a submission whose client goes. */
static void gone_at_every_step(void **state)
{
    (void)state;
    for (unsigned steps = 0; steps < 90; steps++) {
        world_start("");
        struct sim_client *c = client_ready();
        client_put(c, SV(ENVELOPE "BDAT 20\r\nFrom: u@example.net\rBDAT 15 LAST\r\n\nSubject: "
                                  "x\r\n\r\n"));
        for (unsigned n = 0; n < steps; n++)
            sim_step();
        stream_reset(c->stream);
        sim_run_for(5000);
        client_free(c);
        sim_run_for(1000);
        world_assert_idle();
        uint64_t accepted = world_stats().accepted_messages;
        c = client_ready();
        client_say(c, MAIL);
        if (client_heard(c, "250 2.1.0")) {
            assert_int_equal(accepted, 0);
        } else {
            size_t offset = offset_heard(c);
            assert_true(accepted ? offset == 35
                                 : offset == 0 || offset == 21 || offset == 33 || offset == 35);
            if (accepted) {
                client_say(c, "BDAT 0 LAST\r\n");
                client_expect(c, "250 2.0.0 Queued as ");
            }
        }
        assert_int_equal(world_stats().accepted_messages, accepted);
        client_free(c);
        world_stop(1000);
    }
}

static void two_logins(void **state)
{
    (void)state;
    world_start("");
    sim_auth_user("v@example.net", "p");
    struct sim_client *c = client_ready();
    client_say(c, ENVELOPE "DATA\r\nFrom: u@example.net\r\n");
    struct sim_client *v = client_new(LISTEN_PLAIN);
    client_say(v, "EHLO c.example\r\nAUTH PLAIN AHZAZXhhbXBsZS5uZXQAcA==\r\n");
    client_expect(v, "235 ");
    client_say(v, "MAIL FROM:<v@example.net> TRANSID=<1@c.example>\r\n");
    client_expect(v, "250 2.1.0");
    client_say(v, "RCPT TO:<a@example.org>\r\nDATA\r\nSubject: other\r\n");
    client_expect(v, "354 ");
    assert_false(c->ended);
    client_free(v);
    sim_run_for(1000);
    client_say(c, "Subject: x\r\n\r\n.\r\n");
    client_expect(c, "250 2.0.0 Queued");
    client_free(c);
    world_stop(1000);
}

/* The address stands for the login where none is needed; strangers may not begin one at all. */
static void without_a_login(void **state)
{
    (void)state;
    world_auth = "require_tls = false; trusted_networks = [ \"10.0.0.0/28\" ];";
    world_listen = "auth = \"trusted\";";
    world_start("");
    for (unsigned n = 0; n < 3; n++) {
        struct sim_client *c = client_from(n < 2 ? 1 : 2, LISTEN_PLAIN);
        client_say(c, "EHLO c.example\r\n" MAIL);
        if (n == 1) {
            assert_int_equal(offset_heard(c), 21);
        } else {
            client_expect(c, "250 2.1.0");
            client_say(c, "RCPT TO:<a@example.org>\r\nDATA\r\n");
            client_expect(c, "354 ");
            client_say(c, "From: u@example.net\r\n");
        }
        client_free(c);
        sim_run_for(1000);
        world_assert_idle();
    }
    struct sim_client *c = client_ready(); /* a login from there is somebody else */
    client_say(c, MAIL);
    client_expect(c, "250 2.1.0");
    client_free(c);
    world_stop(1000);

    world_auth = "require_tls = false; open_postmaster = true;";
    world_listen = "";
    world_start("");
    c = client_new(LISTEN_PLAIN);
    client_say(c, "EHLO c.example\r\n" MAIL);
    client_expect(c, "530 5.7.0");
    client_free(c);
    world_stop(1000);
    world_auth = "require_tls = false;";
}

static void another_address(void **state)
{
    (void)state;
    world_start("");
    struct sim_client *c = client_ready();
    client_say(c, ENVELOPE "DATA\r\nFrom: u@example.net\r\n");
    lose(c);
    c = client_ready();
    client_say(c, "MAIL FROM:<> TRANSID=<1@c.example>\r\n");
    client_expect(c, "501 5.5.4 This TRANSID belongs to a message from another address");
    client_say(c, MAIL);
    assert_int_equal(offset_heard(c), 21);
    client_free(c);
    world_stop(1000);
}

/* The client comes back while the server still waits for it on the old connection. */
static void continued_on_another_connection(void **state)
{
    (void)state;
    world_start("");
    struct sim_client *c = client_ready(), *d;
    client_say(c, ENVELOPE "DATA\r\nFrom: u@example.net\r\nSubj");
    d = client_ready();
    client_say(d, MAIL);
    client_expect(c, "421 4.3.0 This message is continued on another connection");
    assert_int_equal(offset_heard(d), 21);
    client_free(c);
    /* in the other states as well */
    c = client_ready();
    client_say(c, MAIL);
    client_expect(d, "421 4.3.0 ");
    assert_int_equal(offset_heard(c), 21);
    client_free(d);
    client_say(c, "BDAT 2 LAST\r\n\r\n");
    client_expect(c, "250 2.0.0 Queued");
    d = client_ready();
    client_say(d, MAIL);
    client_expect(c, "421 4.3.0 ");
    assert_int_equal(offset_heard(d), 23);
    client_free(c);
    client_free(d);
    sim_run_for(1000);
    world_assert_idle();
    assert_int_equal(world_stats().accepted_messages, 1);
    world_stop(1000);
}

/* A commit under way is waited for, then the other connection is told its result. */
static void continued_while_it_is_committed(void **state)
{
    unsigned finished = 0;
    (void)state;
    for (unsigned steps = 0; steps < 60; steps++) {
        world_start("");
        struct sim_client *c = client_ready(), *d = client_ready();
        client_say(c, ENVELOPE);
        client_put(c, SV("BDAT 23 LAST\r\nFrom: u@example.net\r\n\r\n"));
        for (unsigned n = 0; n < steps; n++)
            sim_step();
        client_put(d, SV(MAIL));
        sim_run_for(3000);
        client_free(c);
        if (client_heard(d, "250 2.1.0")) { /* it was before content */
            assert_int_equal(world_stats().accepted_messages, 0);
        } else if (offset_heard(d) == 23) {
            finished++;
            client_say(d, "BDAT 0 LAST\r\n");
            client_expect(d, "250 2.0.0 Queued");
            assert_int_equal(world_stats().accepted_messages, 1);
        } else {
            assert_int_equal(world_stats().accepted_messages, 0);
        }
        client_free(d);
        sim_run_for(1000);
        world_assert_idle();
        world_stop(1000);
    }
    assert_true(finished > 0);
}

/* A client that does not wait for the reply to MAIL. Under TLS what is written at once arrives at
 * once. */
static void pipelined(void **state)
{
    (void)state;
    world_start("");
    struct tls_ctx *ctx = client_ctx(world_cert.pem, 4);
    struct sim_client *c = client_ready_tls(ctx);
    client_say(c, ENVELOPE "DATA\r\n");
    client_expect(c, "354 ");
    client_say(c, "From: u@example.net\r\n");
    lose(c);
    c = client_ready_tls(ctx);
    client_say(c, ENVELOPE "DATA\r\nNOOP\r\n");
    assert_true(client_heard(c, "355 21 is the transaction offset\r\n503 5.5.1 Recipients"));
    client_expect(c, "503 5.5.1 Wait for the reply to MAIL");
    client_say(c, "DATA\r\n");
    client_expect(c, "354 Octet 21 and on; ");
    client_say(c, "\r\n.\r\n");
    client_expect(c, "250 2.0.0 Queued");
    client_free(c);
    c = client_ready_tls(ctx);
    client_say(c, ENVELOPE "BDAT 4 LAST\r\nabcd");
    assert_true(client_heard(c, "355 23 is the transaction offset\r\n503 5.5.1 Recipients"));
    client_expect(c, "503 5.5.1 Wait for the reply to MAIL");
    client_say(c, "DATA\r\n.\r\n");
    client_expect(c, "250 2.0.0 Queued");
    client_free(c);
    /* what was given up before 355 could be seen is not forgotten */
    c = client_ready_tls(ctx);
    client_say(c, MAIL "RSET\r\n");
    client_expect(c, "355 23 is");
    client_say(c, MAIL);
    client_expect(c, "355 23 is");
    client_say(c, "RSET\r\n" MAIL);
    client_expect(c, "250 2.1.0");
    client_free(c);
    assert_int_equal(world_stats().accepted_messages, 1);
    tls_ctx_drop(ctx);
    world_stop(1000);
}

static void nothing_is_added_to_what_is_complete(void **state)
{
    (void)state;
    world_start("");
    struct sim_client *c = client_ready();
    client_say(c, ENVELOPE "DATA\r\n" WIRE ".\r\n");
    lose(c);
    for (int i = 0; i < 2; i++) {
        c = client_ready();
        client_say(c, MAIL);
        client_expect(c, "355 ");
        client_say(c, i ? "DATA\r\nmore\r\n.\r\n" : "BDAT 4 LAST\r\nmore");
        client_expect(c, "554 5.5.0 This message was complete");
        client_free(c);
        sim_run_for(1000);
    }
    world_assert_idle();
    assert_int_equal(world_stats().accepted_messages, 1);
    world_stop(1000);
}

/* A refusal at the end is final, a failure of ours is not. */
static void refused_and_failed(void **state)
{
    (void)state;
    world_start("");
    struct sim_client *c = client_ready();
    client_say(c, ENVELOPE "DATA\r\nthis is no header\r\n.\r\n");
    client_expect(c, "554 5.6.0");
    lose(c);
    c = client_ready();
    client_say(c, ENVELOPE "DATA\r\nthis is no header\r\n");
    client_expect(c, "354 ");
    lose(c); /* before it could be told */
    c = client_ready();
    client_say(c, MAIL);
    assert_int_equal(offset_heard(c), 19);
    for (int i = 0; i < 3; i++) { /* what is kept is judged from its beginning each time */
        client_say(c, "DATA\r\n");
        client_expect(c, "554 5.6.0");
    }
    client_say(c, "RSET\r\n" MAIL);
    client_expect(c, "250 2.1.0");
    client_say(c, "RCPT TO:<a@example.org>\r\nRCPT TO:<b@example.org>\r\nDATA\r\n" WIRE);
    client_expect(c, "354 ");
    disk_set_capacity(disk_used());
    client_say(c, ".\r\n");
    sim_run_for(6000); /* the store tries to make sure that nothing of it stays */
    client_expect(c, "452 4.3.1");
    disk_set_capacity(UINT64_MAX);
    sim_run_for(5000);
    client_say(c, "RSET\r\n" MAIL);
    client_expect(c, "355 ");
    client_say(c, "DATA\r\n");
    client_expect(c, "354 ");
    buf_reset(&c->said);
    client_free(c);
    world_stop(1000);
}

static void fill(char *line, unsigned n)
{
    snprintf(line, 101, "%98u\r\n", n);
}

/* A large one, cut off again and again: pieces of it go through memory, not the whole. */
static void large(void **state)
{
    static const struct sim_net net = {.latency_max_ms = 1, .segment_max = 65536, .window = 65536};
    char line[101];
    (void)state;
    world_start("");
    sim_net_set(&net);
    struct sim_client *c = client_ready();
    client_say(c, ENVELOPE "DATA\r\n");
    unsigned next = 0, lines = 60000;
    size_t kept = 0;
    for (unsigned tries = 0; next < lines; tries++) {
        client_expect(c, "354 ");
        for (unsigned end = next + 17000; next < end && next < lines; next++) {
            fill(line, next);
            if (next == 0)
                client_put(c, SV("Subject: x\r\n\r\n"));
            client_put(c, (struct sv){line, 100});
        }
        sim_run_for(60000);
        assert_int_equal(stream_pending(c->stream), 0);
        if (next == lines)
            break;
        lose(c);
        c = client_ready();
        client_say(c, MAIL);
        size_t offset = offset_heard(c);
        assert_true(offset > kept);
        kept = offset;
        assert_int_equal((offset - 14) % 100, 0);
        next = (unsigned)(offset - 14) / 100;
        assert_int_equal(next, 17000 * (tries + 1));
        client_say(c, "DATA\r\n");
        sim_run_for(10000);
    }
    client_say(c, ".\r\n");
    sim_run_for(10000);
    client_expect(c, "250 2.0.0 Queued");
    assert_int_equal(world_stats().accepted_messages, 1);
    struct sv log = buf_view(&world.log);
    const char *at = memmem(log.ptr, log.len, " size=", 6);
    assert_in_range(strtoul(at + 6, NULL, 10), 6000014, 6000014 + 500);
    client_free(c);
    sim_run_for(2000);
    world_assert_idle();
    world_stop(1000);
}

/* While the disk takes nothing the client is not read from, with two files as with one. */
static void blocked_disk_stops_reading(void **state)
{
    static const struct sim_net net = {.latency_max_ms = 1, .segment_max = 65536, .window = 65536};
    char line[101];
    (void)state;
    world_start("");
    sim_net_set(&net);
    struct sim_client *c = client_ready();
    client_say(c, ENVELOPE "DATA\r\n");
    client_expect(c, "354 ");
    client_put(c, SV("Subject: x\r\n\r\n"));
    sim_thread_delay(1000000);
    for (unsigned i = 0; i < 100000; i++) {
        fill(line, i);
        client_put(c, (struct sv){line, 100});
    }
    sim_run_for(500);
    size_t taken = 10 * 1000 * 1000 - stream_pending(c->stream);
    assert_in_range(taken, 256 << 10, 1 << 20);
    sim_thread_delay(0);
    sim_run_for(3600 * 1000);
    client_free(c);
    sim_run_for(10000);
    world_assert_idle();
    world_stop(1000);
}

/* The store does not answer: MAIL, DATA and the end are answered in time, and what comes of the
 * late put is known to the record. */
static void late_store(void **state)
{
    static const char *const before[] = {"", ENVELOPE, ENVELOPE "DATA\r\n"};
    static const char *const late[] = {MAIL, "DATA\r\n", "Subject: x\r\n\r\nx\r\n.\r\n"};
    static const char *const answers[] = {"421 4.3.0 This takes", "421 4.3.0 This takes",
                                          "451 4.3.0 This takes"};
    (void)state;
    for (int i = 0; i < 3; i++) {
        world_start("");
        struct sim_client *c = client_ready();
        client_say(c, before[i]);
        buf_reset(&c->said);
        sim_thread_delay(30000000);
        client_say(c, late[i]);
        sim_run_for(90000);
        assert_int_equal(buf_len(&c->said), 0);
        sim_run_for(20000);
        client_expect(c, answers[i]);
        sim_thread_delay(0);
        sim_run_for(31000000);
        assert_true(world_stats().store.puts <= (i == 2));
        client_free(c);
        sim_run_for(2000);
        world_assert_idle();

        c = client_ready();
        client_say(c, MAIL);
        if (client_heard(c, "250 2.1.0")) {
            assert_true(i < 2);
            client_say(c, "RCPT TO:<a@example.org>\r\nBDAT 17 LAST\r\nSubject: x\r\n\r\nx\r\n");
        } else {
            char text[100];
            size_t offset = offset_heard(c);
            snprintf(text, sizeof text, "BDAT %zu LAST\r\n%s", 17 - offset,
                     "Subject: x\r\n\r\nx\r\n" + offset);
            client_say(c, text);
        }
        client_expect(c, "250 2.0.0 Queued as ");
        assert_int_equal(world_stats().store.puts, 1);
        client_free(c);
        world_stop(1000);
    }
}

/* Kept for 48 hours; without room not at all; neither hinders the message. */
static void age_and_room(void **state)
{
    (void)state;
    world_start("");
    struct sim_client *c = client_ready();
    client_say(c, ENVELOPE "DATA\r\nFrom: u@example.net\r\n");
    lose(c);
    sim_run_for(47 * 3600 * 1000);
    c = client_ready();
    client_say(c, MAIL);
    assert_int_equal(offset_heard(c), 21);
    lose(c);
    sim_run_for(2 * 3600 * 1000); /* only asked for: it was not touched since */
    c = client_ready();
    client_say(c, MAIL);
    client_expect(c, "250 2.1.0");
    client_free(c);
    sim_run_for(1000);
    assert_int_equal(world_stats().accepted_messages, 0);
    world_stop(1000);

    world_start("extensions = { checkpoint_bytes = \"0\"; };");
    c = client_ready();
    client_say(c, ENVELOPE "DATA\r\nFrom: u@example.net\r\n");
    lose(c);
    c = client_ready();
    client_say(c, ENVELOPE "DATA\r\n");
    client_expect(c, "354 ");
    client_say(c, WIRE ".\r\n");
    client_expect(c, "250 2.0.0 Queued");
    client_free(c);
    assert_int_equal(world_stats().accepted_messages, 1);
    world_stop(1000);

    world_start("extensions = { off = [ \"CHECKPOINT\" ]; };");
    c = client_ready();
    client_say(c, "EHLO c.example\r\n" MAIL);
    assert_false(client_heard(c, "CHECKPOINT"));
    client_expect(c, "555 5.5.4");
    client_free(c);
    world_stop(1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cut_off_at_each_octet),
        cmocka_unit_test(lost_250),
        cmocka_unit_test(gone_at_every_step),
        cmocka_unit_test(two_logins),
        cmocka_unit_test(without_a_login),
        cmocka_unit_test(another_address),
        cmocka_unit_test(continued_on_another_connection),
        cmocka_unit_test(continued_while_it_is_committed),
        cmocka_unit_test(pipelined),
        cmocka_unit_test(nothing_is_added_to_what_is_complete),
        cmocka_unit_test(refused_and_failed),
        cmocka_unit_test(large),
        cmocka_unit_test(blocked_disk_stops_reading),
        cmocka_unit_test(late_store),
        cmocka_unit_test(age_and_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
