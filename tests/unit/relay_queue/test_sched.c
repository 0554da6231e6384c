/* Whose turn it is: what is delivered in which order, and on how many connections at a time. */
#include "tests/unit/relay_queue/sched_world.h"

static void delivers_what_is_due_at_start(void **state)
{
    (void)state;
    add_rows("a.test", 30, WALL0);
    add_rows("b.test", 1, WALL0);
    sched_start(sched);
    settle(1000);
    assert_int_equal(gone("a.test"), 30);
    assert_int_equal(gone("b.test"), 1);
    assert_int_equal(resolves_made, 2);
}

static void in_memory_path_needs_no_claim(void **state)
{
    (void)state;
    sched_start(sched);
    settle(10);
    size_t i = add_rows("a.test", 1, WALL0);
    sched_on_queued(sched, batch_of((uint32_t)i));
    assert_int_equal(nout, 1);
    assert_int_equal(claims_made, 0);
    assert_string_equal(out[0]->site, "a.test");
    finish(out[0], OK);
}

static void an_idle_connection_goes_first(void **state)
{
    (void)state;
    sched_start(sched);
    settle(10);
    size_t i = add_rows("a.test", 3, WALL0);
    sched_on_queued(sched, batch_of((uint32_t)i));
    uint32_t slot = out[0]->slot;
    unsigned worker = out[0]->worker;
    finish(out[0], OK);
    sched_on_queued(sched, batch_of((uint32_t)i + 1));
    assert_int_equal(out[0]->slot, slot);
    assert_int_equal(out[0]->worker, worker);
    finish(out[0], OK);
    sched_slot_closed(sched, slot);
    sched_on_queued(sched, batch_of((uint32_t)i + 2));
    assert_int_not_equal(out[0]->slot, slot);
    finish(out[0], OK);
}

static void waiting_is_bounded_and_the_rest_given_back(void **state)
{
    (void)state;
    auto_resolve = false;
    sched_start(sched);
    settle(10);
    size_t i = add_rows("a.test", 12, WALL0);
    for (uint32_t j = 0; j < 12; j++)
        sched_on_queued(sched, batch_of((uint32_t)i + j));
    struct sched_stats st;
    sched_get_stats(sched, &st);
    assert_int_equal(st.waiting, 5);
    store_turn();
    assert_int_equal(rows_released, 7);
    resolved("a.test", "mx", 60000);
    settle(100);
    assert_int_equal(gone("a.test"), 12);
}

static void resolving_is_bounded_and_holds_nobody_else(void **state)
{
    (void)state;
    static char names[40][32];
    auto_resolve = false;
    for (int i = 0; i < 40; i++) {
        snprintf(names[i], sizeof names[i], "d%02d.test", i);
        add_rows(names[i], 1, WALL0);
    }
    sched_start(sched);
    settle(10);
    assert_int_equal(nasking, 3);
    /* two never answer: the others go on, one at a time */
    for (int i = 0; i < 38; i++) {
        char name[64];
        memcpy(name, asking[nasking - 1], sizeof name);
        nasking--;
        resolved(name, name, 60000);
        settle(10);
    }
    size_t done = 0;
    for (int i = 0; i < 40; i++)
        done += gone(names[i]);
    assert_int_equal(done, 38);
    resolved(asking[0], asking[0], 60000);
    resolved(asking[1], asking[1], 60000);
}

/* Due times by a clock that was a year ahead, and set right while nobody ran. */
static void due_times_of_a_wrong_clock(void **state)
{
    (void)state;
    size_t ahead = add_rows("a.test", 1, WALL0 + INT64_C(365) * 86400000);
    size_t soon = add_rows("b.test", 1, WALL0 + 4 * 3600000);
    sched_start(sched);
    for (int i = 0; i < 20; i++) {
        settle(100);
        pass(5000);
    }
    assert_true(rows[ahead].gone);
    assert_false(rows[soon].gone);
}

/* Rows of a destination are claimed only when there is a slot for them. */
static void claims_wait_for_slots(void **state)
{
    (void)state;
    add_rows("a.test", 500, WALL0);
    sched_start(sched);
    for (int i = 0; i < 20; i++)
        store_turn();
    assert_int_equal(nout, 4);
    assert_true(rows_claimed <= 100);
    struct sched_stats st;
    sched_get_stats(sched, &st);
    assert_true(st.waiting <= 100);
    settle(2000);
    assert_int_equal(gone("a.test"), 500);
}

static void slots_grow_with_success_up_to_per_site(void **state)
{
    (void)state;
    add_rows("a.test", 200, WALL0);
    sched_start(sched);
    size_t most = 0;
    for (int i = 0; i < 400; i++) {
        store_turn();
        most = nout > most ? nout : most;
        if (i == 3)
            assert_int_equal(nout, 4);
        if (nout && i > 3)
            finish(out[0], OK);
    }
    assert_int_equal(most, 10);
    assert_int_equal(gone("a.test"), 200);
}

static void destinations_of_a_site_take_turns(void **state)
{
    (void)state;
    auto_resolve = false;
    add_rows("a.test", 60, WALL0);
    add_rows("b.test", 3, WALL0);
    sched_start(sched);
    settle(10);
    resolved("a.test", "mx", 600000);
    resolved("b.test", "mx", 600000);
    for (int i = 0; i < 14; i++) {
        store_turn();
        if (nout)
            finish(out[0], OK);
    }
    assert_int_equal(gone("b.test"), 3); /* not behind the 60 */
    assert_true(gone("a.test") < 14);
    settle(1000);
}

static void slots_of_all_sites_are_bounded(void **state)
{
    (void)state;
    static char names[30][32];
    sched_start(sched);
    settle(10);
    size_t first = nrows;
    for (int i = 0; i < 30; i++) {
        snprintf(names[i], sizeof names[i], "s%02d.test", i);
        add_rows(names[i], 2, WALL0);
        sched_on_queued(sched, batch_of((uint32_t)first + (uint32_t)i * 2));
    }
    assert_int_equal(nout, 18); /* 7 of 8 for sites that nobody has talked to yet */
    settle(100);
    assert_int_equal(closed_slots, 10); /* 20 are idle; those before were closed for others */
    for (int i = 0; i < 30; i++)
        sched_on_queued(sched, batch_of((uint32_t)first + (uint32_t)i * 2 + 1));
    assert_int_equal(nout, 20);
    settle(100);
    for (int i = 0; i < 30; i++)
        assert_int_equal(gone(names[i]), 2);
}

static void submit_with(const char *login, const char *domain, uint64_t size, int priority)
{
    struct queue_message *m = queue_message_new(), *kept = message;
    m->login = arena_str(&m->arena, sv_of(login));
    m->size = size;
    m->priority = (int8_t)priority;
    message = m;
    sched_on_queued(sched, batch_of((uint32_t)add_rows(domain, 1, WALL0)));
    message = kept;
    queue_message_drop(m);
}

static void submit(const char *login, const char *domain, uint64_t size)
{
    submit_with(login, domain, size, 0);
}

/* Logins take turns, and what is small goes before what is large; nobody waits for ever. */
static void a_bulk_sender_delays_nobody(void **state)
{
    static const char *const order[] = {"bulk", "alice", "bob", "bulk", "carol"};
    (void)state;
    sched_start(sched);
    settle(10);
    sched_set_per_site(sched, 1);
    submit("first", "a.test", 1); /* takes the only connection */
    assert_int_equal(nout, 1);
    submit("carol", "a.test", 10u << 20);
    submit("bulk", "a.test", 1);
    submit("bulk", "a.test", 1);
    submit("alice", "a.test", 1);
    submit("bob", "a.test", 1);
    for (size_t i = 0; i < sizeof order / sizeof *order; i++) {
        finish(out[0], OK);
        assert_int_equal(nout, 1);
        assert_string_equal(out[0]->batch->message->login, order[i]);
    }
    finish(out[0], OK);
}

/* Whatever its size or login: a higher priority first, the same one in turn. */
static void priority_goes_first(void **state)
{
    static const char *const order[] = {"urgent", "high", "high2", "normal", "bulk"};
    (void)state;
    sched_start(sched);
    settle(10);
    sched_set_per_site(sched, 1);
    submit("first", "a.test", 1);
    submit_with("bulk", "a.test", 1, -9);
    submit_with("normal", "a.test", 1, 0);
    submit_with("high", "a.test", 1, 3);
    submit_with("high2", "a.test", 10u << 20, 3);
    submit_with("urgent", "a.test", 10u << 20, 9);
    for (size_t i = 0; i < sizeof order / sizeof *order; i++) {
        finish(out[0], OK);
        assert_int_equal(nout, 1);
        assert_string_equal(out[0]->batch->message->login, order[i]);
    }
    finish(out[0], OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(delivers_what_is_due_at_start),
        CASE(in_memory_path_needs_no_claim),
        CASE(an_idle_connection_goes_first),
        CASE(waiting_is_bounded_and_the_rest_given_back),
        CASE(due_times_of_a_wrong_clock),
        CASE(resolving_is_bounded_and_holds_nobody_else),
        CASE(claims_wait_for_slots),
        CASE(slots_grow_with_success_up_to_per_site),
        CASE(destinations_of_a_site_take_turns),
        CASE(slots_of_all_sites_are_bounded),
        CASE(a_bulk_sender_delays_nobody),
        CASE(priority_goes_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
