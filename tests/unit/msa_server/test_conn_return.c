/*
 * XRETURN in a whole server of the simulated world: what comes back, and that nothing is left of it
 * however the session ends.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "msa/base/b64.h"
#include "tests/unit/msa_server/sim_world.h"

#include <stdio.h>
#include <stdlib.h>

#define LARGE 700000u /* octets of a body that goes to a spool file */
#define OPEN  "MAIL FROM:<u@example.net> XRETURN\r\nRCPT TO:<a@example.org>\r\nDATA\r\n"
#define HEAD  "From: u@example.net\r\nSubject: x\r\n\r\n"

static void stop(void)
{
    sim_run_for(5000);
    world_assert_idle();
    assert_int_equal(world_stats().store.messages, 0);
    world_stop(1000);
}

/* The body of the large message, lines that tell their number; NUL behind it. */
static char *large_body(void)
{
    char *text = calloc(1, LARGE + 100);
    for (size_t at = 0, n = 0; at < LARGE; n++)
        at += (size_t)sprintf(text + at, "line %zu of many\r\n", n);
    return text;
}

static void give_large(struct sim_client *c, const char *body)
{
    client_say(c, OPEN);
    client_expect(c, "354 ");
    client_put(c, SV(HEAD));
    client_put(c, sv_of(body));
    client_put(c, SV(".\r\n"));
}

/* What follows the announcement, whose number it must be; rest_out: behind the octets. */
static struct sv returned(const struct sim_client *c, struct sv *rest_out)
{
    struct sv said = buf_view(&c->said), words;
    const char *at = memmem(said.ptr, said.len, " octets follow\r\n", 16);
    if (!at)
        fail_msg("nothing announced: %.*s", SV_ARG(said));
    words = sv_range(said.ptr, at);
    size_t line_end = sv_rfind(words, '\n');
    words = line_end < words.len ? sv_skip(words, line_end + 1) : words;
    assert_true(sv_starts(words, SV("250 2.0.0 ")));
    uint64_t n;
    assert_true(sv_u64(sv_skip(words, 10), 10000000, &n));
    struct sv rest = sv_skip(said, (size_t)(at + 16 - said.ptr));
    assert_true(rest.len >= n);
    *rest_out = sv_skip(rest, (size_t)n);
    return sv_first(rest, (size_t)n);
}

static bool has(struct sv text, const char *words)
{
    return memmem(text.ptr, text.len, words, strlen(words)) != NULL;
}

static void comes_back_finished(void **state)
{
    (void)state;
    struct sv rest;
    world_start("");
    struct sim_client *c = client_ready();
    client_say(c, OPEN);
    client_expect(c, "354 ");
    client_say(c, HEAD "hello\r\n..dot\r\n.\r\nNOOP\r\n");
    struct sv got = returned(c, &rest);
    assert_true(sv_starts(got, SV("Received: ")));
    assert_true(has(got, "\r\nDate: ") && has(got, "\r\nMessage-ID: <"));
    assert_true(sv_iends(got, SV(HEAD "hello\r\n.dot\r\n")));
    assert_true(sv_eq(rest, SV("250 2.0.0 Ok\r\n")));
    assert_true(world_logged(" returned session="));
    assert_false(world_logged(" accepted "));
    buf_reset(&c->said);
    client_say(c, OPEN "RSET\r\n.\r\n"); /* content */
    assert_true(has(buf_view(&c->said), "554 5.6.0"));
    client_free(c);
    stop();
}

static void a_large_one_is_octet_exact(void **state)
{
    (void)state;
    char *body = large_body();
    for (int tls = 0; tls < 2; tls++) {
        struct sv rest;
        world_start("");
        struct sim_client *c = tls ? client_new(LISTEN_TLS) : client_ready();
        struct tls_ctx *ctx = tls ? client_ctx(world_cert.pem, 4) : NULL;
        if (tls) {
            client_tls(c, ctx);
            client_say(c, "EHLO client.example\r\n" CLEAR_AUTH);
        }
        give_large(c, body);
        client_put(c, SV("NOOP\r\n"));
        sim_run_for(20000);
        struct sv got = returned(c, &rest);
        assert_true(got.len > LARGE + strlen(HEAD));
        struct sv tail = sv_skip(got, got.len - strlen(HEAD) - strlen(body));
        assert_true(sv_starts(tail, SV(HEAD)));
        assert_true(sv_eq(sv_skip(tail, strlen(HEAD)), sv_of(body)));
        assert_true(sv_eq(rest, SV("250 2.0.0 Ok\r\n")));
        client_free(c);
        tls_ctx_drop(ctx);
        stop();
    }
    free(body);
}

/* The session ends, and no octet is left on the disk or in memory. */
static void who_reads_nothing_is_left(void **state)
{
    (void)state;
    char *body = large_body();
    world_start("limits = { data_timeout = \"30s\"; };");
    struct sim_client *c = client_ready();
    give_large(c, body);
    stream_read_stop(c->stream);
    sim_run_for(20000);
    assert_int_equal(world_stats().sessions, 1);
    sim_run_for(120000);
    assert_int_equal(world_stats().sessions, 0);
    assert_true(world_logged(" unread "));
    client_free(c);
    stop();
    free(body);
}

static void who_goes_away_is_forgotten(void **state)
{
    (void)state;
    char *body = large_body();
    for (uint64_t ms = 0; ms < 60; ms += 3) { /* at its end, in the commit, in the octets */
        world_start("");
        struct sim_client *c = client_ready();
        give_large(c, body);
        sim_run_for(ms);
        client_free(c);
        stop();
    }
    free(body);
}

/* ---- a session that ends in the middle ---- */

static void by_garbage(struct sim_client *c)
{
    assert_true(stream_write(c->stream, SV("this is no TLS record")) >= 0);
}

static void by_reset(struct sim_client *c)
{
    stream_reset(c->stream);
}

static void by_stop(struct sim_client *c)
{
    (void)c;
    server_stop(world.server, 0);
}

static void by_close(struct sim_client *c)
{
    stream_close(c->stream);
}

#define SMALL_CHUNK "BDAT 42 LAST\r\nFrom: u@example.net\r\nSubject: x\r\n\r\nhello\r\n"

/* In the same segment as the end of data, and after each event that follows it. */
static void an_end_at_each_step(void **state)
{
    (void)state;
    void (*const ends[])(struct sim_client *) = {by_garbage, by_reset, by_stop, by_close};
    struct tls_ctx *ctx = client_ctx(world_cert.pem, 4);
    for (size_t end = 0; end < sizeof ends / sizeof *ends; end++) {
        bool came_to_octets = false;
        for (unsigned steps = 0; steps < 60; steps++) {
            world_start("");
            struct sim_client *c = client_new(LISTEN_STARTTLS);
            client_say(c, "EHLO client.example\r\nSTARTTLS\r\n");
            client_expect(c, "220 2.0.0 ");
            client_tls(c, ctx);
            client_say(c, "EHLO client.example\r\n" CLEAR_AUTH);
            client_say(c, "MAIL FROM:<u@example.net> XRETURN\r\nRCPT TO:<a@example.org>\r\n");
            client_put(c, SV(SMALL_CHUNK));
            for (unsigned i = 0; i < steps; i++)
                sim_step();
            came_to_octets = client_heard(c, " octets follow");
            ends[end](c);
            sim_run_for(1000);
            client_free(c);
            stop();
        }
        assert_true(came_to_octets);
    }
    tls_ctx_drop(ctx);
}

/* No words between octets. */
static void a_login_that_is_gone_ends_it(void **state)
{
    (void)state;
    char *body = large_body();
    world_start("");
    struct sim_client *c = client_ready();
    give_large(c, body);
    stream_read_stop(c->stream);
    sim_run_for(5000);
    sim_auth_change("u@example.net");
    sim_run_for(1000);
    stream_read_start(c->stream);
    sim_run_for(5000);
    assert_true(client_heard(c, " octets follow\r\n"));
    assert_false(client_heard(c, "421 4"));
    assert_int_equal(world_stats().sessions, 0);
    client_free(c);
    stop();
    free(body);
}

static void a_stop_waits_for_it(void **state)
{
    (void)state;
    char *body = large_body();
    for (int reads = 0; reads < 2; reads++) {
        struct sv rest;
        world_start("");
        struct sim_client *c = client_ready();
        give_large(c, body);
        stream_read_stop(c->stream);
        sim_run_for(5000);
        server_stop(world.server, 10000);
        sim_run_for(1000);
        assert_false(world.stopped);
        if (reads) {
            stream_read_start(c->stream);
            sim_run_for(5000);
            assert_true(sv_starts(sv_skip(returned(c, &rest), 0), SV("Received: ")));
            assert_true(sv_starts(rest, SV("421 4.3.2 ")));
        }
        sim_run_for(15000);
        assert_true(world.stopped);
        client_free(c);
        world_stop(1000);
    }
    free(body);
}

/* ---- budgets and places ---- */

static void give_small(struct sim_client *c, const char *reply)
{
    client_say(c, OPEN);
    client_say(c, HEAD "hello\r\n.\r\n");
    client_expect(c, reply);
}

#define BUDGET(keys) "permissions = ( { login = \"*\"; messages_per_hour = 2; " keys " } );"

static void it_is_spent(void **state)
{
    (void)state;
    world_start(BUDGET("over_budget = \"refuse\";"));
    struct sim_client *c = client_ready();
    give_small(c, " octets follow\r\n");
    give_small(c, " octets follow\r\n");
    client_say(c, OPEN);
    client_expect(c, "450 4.7.1 ");
    client_free(c);
    sim_run_for(5000);
    world_stop(1000);
}

static void also_without_a_return_path(void **state)
{
    (void)state;
    world_start(BUDGET("over_budget = \"refuse\";"));
    struct sim_client *c = client_ready();
    for (int i = 0; i < 3; i++) {
        client_say(c, "MAIL FROM:<> XRETURN\r\nRCPT TO:<a@example.org>\r\nDATA\r\n");
        client_expect(c, i < 2 ? "354 " : "450 4.7.1 ");
        client_say(c, i < 2 ? HEAD "hello\r\n.\r\n" : "RSET\r\n");
        client_expect(c, i < 2 ? " octets follow\r\n" : "250 ");
    }
    client_say(c, "MAIL FROM:<>\r\nRCPT TO:<a@example.org>\r\nDATA\r\n");
    client_expect(c, "354 "); /* a notification */
    client_free(c);
    sim_run_for(5000);
    world_stop(1000);
}

/* Where what is sent would be held, what is returned is refused; all else follows as ever. */
static void too_many_have_consequences(void **state)
{
    (void)state;
    world_start(BUDGET("lock_auth = true;"));
    struct sim_client *c = client_ready();
    client_say(c, "MAIL FROM:<u@example.net>\r\nRCPT TO:<a@example.org>\r\nDATA\r\n" HEAD
                  "sent\r\n.\r\n");
    client_expect(c, "250 2.0.0 Queued as ");
    give_small(c, " octets follow\r\n");
    assert_int_equal(world_log_count("budget-broken"), 0);
    client_say(c, OPEN);
    sim_run_for(5000);
    assert_false(client_heard(c, "354 "));
    client_expect(c, "421 4.7.0 "); /* locked */
    assert_int_equal(world_log_count("budget-broken"), 1);
    client_free(c);
    c = client_new(LISTEN_PLAIN);
    client_say(c, "EHLO c.example\r\n" CLEAR_AUTH);
    client_expect(c, "535 5.7.8 ");
    client_free(c);
    sim_run_for(5000);
    world_stop(1000);
}

static struct sim_client *client_of(unsigned user)
{
    char line[100];
    struct buf b64;
    struct sim_client *c = client_new(LISTEN_PLAIN);
    buf_init(&b64, 100, 0);
    int len = snprintf(line, sizeof line, "%cu%u@example.net%cp", 0, user, 0);
    assert_int_equal(b64_encode(&b64, (struct sv){line, (size_t)len}), 0);
    snprintf(line, sizeof line, "EHLO c\r\nAUTH PLAIN %.*s\r\n", SV_ARG(buf_view(&b64)));
    client_say(c, line);
    client_expect(c, "235 ");
    buf_deinit(&b64);
    return c;
}

/* A message but for its end. */
static void give_most(struct sim_client *c, unsigned user, const char *body)
{
    char line[200];
    snprintf(line, sizeof line,
             "MAIL FROM:<u%u@example.net> XRETURN\r\nRCPT TO:<a@example.org>\r\nDATA\r\n", user);
    client_say(c, line);
    client_expect(c, "354 ");
    snprintf(line, sizeof line, "From: u%u@example.net\r\n\r\n", user);
    client_put(c, sv_of(line));
    client_put(c, sv_of(body));
    sim_run_for(500); /* uploads take no place, however many there are */
}

/* What is returned is not read. */
static void finish_unread(struct sim_client *c)
{
    stream_read_stop(c->stream);
    client_put(c, SV(".\r\n"));
    sim_run_for(200);
}

/* Eight of a login, 64 of all; they are given back. */
static void places_are_bounded(void **state)
{
    (void)state;
    char *body = large_body();
    struct sim_client *clients[66];
    world_start("limits = { connections_per_client = 1000; };");
    for (unsigned user = 0; user < 9; user++) {
        char login[40];
        snprintf(login, sizeof login, "u%u@example.net", user);
        sim_auth_user(login, "p");
    }
    for (unsigned i = 0; i < 66; i++) {
        unsigned user = i == 64 ? 0 : i < 64 ? i / 8 : 8;
        clients[i] = client_of(user);
        give_most(clients[i], user, i < 64 ? body : "hello\r\n");
    }
    for (unsigned i = 0; i < 8; i++)
        finish_unread(clients[i]);
    client_say(clients[64], ".\r\n");
    client_expect(clients[64], "452 4.3.1 Too many messages are being");
    for (unsigned i = 8; i < 64; i++)
        finish_unread(clients[i]);
    client_say(clients[65], ".\r\n");
    client_expect(clients[65], "452 4.3.1 Too many messages are being");
    client_free(clients[0]);
    sim_run_for(1000);
    for (unsigned i = 64; i < 66; i++) {
        give_most(clients[i], i == 64 ? 0 : 8, "hello\r\n");
        client_say(clients[i], ".\r\n");
        client_expect(clients[i], " octets follow\r\n");
    }
    for (int i = 1; i < 66; i++)
        client_free(clients[i]);
    stop();
    free(body);
}

/* Where there are rights, they are those of sending. */
static void rights_are_kept(void **state)
{
    (void)state;
    world_start("");
    struct sim_client *c = client_ready();
    client_say(c, "MAIL FROM:<other@example.net> XRETURN\r\n");
    client_expect(c, "550 5.7.1 ");
    client_say(c, OPEN "From: other@example.net\r\n\r\nx\r\n.\r\n");
    client_expect(c, "550 5.7.1 ");
    client_free(c);
    stop();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(comes_back_finished),
        cmocka_unit_test(a_large_one_is_octet_exact),
        cmocka_unit_test(who_reads_nothing_is_left),
        cmocka_unit_test(who_goes_away_is_forgotten),
        cmocka_unit_test(an_end_at_each_step),
        cmocka_unit_test(a_login_that_is_gone_ends_it),
        cmocka_unit_test(a_stop_waits_for_it),
        cmocka_unit_test(it_is_spent),
        cmocka_unit_test(also_without_a_return_path),
        cmocka_unit_test(too_many_have_consequences),
        cmocka_unit_test(places_are_bounded),
        cmocka_unit_test(rights_are_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
