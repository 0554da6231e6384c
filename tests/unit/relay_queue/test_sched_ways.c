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
    own_way = "vip";
    sched_refile(sched);
    sched_wake(sched);
    to_site("a.test@7", "smarthost");
    assert_int_equal(nout, 2);
    check(1, "vip", "smarthost");
    finish(out[0], OK);
    to_site("a.test", "mx");
    check(1, "joe", "mx");
    own_way = NULL;
    sched_on_queued(sched, batch_of(add_mail("vip")));
    sched_refile(sched);
    sched_wake(sched);
    while (nout)
        finish(out[0], OK);
    settle(10);
    while (nasking)
        resolved(asking[--nasking], "mx", 3600000);
    settle(100);
    assert_int_equal(gone("a.test"), 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {CASE(each_way_has_its_own_site), CASE(claimed_rows_part),
                                       CASE(what_waits_moves)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
