/*
 * Ten thousand sites of which half are dead: a connection to those takes 30 s to fail, one to the
 * others 100 ms to deliver. Virtual time, with the bounds of the real relay.
 */
#include "tests/unit/relay_queue/sched_world.h"

#define SITES   10000
#define STEP_MS 100
#define DEAD_MS 30000

static char names[SITES][24];

static bool is_dead(const char *name)
{
    return name[0] == 's' && name[5] % 2 == 1;
}

static int prepare(void **state)
{
    slots_max = 4000;
    resolve_max = 400;
    set_up(state);
    for (int i = 0; i < SITES; i++) {
        snprintf(names[i], sizeof names[i], "s%05d.test", i);
        add_rows(names[i], 1, WALL0);
    }
    return 0;
}

/* One step of time, after which what has had its time ends. */
static void step(void)
{
    pass(STEP_MS);
    store_turn();
    for (size_t i = 0; i < nout;) {
        struct sched_job *job = out[i];
        bool dead = is_dead(job->destination);
        uint64_t takes_ms = job->kind != SCHED_DELIVER ? 0 : dead ? DEAD_MS : STEP_MS;
        if (now_ms < job->made_ms + takes_ms)
            i++;
        else
            finish(job, dead ? DEAD : OK);
    }
    store_turn();
}

/* Time until the row is delivered. */
static uint64_t delay_of(uint32_t row, uint64_t most_ms)
{
    uint64_t begin_ms = now_ms;
    while (!rows[row].gone && now_ms < begin_ms + most_ms)
        step();
    return now_ms - begin_ms;
}

static size_t delivered(void)
{
    size_t n = 0;
    for (size_t i = 0; i < nrows; i++)
        n += rows[i].gone;
    return n;
}

static void the_dead_delay_nobody(void **state)
{
    (void)state;
    sched_start(sched);
    /* At first nobody is known, and all is due at once. */
    uint64_t begin_ms = now_ms;
    while (delivered() < SITES / 2 && now_ms < begin_ms + 200000)
        step();
    print_message("after a start, the last of %d living sites is served after %llu ms\n", SITES / 2,
                  (unsigned long long)(now_ms - begin_ms));
    assert_int_equal(delivered(), SITES / 2);
    assert_true(now_ms - begin_ms < 65000);

    /* Minutes later the dead ones are tried over and over; new mail to who is known goes at once,
     * and so does mail to a new site and what is due on the disk. */
    uint64_t known_ms = 0, new_ms = 0, disk_ms = 0;
    while (now_ms < begin_ms + 360000)
        step();
    for (int i = 0; i < 20; i++) {
        static char new_names[20][24];
        for (int k = 0; k < 170; k++)
            step();
        uint32_t row = (uint32_t)add_rows(names[i * 40], 1, clock_wall_ms());
        sched_on_queued(sched, batch_of(row));
        uint64_t ms = delay_of(row, 60000);
        known_ms = ms > known_ms ? ms : known_ms;
        snprintf(new_names[i], sizeof new_names[i], "new%02d.test", i * 2);
        row = (uint32_t)add_rows(new_names[i], 1, clock_wall_ms());
        sched_on_queued(sched, batch_of(row));
        ms = delay_of(row, 60000);
        new_ms = ms > new_ms ? ms : new_ms;
        row = (uint32_t)add_rows(names[i * 40 + 2], 1, clock_wall_ms());
        sched_on_due(sched, names[i * 40 + 2], clock_wall_ms());
        ms = delay_of(row, 60000);
        disk_ms = ms > disk_ms ? ms : disk_ms;
    }
    struct sched_stats st;
    sched_get_stats(sched, &st);
    print_message("among %zu sites that are down: %llu ms to known sites, %llu to new ones, %llu "
                  "from the disk\n",
                  st.sites_down, (unsigned long long)known_ms, (unsigned long long)new_ms,
                  (unsigned long long)disk_ms);
    assert_true(known_ms <= 3 * STEP_MS && new_ms <= 3 * STEP_MS && disk_ms <= 5 * STEP_MS);
    assert_true(st.sites_down > 500);
    assert_true(st.waiting < 5000);
}

/* After hours without a network: everywhere on the disk mail is due, two rows a site. */
static int prepare_outage(void **state)
{
    slots_max = 4000;
    resolve_max = 400;
    set_up(state);
    for (int i = 0; i < SITES; i++) {
        snprintf(names[i], sizeof names[i], "s%04d1.test", i);
        add_rows(names[i], 2, WALL0);
    }
    return 0;
}

/* What is due neither fills the memory nor stands before new mail, known site or not. */
static void the_disk_does_not_delay_what_is_new(void **state)
{
    (void)state;
    static char new_names[100][24];
    struct sched_stats st;
    uint64_t most_ms = 0;
    size_t most_waiting = 0;
    sched_start(sched);
    for (int i = 0; i < 100; i++) {
        for (int k = 0; k < 6; k++)
            step();
        snprintf(new_names[i], sizeof new_names[i], "new%02d.test", i);
        uint32_t row = (uint32_t)add_rows(new_names[i], 1, clock_wall_ms());
        sched_on_queued(sched, batch_of(row));
        uint64_t ms = delay_of(row, 60000);
        most_ms = ms > most_ms ? ms : most_ms;
        sched_get_stats(sched, &st);
        most_waiting = st.waiting > most_waiting ? st.waiting : most_waiting;
    }
    print_message("while %d dead sites have %d rows due: new mail waits %llu ms, %zu in memory\n",
                  SITES, SITES * 2, (unsigned long long)most_ms, most_waiting);
    assert_true(most_ms <= 3 * STEP_MS);
    assert_true(most_waiting > 1000 && most_waiting <= 10100);
    size_t tried = 0;
    for (uint64_t end_ms = now_ms + 900000; tried < nrows && now_ms < end_ms;) {
        for (int k = 0; k < 50; k++)
            step();
        for (tried = 0; tried < nrows && (rows[tried].gone || rows[tried].due_ms > WALL0);)
            tried++;
    }
    assert_int_equal(tried, nrows); /* what finds no room is not forgotten */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_dead_delay_nobody, prepare, tear_down),
        cmocka_unit_test_setup_teardown(the_disk_does_not_delay_what_is_new, prepare_outage,
                                        tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
