/*
 * check.h - "msactl check": all faults of the configuration, and what the running daemon lacks.
 *
 * A daemon that does not run lacks nothing. Returns the exit code: CTL_REFUSED where a fault keeps
 * msad from starting.
 */
#ifndef MSA_CTL_CHECK_H
#define MSA_CTL_CHECK_H

#include <stdbool.h>

int check_run(const char *config, bool json);

#endif
