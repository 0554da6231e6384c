/*
 * spending_notice.h - what the user hears of a budget that is nearly spent, and the postmaster of
 * one that is broken. Pure.
 *
 * Plain text of printable ASCII (relay/notice.h). Any thread.
 */
#ifndef MSA_SERVER_SPENDING_NOTICE_H
#define MSA_SERVER_SPENDING_NOTICE_H

#include "msa/server/budget.h"
#include "relay/notice.h"

struct spending_notice {
    struct sv hostname, postmaster;
    struct sv to; /* without <> */
    struct sv login;
    struct budget_take take; /* warns: for the user; else it is broken */
    uint64_t held;           /* recipients in the queue that were held for it */
    int64_t now_s;
};

void spending_notice_write(const struct spending_notice *n, const char *id, struct buf *out);

#endif
