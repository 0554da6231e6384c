/* dkim list: keys, and what DNS says of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "tests/unit/msa_admin/admin_world.h"
#include "tests/unit/msa_server/sim_world.h"

#define DKIM_ROWS    40 /* more than are asked for at once */
#define DKIM_REQUEST "{\"command\":\"dkim-list\"}"

static char dkim_lines[DKIM_ROWS * 100], dkim_keys_text[DKIM_ROWS * 40];

static int setup_dkim(void **state)
{
    size_t n = 0, k = 0;
    (void)state;
    n += (size_t)sprintf(dkim_lines, "rewrite = { dkim = (");
    for (int i = 0; i < DKIM_ROWS; i++) {
        n += (size_t)sprintf(dkim_lines + n,
                             "%s{ domain = \"example.net\"; selector = \"s%d\"; key = \"/%d\";%s }",
                             i ? ", " : "", i, i, i ? "" : " from = \"2999-01-01\";");
        k += (size_t)sprintf(dkim_keys_text + k, "%d rsa 2048 id%d QUJD\n", i, i);
    }
    sprintf(dkim_lines + n, "); };\n");
    world_dkim = dkim_keys_text;
    world_start(dkim_lines);
    given = (struct answer){.admin = admin_new(world.server, &ops, &given)};
    for (int i = 1; i < DKIM_ROWS; i++) {
        char name[64];
        sprintf(name, "s%d._domainkey.example.net", i);
        sim_dns_add(name, DNS_TXT, "v=DKIM1; p=QUJD");
    }
    return 0;
}

static int teardown_dkim(void **state)
{
    (void)state;
    world_dkim = NULL;
    json_decref(given.lines);
    given.lines = NULL;
    server_stop(world.server, 1000);
    assert_true(sim_run_while_not(flag, &world.stopped, 60000));
    server_free(world.server);
    admin_free(given.admin); /* in the order of the process: a timer may run */
    loop_free(world.loop);
    log_set_sink(NULL, NULL);
    buf_deinit(&world.log);
    sim_stop();
    return 0;
}

static void dkim_list(void **state)
{
    (void)state;
    ask(DKIM_REQUEST);
    assert_int_equal(given.code, 0); /* the first one does not sign yet */
    assert_int_equal(json_array_size(given.lines), DKIM_ROWS);
    for (size_t i = 0; i < DKIM_ROWS; i++) {
        char selector[16];
        sprintf(selector, "s%zu", i);
        assert_string_equal(text(i, "selector"), selector);
        assert_string_equal(text(i, "dns"), i ? "ok" : "missing");
        json_t *signs = json_object_get(json_array_get(given.lines, i), "signs");
        assert_true(json_is_boolean(signs) &&
                    json_is_true(signs) == (i > 0 && i <= 8)); /* most of a message */
    }
    sim_dns_add("s7._domainkey.example.net", DNS_TXT, "v=spf1 -all");
    sim_dns_fail("s8._domainkey.example.net", DNS_TXT, DNS_BOGUS);
    ask(DKIM_REQUEST);
    assert_int_equal(given.code, 1);
    assert_string_equal(text(7, "why"), "there are several TXT records");
    assert_string_equal(text(8, "dns"), "unknown");
    assert_string_equal(text(8, "why"), "as scripted");
    sim_dns_delay(60000);
    ask(DKIM_REQUEST);
    assert_int_equal(given.code, 1);
    assert_string_equal(text(39, "dns"), "unknown");
    assert_string_equal(text(39, "why"), "no answer within the time allowed");
}

/* Another resolver takes the place of the one that was asked. */
static void dkim_list_over_a_reload(void **state)
{
    struct buf why;
    (void)state;
    sim_dns_delay(3000);
    json_decref(given.lines);
    given = (struct answer){.admin = given.admin, .lines = json_array()};
    admin_request(given.admin, 7, sv_of(DKIM_REQUEST));
    sim_run_for(1000);
    struct generation *g = world_generation(2, dkim_lines);
    generation_add_file(g, GENERATION_RESOLV_CONF, "", SV("nameserver 192.0.2.53\n"), false);
    buf_init(&why, 1000, 0);
    assert_true(server_prepare(world.server, g, &why));
    buf_deinit(&why);
    server_commit(world.server, 2);
    assert_true(sim_run_while_not(ended_or_paused, &given, 60000));
    assert_int_equal(given.code, 1);
    assert_int_equal(json_array_size(given.lines), DKIM_ROWS);
    assert_string_equal(text(1, "dns"), "unknown");
    sim_dns_delay(1);
    ask(DKIM_REQUEST);
    assert_int_equal(given.code, 0);
}

/* The server stops: nobody is answered, nothing leaks. */
static void dkim_list_cut_off(void **state)
{
    (void)state;
    sim_dns_delay(3000);
    json_decref(given.lines);
    given = (struct answer){.admin = given.admin, .lines = json_array()};
    admin_request(given.admin, 7, sv_of(DKIM_REQUEST));
    sim_run_for(1000);
    assert_false(given.ended);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(dkim_list, setup_dkim, teardown_dkim),
        cmocka_unit_test_setup_teardown(dkim_list_over_a_reload, setup_dkim, teardown_dkim),
        cmocka_unit_test_setup_teardown(dkim_list_cut_off, setup_dkim, teardown_dkim),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
