/*
 * clock.h - time and randomness. Any thread.
 *
 * Wall time may jump; it stamps messages and decides expiry. Monotonic time measures.
 */
#ifndef MSA_LOOP_CLOCK_H
#define MSA_LOOP_CLOCK_H

#include <stddef.h>
#include <stdint.h>

int64_t clock_wall_ms(void);
int64_t clock_wall_s(void);
uint64_t clock_mono_ms(void);
uint64_t clock_mono_us(void);

void random_fill(void *out, size_t bytes); /* from the kernel; seeded in a simulation */
uint64_t random_u64(void);

#endif
