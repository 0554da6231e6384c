/*
 * submitter.h - a scripted mail program: logs in and submits messages of the ledger, one after the
 * other over one connection, with or without pipelining, by DATA or BDAT, and breaks off where the
 * seed says so. What it is told goes into the ledger.
 *
 * It shares no code with the server under test. Ownership: a submitter frees itself when its
 * connection is closed; on_done is its last call. At sim_crash() it is gone without a call.
 */
#ifndef TESTS_SIM_SUBMITTER_H
#define TESTS_SIM_SUBMITTER_H

#include "msa/base/ip.h"
#include "msa/loop/loop.h"

struct submitter_script {
    struct ip_port to;
    struct ip from; /* whose limits count */
    const char *login, *password;
    unsigned first, count; /* messages of the ledger */
    unsigned breaks;       /* of 1000 steps, how often the connection is broken off */
};

void submitter_start(struct loop *l, const struct submitter_script *script,
                     void (*on_done)(void *arg), void *arg);

#endif
