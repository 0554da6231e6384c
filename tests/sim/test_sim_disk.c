/* The simulated disk: what a loss of power may take, and what it must not. */
#include "msa/base/mem.h"
#include "tests/sim/loop/sim.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>
#include <errno.h>
#include <string.h>

enum { SECTORS = 8, BYTES = SECTORS * 512 };

static struct disk_file *open_file(const char *path, unsigned flags)
{
    struct disk_file *f;
    assert_int_equal(disk_open(path, flags, &f), 0);
    return f;
}

static void write_all(struct disk_file *f, uint64_t offset, char byte, size_t len)
{
    char bytes[BYTES];
    memset(bytes, byte, len);
    assert_int_equal(disk_write(f, offset, bytes, len), 0);
}

/* A synced file of 'a', then two unsynced writes: 'b' over the first half, 'c' over the second. */
static void make_case(void)
{
    struct disk_file *f = open_file("/d/f", DISK_CREATE);
    write_all(f, 0, 'a', BYTES);
    assert_int_equal(disk_sync(f), 0);
    assert_int_equal(disk_sync_dir("/d"), 0);
    write_all(f, 0, 'b', BYTES / 2);
    write_all(f, BYTES / 2, 'c', BYTES / 2);
    disk_power_off();
    disk_close(f);
}

/* What stands in each sector, as text; '?' if a sector is not of one kind. */
static void look(char kinds[SECTORS + 1])
{
    char bytes[BYTES + 1];
    struct disk_file *f = open_file("/d/f", 0);
    assert_int_equal(disk_read(f, 0, bytes, sizeof bytes), BYTES);
    disk_close(f);
    for (int s = 0; s < SECTORS; s++) {
        kinds[s] = bytes[s * 512];
        for (int i = 0; i < 512; i++)
            if (bytes[s * 512 + i] != kinds[s])
                kinds[s] = '?';
    }
    kinds[SECTORS] = '\0';
}

static void losses(void **state)
{
    (void)state;
    char kinds[SECTORS + 1];
    int torn = 0, later_without_earlier = 0;
    sim_start(1);
    make_case();
    disk_power_on(DISK_LOSS_ALL);
    look(kinds);
    assert_string_equal(kinds, "aaaaaaaa");
    sim_stop();
    sim_start(1);
    make_case();
    disk_power_on(DISK_LOSS_NONE);
    look(kinds);
    assert_string_equal(kinds, "bbbbcccc");
    sim_stop();
    for (uint64_t seed = 0; seed < 200; seed++) {
        sim_start(seed);
        make_case();
        disk_power_on(DISK_LOSS_TORN);
        look(kinds);
        /* a first part, so no sector behind an old one is new */
        assert_null(strstr(kinds, "ab"));
        assert_null(strstr(kinds, "ac"));
        torn += strchr(kinds, 'a') && strchr(kinds, 'b');
        sim_stop();
    }
    assert_in_range(torn, 20, 180);
    torn = 0;
    for (uint64_t seed = 0; seed < 200; seed++) {
        sim_start(seed);
        make_case();
        disk_power_on(DISK_LOSS_MIXED);
        look(kinds);
        assert_null(strchr(kinds, '?'));
        torn += strstr(kinds, "ab") != NULL;
        later_without_earlier += strchr(kinds, 'c') && !strchr(kinds, 'b');
        sim_stop();
    }
    assert_in_range(torn, 5, 195);
    assert_in_range(later_without_earlier, 10, 190);
}

static void names_need_their_folder_synced(void **state)
{
    (void)state;
    int lost = 0, kept = 0;
    for (uint64_t seed = 0; seed < 100; seed++) {
        sim_start(seed);
        struct disk_file *f = open_file("/d/new", DISK_CREATE);
        write_all(f, 0, 'x', 10);
        assert_int_equal(disk_sync(f), 0);
        disk_power_off();
        disk_close(f);
        assert_false(disk_exists("/d/new"));
        disk_power_on(DISK_LOSS_SEEDED);
        if (disk_exists("/d/new")) {
            kept++;
            f = open_file("/d/new", 0);
            assert_int_equal(disk_size(f), 10);
            disk_close(f);
        } else {
            lost++;
        }
        sim_stop();
    }
    assert_true(lost > 10 && kept > 10);
}

static void rename_across_folders(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 100; seed++) {
        sim_start(seed);
        disk_close(open_file("/tmp/a", DISK_CREATE));
        assert_int_equal(disk_rename("/tmp/a", "/q/a"), 0);
        assert_int_equal(disk_sync_dir("/q"), 0);
        disk_close(open_file("/q/b", DISK_CREATE));
        assert_int_equal(disk_delete("/q/a"), 0);
        disk_power_off();
        disk_power_on(DISK_LOSS_SEEDED);
        assert_false(disk_exists("/tmp/a"));
        /* in order: the deletion cannot survive without what came before it */
        assert_true(disk_exists("/q/a") || disk_exists("/q/b"));
        sim_stop();
    }
}

static void power_fails_at_the_planned_operation(void **state)
{
    (void)state;
    uint64_t total = 0;
    for (uint64_t n = 0; n == 0 || n <= total; n++) {
        struct disk_file *f;
        sim_start(n);
        disk_crash_at(n);
        int err = disk_open("/d/f", DISK_CREATE, &f);
        assert_int_equal(err, n == 1 ? -EIO : 0);
        if (err == 0) {
            int steps[3];
            steps[0] = disk_write(f, 0, "x", 1);
            steps[1] = disk_sync(f);
            steps[2] = disk_sync_dir("/d");
            for (uint64_t i = 0; i < 3; i++)
                assert_int_equal(steps[i], n && i + 2 >= n ? -EIO : 0);
            disk_close(f);
        }
        if (n == 0) {
            total = disk_ops();
            assert_int_equal(total, 4);
            assert_int_equal(disk_syncs(), 2);
        } else {
            assert_true(disk_is_off());
            assert_false(sim_step());
            disk_power_on(DISK_LOSS_SEEDED);
        }
        sim_stop();
    }
}

static void handles_of_before_stay_dead(void **state)
{
    (void)state;
    char byte;
    sim_start(1);
    struct disk_file *old = open_file("/f", DISK_CREATE);
    disk_power_off();
    disk_power_on(DISK_LOSS_NONE);
    assert_int_equal(disk_read(old, 0, &byte, 1), -EIO);
    assert_int_equal(disk_write(old, 0, "x", 1), -EIO);
    assert_int_equal(disk_size(old), -EIO);
    struct disk_file *f = open_file("/f", 0);
    disk_close(old);
    assert_int_equal(disk_write(f, 0, "x", 1), 0);
    disk_close(f);
    sim_stop();
}

static void full_disk_and_faults(void **state)
{
    (void)state;
    sim_start(1);
    struct disk_file *f = open_file("/q/spool", DISK_CREATE);
    disk_set_capacity(1000);
    write_all(f, 0, 'a', 900);
    assert_int_equal(disk_used(), 900);
    char bytes[200] = "";
    assert_int_equal(disk_write(f, 900, bytes, 101), -ENOSPC);
    assert_int_equal(disk_size(f), 900);
    assert_int_equal(disk_write(f, 0, bytes, 200), 0);
    assert_int_equal(disk_truncate(f, 100), 0);
    assert_int_equal(disk_write(f, 100, bytes, 200), 0);
    disk_set_capacity(UINT64_MAX);

    disk_fail(DISK_OP_WRITE, "spool", 1, 2, -EIO);
    assert_int_equal(disk_write(f, 0, "x", 1), 0);
    assert_int_equal(disk_write(f, 0, "x", 1), -EIO);
    assert_int_equal(disk_truncate(f, 0), -EIO);
    assert_int_equal(disk_write(f, 0, "x", 1), 0);
    disk_fail(DISK_OP_WRITE, "other", 0, 9, -EIO);
    assert_int_equal(disk_write(f, 0, "x", 1), 0);
    disk_fail(0, NULL, 0, 0, 0);
    disk_close(f);
    sim_stop();
}

/* After a failed sync the bytes can be read, but a later good sync does not save them for sure. */
static void failed_sync_loses_its_bytes(void **state)
{
    (void)state;
    int lost = 0;
    for (uint64_t seed = 0; seed < 40; seed++) {
        char byte = 0;
        sim_start(seed);
        struct disk_file *f = open_file("/q/f", DISK_CREATE);
        assert_int_equal(disk_sync_dir("/q"), 0);
        assert_int_equal(disk_write(f, 0, "x", 1), 0);
        disk_fail(DISK_OP_SYNC, NULL, 0, 1, -EIO);
        assert_int_equal(disk_sync(f), -EIO);
        assert_int_equal(disk_sync(f), 0);
        assert_int_equal(disk_read(f, 0, &byte, 1), 1);
        disk_power_off();
        disk_close(f);
        disk_power_on(DISK_LOSS_ALL);
        f = open_file("/q/f", 0);
        lost += disk_size(f) == 0;
        disk_close(f);
        sim_stop();
    }
    assert_in_range(lost, 5, 35);
}

static int dropped;

static void drop(void *value)
{
    dropped++;
    free(value);
}

static void shared_slot_lives_with_the_handles(void **state)
{
    (void)state;
    sim_start(1);
    struct disk_file *a = open_file("/f", DISK_CREATE), *b = open_file("/f", 0);
    *disk_shared(a, drop) = mem_str("locks");
    assert_string_equal(*disk_shared(b, drop), "locks");
    disk_close(a);
    assert_int_equal(dropped, 0);
    disk_close(b);
    assert_int_equal(dropped, 1);
    a = open_file("/f", 0);
    assert_null(*disk_shared(a, drop));
    *disk_shared(a, drop) = mem_str("again");
    disk_power_off();
    disk_power_on(DISK_LOSS_ALL);
    assert_int_equal(dropped, 2);
    disk_close(a);
    assert_int_equal(dropped, 2);
    sim_stop();
}

static void add_name(void *arg, const char *name)
{
    strcat(arg, name);
    strcat(arg, ";");
}

static void listing(void **state)
{
    (void)state;
    char names[64] = "";
    sim_start(1);
    disk_close(open_file("/q/b", DISK_CREATE));
    disk_close(open_file("/q/a", DISK_CREATE));
    disk_close(open_file("/q/sub/c", DISK_CREATE));
    disk_close(open_file("/qq/d", DISK_CREATE));
    assert_int_equal(disk_mkdir("/empty"), 0);
    assert_int_equal(disk_mkdir("/empty"), -EEXIST);
    assert_int_equal(disk_list("/q", add_name, names), 0);
    assert_string_equal(names, "a;b;");
    assert_int_equal(disk_list("/empty", add_name, names), 0);
    assert_int_equal(disk_list("/none", add_name, names), -ENOENT);
    sim_stop();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(losses),
        cmocka_unit_test(names_need_their_folder_synced),
        cmocka_unit_test(rename_across_folders),
        cmocka_unit_test(power_fails_at_the_planned_operation),
        cmocka_unit_test(handles_of_before_stay_dead),
        cmocka_unit_test(full_disk_and_faults),
        cmocka_unit_test(failed_sync_loses_its_bytes),
        cmocka_unit_test(shared_slot_lives_with_the_handles),
        cmocka_unit_test(listing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
