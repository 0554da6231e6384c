/* What the operator wants: mail tried now, called back, returned to its author. */
#include "tests/unit/relay_queue/sched_world.h"

static void wish(struct store_wish w)
{
    sched_on_wish(sched, &w);
}

static void make_due(const char *domain)
{
    for (size_t i = 0; i < nrows; i++)
        if (strcmp(rows[i].domain, domain) == 0)
            rows[i].due_ms = clock_wall_ms();
}

static size_t ndown, nsites;

static void on_site(void *arg, const struct sched_site_info *i)
{
    (void)arg;
    nsites++;
    ndown += i->down_ms > 0;
}

static size_t down(void)
{
    ndown = nsites = 0;
    sched_each_site(sched, on_site, NULL);
    return ndown;
}

/* Two dead sites: only that of the destination that is wished for is tried, and at once. */
static void a_retry_reaches_its_own_site_only(void **state)
{
    (void)state;
    add_rows("dead1.test", 5, WALL0);
    add_rows("dead2.test", 5, WALL0);
    sched_start(sched);
    settle(100);
    assert_int_equal(down(), 2);
    pass(5000);
    settle(100); /* destinations without anything to do are forgotten, their sites are not */
    pass(5000);
    settle(100);
    size_t tried = delivers, asked_before = resolves_made;
    make_due("dead1.test");
    wish((struct store_wish){.retry = "dead1.test", .number = 1});
    wish((struct store_wish){.retry = "dead1.test", .number = 1}); /* once for each row */
    for (int i = 0; i < 20 && nout == 0; i++)
        store_turn();
    assert_int_equal(nout, 1); /* its probe */
    assert_int_equal(out[0]->kind, SCHED_DELIVER);
    assert_string_equal(out[0]->destination, "dead1.test");
    assert_int_equal(down(), 1);
    assert_int_equal(resolves_made, asked_before + 1);
    settle(100);
    assert_int_equal(delivers, tried + 1);
    assert_int_equal(down(), 2);
    /* again, by the same number: nothing new is wished */
    make_due("dead1.test");
    wish((struct store_wish){.retry = "dead1.test", .number = 1});
    settle(100);
    assert_int_equal(delivers, tried + 1);
    make_due("dead1.test");
    wish((struct store_wish){.retry = "dead1.test", .number = 2});
    settle(100);
    assert_int_equal(delivers, tried + 2);
}

/* Mail of the domain that goes another way: there, too. */
static void a_retry_reaches_other_ways(void **state)
{
    (void)state;
    own_way = "";
    message->login = "";
    size_t i = add_rows("dead.test", 2, WALL0);
    sched_start(sched);
    sched_on_queued(sched, batch_of((uint32_t)i));
    sched_on_queued(sched, batch_of((uint32_t)i + 1));
    settle(100);
    assert_int_equal(down(), 1);
    size_t tried = delivers;
    make_due("dead.test");
    wish((struct store_wish){.retry = "dead.test", .number = 1});
    settle(100);
    assert_true(delivers > tried);
}

static struct store_taken taken_of(size_t row)
{
    struct store_taken t = {.number = (uint32_t)row};
    memcpy(t.id, message->id, sizeof t.id);
    return t;
}

/* Waiting for a slot: given back and not tried; what has begun goes on. */
static void what_waits_is_called_back(void **state)
{
    (void)state;
    sched_start(sched);
    settle(10);
    sched_set_per_site(sched, 1);
    size_t i = add_rows("a.test", 5, WALL0);
    for (uint32_t k = 0; k < 5; k++)
        sched_on_queued(sched, batch_of((uint32_t)i + k));
    assert_int_equal(nout, 1);
    rows[i].held = rows[i + 2].held = rows[i + 4].held = true;
    struct store_taken t[] = {taken_of(i), taken_of(i + 2), taken_of(i + 4)};
    wish((struct store_wish){.taken = t, .ntaken = 3});
    settle(100);
    assert_int_equal(rows_released, 2);
    assert_int_equal(gone("a.test"), 3);
    assert_true(rows[i].gone); /* it was out */
    assert_false(rows[i + 2].gone || rows[i + 4].gone);
}

/* Also while it waits for an answer of the DNS, and with its last one. */
static void called_back_before_it_has_a_route(void **state)
{
    (void)state;
    auto_resolve = false;
    sched_start(sched);
    settle(10);
    size_t i = add_rows("a.test", 1, WALL0);
    sched_on_queued(sched, batch_of((uint32_t)i));
    rows[i].held = true;
    struct store_taken t = taken_of(i);
    wish((struct store_wish){.taken = &t, .ntaken = 1});
    settle(10);
    assert_int_equal(rows_released, 1);
    resolved("a.test", "a.test", 1000);
    settle(10);
    assert_int_equal(delivers, 0);
    rows[i].held = false;
    sched_on_due(sched, "a.test", WALL0);
    settle(10);
    assert_int_equal(gone("a.test"), 1);
}

/* Neither route nor slot nor leave to deliver is needed. */
static void returned_whatever_stops_delivery(void **state)
{
    (void)state;
    auto_resolve = false;
    sched_pause(sched, NULL, true);
    sched_start(sched);
    settle(10);
    size_t i = add_rows("a.test", 500, WALL0 + 3600000);
    for (size_t k = 0; k < 500; k++)
        rows[i + k].returned = k != 7;
    wish((struct store_wish){.returns = true});
    store_turn();
    assert_int_equal(nout, 200); /* so many at once */
    assert_int_equal(out[0]->kind, SCHED_FAIL);
    assert_string_equal(out[0]->status, "5.7.1");
    settle(100);
    assert_int_equal(gone("a.test"), 499);
    assert_false(rows[i + 7].gone);
    assert_int_equal(resolves_made + delivers, 0);
    pass(120000);
    settle(10);
}

/* What an earlier run has left is found at the start, and later without being told. */
static void returned_without_being_told(void **state)
{
    (void)state;
    size_t i = add_rows("a.test", 2, WALL0);
    rows[i].returned = true;
    rows[i + 1].held = true;
    sched_start(sched);
    settle(10);
    assert_int_equal(gone("a.test"), 1);
    rows[i + 1].held = false;
    rows[i + 1].returned = true;
    pass(61000);
    settle(10);
    assert_int_equal(gone("a.test"), 2);
    assert_int_equal(delivers, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_retry_reaches_its_own_site_only), CASE(a_retry_reaches_other_ways),
        CASE(what_waits_is_called_back),         CASE(called_back_before_it_has_a_route),
        CASE(returned_whatever_stops_delivery),  CASE(returned_without_being_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
