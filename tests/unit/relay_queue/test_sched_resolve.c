/* Whose destination is looked up next, where the DNS is slow. */
#include "tests/unit/relay_queue/sched_world.h"

static char names[50][32];

static void send(const char *login, const char *domain)
{
    struct queue_message *m = queue_message_new();
    memcpy(m->id, message->id, sizeof m->id);
    m->login = arena_str(&m->arena, sv_of(login));
    size_t i = add_rows(domain, 1, WALL0);
    rows[i].message = m;
    sched_on_queued(sched, batch_of((uint32_t)i));
}

/* To many names that nobody answers for, from the one with number from. */
static void send_to_many(const char *login, int from, int n)
{
    for (int i = from; i < from + n; i++) {
        snprintf(names[i], sizeof names[i], "slow%02d.test", i);
        send(login, names[i]);
    }
}

static bool is_asked(const char *name)
{
    for (size_t i = 0; i < nasking; i++)
        if (strcmp(asking[i], name) == 0)
            return true;
    return false;
}

/* The first to have been asked ends, without a route. */
static void time_out(void)
{
    char name[64];
    struct sched_route r = {.deferred = true,
                            .status = mem_str("4.4.3"),
                            .text = mem_str("no answer"),
                            .fresh_ms = 30000};
    memcpy(name, asking[0], sizeof name);
    memmove(asking, asking + 1, --nasking * sizeof asking[0]);
    sched_resolved(sched, name, &r);
}

static void start(void)
{
    auto_resolve = false;
    sched_start(sched);
    store_turn();
}

static void end(void)
{
    while (nasking)
        time_out();
    settle(100);
}

static void logins_take_turns(void **state)
{
    (void)state;
    start();
    send_to_many("bulk", 0, 50);
    send("joe", "good.test");
    send("ann", "fine.test");
    assert_int_equal(nasking, 4); /* resolve_max of set_up() */
    time_out();
    time_out();
    time_out();
    assert_true(is_asked("good.test"));
    assert_true(is_asked("fine.test"));
    end();
}

/* It stands where the login with less before it would have it. */
static void a_name_that_two_send_to(void **state)
{
    (void)state;
    start();
    send_to_many("bulk", 0, 40);
    send("bulk", "good.test");
    send_to_many("bulk", 40, 10);
    send("joe", "good.test");
    time_out();
    time_out();
    assert_true(is_asked("good.test"));
    end();
}

static void what_is_slow_holds_no_place(void **state)
{
    (void)state;
    struct sched_stats st;
    start();
    send_to_many("bulk", 0, 20);
    assert_int_equal(nasking, 4);
    pass(1900);
    assert_int_equal(nasking, 4);
    pass(200);
    assert_int_equal(nasking, 8);
    pass(20000); /* there are places for as many more, and no further ones */
    assert_int_equal(nasking, 8);
    sched_get_stats(sched, &st);
    assert_int_equal(st.resolving, 8);
    time_out(); /* a slow one: the next that is slow takes its place */
    assert_int_equal(nasking, 8);
    resolved(asking[7], "mx", 3600000); /* a quick one */
    memmove(asking + 7, asking + 8, (--nasking - 7) * sizeof asking[0]);
    assert_int_equal(nasking, 8);
    end();
    sched_get_stats(sched, &st);
    assert_int_equal(st.resolving, 0);
}

/* One that is slow and never ends gives its place back, too. */
static void what_never_ends(void **state)
{
    (void)state;
    struct sched_stats st;
    start();
    send_to_many("bulk", 0, 4);
    send_to_many("bulk", 4, 1);
    pass(140000);
    store_turn();
    sched_get_stats(sched, &st);
    assert_int_equal(st.resolving, 0);
    end();
    sched_get_stats(sched, &st);
    assert_int_equal(st.resolving, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(logins_take_turns),
        CASE(a_name_that_two_send_to),
        CASE(what_is_slow_holds_no_place),
        CASE(what_never_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
