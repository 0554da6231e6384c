#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "msa/daemon/restart.h"

#include <signal.h>

/* Lives one after the other, the pauses between them, and what each end must bring. */
static const struct row {
    const char *name;
    size_t count;
    struct {
        uint64_t life_ms, pause_ms;
    } ends[8];
} rows[] = {
    {"the first two are answered at once", 2, {{5000, 0}, {1000, 0}}},
    {"pauses begin at the third in 10 s", 5, {{0, 0}, {0, 0}, {0, 1000}, {0, 2000}, {0, 4000}}},
    {"exactly 10 s is within", 3, {{1, 0}, {5000, 0}, {5000, 1000}}},
    {"more than 10 s is not", 4, {{1, 0}, {5000, 0}, {5001, 0}, {5001, 0}}},
    {"slow deaths do not pause", 4, {{20000, 0}, {20000, 0}, {20000, 0}, {20000, 0}}},
    {"the pause has an upper bound",
     8,
     {{0, 0}, {0, 0}, {0, 1000}, {0, 2000}, {0, 4000}, {0, 8000}, {0, 16000}, {0, 30000}}},
    {"60 s of life forget", 6, {{0, 0}, {0, 0}, {0, 1000}, {60000, 0}, {0, 0}, {0, 1000}}},
    {"less does not", 4, {{0, 0}, {0, 0}, {0, 1000}, {59999, 2000}}},
};

static void pauses(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct restart r = {0};
        uint64_t now = 1000000;
        for (size_t k = 0; k < rows[i].count; k++) {
            uint64_t started = now;
            now += rows[i].ends[k].life_ms;
            uint64_t pause = restart_pause_ms(&r, started, now);
            if (pause != rows[i].ends[k].pause_ms)
                print_error("%s: end %zu\n", rows[i].name, k);
            assert_int_equal(pause, rows[i].ends[k].pause_ms);
            now += pause;
        }
    }
}

static void faults(void **state)
{
    static const int is[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGSYS};
    static const int is_not[] = {0, SIGKILL, SIGTERM, SIGINT, SIGHUP, SIGPIPE};
    (void)state;
    for (size_t i = 0; i < sizeof is / sizeof *is; i++)
        assert_true(restart_is_fault(is[i]));
    for (size_t i = 0; i < sizeof is_not / sizeof *is_not; i++)
        assert_false(restart_is_fault(is_not[i]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(pauses), cmocka_unit_test(faults)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
