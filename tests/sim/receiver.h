/*
 * receiver.h - a scripted receiving host: an SMTP server that takes mail into the ledger and, as
 * the seed decides, refuses, stalls and breaks off in each phase of a session.
 *
 * It shares no code with the server under test. It offers PIPELINING, 8BITMIME,
 * ENHANCEDSTATUSCODES and, where set, CHUNKING. A receiver lives until the world's end; after
 * sim_crash() receiver_revive() lets it listen again. Faults of the network itself are set with
 * receiver_link().
 */
#ifndef TESTS_SIM_RECEIVER_H
#define TESTS_SIM_RECEIVER_H

#include "msa/base/ip.h"
#include "msa/loop/loop.h"
#include "tests/sim/loop/sim.h"

struct receiver;

struct receiver_script {
    const char *address; /* listens there on port 25 */
    unsigned faults;     /* sessions in which something goes wrong, of 1000 */
    bool no_permanent;   /* nothing is refused for ever */
    bool refuse_all;     /* 4yz to every RCPT */
    bool chunking;
};

struct receiver *receiver_new(struct loop *l, const struct receiver_script *script);
void receiver_revive(struct receiver *r, struct loop *l);
void receiver_set_faults(struct receiver *r, unsigned faults);
/* A fault of the network for connections from now on; SIM_OK ends it. */
void receiver_link(struct receiver *r, enum sim_fault fault, uint64_t after_bytes);
unsigned receiver_sessions(const struct receiver *r);
void receiver_free(struct receiver *r); /* after the world's end */

#endif
