#include "msa/base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static void allocation(void **state)
{
    (void)state;
    char *p = mem_new(100, 7);
    for (int i = 0; i < 700; i++)
        assert_int_equal(p[i], 0);
    memset(p, 'x', 700);
    p = mem_resize(p, 1000, 3);
    assert_int_equal(p[699], 'x');
    p = mem_resize(p, 0, 3);
    assert_non_null(p);
    free(p);
    p = mem_new(0, 0);
    assert_non_null(p);
    free(p);
}

static void copies(void **state)
{
    (void)state;
    char *p = mem_dup("a\0b", 3);
    assert_memory_equal(p, "a\0b", 4);
    free(p);
    p = mem_dup(NULL, 0);
    assert_string_equal(p, "");
    free(p);
    p = mem_str("text");
    assert_string_equal(p, "text");
    free(p);
}

static void wipe_and_compare(void **state)
{
    (void)state;
    char secret[8] = "secret!";
    mem_wipe(secret, 6);
    assert_memory_equal(secret, "\0\0\0\0\0\0!", 8);
    mem_wipe(NULL, 0);
    assert_true(mem_equal_ct("abcd", "abcd", 4));
    assert_false(mem_equal_ct("abcd", "abce", 4));
    assert_false(mem_equal_ct("xbcd", "abcd", 4));
    assert_true(mem_equal_ct("abcd", "abce", 3));
    assert_true(mem_equal_ct(NULL, NULL, 0));
}

static void overflow_aborts(void **state)
{
    (void)state;
    volatile size_t huge = SIZE_MAX / 2;
    int status;
    pid_t pid = fork();
    if (pid == 0) {
        struct rlimit no_core = {0, 0};
        setrlimit(RLIMIT_CORE, &no_core);
        signal(SIGABRT, SIG_DFL);
        close(STDERR_FILENO);
        free(mem_resize(NULL, huge, 4));
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_false(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(allocation),
        cmocka_unit_test(copies),
        cmocka_unit_test(wipe_and_compare),
        cmocka_unit_test(overflow_aborts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
