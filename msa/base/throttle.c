#include "msa/base/throttle.h"

#include <stdatomic.h>

bool throttle_passes(_Atomic uint64_t *next_ms, uint64_t now_ms)
{
    uint64_t next = atomic_load(next_ms);
    return (now_ms >= next || next > now_ms + THROTTLE_MS) &&
           atomic_compare_exchange_strong(next_ms, &next, now_ms + THROTTLE_MS);
}
