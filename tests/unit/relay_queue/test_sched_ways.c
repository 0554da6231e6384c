/* Mail of one domain that goes different ways, by login. */
#include "tests/unit/relay_queue/sched_world.h"

static uint32_t add_mail(const char *login)
{
    struct queue_message *m = queue_message_new();
    memcpy(m->id, message->id, sizeof m->id);
    m->login = arena_str(&m->arena, sv_of(login));
    size_t i = add_rows("a.test", 1, WALL0);
    rows[i].message = m;
    return (uint32_t)i;
}

static void to_site(const char *destination, const char *site)
{
    for (size_t i = 0; i < nasking; i++) {
        if (strcmp(asking[i], destination) != 0)
            continue;
        memmove(asking[i], asking[i + 1], (--nasking - i) * sizeof asking[0]);
        resolved(destination, site, 3600000);
        return;
    }
    fail_msg("%s was not asked for", destination);
}

static void check(size_t i, const char *login, const char *site)
{
    assert_true(i < nout);
    assert_string_equal(out[i]->batch->message->login, login);
    assert_string_equal(out[i]->site, site);
    assert_string_equal(out[i]->destination, "a.test");
}

static void each_way_has_its_own_site(void **state)
{
    (void)state;
    own_way = "vip";
    auto_resolve = false;
    sched_start(sched);
    store_turn();
    sched_on_queued(sched, batch_of(add_mail("vip")));
    sched_on_queued(sched, batch_of(add_mail("joe")));
    assert_int_equal(nasking, 2);
    to_site("a.test@7", "smarthost");
    to_site("a.test", "mx");
    assert_int_equal(nout, 2);
    check(0, "vip", "smarthost");
    check(1, "joe", "mx");
    settle(10);
}

/* Rows are claimed by their domain, and part then. */
static void claimed_rows_part(void **state)
{
    (void)state;
    own_way = "vip";
    auto_resolve = false;
    for (int i = 0; i < 60; i++)
        add_mail(i % 2 ? "vip" : "joe");
    sched_start(sched);
    store_turn();
    to_site("a.test", "mx");
    store_turn();
    to_site("a.test@7", "smarthost");
    for (int turns = 0; nout && turns < 1000; turns++) {
        check(0, out[0]->batch->message->login,
              strcmp(out[0]->batch->message->login, "vip") == 0 ? "smarthost" : "mx");
        finish(out[0], OK);
        store_turn();
    }
    assert_int_equal(gone("a.test"), 60); /* no tick was needed for the second claim */
}

/* It needs neither the route of the domain nor a slot of its site. */
static void a_way_does_not_wait_for_the_domains_site(void **state)
{
    (void)state;
    own_way = "vip";
    auto_resolve = false;
    for (int i = 0; i < 200; i++)
        add_mail("joe");
    add_mail("vip");
    sched_pause(sched, "mx", true);
    sched_start(sched);
    for (int turns = 0; turns < 20 && nasking < 2; turns++)
        store_turn();
    to_site("a.test@7", "smarthost"); /* the other look-up is still under way */
    assert_int_equal(nout, 1);
    check(0, "vip", "smarthost");
    finish(out[0], OK);
    to_site("a.test", "mx");
    for (int i = 0; i < 3; i++)
        add_mail("vip");
    sched_on_due(sched, "a.test", WALL0);
    for (int turns = 0; turns < 20; turns++)
        store_turn();
    assert_int_equal(nout, 3);
    while (nout)
        finish(out[0], OK);
    sched_pause(sched, "mx", false);
    settle(1000);
    assert_int_equal(gone("a.test"), 204);
    assert_int_equal(rows_released, 0);
}

/* Each way has the bound on what waits in memory; the rest is claimed later. */
static void each_way_is_bounded(void **state)
{
    (void)state;
    struct sched_stats stats;
    own_way = "vip";
    auto_resolve = false;
    sched_start(sched);
    store_turn();
    for (int i = 0; i < 100; i++)
        sched_on_queued(sched, batch_of(add_mail("vip")));
    sched_get_stats(sched, &stats);
    assert_int_equal(stats.waiting, 5); /* wait_max of set_up() */
    to_site("a.test@7", "smarthost");
    to_site("a.test", "mx");
    settle(1000);
    assert_int_equal(gone("a.test"), 100);
    assert_int_equal(rows_released, 95);
}

/* change() of sched_refile(): the login whose mail goes another way from here on. */
static void own_way_is(void *login)
{
    own_way = login;
}

static char vip_login[] = "vip", joe_login[] = "joe";

/* Other rules: what waits goes by them. */
static void what_waits_moves(void **state)
{
    (void)state;
    auto_resolve = false;
    add_mail("vip");
    sched_start(sched);
    store_turn();
    limits.connections = 1;
    to_site("a.test", "mx");
    store_turn(); /* the row on the disk is out */
    uint32_t vip = add_mail("vip"), joe = add_mail("joe");
    sched_on_queued(sched, batch_of(vip));
    sched_on_queued(sched, batch_of(joe));
    assert_int_equal(nout, 1);
    sched_refile(sched, own_way_is, vip_login);
    sched_wake(sched);
    to_site("a.test@7", "smarthost");
    assert_int_equal(nout, 2);
    check(1, "vip", "smarthost");
    finish(out[0], OK);
    to_site("a.test", "mx");
    check(1, "joe", "mx");
    own_way = NULL;
    sched_on_queued(sched, batch_of(add_mail("vip")));
    sched_refile(sched, own_way_is, NULL);
    sched_wake(sched);
    while (nout)
        finish(out[0], OK);
    settle(10);
    while (nasking)
        resolved(asking[--nasking], "mx", 3600000);
    settle(100);
    assert_int_equal(gone("a.test"), 4);
}

/* Another login's way gets the name of the one before: what was found for that is not used. */
static void names_of_ways_change_hands(void **state)
{
    (void)state;
    own_way = "vip";
    auto_resolve = false;
    sched_start(sched);
    store_turn();
    sched_on_queued(sched, batch_of(add_mail("vip")));
    to_site("a.test@7", "smarthost-of-vip");
    finish(out[0], OK); /* the route stays fresh */
    limits.connections = 1;
    sched_on_queued(sched, batch_of(add_mail("joe")));
    to_site("a.test", "mx");
    sched_on_queued(sched, batch_of(add_mail("joe")));
    assert_int_equal(nout, 1); /* one waits */
    sched_refile(sched, own_way_is, joe_login);
    assert_int_equal(nout, 1);
    sched_wake(sched);
    to_site("a.test@7", "smarthost-of-joe");
    assert_int_equal(nout, 2);
    check(1, "joe", "smarthost-of-joe");
    settle(10);
    assert_int_equal(gone("a.test"), 3);
}

/* change() of sched_refile() as the relay's: what is being looked up is answered by the new rules
 * at once. */
static void answer_at_once(void *login)
{
    own_way = login;
    to_site("a.test@7", "smarthost-of-joe");
}

static void what_is_looked_up_moves_first(void **state)
{
    (void)state;
    own_way = "vip";
    auto_resolve = false;
    sched_start(sched);
    store_turn();
    sched_on_queued(sched, batch_of(add_mail("vip")));
    sched_on_queued(sched, batch_of(add_mail("joe")));
    assert_int_equal(nasking, 2);
    sched_refile(sched, answer_at_once, joe_login);
    assert_int_equal(nout, 1);
    check(0, "joe", "smarthost-of-joe");
    to_site("a.test", "mx");
    assert_int_equal(nout, 2);
    check(1, "vip", "mx");
    settle(10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {CASE(each_way_has_its_own_site),
                                       CASE(claimed_rows_part),
                                       CASE(each_way_is_bounded),
                                       CASE(a_way_does_not_wait_for_the_domains_site),
                                       CASE(what_waits_moves),
                                       CASE(names_of_ways_change_hands),
                                       CASE(what_is_looked_up_moves_first)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
