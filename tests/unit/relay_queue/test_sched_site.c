/* Sites that are dead or slow, routes that fail or get old, and what time does to rows and jobs. */
#include "tests/unit/relay_queue/sched_world.h"

/* 100,000 due rows of a dead domain: another domain's message goes at once, and the dead one costs
 * a bounded number of attempts. */
static void a_dead_domain_delays_nobody(void **state)
{
    (void)state;
    add_rows("dead.test", 100000, WALL0);
    sched_start(sched);
    settle(5);
    size_t before = delivers + no_attempts;
    size_t i = add_rows("good.test", 1, WALL0);
    sched_on_queued(sched, batch_of((uint32_t)i));
    assert_int_equal(nout > 0 && strcmp(out[nout - 1]->destination, "good.test") == 0, 1);
    settle(1);
    assert_int_equal(gone("good.test"), 1);
    assert_true(delivers + no_attempts - before < 50);
    /* rows that were due before in the store, too */
    add_rows("later.test", 1, WALL0);
    pass(61000);
    settle(4);
    assert_int_equal(gone("later.test"), 1);
    settle(20000);
    assert_true(delivers < 2 + 20); /* the dead one was tried a few times only */
    size_t put_off = 0;
    for (size_t j = 0; j < 100000; j++)
        put_off += rows[j].due_ms > clock_wall_ms();
    assert_int_equal(put_off, 100000);
    struct sched_stats st;
    sched_get_stats(sched, &st);
    assert_int_equal(st.waiting, 0);
    assert_int_equal(st.sites_down, 1);
}

static void a_dead_site_is_probed_by_one_job(void **state)
{
    (void)state;
    add_rows("dead.test", 20, WALL0);
    sched_start(sched);
    settle(100);
    size_t tried = delivers;
    assert_in_range(tried, 2, 4);
    assert_int_equal(no_attempts, 20 - tried);
    pass(299000); /* the rows are due again in a second, the pause is over */
    store_turn();
    assert_int_equal(nout, 0);
    pass(62000);
    for (int i = 0; i < 10; i++)
        store_turn();
    assert_int_equal(nout, 1);
    assert_int_equal(out[0]->kind, SCHED_DELIVER);
    struct sched_job *probe = out[0];
    finish(probe, OK); /* alive again: the others follow */
    for (int i = 0; i < 10; i++)
        store_turn();
    assert_true(nout > 1);
    while (nout)
        finish(out[0], OK);
    settle(100);
    assert_int_equal(gone("dead.test"), 20);
}

/* A probe that asked no host changes nothing: the next message is the probe. */
static void a_probe_that_says_nothing(void **state)
{
    struct sched_stats st;
    (void)state;
    size_t i = add_rows("dead.test", 5, WALL0);
    sched_start(sched);
    sched_on_queued(sched, batch_of((uint32_t)i));
    finish(out[0], DEAD);
    sched_on_queued(sched, batch_of((uint32_t)i + 1));
    finish(out[0], DEAD);
    pass(30000);
    sched_on_queued(sched, batch_of((uint32_t)i + 2));
    sched_on_queued(sched, batch_of((uint32_t)i + 3));
    assert_int_equal(nout, 1);
    out[0]->end.nothing_learnt = true;
    finish(out[0], TEMPFAIL);
    assert_int_equal(nout, 1); /* still one alone */
    assert_int_equal(out[0]->kind, SCHED_DELIVER);
    finish(out[0], DEAD); /* and the pause doubles */
    pass(59000);
    sched_get_stats(sched, &st);
    assert_int_equal(st.sites_down, 1);
    pass(1000);
    sched_get_stats(sched, &st);
    assert_int_equal(st.sites_down, 0);
}

/* It is left alone at once, also by jobs that still succeed; and longer each time. */
static void a_site_that_asks_is_left_alone(void **state)
{
    struct sched_stats st;
    (void)state;
    sched_start(sched);
    settle(10);
    size_t i = add_rows("busy.test", 8, WALL0);
    for (uint32_t j = 0; j < 3; j++)
        sched_on_queued(sched, batch_of((uint32_t)i + j));
    assert_int_equal(nout, 3);
    out[0]->end.backs_off = true;
    snprintf(out[0]->end.status, sizeof out[0]->end.status, "5.7.1");
    finish(out[0], DEAD);
    finish(out[0], OK);
    finish(out[0], OK);
    sched_get_stats(sched, &st);
    assert_int_equal(st.sites_down, 1);
    sched_on_queued(sched, batch_of((uint32_t)i + 3));
    assert_int_equal(out[0]->kind, SCHED_PUT_OFF);
    /* what was said to one message is told to no other, and it was no verdict on this one */
    assert_string_equal(out[0]->status, "4.7.1");
    assert_null(strstr(out[0]->text, "connection refused"));
    assert_non_null(strstr(out[0]->text, "not tried: "));
    assert_non_null(strstr(out[0]->text, "5.7.1"));
    finish(out[0], OK);
    pass(30000); /* the pause is over: one job alone, which is asked to go as well */
    sched_on_queued(sched, batch_of((uint32_t)i + 4));
    sched_on_queued(sched, batch_of((uint32_t)i + 5));
    assert_int_equal(nout, 1);
    assert_int_equal(out[0]->kind, SCHED_DELIVER);
    out[0]->end.backs_off = true;
    finish(out[0], DEAD);
    settle(10);
    pass(59000);
    sched_get_stats(sched, &st);
    assert_int_equal(st.sites_down, 1);
    pass(1000);
    sched_get_stats(sched, &st);
    assert_int_equal(st.sites_down, 0);
    sched_on_queued(sched, batch_of((uint32_t)i + 6));
    assert_int_equal(out[0]->kind, SCHED_DELIVER);
    finish(out[0], OK);
}

static void a_failed_route_ends_rows_without_a_slot(void **state)
{
    (void)state;
    auto_resolve = false;
    add_rows("no.test", 3, WALL0);
    add_rows("dns.test", 2, WALL0);
    sched_start(sched);
    store_turn();
    assert_int_equal(nasking, 2);
    sched_resolved(sched, "no.test",
                   &(struct sched_route){.failed = true,
                                         .fresh_ms = 1000,
                                         .status = mem_str("5.1.2"),
                                         .text = mem_str("no such domain")});
    sched_resolved(sched, "dns.test",
                   &(struct sched_route){.deferred = true,
                                         .fresh_ms = 0,
                                         .status = mem_str("4.4.3"),
                                         .text = mem_str("no answer")});
    store_turn();
    assert_int_equal(nout, 5);
    struct sched_stats st;
    sched_get_stats(sched, &st);
    assert_int_equal(st.slots, 0);
    size_t failed = 0;
    for (size_t i = 0; i < nout; i++) {
        bool fails = out[i]->kind == SCHED_FAIL;
        failed += fails;
        assert_int_equal(out[i]->slot, 0);
        assert_string_equal(out[i]->status, fails ? "5.1.2" : "4.4.3");
        assert_string_equal(out[i]->destination, fails ? "no.test" : "dns.test");
    }
    assert_int_equal(failed, 3);
    settle(10);
    assert_int_equal(gone("no.test"), 3);
}

static void a_stale_route_is_asked_again(void **state)
{
    (void)state;
    auto_resolve = false;
    sched_start(sched);
    settle(10);
    size_t i = add_rows("a.test", 3, WALL0);
    sched_on_queued(sched, batch_of((uint32_t)i));
    resolved("a.test", "mx1", 60000);
    finish(out[0], OK);
    sched_on_queued(sched, batch_of((uint32_t)i + 1));
    assert_int_equal(resolves_made, 1);
    finish(out[0], OK);
    pass(60001);
    sched_on_queued(sched, batch_of((uint32_t)i + 2));
    assert_int_equal(resolves_made, 2);
    resolved("a.test", "mx2", 60000);
    assert_string_equal(out[0]->site, "mx2");
    finish(out[0], OK);
}

static void waiting_too_long_is_put_off(void **state)
{
    (void)state;
    sched_start(sched);
    settle(10);
    size_t i = add_rows("a.test", 6, WALL0);
    for (uint32_t j = 0; j < 6; j++)
        sched_on_queued(sched, batch_of((uint32_t)i + j));
    assert_int_equal(nout, 4);
    pass(605001); /* the four hang */
    assert_int_equal(nout, 6);
    assert_int_equal(out[4]->kind, SCHED_PUT_OFF);
    assert_int_equal(out[5]->kind, SCHED_PUT_OFF);
    while (nout)
        finish(out[0], OK);
}

static void a_late_job_gives_its_slot_back(void **state)
{
    (void)state;
    sched_start(sched);
    settle(10);
    size_t i = add_rows("a.test", 4, WALL0);
    for (uint32_t j = 0; j < 4; j++)
        sched_on_queued(sched, batch_of((uint32_t)i + j));
    pass(3605001);
    store_turn();
    assert_int_equal(late, 4);
    add_rows("a.test", 1, WALL0);
    sched_on_queued(sched, batch_of((uint32_t)i + 4));
    assert_int_equal(nout, 5); /* its slot is a new one */
    pass(10000);
    assert_int_equal(late, 4); /* told once */
    while (nout)
        finish(out[0], OK);
}

/* A look-up that does not end holds neither the place of others nor its own mail. */
static void a_look_up_without_an_answer(void **state)
{
    struct sched_stats st;
    (void)state;
    auto_resolve = false;
    sched_start(sched);
    settle(10);
    size_t i = add_rows("lost.test", 1, WALL0);
    sched_on_queued(sched, batch_of((uint32_t)i));
    pass(100000);
    assert_int_equal(nout, 0);
    pass(30000);
    assert_int_equal(nout, 1);
    assert_int_equal(out[0]->kind, SCHED_DEFER);
    assert_string_equal(out[0]->status, "4.4.3");
    finish(out[0], OK);
    sched_get_stats(sched, &st);
    assert_int_equal(st.resolving, 0);
    pass(330000); /* what is due again is put off again */
    for (int n = 0; n < 20 && nout == 0; n++) {
        pass(5000);
        store_turn();
    }
    assert_int_equal(nout, 1);
    finish(out[0], OK);
    resolved("lost.test", "mx", 3600000); /* at last */
    for (int n = 0; n < 80; n++) {
        pass(5000);
        store_turn();
    }
    assert_int_equal(out[0]->kind, SCHED_DELIVER);
    finish(out[0], OK);
    sched_get_stats(sched, &st);
    assert_int_equal(st.resolving, 0);
}

static void an_idle_slot_is_not_kept_for_ever(void **state)
{
    struct sched_stats st;
    (void)state;
    sched_start(sched);
    settle(10);
    size_t i = add_rows("a.test", 1, WALL0);
    sched_on_queued(sched, batch_of((uint32_t)i));
    finish(out[0], OK);
    pass(50000);
    sched_get_stats(sched, &st);
    assert_int_equal(st.idle_slots, 1);
    pass(20000);
    sched_get_stats(sched, &st);
    assert_int_equal(st.slots, 0);
    assert_int_equal(closed_slots, 1);
}

/* One message after the other over one slot: how many go until its connection is closed. */
static size_t served_until_closed(uint64_t step_ms, bool second_best)
{
    size_t n = 0, i = add_rows("good.test", 300, WALL0 + INT64_C(1000000000000));
    uint32_t slot = 0;
    for (; n < 300; n++) {
        sched_on_queued(sched, batch_of((uint32_t)(i + n)));
        assert_int_equal(nout, 1);
        if (n == 0)
            slot = out[0]->slot;
        if (out[0]->slot != slot)
            break;
        out[0]->end.second_best = second_best;
        finish(out[0], OK);
        pass(step_ms);
    }
    finish(out[0], OK);
    pass(120000); /* idle ones go */
    return n;
}

static void a_connection_is_not_used_for_ever(void **state)
{
    (void)state;
    sched_start(sched);
    settle(5);
    assert_int_equal(served_until_closed(100, false), 100);
    assert_int_equal(served_until_closed(4000, false), 76);
    assert_int_equal(served_until_closed(100, true), 10);
    assert_int_equal(served_until_closed(10000, true), 7);
}

static void wake_forgets_back_off(void **state)
{
    (void)state;
    size_t first = add_rows("dead.test", 5, WALL0);
    sched_start(sched);
    settle(100);
    struct sched_stats st;
    sched_get_stats(sched, &st);
    assert_int_equal(st.sites_down, 1);
    for (size_t i = first; i < nrows; i++)
        rows[i].due_ms = clock_wall_ms();
    sched_wake(sched);
    for (int i = 0; i < 4; i++)
        store_turn();
    assert_int_equal(nout, 1);
    assert_int_equal(out[0]->kind, SCHED_DELIVER);
    finish(out[0], OK);
    for (int i = 0; i < 4; i++)
        store_turn();
    while (nout)
        finish(out[0], OK);
}

static bool is_stale(void *arg, const void *plan)
{
    assert_ptr_equal(plan, &plans);
    return *(const bool *)arg;
}

/* Only routes are asked for again: a site that is down stays down. */
static void plans_are_forgotten(void **state)
{
    bool stale = false;
    struct sched_stats st;
    (void)state;
    add_rows("a.test", 1, WALL0);
    add_rows("dead.test", 5, WALL0);
    sched_start(sched);
    settle(100);
    assert_int_equal(resolves_made, 2);
    for (int turn = 0; turn < 3; turn++) {
        size_t before = resolves_made;
        stale = turn > 0;
        sched_forget_plans(sched, turn == 2 ? NULL : is_stale, &stale);
        size_t i = add_rows("a.test", 1, clock_wall_ms());
        sched_on_queued(sched, batch_of((uint32_t)i));
        settle(100);
        assert_int_equal(resolves_made, before + stale);
        assert_true(rows[i].gone);
    }
    sched_get_stats(sched, &st);
    assert_int_equal(st.sites_down, 1);
}

/* What is under way when all is forgotten has been asked of a world that is no more. */
static void answers_of_before_are_not_used(void **state)
{
    (void)state;
    auto_resolve = false;
    add_rows("a.test", 1, WALL0);
    sched_start(sched);
    store_turn();
    assert_int_equal(nasking, 1);
    sched_forget_plans(sched, NULL, NULL);
    nasking = 0;
    resolved("a.test", "before", 3600000);
    assert_int_equal(nout, 0);
    assert_int_equal(nasking, 1); /* again */
    nasking = 0;
    resolved("a.test", "after", 3600000);
    store_turn();
    assert_int_equal(nout, 1);
    assert_string_equal(out[0]->site, "after");
    finish(out[0], OK);
}

static void what_falls_due_later_is_found(void **state)
{
    (void)state;
    add_rows("a.test", 1, WALL0 + 20000);
    add_rows("b.test", 1, WALL0 + 7200000);
    sched_start(sched);
    settle(10);
    assert_int_equal(delivers, 0);
    for (int i = 0; i < 22; i++) {
        pass(1000);
        settle(10);
    }
    assert_int_equal(gone("a.test"), 1);
    sched_on_due(sched, "c.test", WALL0 + 40000);
    add_rows("c.test", 1, WALL0 + 40000);
    for (int i = 0; i < 22; i++) {
        pass(1000);
        settle(10);
    }
    assert_int_equal(gone("c.test"), 1);
    for (int i = 0; i < 125; i++) {
        pass(60000);
        settle(10);
    }
    assert_int_equal(gone("b.test"), 1);
    struct sched_stats st;
    sched_slot_closed(sched, 1);
    pass(3700000);
    settle(10);
    sched_get_stats(sched, &st);
    assert_int_equal(st.destinations, 0); /* nothing to do: nothing kept */
}

/* By a year forward: what waits is tried, no older than it is. And back: what would wait for a
 * year is tried too. */
static void the_wall_clock_jumps(void **state)
{
    (void)state;
    const int64_t year_ms = INT64_C(365) * 86400000;
    message->received_ms = clock_wall_ms();
    add_rows("a.test", 1, WALL0 + 7200000);
    sched_start(sched);
    pass(60000);
    settle(10);
    assert_int_equal(delivers, 0);
    wall_jump_ms = year_ms;
    for (int i = 0; i < 70 && nout == 0; i++) {
        pass(1000);
        store_turn();
    }
    assert_int_equal(nout, 1);
    assert_in_range(out[0]->age_ms, 60000, 140000);
    settle(10);
    assert_int_equal(gone("a.test"), 1);

    add_rows("b.test", 1, clock_wall_ms() + 7200000);
    wall_jump_ms = 0;
    for (int i = 0; i < 70; i++) {
        pass(1000);
        settle(10);
    }
    assert_int_equal(gone("b.test"), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_dead_domain_delays_nobody),
        CASE(a_dead_site_is_probed_by_one_job),
        CASE(a_probe_that_says_nothing),
        CASE(a_connection_is_not_used_for_ever),
        CASE(a_site_that_asks_is_left_alone),
        CASE(a_failed_route_ends_rows_without_a_slot),
        CASE(a_stale_route_is_asked_again),
        CASE(waiting_too_long_is_put_off),
        CASE(a_late_job_gives_its_slot_back),
        CASE(a_look_up_without_an_answer),
        CASE(an_idle_slot_is_not_kept_for_ever),
        CASE(wake_forgets_back_off),
        CASE(plans_are_forgotten),
        CASE(answers_of_before_are_not_used),
        CASE(what_falls_due_later_is_found),
        CASE(the_wall_clock_jumps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
