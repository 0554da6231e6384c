/*
 * receiver.h - a scripted receiving host: an SMTP server that takes mail into the ledger and, as
 * the seed decides, refuses, stalls and breaks off in each phase of a session.
 *
 * One that asks for IPv4 (falls_back) must not see the same recipient of the same message again:
 * the ledger is told if it does. Its recipients are single messages' (ledger.h).
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
#include "tests/sim/qmtp_receiver.h"

struct receiver;

struct receiver_script {
    const char *address; /* listens there on port 25 */
    unsigned faults;     /* sessions in which something goes wrong, of 1000 */
    bool no_permanent;   /* nothing is refused for ever */
    bool refuse_all;     /* 4yz to every RCPT */
    bool chunking;
    unsigned falls_back;    /* sessions in which 550 5.5.604 is said, of 1000: MX6 */
    bool falls_back_at_end; /* after the data, else at any stage */
    bool no_such_reports;   /* a report that names that status is a fault */
    /* At the same address; who was just spoken to by it must not come by SMTP. NULL: none. */
    const struct qmtp_receiver *beside;
};

struct receiver *receiver_new(struct loop *l, const struct receiver_script *script);
void receiver_revive(struct receiver *r, struct loop *l);
void receiver_set_faults(struct receiver *r, unsigned faults);
/* A fault of the network for connections from now on; SIM_OK ends it. */
void receiver_link(struct receiver *r, enum sim_fault fault, uint64_t after_bytes);
unsigned receiver_sessions(const struct receiver *r);
unsigned receiver_taken(const struct receiver *r);     /* messages */
unsigned receiver_fell_back(const struct receiver *r); /* times that it asked for IPv4 */
void receiver_free(struct receiver *r);                /* after the world's end */

#endif
