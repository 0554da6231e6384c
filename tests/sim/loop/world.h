/*
 * world.h - what the files of the simulated loop share; tests include sim.h, not this.
 *
 * Everything that can make something happen is an actor, embedded first in its object: a loop's
 * timers, a mailbox, a batch, a pool, a stream, a listener. The world asks each when it can act
 * and lets one that can act now do so.
 */
#ifndef TESTS_SIM_LOOP_WORLD_H
#define TESTS_SIM_LOOP_WORLD_H

#include "msa/base/ip.h"
#include "msa/loop/timers.h"
#include "tests/sim/loop/sim.h"

#define NEVER UINT64_MAX

struct actor {
    struct actor *prev, *next;
    struct loop *loop; /* NULL: of no loop; an actor of a stopped loop does nothing */
    uint32_t id;       /* in order of creation */
    uint64_t (*due)(struct actor *a); /* virtual time, NEVER; at most now: it can act */
    void (*act)(struct actor *a);
};

struct loop {
    struct actor actor;
    struct timers timers;
    size_t closing; /* streams closed whose on_closed has not run */
    bool stopping;
};

void world_add(struct actor *a, struct loop *l, uint64_t (*due)(struct actor *a),
               void (*act)(struct actor *a));
void world_remove(struct actor *a);
/* The first actor that matches, or NULL. */
struct actor *world_first(bool (*match)(struct actor *a, void *arg), void *arg);
uint64_t world_random(void);
uint32_t world_thread_delay(void);
int64_t world_wall_ms(void);
void loop_finish_closing(struct loop *l); /* stream.c */

void net_start(void);
void net_crash(void); /* connections not yet accepted are gone */
void net_stop(void);
void disk_start(void);
void disk_stop(void);

#endif
