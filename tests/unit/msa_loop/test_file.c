#include "msa/loop/file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char dir[] = "/tmp/msa-file-XXXXXX";
static char path[128], other[128];

static int make_dir(void **state)
{
    (void)state;
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/a", dir);
    snprintf(other, sizeof other, "%s/b", dir);
    return 0;
}

static int remove_dir(void **state)
{
    (void)state;
    return rmdir(dir);
}

static void create_write_read(void **state)
{
    (void)state;
    struct file *f;
    struct stat st;
    char bytes[16];
    assert_int_equal(file_open(path, FILE_READ, &f), -ENOENT);
    assert_int_equal(file_open(path, FILE_READ | FILE_WRITE | FILE_CREATE, &f), 0);
    assert_int_equal(file_write(f, 0, SV("hello world")), 0);
    assert_int_equal(file_write(f, 6, SV("earth")), 0);
    assert_int_equal(file_size(f), 11);
    assert_int_equal(file_sync(f), 0);
    assert_int_equal(file_read(f, 6, bytes, sizeof bytes), 5);
    assert_memory_equal(bytes, "earth", 5);
    assert_int_equal(file_read(f, 11, bytes, sizeof bytes), 0);
    file_close(f);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(file_open(path, FILE_WRITE | FILE_CREATE, &f), -EEXIST);
    assert_int_equal(file_open(path, FILE_READ, &f), 0);
    assert_int_equal(file_write(f, 0, SV("x")), -EBADF);
    file_close(f);
    assert_int_equal(file_unlink(path), 0);
    assert_int_equal(file_unlink(path), -ENOENT);
    file_close(NULL);
}

static void space_is_told(void **state)
{
    (void)state;
    uint64_t left = 0, total = 0;
    assert_int_equal(file_space(dir, &left, &total), 0);
    assert_true(total > 0 && left <= total);
    assert_int_equal(file_space(path, &left, &total), -ENOENT);
}

static void append_goes_to_the_end(void **state)
{
    (void)state;
    struct file *f;
    char bytes[8];
    for (int i = 0; i < 2; i++) {
        assert_int_equal(file_open(path, FILE_APPEND | FILE_READ, &f), 0);
        assert_int_equal(file_write(f, 0, i ? SV("two") : SV("one")), 0);
        if (i == 0)
            file_close(f);
    }
    assert_int_equal(file_read(f, 0, bytes, sizeof bytes), 6);
    assert_memory_equal(bytes, "onetwo", 6);
    file_close(f);
    assert_int_equal(file_unlink(path), 0);
}

static void add_name(void *arg, const char *name)
{
    strcat(arg, name);
    strcat(arg, ";");
}

static void folders(void **state)
{
    (void)state;
    struct file *f;
    char names[64] = "", sub[160];
    snprintf(sub, sizeof sub, "%s/sub", dir);
    assert_int_equal(file_mkdir(sub), 0);
    assert_int_equal(file_mkdir(sub), 0);
    assert_int_equal(file_open(path, FILE_WRITE | FILE_CREATE, &f), 0);
    file_close(f);
    assert_int_equal(file_rename(path, other), 0);
    assert_int_equal(file_rename(path, other), -ENOENT);
    assert_int_equal(file_sync_dir(dir), 0);
    assert_int_equal(file_sync_dir(path), -ENOENT);
    assert_int_equal(file_list(dir, add_name, names), 0);
    assert_true(strcmp(names, "b;sub;") == 0 || strcmp(names, "sub;b;") == 0);
    assert_int_equal(file_list(path, add_name, names), -ENOENT);
    assert_int_equal(file_unlink(other), 0);
    assert_int_equal(rmdir(sub), 0);
}

static void full_disk(void **state)
{
    (void)state;
    struct file *f;
    assert_int_equal(file_open("/dev/full", FILE_WRITE, &f), 0);
    assert_int_equal(file_write(f, 0, SV("x")), -ENOSPC);
    file_close(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(create_write_read),
        cmocka_unit_test(space_is_told),
        cmocka_unit_test(append_goes_to_the_end),
        cmocka_unit_test(folders),
        cmocka_unit_test(full_disk),
    };
    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
