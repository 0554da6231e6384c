#include "msa/loop/clock.h"
#include "tests/sim/loop/world.h"

#include <string.h>

int64_t clock_wall_ms(void)
{
    return world_wall_ms();
}

int64_t clock_wall_s(void)
{
    return world_wall_ms() / 1000;
}

uint64_t clock_mono_ms(void)
{
    return sim_now();
}

uint64_t clock_mono_us(void)
{
    return sim_now() * 1000;
}

void random_fill(void *out, size_t bytes)
{
    char *at = out;
    while (bytes) {
        uint64_t value = world_random();
        size_t n = bytes < sizeof value ? bytes : sizeof value;
        memcpy(at, &value, n);
        at += n;
        bytes -= n;
    }
}

uint64_t random_u64(void)
{
    return world_random();
}
