/*
 * Budgets in the simulated world: asked for by sessions of several workers, ended in every way that
 * a message ends, over a stop, and while the store does not answer.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "tests/unit/msa_server/sim_world.h"

#define BUDGET(text) "permissions = { login = \"*\"; " text " };"
#define MAIL         "MAIL FROM:<u@example.net>\r\nRCPT TO:<a@example.org>\r\n"
#define MESSAGE      "From: u@example.net\r\nSubject: x\r\n\r\nhello\r\n"
#define WHOLE        MAIL "BDAT 42 LAST\r\n" MESSAGE

static void stop(void)
{
    sim_run_for(2000);
    world_assert_idle();
    world_stop(1000);
}

static void refused_over_all_workers(void **state)
{
    (void)state;
    world_start(BUDGET("messages_per_hour = 3; over_budget = \"refuse\";"));
    for (int i = 0; i < 6; i++) {
        struct sim_client *c = client_ready();
        buf_reset(&c->said);
        client_say(c, WHOLE);
        assert_int_equal(client_heard(c, "250 2.0.0 Queued as "), i < 3);
        assert_int_equal(client_heard(c, "450 4.7.1 u@example.net may send 3 messages in an hour"),
                         i >= 3);
        client_free(c);
    }
    assert_int_equal(world_log_count("budget-broken"), 1);
    assert_int_equal(world_log_count("budget-near"), 1);
    sim_run_for(3600000 + 300000);
    struct sim_client *c = client_ready();
    client_say(c, WHOLE);
    client_expect(c, "250 2.0.0 Queued as ");
    client_free(c);
    stop();
}

/* Whatever a message ends by, it costs nothing unless it is in the queue. */
static void given_back(void **state)
{
    static const char *const endings[] = {
        MAIL "DATA\r\nFrom: u@example.net\r\n", /* and the connection is lost */
        MAIL "BDAT 3\r\nab\n",
        MAIL "BDAT 3\r\nab\nRSET\r\n",
        MAIL "BDAT 10 LAST\r\nFrom: a\r\n\r\n", /* refused */
        MAIL "DATA\r\nFrom: a@b@c\r\n\r\n.\r\n",
        MAIL "RSET\r\n",
    };
    (void)state;
    world_start(BUDGET("messages_per_hour = 1; over_budget = \"refuse\";"));
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
        struct sim_client *c = client_ready();
        client_say(c, endings[i]);
        assert_false(client_heard(c, "450 "));
        stream_reset(c->stream);
        sim_run_for(1000);
        client_free(c);
    }
    struct sim_client *c = client_ready();
    client_say(c, WHOLE WHOLE);
    assert_true(client_heard(c, "250 2.0.0 Queued as "));
    client_expect(c, "450 4.7.1 ");
    client_free(c);
    stop();
}

/* The session ends while its question is on the way. */
static void lost_while_asking(void **state)
{
    (void)state;
    for (uint64_t ms = 0; ms < 40; ms++) {
        world_start(BUDGET("messages_per_hour = 1; over_budget = \"refuse\";"));
        struct sim_client *c = client_ready();
        client_put(c, SV(MAIL "DATA\r\n"));
        sim_run_for(ms);
        stream_reset(c->stream);
        sim_run_for(1000);
        client_free(c);
        c = client_ready();
        client_say(c, WHOLE);
        client_expect(c, "250 2.0.0 Queued as ");
        client_free(c);
        stop();
    }
}

static void nobody_else_is_asked_about(void **state)
{
    (void)state;
    world_start("permissions = ( { login = \"v@example.net\"; messages_per_hour = 1; } );");
    struct sim_client *c = client_ready();
    for (int i = 0; i < 3; i++) {
        buf_reset(&c->said);
        client_say(c, WHOLE);
        client_expect(c, "250 2.0.0 Queued as ");
    }
    client_free(c);
    stop();
}

/* A message that is refused for its content breaks nothing, and no login is locked for it. */
static void refused_for_another_reason(void **state)
{
    (void)state;
    world_start(BUDGET("messages_per_hour = 1; over_budget = \"hold\"; lock_auth = true;"));
    struct sim_client *c = client_ready();
    client_say(c, WHOLE);
    for (int i = 0; i < 3; i++) {
        buf_reset(&c->said);
        client_say(c, MAIL "DATA\r\nFrom: a@b@c\r\n\r\n.\r\n");
        client_expect(c, "554 ");
    }
    sim_run_for(1000);
    assert_int_equal(world_log_count("budget-broken"), 0);
    client_say(c, "NOOP\r\n");
    client_expect(c, "250 ");
    client_say(c, WHOLE);
    sim_run_for(1000);
    assert_int_equal(world_log_count("budget-broken"), 1);
    client_free(c);
    stop();
}

static void held_and_told(void **state)
{
    (void)state;
    world_start(BUDGET("recipients_per_day = 2; over_budget = \"hold\";"));
    struct sim_client *c = client_ready();
    for (int i = 0; i < 4; i++) {
        buf_reset(&c->said);
        client_say(c, WHOLE);
        client_expect(c, "250 2.0.0 Queued as ");
    }
    assert_int_equal(world_log_count(" held queue="), 2);
    assert_int_equal(world_log_count("budget-broken"), 1);
    sim_run_for(5000);
    client_free(c);
    stop();
}

static void locked_as_well(void **state)
{
    (void)state;
    world_start(BUDGET("messages_per_hour = 2; over_budget = \"refuse\"; lock_auth = true;"));
    struct sim_client *c = client_ready(), *d = client_ready();
    client_say(c, WHOLE WHOLE);
    assert_false(client_heard(c, "421 "));
    client_say(c, WHOLE);
    sim_run_for(2000);
    client_expect(c, "421 4.7.0 "); /* the session ends with the login */
    client_expect(d, "421 4.7.0 "); /* his other session */
    client_free(c);
    client_free(d);
    c = client_new(LISTEN_PLAIN);
    client_say(c, "EHLO c.example\r\n" CLEAR_AUTH);
    client_expect(c, "535 5.7.8 ");
    client_free(c);
    stop();
}

/* The keeper is away: what is too much is refused all the same, and the log says it. */
static void not_locked(void **state)
{
    (void)state;
    world_start(BUDGET("messages_per_hour = 1; over_budget = \"refuse\"; lock_auth = true;"));
    struct sim_client *c = client_ready();
    sim_auth_down(true);
    client_say(c, WHOLE WHOLE);
    sim_run_for(60000);
    client_expect(c, "450 4.7.1 ");
    assert_int_equal(world_log_count("budget-lock"), 1);
    sim_auth_down(false);
    client_free(c);
    stop();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refused_over_all_workers),
        cmocka_unit_test(given_back),
        cmocka_unit_test(lost_while_asking),
        cmocka_unit_test(nobody_else_is_asked_about),
        cmocka_unit_test(held_and_told),
        cmocka_unit_test(refused_for_another_reason),
        cmocka_unit_test(locked_as_well),
        cmocka_unit_test(not_locked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
