/*
 * The log of a whole server, in the simulated world: what it says of sessions, and never says; and
 * those who guess passwords, or come from where nobody is served.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "tests/unit/msa_server/sim_world.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(log_lines_are_limited_and_escaped),
        cmocka_unit_test(tolerated_syntax_is_logged_once_a_day),
        cmocka_unit_test(strict_syntax_is_an_option),
        cmocka_unit_test(passwords_are_not_logged),
        cmocka_unit_test(blocked_logins_are_refused_for_a_while),
        cmocka_unit_test(refused_networks_are_not_greeted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
