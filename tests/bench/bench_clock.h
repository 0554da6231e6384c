/* bench_clock.h - time for measurements: seconds of the monotonic clock. */
#ifndef TESTS_BENCH_BENCH_CLOCK_H
#define TESTS_BENCH_BENCH_CLOCK_H

#include <time.h>
#include <unistd.h>

static inline double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static inline void sleep_until(double at_s)
{
    double left = at_s - now_s();
    if (left > 0)
        usleep((useconds_t)(left * 1e6));
}

#endif
