/* Copies of configured files beside users.db. */
#include "auth/copy.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static void copies(void **state)
{
    char folder[] = "/tmp/auth-test-XXXXXX", accounts[64], path[PATH_MAX], text[16] = "";
    struct stat st;
    FILE *file;

    (void)state;
    assert_non_null(mkdtemp(folder));
    snprintf(accounts, sizeof(accounts), "%s/users.db", folder);
    auth_copy_path(accounts, "FILE:", "ca.pem", path);
    assert_true(strncmp(path, "FILE:/tmp/", 10) == 0);
    auth_copy_path(accounts, "", "ca.pem", path);
    assert_int_equal(auth_copy_keep(accounts, "ca.pem", SV("first")), 0);
    assert_int_equal(auth_copy_keep(accounts, "ca.pem", SV("second")), 0);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    file = fopen(path, "re");
    assert_non_null(fgets(text, sizeof(text), file));
    fclose(file);
    assert_string_equal(text, "second");
    /* none is wanted any more, or was there */
    assert_int_equal(auth_copy_keep(accounts, "ca.pem", SV_NONE), 0);
    assert_int_equal(stat(path, &st), -1);
    assert_int_equal(auth_copy_keep(accounts, "ca.pem", SV_NONE), 0);
    assert_int_equal(rmdir(folder), 0);
    assert_int_equal(auth_copy_keep(accounts, "ca.pem", SV("third")), -ENOENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(copies)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
