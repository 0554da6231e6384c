/*
 * A bounded queue of many writers and one reader. Slot i of the ring serves the tickets i, i + n,
 * i + 2n ...: its turn says whose it is: equal to a ticket, the writer of that ticket may fill it;
 * ticket + 1, the reader may take it. A writer gets its ticket by moving tail on, only if the slot
 * is free; so nobody waits for a slot. The reader sleeps on a semaphore after it has said so in
 * `asleep`; the writer that takes this word back wakes it. Woken, it lets lines collect for 5 ms.
 */
#include "msa/loop/logring.h"
#include "msa/base/log.h"
#include "msa/base/mem.h"
#include "msa/base/require.h"
#include "msa/loop/start.h"

#include <errno.h>
#include <poll.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <time.h>

#define LINES_PER_WRITE 64u
#define COLLECT_NS      5000000

struct slot {
    atomic_size_t turn;
    size_t len;
    char line[LOG_LINE_MAX];
};

struct logring {
    pthread_t id;
    int fd;
    size_t mask;
    size_t head; /* the reader's */
    atomic_size_t tail;
    atomic_bool asleep, stopping;
    atomic_uint_fast64_t dropped;
    uint64_t told; /* of dropped; the reader's */
    sem_t wake;
    struct slot slots[];
};

static void sink(void *arg, const char *line, size_t len)
{
    struct logring *r = arg;
    size_t ticket = atomic_load_explicit(&r->tail, memory_order_relaxed);
    struct slot *s;
    for (;;) {
        s = &r->slots[ticket & r->mask];
        size_t turn = atomic_load_explicit(&s->turn, memory_order_acquire);
        if (turn == ticket) {
            if (atomic_compare_exchange_weak(&r->tail, &ticket, ticket + 1))
                break;
        } else if ((ptrdiff_t)(turn - ticket) < 0) {
            atomic_fetch_add(&r->dropped, 1);
            return;
        } else {
            ticket = atomic_load_explicit(&r->tail, memory_order_relaxed);
        }
    }
    s->len = len < sizeof s->line ? len : sizeof s->line;
    memcpy(s->line, line, s->len);
    atomic_store(&s->turn, ticket + 1);
    if (atomic_load(&r->asleep) && atomic_exchange(&r->asleep, false))
        sem_post(&r->wake);
}

static bool is_ready(struct logring *r, size_t ticket)
{
    return atomic_load(&r->slots[ticket & r->mask].turn) == ticket + 1;
}

/* All of it, or as much as a broken descriptor takes: nobody can be told. */
static void write_all(int fd, struct iovec *parts, size_t n)
{
    while (n) {
        ssize_t done = writev(fd, parts, (int)n);
        if (done < 0 && errno == EAGAIN) {
            struct pollfd p = {.fd = fd, .events = POLLOUT};
            (void)poll(&p, 1, -1);
            continue;
        }
        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0)
            return;
        while (n && (size_t)done >= parts->iov_len) {
            done -= (ssize_t)parts->iov_len;
            parts++;
            n--;
        }
        if (n) {
            parts->iov_base = (char *)parts->iov_base + done;
            parts->iov_len -= (size_t)done;
        }
    }
}

/* Writes some of what waits; false if nothing did. */
static bool write_some(struct logring *r)
{
    struct iovec parts[LINES_PER_WRITE];
    size_t n = 0;
    while (n < LINES_PER_WRITE && n <= r->mask && is_ready(r, r->head + n)) {
        struct slot *s = &r->slots[(r->head + n) & r->mask];
        parts[n++] = (struct iovec){s->line, s->len};
    }
    if (n == 0)
        return false;
    write_all(r->fd, parts, n);
    for (size_t i = 0; i < n; i++, r->head++)
        atomic_store_explicit(&r->slots[r->head & r->mask].turn, r->head + r->mask + 1,
                              memory_order_release);
    return true;
}

static void tell_dropped(struct logring *r)
{
    uint64_t dropped = logring_dropped(r);
    if (dropped != r->told) {
        log_event(LOG_WARNING, "log-dropped", NULL, "%llu lines, because they could not be written",
                  (unsigned long long)(dropped - r->told));
        r->told = dropped;
    }
}

/* One wake-up and one write for the lines of a while: each costs more than the line. */
static void collect(void)
{
    const struct timespec a_while = {.tv_nsec = COLLECT_NS};
    nanosleep(&a_while, NULL);
}

static void *writer_main(void *arg)
{
    struct logring *r = arg;
    for (;;) {
        bool stopping = atomic_load(&r->stopping);
        while (write_some(r))
            tell_dropped(r);
        if (stopping)
            return NULL;
        atomic_store(&r->asleep, true);
        if ((is_ready(r, r->head) || atomic_load(&r->stopping)) &&
            atomic_exchange(&r->asleep, false))
            continue;
        while (sem_wait(&r->wake) < 0)
            ; /* interrupted by a signal */
        if (!atomic_load(&r->stopping))
            collect();
    }
}

struct logring *logring_start(int fd, size_t lines)
{
    REQUIRE(lines > 0 && (lines & (lines - 1)) == 0);
    struct logring *r = mem_new(1, sizeof *r + lines * sizeof *r->slots);
    r->fd = fd;
    r->mask = lines - 1;
    for (size_t i = 0; i < lines; i++)
        atomic_init(&r->slots[i].turn, i);
    sem_init(&r->wake, 0, 0);
    log_set_sink(sink, r);
    r->id = thread_new("log", writer_main, r);
    return r;
}

uint64_t logring_dropped(const struct logring *r)
{
    return atomic_load(&r->dropped);
}

void logring_stop(struct logring *r)
{
    atomic_store(&r->stopping, true);
    if (atomic_exchange(&r->asleep, false))
        sem_post(&r->wake);
    pthread_join(r->id, NULL);
    log_set_sink(NULL, NULL);
    sem_destroy(&r->wake);
    free(r);
}
