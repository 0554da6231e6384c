/*
 * retry.h - when a deferred row is tried again, when its author is warned, when it is given up.
 *
 * RFC 5321 4.5.4.1. Pure functions: age, wall time and randomness are arguments. Age counts from
 * acceptance without the time that the message was held (age.h). Any thread. Milliseconds.
 */
#ifndef RELAY_QUEUE_RETRY_H
#define RELAY_QUEUE_RETRY_H

#include "relay/queue/message.h"
#include "relay/queue/options.h"

enum retry_verdict {
    RETRY_LATER,   /* deferred to due_ms */
    RETRY_EXPIRED, /* older than the lifetime: failed, and reported */
};

struct retry_decision {
    enum retry_verdict verdict;
    int64_t due_ms; /* wall; RETRY_LATER only */
    bool warn;      /* a delayed report is to be sent now */
};

/* What is put off without an attempt keeps the pace of what is tried: the step that its age, and
 * no less than its attempts, stands for; in place of attempts. */
uint32_t retry_step(const struct queue_options *options, int64_t age_ms, uint32_t attempts);

/* After an attempt that deferred a row which had been tried attempts times before. random picks
 * the jitter (10 % either way). The last try falls due at the end of the lifetime, not after it. */
struct retry_decision retry_after(const struct queue_options *options, int64_t age_ms,
                                  uint32_t attempts, bool delay_warned, int64_t now_ms,
                                  uint64_t random);

#endif
