/*
 * site.h - the scripted web of a simulation: what relay/https/https.h answers.
 *
 * A host that was never mentioned cannot be connected to. Every answer comes from a timer of the
 * asker's loop, delay of virtual time after the start, or at the deadline if that is earlier. One
 * web for a process, which is one thread; sim_https_reset() before each run.
 */
#ifndef TESTS_SIM_HTTPS_SITE_H
#define TESTS_SIM_HTTPS_SITE_H

#include "relay/https/https.h"

void sim_https_reset(void);
/* What host answers to every request from here on; text: of another end than ANSWERED. Copies. */
void sim_https_set(const char *host, const struct https_answer *answer);
/* Of all answers from here on. */
void sim_https_delay(uint64_t delay_ms);

/* Requests since the reset, and what the last of them was; valid until the next one. */
struct sim_https_asked {
    size_t count, under_way;
    const char *host, *target, *post_type;
    struct ip address; /* the first */
    uint16_t port;
    struct sv post;
};
const struct sim_https_asked *sim_https_asked(void);

#endif
