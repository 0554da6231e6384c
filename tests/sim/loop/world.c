/*
 * The actors stand in a ring in order of their creation, so that a run depends on nothing but the
 * seed and the calls. A crash or the end of the world moves the whole ring to the graveyard, which
 * is never freed: what the program had in flight stays reachable from there for the leak checker.
 */
#include "msa/base/log.h"
#include "msa/base/mem.h"
#include "msa/base/require.h"
#include "tests/sim/loop/world.h"

#include <stdlib.h>

static struct {
    bool running;
    struct actor ring; /* head */
    uint32_t last_id;
    uint64_t now_ms, seed, fingerprint;
    int64_t wall_jump_ms;
    uint32_t delay_max_ms;
} world;

struct grave {
    struct actor *ring;
    struct grave *next;
};
static struct grave *graveyard;

/* splitmix64 */
uint64_t world_random(void)
{
    uint64_t z = world.seed += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

uint32_t sim_below(uint32_t bound)
{
    REQUIRE(bound > 0);
    return (uint32_t)((world_random() >> 32) * bound >> 32);
}

static void note(uint64_t what)
{
    world.fingerprint = (world.fingerprint ^ what) * UINT64_C(0x100000001b3);
    world.fingerprint ^= world.fingerprint >> 29;
}

void sim_start(uint64_t seed)
{
    REQUIRE(!world.running);
    world.running = true;
    world.ring.prev = world.ring.next = &world.ring;
    world.last_id = 0;
    world.now_ms = 0;
    world.seed = seed;
    world.fingerprint = seed;
    world.wall_jump_ms = 0;
    world.delay_max_ms = 0;
    net_start();
    disk_start();
    log_set_clock(world_wall_ms);
}

static void bury(void)
{
    if (world.ring.next == &world.ring)
        return;
    struct grave *g = NEW(struct grave);
    g->ring = world.ring.next;
    g->ring->prev = world.ring.prev;
    world.ring.prev->next = g->ring;
    g->next = graveyard;
    graveyard = g;
    world.ring.prev = world.ring.next = &world.ring;
}

void sim_crash(void)
{
    net_crash();
    bury();
    note(0xdead);
}

void sim_stop(void)
{
    REQUIRE(world.running);
    bury();
    net_stop();
    disk_stop();
    log_set_clock(NULL);
    world.running = false;
}

void world_add(struct actor *a, struct loop *l, uint64_t (*due)(struct actor *a),
               void (*act)(struct actor *a))
{
    REQUIRE(world.running);
    a->loop = l;
    a->due = due;
    a->act = act;
    a->id = ++world.last_id;
    a->next = &world.ring;
    a->prev = world.ring.prev;
    a->prev->next = a->next->prev = a;
}

void world_remove(struct actor *a)
{
    a->prev->next = a->next;
    a->next->prev = a->prev;
    a->prev = a->next = a;
}

struct actor *world_first(bool (*match)(struct actor *a, void *arg), void *arg)
{
    for (struct actor *a = world.ring.next; a != &world.ring; a = a->next)
        if (match(a, arg))
            return a;
    return NULL;
}

static uint64_t due_of(struct actor *a)
{
    return a->loop && a->loop->stopping ? NEVER : a->due(a);
}

/* The n-th actor that can act now (0-based), or NULL; *count_out: how many can; *first_out: when
 * the first of all can. */
static struct actor *look(uint32_t n, uint32_t *count_out, uint64_t *first_out)
{
    uint32_t count = 0;
    uint64_t first = NEVER;
    struct actor *found = NULL;
    for (struct actor *a = world.ring.next; a != &world.ring; a = a->next) {
        uint64_t due = due_of(a);
        if (due < first)
            first = due;
        if (due <= world.now_ms && count++ == n)
            found = a;
    }
    *count_out = count;
    *first_out = first;
    return found;
}

/* Steps unless the next event is after limit. */
static bool step_until(uint64_t limit)
{
    uint32_t count;
    uint64_t first;
    REQUIRE(world.running);
    if (disk_is_off())
        return false;
    struct actor *a = look(0, &count, &first);
    if (first == NEVER || first > limit)
        return false;
    if (count == 0) {
        world.now_ms = first;
        a = look(0, &count, &first);
    }
    if (count > 1)
        a = look(sim_below(count), &count, &first);
    note((uint64_t)a->id << 40 ^ world.now_ms);
    a->act(a);
    return true;
}

bool sim_step(void)
{
    return step_until(NEVER - 1);
}

bool sim_run_until(uint64_t at_ms)
{
    while (step_until(at_ms))
        ;
    if (disk_is_off())
        return false;
    if (at_ms > world.now_ms)
        world.now_ms = at_ms;
    return true;
}

bool sim_run_for(uint64_t ms)
{
    return sim_run_until(world.now_ms + ms);
}

bool sim_run_while_not(bool (*done)(void *arg), void *arg, uint64_t ms)
{
    uint64_t limit = world.now_ms + ms;
    while (!done(arg) && step_until(limit))
        ;
    return done(arg);
}

uint64_t sim_now(void)
{
    return world.now_ms;
}

uint64_t sim_fingerprint(void)
{
    return world.fingerprint;
}

int64_t world_wall_ms(void)
{
    return SIM_WALL_START_MS + (int64_t)world.now_ms + world.wall_jump_ms;
}

void sim_wall_jump(int64_t by_ms)
{
    world.wall_jump_ms += by_ms;
}

void sim_thread_delay(uint32_t max_ms)
{
    world.delay_max_ms = max_ms;
}

uint32_t world_thread_delay(void)
{
    return world.delay_max_ms ? sim_below(world.delay_max_ms + 1) : 0;
}
