/*
 * qmtp_receiver.h - a scripted receiving host that speaks QMTP: it takes mail into the ledger and,
 * as the seed decides, refuses, mixes its answers, stalls, talks nonsense and breaks off in every
 * place of a package and of the responses.
 *
 * It shares no code with the server under test. What it takes may come again only where its answer
 * was not sure to arrive; those are counted (qmtp_receiver_unsure()). A receiver lives until the
 * world's end; after sim_crash() qmtp_receiver_revive() lets it listen again.
 */
#ifndef TESTS_SIM_QMTP_RECEIVER_H
#define TESTS_SIM_QMTP_RECEIVER_H

#include "msa/base/sv.h"
#include "msa/loop/loop.h"
#include "tests/sim/loop/sim.h"

struct qmtp_receiver;

struct qmtp_script {
    const char *address; /* listens there on port 209 */
    unsigned faults;     /* packages with which something goes wrong, of 1000 */
    uint32_t window;     /* of the network, bytes: what a sender gets rid of unread */
    bool no_permanent;   /* nothing is refused for ever */
    bool one_response;   /* a package has one response, whatever the number of its recipients */
    bool closes;         /* after each package */
    bool garbage;        /* no QMTP is said, and nothing taken */
};

struct qmtp_receiver *qmtp_receiver_new(struct loop *l, const struct qmtp_script *script);
void qmtp_receiver_revive(struct qmtp_receiver *r, struct loop *l);
void qmtp_receiver_set_faults(struct qmtp_receiver *r, unsigned faults); /* 0: no garbage, too */
/* A fault of the network for connections from now on; SIM_OK ends it. */
void qmtp_receiver_link(struct qmtp_receiver *r, enum sim_fault fault, uint64_t after_bytes);
unsigned qmtp_receiver_sessions(const struct qmtp_receiver *r);
unsigned qmtp_receiver_packages(const struct qmtp_receiver *r); /* that arrived whole */
unsigned qmtp_receiver_taken(const struct qmtp_receiver *r);    /* recipients */
unsigned qmtp_receiver_unsure(const struct qmtp_receiver *r);   /* of these, perhaps unknowingly */
/* Whether a whole package with this recipient was in hand within the last ms. */
bool qmtp_receiver_saw(const struct qmtp_receiver *r, struct sv to, uint64_t ms);
void qmtp_receiver_free(struct qmtp_receiver *r); /* after the world's end */

#endif
