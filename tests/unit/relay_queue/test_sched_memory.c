/* What is kept of destinations that have nothing to do. */
#include "tests/unit/relay_queue/sched_world.h"

#define KEPT 10000

static char names[KEPT + 1000][32];

static void send(size_t i)
{
    snprintf(names[i], sizeof names[i], "d%zu.test", i);
    size_t row = add_rows(names[i], 1, WALL0);
    sched_on_queued(sched, batch_of((uint32_t)row));
    finish(out[0], OK);
}

static bool is_kept(size_t i)
{
    size_t before = resolves_made;
    send(i);
    return resolves_made == before;
}

/* Their routes would be fresh for an hour; those used last are kept. */
static void routes_that_nobody_uses(void **state)
{
    (void)state;
    struct sched_stats st;
    sched_start(sched);
    store_turn();
    for (size_t i = 0; i < KEPT; i++)
        send(i);
    pass(5000);
    sched_get_stats(sched, &st);
    assert_int_equal(st.destinations, KEPT);
    send(0);
    for (size_t i = KEPT; i < KEPT + 500; i++)
        send(i);
    pass(5000);
    sched_get_stats(sched, &st);
    assert_int_equal(st.destinations, KEPT);
    assert_true(is_kept(0));
    assert_true(is_kept(KEPT + 499));
    assert_true(is_kept(501));
    assert_false(is_kept(500));
    assert_false(is_kept(1));
    pass(3600000);
    pass(5000);
    sched_get_stats(sched, &st);
    assert_int_equal(st.destinations, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {CASE(routes_that_nobody_uses)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
