/*
 * Random bytes come from getrandom() in batches kept by each thread: ids and jitter are drawn
 * often, and a system call for 8 bytes costs more than the rest. Bytes are wiped when given out;
 * a forked child throws away what its parent had left.
 */
#include "msa/loop/clock.h"
#include "msa/base/mem.h"
#include "msa/base/require.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#define BATCH_BYTES 512u

static _Thread_local struct {
    unsigned char bytes[BATCH_BYTES];
    size_t left;
} batch;

static int64_t now_us(clockid_t clock)
{
    struct timespec ts;
    clock_gettime(clock, &ts);
    return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

int64_t clock_wall_ms(void)
{
    return now_us(CLOCK_REALTIME) / 1000;
}

int64_t clock_wall_s(void)
{
    return now_us(CLOCK_REALTIME) / 1000000;
}

uint64_t clock_mono_ms(void)
{
    return (uint64_t)now_us(CLOCK_MONOTONIC) / 1000;
}

uint64_t clock_mono_us(void)
{
    return (uint64_t)now_us(CLOCK_MONOTONIC);
}

static void from_kernel(void *out, size_t bytes)
{
    char *at = out;
    while (bytes) {
        ssize_t n = getrandom(at, bytes, 0);
        REQUIRE(n > 0 || errno == EINTR);
        if (n > 0) {
            at += n;
            bytes -= (size_t)n;
        }
    }
}

static void forget_batch(void)
{
    batch.left = 0;
}

static void watch_forks(void)
{
    int err = pthread_atfork(NULL, NULL, forget_batch);
    REQUIRE(err == 0);
}

void random_fill(void *out, size_t bytes)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    if (bytes > BATCH_BYTES / 4) {
        from_kernel(out, bytes);
        return;
    }
    if (batch.left < bytes) {
        pthread_once(&once, watch_forks);
        from_kernel(batch.bytes, sizeof batch.bytes);
        batch.left = sizeof batch.bytes;
    }
    batch.left -= bytes;
    memcpy(out, batch.bytes + batch.left, bytes);
    mem_wipe(batch.bytes + batch.left, bytes);
}

uint64_t random_u64(void)
{
    uint64_t value;
    random_fill(&value, sizeof value);
    return value;
}
