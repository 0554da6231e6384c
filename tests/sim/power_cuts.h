/*
 * power_cuts.h - the power fails in every operation of a workload on the simulated disk, and the
 * same seed ends the same way twice.
 *
 * MSA_SEEDS: a tenth of it is how many seeds (default 5).
 */
#ifndef TESTS_SIM_POWER_CUTS_H
#define TESTS_SIM_POWER_CUTS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "msa/base/sv.h"
#include "tests/sim/loop/sim.h"

#include <stdlib.h>

/* A process that died frees nothing (sim.h). */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "detect_leaks=0";
}

/* One run with the power failing in operation crash_at (0: never), and the start after it. What
 * came of it, as a number; *ops_out (may be NULL): operations until the power failed. */
typedef uint64_t power_run(uint64_t seed, uint64_t crash_at, uint64_t *ops_out);

static inline unsigned power_seeds(void)
{
    const char *text = getenv("MSA_SEEDS");
    uint64_t n = 50;
    if (text && !sv_u64(sv_of(text), 1000000, &n))
        n = 50;
    return n > 10 ? (unsigned)(n / 10) : 1;
}

/* The workload has come to its end, or to crash_at: all is lost that was not synced, or some of it,
 * and the machine starts again. */
static inline void power_cut(uint64_t *ops_out)
{
    if (ops_out)
        *ops_out = disk_ops();
    if (!disk_is_off())
        disk_power_off();
    sim_crash();
    disk_crash_at(0);
    disk_power_on(DISK_LOSS_SEEDED);
}

/* Each operation of the workload is hit by one seed; together they hit all. */
static inline void power_cuts_everywhere(power_run *run)
{
    unsigned count = power_seeds();
    uint64_t ops;
    run(1, 0, &ops);
    assert_true(ops > 100);
    for (uint64_t at = 1; at <= ops + 20; at++)
        run(1 + at % count, at, NULL);
}

static inline void power_cuts_repeat(power_run *run)
{
    for (unsigned seed = 1; seed <= power_seeds(); seed++) {
        uint64_t ops;
        uint64_t first = run(seed, 0, &ops);
        assert_true(first == run(seed, 0, NULL));
        assert_true(run(seed, ops / 2, NULL) == run(seed, ops / 2, NULL));
    }
}

#endif
