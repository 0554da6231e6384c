/*
 * A whole server that stops, reads its settings anew, or hears of a changed user or a lost keeper,
 * in the simulated world: what becomes of the sessions that it has.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "tests/unit/msa_server/conn_mail.h"
#include "tests/unit/msa_server/sim_world.h"

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
        cmocka_unit_test(stop_waits_for_content),
        cmocka_unit_test(stop_ends_after_grace),
        cmocka_unit_test(sessions_keep_their_generation),
        cmocka_unit_test(changed_user_is_logged_out),
        cmocka_unit_test(changed_user_hears_of_his_message),
        cmocka_unit_test(keeper_is_away),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
