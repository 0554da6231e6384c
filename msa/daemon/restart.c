#include "msa/daemon/restart.h"

#include <signal.h>

#define WINDOW_MS    10000u
#define FORGET_MS    60000u
#define PAUSE_MAX_MS 30000u

uint64_t restart_pause_ms(struct restart *r, uint64_t started_ms, uint64_t now_ms)
{
    if (now_ms - started_ms >= FORGET_MS)
        *r = (struct restart){0};
    r->ended_ms[2] = r->ended_ms[1];
    r->ended_ms[1] = r->ended_ms[0];
    r->ended_ms[0] = now_ms;
    if (r->ends < 3)
        r->ends++;
    bool often = r->ends == 3 && now_ms - r->ended_ms[2] <= WINDOW_MS;
    /* once pausing, go on: the pauses themselves spread the ends beyond the window */
    if (r->pause_ms == 0 && !often)
        return 0;
    r->pause_ms = r->pause_ms ? r->pause_ms * 2 : 1000;
    if (r->pause_ms > PAUSE_MAX_MS)
        r->pause_ms = PAUSE_MAX_MS;
    return r->pause_ms;
}

bool restart_is_fault(int signal)
{
    switch (signal) {
    case SIGSEGV:
    case SIGBUS:
    case SIGILL:
    case SIGFPE:
    case SIGABRT:
    case SIGSYS:
        return true;
    default:
        return false;
    }
}
