/*
 * ledger.h - what became of every message and recipient of a simulated run, and whether that is
 * what the queue promises (relay/queue/store.h).
 *
 * The clients say what they sent and what they were told, the receivers what they took, the store
 * what it committed. Each breach is a line of ledger_is_good(). At once are found: a recipient who
 * gets a message again although the first delivery was answered and no crash came between, or
 * although its result was committed, or although nobody put it off in between; content that was
 * altered; a delivery that was recorded but never happened; a message that was refused or never
 * finished and yet arrives; a second report, or one that nobody wanted. ledger_settle() finds what
 * was lost.
 *
 * Recipients are "m<message>.r<number>@<domain>", so that an address names its message. One ledger
 * a process, from ledger_start() to ledger_stop().
 */
#ifndef TESTS_SIM_LEDGER_H
#define TESTS_SIM_LEDGER_H

#include "msa/base/buf.h"

#include <stdbool.h>

#define LEDGER_ATTEMPTS_MAX 64
#define LEDGER_ID_MAX       32

enum ledger_state {
    LEDGER_NEW,
    LEDGER_OPEN,     /* the client has begun it */
    LEDGER_SENT,     /* end of data has left the client, no answer yet */
    LEDGER_ACCEPTED, /* 250 */
    LEDGER_REFUSED,  /* another answer, to whatever command: nothing of it may arrive */
    LEDGER_DROPPED,  /* the connection ended before the end of data: likewise */
    LEDGER_UNKNOWN,  /* it ended after that: all recipients or none */
};

/* What the author asked for: RFC 3461 4.1. */
enum ledger_notify { LEDGER_NOTIFY_DEFAULT, LEDGER_NOTIFY_NEVER, LEDGER_NOTIFY_SUCCESS };

enum ledger_verdict { LEDGER_DEFERRED, LEDGER_DELIVERED, LEDGER_FAILED };

struct ledger_recipient {
    char address[48];
    enum ledger_notify notify; /* SUCCESS: of failures and delays, too */
    unsigned deliveries;
    uint64_t delivered_ms;    /* of the last one */
    unsigned delivered_after; /* how many crashes */
    bool may_repeat;          /* the last delivery's result may be unknown to the server */
    /* what the store was last given for it, after how many crashes, and the report along with it */
    enum ledger_verdict handed;
    unsigned handed_after;
    char report[LEDGER_ID_MAX];
    bool recorded_delivered, recorded_failed; /* committed */
    unsigned failed_reports, delay_reports, relayed_reports;
    bool queued;                               /* at the end */
    uint64_t deferred_ms[LEDGER_ATTEMPTS_MAX]; /* virtual times of committed deferrals */
    unsigned deferrals;
    uint64_t delay_report_ms, failed_report_ms; /* of the first one, as received */
};

struct ledger_message {
    enum ledger_state state;
    char author[48];
    struct buf content;
    struct ledger_recipient *recipients;
    unsigned count;
};

void ledger_start(void);
void ledger_stop(void);
/* A message of about size bytes to count recipients, the k-th in domains[k % ndomains]. Content
 * comes from the seed: lines of any length, some that begin with dots, some with bytes above 127.
 * Returns its number. */
unsigned ledger_add(const char *author, size_t size, unsigned count, const char *const *domains,
                    unsigned ndomains);
struct ledger_message *ledger_message(unsigned number);
unsigned ledger_count(void);

/* A receiver has taken content for these recipients. may_repeat: the answer will not reach the
 * server, or it is not sure to. from "" is a report. */
void ledger_on_delivery(struct sv from, const struct sv *to, unsigned count, struct sv content,
                        bool may_repeat);
/* What the store is given for one row, and the id of the report in the same transaction. */
void ledger_on_handed(struct sv to, enum ledger_verdict verdict, struct sv report);
/* What it has committed. */
void ledger_on_recorded(struct sv id, struct sv from, struct sv to, enum ledger_verdict verdict);
/* All connections were reset: any answer may have been under way. */
void ledger_on_answers_lost(void);
/* The server has died; sessions are gone. */
void ledger_on_crash(void);
/* This recipient, or a report with this queue id, is still queued. */
void ledger_on_queued(struct sv id, struct sv to);

struct ledger_sum {
    unsigned accepted, delivered, reported, queued; /* recipients of accepted messages */
    unsigned repeated;                              /* deliveries beyond the first */
    unsigned refused, dropped, unknown;             /* messages */
    uint64_t digest; /* of all that was delivered: when, to whom, which bytes */
};
/* After the end, or after a clean stop with what is queued told: every recipient of an accepted
 * message has exactly one fate. */
void ledger_settle(struct ledger_sum *sum);

void ledger_fault(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* Whether there is no breach; else they are printed. With MSA_SIM_SUMS in the environment sum is
 * printed, too. */
bool ledger_is_good(const struct ledger_sum *sum);

#endif
