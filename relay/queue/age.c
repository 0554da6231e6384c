#include "relay/queue/age.h"

#include <string.h>

static void add_forward(struct age_clock *c, int64_t by_ms, int64_t wall_ms)
{
    if (c->njumps == AGE_JUMPS_MAX) /* the oldest is added to the next: the same for most stamps */
        c->jumps[1].by_ms += c->jumps[0].by_ms;
    if (c->njumps == AGE_JUMPS_MAX)
        memmove(c->jumps, c->jumps + 1, --c->njumps * sizeof *c->jumps);
    /* stamps between the two sides of the jump do not exist */
    c->jumps[c->njumps++] = (struct age_jump){.border_ms = wall_ms - by_ms / 2, .by_ms = by_ms};
}

/* A jump back undoes those forward. */
static void add_backward(struct age_clock *c, int64_t by_ms, int64_t wall_ms)
{
    c->back_ms = wall_ms;
    while (c->njumps > 0 && by_ms > 0) {
        struct age_jump *last = &c->jumps[c->njumps - 1];
        int64_t part = last->by_ms < by_ms ? last->by_ms : by_ms;
        last->by_ms -= part;
        by_ms -= part;
        if (last->by_ms < AGE_JUMP_MIN_MS)
            c->njumps--;
    }
}

int64_t age_watch(struct age_clock *c, int64_t wall_ms, uint64_t mono_ms)
{
    int64_t offset_ms = wall_ms - (int64_t)mono_ms;
    int64_t by_ms = c->started ? offset_ms - c->offset_ms : 0;
    c->started = true;
    c->offset_ms = offset_ms;
    if (by_ms >= AGE_JUMP_MIN_MS)
        add_forward(c, by_ms, wall_ms);
    else if (by_ms <= -AGE_JUMP_MIN_MS)
        add_backward(c, -by_ms, wall_ms);
    else
        return 0;
    return by_ms;
}

int64_t age_of(const struct age_clock *c, int64_t received_ms, int64_t wall_ms)
{
    if (received_ms > wall_ms)
        return c->back_ms && c->back_ms < wall_ms ? wall_ms - c->back_ms : 0;
    int64_t age_ms = wall_ms - received_ms;
    for (size_t i = 0; i < c->njumps; i++)
        if (received_ms <= c->jumps[i].border_ms)
            age_ms -= c->jumps[i].by_ms;
    return age_ms > 0 ? age_ms : 0;
}
