#include "msa/base/err.h"
#include "msa/base/require.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void texts(void **state)
{
    (void)state;
    assert_string_equal(err_text(0), "success");
    assert_string_equal(err_text(-ENOSPC), strerror(ENOSPC));
    assert_string_equal(err_text(ERR_EOF), "the peer closed the connection");
    assert_string_equal(err_text(ERR_LIMIT), "a configured limit was reached");
    for (int err = -6000; err <= 10; err++)
        assert_true(strlen(err_text(err)) > 0);
    assert_string_equal(err_text(-5999), "unknown error");
    assert_string_equal(err_text(1), "unknown error");
    assert_string_equal(err_text(-2147483647 - 1), "unknown error");
}

/* Ours are below -5000, so that no errno value can be taken for one. */
static void values(void **state)
{
    (void)state;
#define BELOW(name, value, text) assert_true(name < -5000);
    ERR_TABLE(BELOW)
#undef BELOW
}

static void broken_contract_aborts(void **state)
{
    (void)state;
    int fds[2], status;
    char said[200] = "";
    assert_int_equal(pipe(fds), 0);
    pid_t pid = fork();
    if (pid == 0) {
        signal(SIGABRT, SIG_DFL);
        dup2(fds[1], STDERR_FILENO);
        REQUIRE(1 + 1 == 2);
        REQUIRE(1 + 1 == 3);
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    assert_true(read(fds[0], said, sizeof said - 1) > 0);
    assert_non_null(strstr(said, "broken contract: 1 + 1 == 3 ("));
    assert_non_null(strstr(said, "test_err.c:"));
    close(fds[0]);
    close(fds[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts),
        cmocka_unit_test(values),
        cmocka_unit_test(broken_contract_aborts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
