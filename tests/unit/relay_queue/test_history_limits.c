/* History on a disk that fills up, and by a clock that is set. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "msa/loop/clock.h"
#include "relay/queue/history.h"
#include "tests/sim/loop/sim.h"
#include "tests/sim/vfs.h"

#define CAPACITY (UINT64_C(10) << 20)

static void post(struct history *h, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        history_post(h, &(struct history_event){.time_ms = SIM_WALL_START_MS,
                                                .kind = HISTORY_DELIVERED,
                                                .id = "q000000000000001",
                                                .address = "bob@a.example"});
    sim_run_for(2000);
}

static void the_last_of_the_disk_is_the_queues(void **state)
{
    (void)state;
    struct history *h = NULL;
    struct disk_file *other;
    sim_start(1);
    sim_vfs_register();
    disk_set_capacity(CAPACITY);
    assert_int_equal(history_open("/h", SIM_VFS, 14, UINT64_MAX, &h), 0);
    post(h, 10);
    assert_int_equal(history_dropped(h), 0);

    /* 1 % is left: nothing fails yet */
    assert_int_equal(disk_open("/other", DISK_CREATE, &other), 0);
    assert_int_equal(disk_truncate(other, CAPACITY - disk_used() - CAPACITY / 100), 0);
    uint64_t used = disk_used();
    post(h, 10);
    assert_int_equal(history_dropped(h), 10);
    assert_int_equal(disk_used(), used);

    /* space again: after its pause it goes on by itself */
    assert_int_equal(disk_truncate(other, 0), 0);
    sim_run_for(60000);
    post(h, 10);
    assert_int_equal(history_dropped(h), 10);
    disk_close(other);
    history_close(h);
    sim_stop();
}

static void a_clock_set_forward_removes_nothing(void **state)
{
    (void)state;
    struct history *h = NULL;
    sim_start(2);
    sim_vfs_register();
    assert_int_equal(history_open("/h", SIM_VFS, 14, UINT64_MAX, &h), 0);
    post(h, 10);
    sim_wall_jump(INT64_C(365) * 86400000);
    sim_run_for(120000);
    history_post(h, &(struct history_event){.time_ms = clock_wall_ms(), .id = "x"});
    sim_run_for(2000);
    assert_true(disk_exists("/h/2026-01-01.db"));
    assert_true(disk_exists("/h/2027-01-01.db"));
    history_close(h);
    sim_stop();
}

/* What strangers can cause leaves room for what happens to mail. */
static void refusals_are_dropped_first(void **state)
{
    (void)state;
    struct history *h = NULL;
    sim_start(3);
    sim_vfs_register();
    assert_int_equal(history_open("/h", SIM_VFS, 14, UINT64_MAX, &h), 0);
    for (unsigned i = 0; i < 30000; i++)
        history_post(h, &(struct history_event){
                            .time_ms = SIM_WALL_START_MS, .kind = HISTORY_REFUSED, .id = "x"});
    assert_int_equal(history_dropped(h), 20000);
    for (unsigned i = 0; i < 10000; i++)
        history_post(h, &(struct history_event){
                            .time_ms = SIM_WALL_START_MS, .kind = HISTORY_DELIVERED, .id = "x"});
    assert_int_equal(history_dropped(h), 20000);
    history_close(h);
    sim_stop();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_last_of_the_disk_is_the_queues),
        cmocka_unit_test(a_clock_set_forward_removes_nothing),
        cmocka_unit_test(refusals_are_dropped_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
