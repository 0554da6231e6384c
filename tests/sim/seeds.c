#include "tests/sim/seeds.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DEFAULT_SEEDS 50

static char doomed[128]; /* what an abort says */

#ifdef MSA_SANITIZED
/* So that an error of memory names its seed, too. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "abort_on_error=1";
}
#endif

static void on_abort(int number)
{
    ssize_t written = write(STDERR_FILENO, doomed, strlen(doomed));
    (void)written;
    signal(number, SIG_DFL);
    raise(number);
}

static uint64_t number_of(const char *variable, uint64_t otherwise)
{
    const char *text = getenv(variable);
    return text && *text ? strtoull(text, NULL, 10) : otherwise;
}

static unsigned seeds_count(unsigned share)
{
    unsigned count = (unsigned)number_of("MSA_SEEDS", DEFAULT_SEEDS) * share / 100;
    return count > 0 ? count : 1;
}

static bool run_one(const char *name, bool (*run)(uint64_t seed), uint64_t seed)
{
    snprintf(doomed, sizeof doomed, "%s: aborted with MSA_SEED=%llu\n", name,
             (unsigned long long)seed);
    bool good = run(seed);
    if (!good)
        fprintf(stderr, "%s: failed; again with MSA_SEED=%llu\n", name, (unsigned long long)seed);
    return good;
}

bool seeds_run(const char *name, unsigned share, bool (*run)(uint64_t seed))
{
    unsigned bad = 0, count = seeds_count(share);
    uint64_t only = number_of("MSA_SEED", 0);
    void (*before)(int) = signal(SIGABRT, on_abort);
    if (only)
        bad = !run_one(name, run, only);
    for (unsigned i = 1; i <= count && !only && bad < 3; i++)
        bad += !run_one(name, run, i);
    signal(SIGABRT, before);
    return bad == 0;
}
