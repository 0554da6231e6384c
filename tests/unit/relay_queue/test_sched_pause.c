/* What the operator stops: all, or one site; and what he sees of sites. */
#include "tests/unit/relay_queue/sched_world.h"

static const struct {
    const char *key, *pattern;
    bool matches;
} names[] = {
    {"mx1.a.test,mx2.b.test", "mx2.b.test", true},
    {"mx1.a.test,mx2.b.test", "MX1.a.TEST", true},
    {"mx1.a.test,mx2.b.test", "*.b.test", true},
    {"mx1.a.test,mx2.b.test", "mx1.a.test,mx2.b.test", true},
    {"mx1.a.test,mx2.b.test", "*", true},
    {"mx1.a.test,mx2.b.test", "b.test", false},
    {"b.test", "*.b.test", false},
    {"xb.test", "*.b.test", false},
    {"mx1.a.test", "mx1", false},
    {"mx1.a.test", "", false},
    {"route 0 smtp://relay.test:587 smtps://[2001:db8::1]", "relay.test", true},
    {"route 0 smtp://relay.test:587 smtps://[2001:db8::1]", "2001:db8::1", true},
    {"route 0 smtp://relay.test:587", "*.test", true},
    {"route 0 smtp://relay.test:587", "587", false},
    {"route 0 smtp://[", "x", false},
};

static void names_of_sites(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (sched_site_matches(names[i].key, names[i].pattern) != names[i].matches)
            fail_msg("%s, %s", names[i].key, names[i].pattern);
    assert_true(sched_site_has_host("mx1.a.test,mx2.a.test", "MX2.a.test"));
    assert_true(sched_site_has_host("*.a.test", "mx2.a.test"));
    assert_true(sched_site_has_host("route smtp://hub.test:2525", "hub.test"));
    assert_false(sched_site_has_host("mx1.a.test,mx2.a.test", "a.test"));
    assert_false(sched_site_has_host("mx1.a.test", "mx1.a.tests"));
}

static void run(uint64_t ms)
{
    for (uint64_t end = now_ms + ms; now_ms < end;) {
        pass(5000);
        store_turn();
    }
}

static void nothing_begins_while_all_is_paused(void **state)
{
    (void)state;
    sched_pause(sched, NULL, true);
    sched_start(sched);
    settle(10);
    size_t i = add_rows("a.test", 3, WALL0);
    sched_on_queued(sched, batch_of((uint32_t)i));
    run(900000);
    assert_int_equal(resolves_made + delivers + no_attempts + claims_made, 0);
    assert_int_equal(rows_released, 1); /* memory is for what moves */
    sched_pause(sched, NULL, false);
    settle(100);
    assert_int_equal(gone("a.test"), 3);
}

static void one_site_is_paused(void **state)
{
    (void)state;
    sched_start(sched);
    settle(10);
    size_t i = add_rows("a.test", 9, WALL0), k = add_rows("b.test", 1, WALL0);
    sched_on_queued(sched, batch_of((uint32_t)i));
    sched_pause(sched, "a.test", true);
    assert_int_equal(nout, 1); /* what is under way ends */
    finish(out[0], OK);
    sched_on_queued(sched, batch_of((uint32_t)i + 1));
    sched_on_queued(sched, batch_of((uint32_t)k));
    settle(10);
    run(700000);
    assert_int_equal(nout, 0);
    assert_int_equal(gone("a.test"), 1);
    assert_int_equal(gone("b.test"), 1);
    assert_int_equal(no_attempts, 0);
    assert_int_equal(rows_released, 1);
    sched_pause(sched, "b.test", false); /* another's, that is not paused */
    settle(10);
    assert_int_equal(gone("a.test"), 1);
    sched_pause(sched, "a.test", false);
    settle(100);
    assert_int_equal(gone("a.test"), 9);
}

/* Also one that is met later, and one that is down: nothing is put off there. */
static void a_paused_site_that_is_dead(void **state)
{
    (void)state;
    sched_pause(sched, "dead.test", true);
    add_rows("dead.test", 5, WALL0);
    sched_start(sched);
    settle(100);
    assert_int_equal(delivers + no_attempts, 0);
    sched_pause(sched, "dead.test", false);
    settle(100);
    size_t put_off = no_attempts;
    assert_true(put_off > 0);
    sched_pause(sched, "*", true);
    run(600000);
    assert_int_equal(no_attempts, put_off);
}

static struct sched_site_info last;
static size_t nsites;
static char last_state[16], last_text[64];

static void on_site(void *arg, const struct sched_site_info *i)
{
    (void)arg;
    nsites++;
    last = *i;
    snprintf(last_state, sizeof last_state, "%s", i->state);
    snprintf(last_text, sizeof last_text, "%s", i->text);
}

static void look(void)
{
    nsites = 0;
    sched_each_site(sched, on_site, NULL);
    assert_int_equal(nsites, 1);
}

static void what_is_seen_of_a_site(void **state)
{
    (void)state;
    limits.per_minute = 6000;
    sched_start(sched);
    settle(10);
    size_t i = add_rows("dead.test", 6, WALL0);
    for (uint32_t k = 0; k < 2; k++) {
        sched_on_queued(sched, batch_of((uint32_t)i + k));
        pass(10);
    }
    look();
    assert_string_equal(last_state, "new");
    assert_int_equal(last.slots, 2);
    assert_int_equal(last.busy, 2);
    assert_int_equal(last.limits.per_minute, 6000);
    assert_int_equal(last.destinations, 1);
    finish(out[0], DEAD);
    look();
    assert_string_equal(last_state, "failing");
    assert_int_equal(last.failures, 1);
    finish(out[0], DEAD);
    look();
    assert_string_equal(last_state, "down");
    assert_string_equal(last_text, "connection refused");
    assert_int_equal(last.down_ms, 30000);
    pass(31000);
    look();
    assert_string_equal(last_state, "probing");
    sched_on_queued(sched, batch_of((uint32_t)i + 3));
    finish(out[0], OK);
    look();
    assert_string_equal(last_state, "up");
    assert_int_equal(last.slots, 1);
    assert_int_equal(last.busy, 0);
    sched_pause(sched, "dead.test", true);
    look();
    assert_string_equal(last_state, "paused");
    sched_pause(sched, "dead.test", false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_of_sites), CASE(nothing_begins_while_all_is_paused),
        CASE(one_site_is_paused),         CASE(a_paused_site_that_is_dead),
        CASE(what_is_seen_of_a_site),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
