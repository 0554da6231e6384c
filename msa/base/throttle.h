/*
 * throttle.h - warnings that may come often: only the first of each minute is told.
 *
 * next_ms: static and zeroed, one for each kind of warning; whichever thread warns. now_ms:
 * monotonic. A clock that begins anew, as that of a simulation, does not silence anybody.
 */
#ifndef MSA_BASE_THROTTLE_H
#define MSA_BASE_THROTTLE_H

#include <stdbool.h>
#include <stdint.h>

#define THROTTLE_MS 60000u

bool throttle_passes(_Atomic uint64_t *next_ms, uint64_t now_ms);

#endif
