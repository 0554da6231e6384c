/*
 * age.h - how old a message is, by a wall clock that may jump.
 *
 * RFC 5321 4.5.4.1 (give-up time). Messages are stamped by the wall clock, and it alone is right
 * after a restart; but when an operator or NTP sets it by a day or a year, no message may expire
 * for that. Jumps are noticed by comparing it with the monotonic clock: of a message from before a
 * jump forward the jump is taken off its age; one from a future that a jump backward has undone
 * counts from that jump on. What happens while no process runs cannot be told from a long stop.
 *
 * Pure; embedded and zeroed by its owner, one thread. Milliseconds.
 */
#ifndef RELAY_QUEUE_AGE_H
#define RELAY_QUEUE_AGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define AGE_JUMP_MIN_MS INT64_C(600000) /* less is drift, or a clock being disciplined */
#define AGE_JUMPS_MAX   8

struct age_clock {
    bool started;
    int64_t offset_ms; /* wall less monotonic, when last looked at */
    int64_t back_ms;   /* wall time right after the last jump backward; 0: none */
    struct age_jump {
        int64_t border_ms; /* stamps up to here are from before it */
        int64_t by_ms;
    } jumps[AGE_JUMPS_MAX]; /* forward, oldest first */
    size_t njumps;
};

/* To be called at least every AGE_JUMP_MIN_MS / 10. Returns the jump noticed now, or 0. */
int64_t age_watch(struct age_clock *c, int64_t wall_ms, uint64_t mono_ms);
/* Never negative. After age_watch() with the same wall_ms. */
int64_t age_of(const struct age_clock *c, int64_t received_ms, int64_t wall_ms);

#endif
