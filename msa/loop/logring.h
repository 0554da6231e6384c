/*
 * logring.h - the server's log sink: a ring of lines and a thread that writes them.
 *
 * Nobody waits for the log: a line that finds the ring full is dropped and counted, and the count
 * is logged as an event "log-dropped" as soon as there is room. Each line is one log_event() line;
 * lines of one thread keep their order.
 * Order: logring_start() when threads may run (after all forks); logring_stop() when no other
 * thread logs any more: it writes what waits. Any thread may log between.
 */
#ifndef MSA_LOOP_LOGRING_H
#define MSA_LOOP_LOGRING_H

#include <stddef.h>
#include <stdint.h>

struct logring;

/* Writes to fd (not closed by the ring) and installs itself with log_set_sink(). lines: a power of
 * two; memory is LOG_LINE_MAX bytes for each. */
struct logring *logring_start(int fd, size_t lines);
uint64_t logring_dropped(const struct logring *r); /* since the start */
/* Takes the sink away, writes what waits, and ends. */
void logring_stop(struct logring *r);

#endif
