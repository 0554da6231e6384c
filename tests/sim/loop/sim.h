/*
 * sim.h - the simulated world behind msa/loop: loops, threads, streams, time and disk from one
 * seed.
 *
 * A test linked with SIM gets these forms of loop.h, thread.h, stream.h, clock.h and file.h. Loops
 * are made as usual (loop_new()) and nothing runs until the test steps the world, or calls
 * loop_run(), which steps all loops and threads until its own was stopped. Each step picks one of
 * the things that can happen now (a due timer, a waiting mailbox, batch or pool job, bytes that
 * arrived, a connection) by the seed; when none can, virtual time jumps to the next.
 *
 *     sim_start(seed);
 *     int fd = sim_listen(&address);           ...listener_new(loop, fd, ...)
 *     sim_run_for(60 * 1000);
 *     sim_stop();
 *
 * The same seed and the same calls give the same run: sim_fingerprint() is equal. The wall clock
 * starts at SIM_WALL_START_MS and log stamps are taken from it. One thread only.
 *
 * Memory: what was in flight at sim_crash() or sim_stop() is not freed, but kept reachable for the
 * rest of the process, so that the leak checker does not report what the program had no chance to
 * free. What the program drops by itself is still found.
 */
#ifndef TESTS_SIM_LOOP_SIM_H
#define TESTS_SIM_LOOP_SIM_H

#include "msa/base/ip.h"
#include "tests/sim/loop/disk.h"

#define SIM_WALL_START_MS INT64_C(1767225600000) /* 2026-01-01 00:00:00 UTC */

void sim_start(uint64_t seed);
/* Ends the world and the disk; what is still there is dropped without callbacks. */
void sim_stop(void);
/* One event. False: nothing can ever happen, or the disk's power is off. */
bool sim_step(void);
/* Until virtual time at_ms (then sim_now() == at_ms). False: the disk's power went off before. */
bool sim_run_until(uint64_t at_ms);
bool sim_run_for(uint64_t ms);
/* Until done(arg) is true, at most for ms. Returns done(arg). */
bool sim_run_while_not(bool (*done)(void *arg), void *arg, uint64_t ms);
uint64_t sim_now(void); /* virtual milliseconds since sim_start() */
uint64_t sim_fingerprint(void);
uint32_t sim_below(uint32_t bound); /* a seeded choice of the test's own, in [0, bound) */

/* The process dies: loops, threads, timers, tasks, streams and listeners are gone, without
 * callbacks. Time, disk, wall clock, network settings and sim_listen() descriptors stay. */
void sim_crash(void);

/* Wall clock = start + virtual time + offset. Monotonic time never jumps. */
void sim_wall_jump(int64_t by_ms);

/* A batch turn or a pool job begins 0 to max_ms after it could (default 0). */
void sim_thread_delay(uint32_t max_ms);

/* A descriptor for listener_new(); kept for the whole world. Port 0: chosen. */
int sim_listen(const struct ip_port *at);
struct ip_port sim_listen_address(int fd);

struct sim_net {
    uint32_t latency_min_ms, latency_max_ms; /* of each segment; order is kept */
    uint32_t segment_max; /* bytes given to one on_read: 1..this; default 65536 */
    uint32_t window;      /* bytes under way or unread in one direction */
};
void sim_net_set(const struct sim_net *net); /* for streams connected from now on */

enum sim_fault {
    SIM_OK,
    SIM_REFUSED,    /* connect: -ECONNREFUSED */
    SIM_UNREACH,    /* connect: -ENETUNREACH */
    SIM_NOT_OURS,   /* connect from this address: -EADDRNOTAVAIL */
    SIM_BLACK_HOLE, /* connect never answers; -ETIMEDOUT after 127 s as in the kernel */
    SIM_RESET,      /* after after_bytes in both directions together: -ECONNRESET at both ends */
    SIM_SILENT,     /* after after_bytes nothing arrives any more, in either direction */
};
/* For connections made from now on to this address (port 0: any port); SIM_NOT_OURS: from it, port
 * 0. SIM_OK: no fault. */
void sim_net_fault(const struct ip_port *to, enum sim_fault fault, uint64_t after_bytes);
/* All open connections end with -ECONNRESET at both ends. */
void sim_net_reset_all(void);

#endif
