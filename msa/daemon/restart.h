/*
 * restart.h - when a child that ended is started again. Pure; time is an argument.
 *
 * The first ends are answered at once; pauses begin at the third end within 10 s (1 s, doubling up
 * to 30 s) and are forgotten after 60 s of life.
 */
#ifndef MSA_DAEMON_RESTART_H
#define MSA_DAEMON_RESTART_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct restart {
    uint64_t ended_ms[3]; /* the last ends, newest first */
    unsigned ends;        /* how many of them count */
    uint64_t pause_ms;    /* the pause last given */
};

/* The child that lived from started_ms to now_ms has ended: milliseconds to wait. */
uint64_t restart_pause_ms(struct restart *r, uint64_t started_ms, uint64_t now_ms);

/* Signals of a fault: SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGSYS. Others (SIGKILL, SIGTERM)
 * say nothing about the message in hand. */
bool restart_is_fault(int signal);

#endif
