#include "msa/base/throttle.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

static void first_of_each_minute(void **state)
{
    (void)state;
    static const struct {
        uint64_t now_ms;
        bool passes;
    } rows[] = {
        {5000, true},    {5000, false},  {64999, false}, {65000, true},
        {100000, false}, {999000, true}, {7000, true}, /* time has begun anew */
        {8000, false},   {66999, false}, {67000, true},
    };
    _Atomic uint64_t next_ms = 0, other_ms = 0;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_int_equal(throttle_passes(&next_ms, rows[i].now_ms), rows[i].passes);
    assert_true(throttle_passes(&other_ms, 67000));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(first_of_each_minute)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
