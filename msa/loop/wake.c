#include "msa/loop/wake.h"
#include "msa/base/require.h"
#include "msa/loop/clock.h"

#include <stddef.h>
#include <stdint.h>

#define WAKES_MAX 32u /* more receivers than one thread posts to in a turn; else an early flush */

static _Thread_local struct {
    bool in_turn;
    struct loop *loop;
    size_t count;
    uint64_t first_us;
    struct {
        void (*send)(void *to);
        void *to;
    } wakes[WAKES_MAX];
} turn;

void wake_turn_begin(struct loop *l)
{
    REQUIRE(!turn.in_turn);
    turn.in_turn = true;
    turn.loop = l;
}

void wake_turn_end(void)
{
    wake_flush();
    turn.in_turn = false;
    turn.loop = NULL;
}

void wake_flush(void)
{
    for (size_t i = 0; i < turn.count; i++)
        turn.wakes[i].send(turn.wakes[i].to);
    turn.count = 0;
}

void wake_flush_late(void)
{
    if (turn.count > 0 && clock_mono_us() - turn.first_us > WAKE_LATE_US)
        wake_flush();
}

struct loop *wake_loop(void)
{
    return turn.loop;
}

bool wake_defer(void (*send)(void *to), void *to)
{
    if (!turn.in_turn)
        return false;
    if (turn.count == WAKES_MAX)
        wake_flush();
    if (turn.count == 0)
        turn.first_us = clock_mono_us();
    turn.wakes[turn.count].send = send;
    turn.wakes[turn.count].to = to;
    turn.count++;
    return true;
}
