/*
 * budget.h - how much each login has sent, and whether it may send more. Pure.
 *
 * Draft 6.3. Counted are messages in the last hour, recipients in the last day, and recipients in
 * the last day that the login had never written to before. A recipient counts once in a message;
 * counting is in slots of BUDGET_SLOT_S, so that something is forgotten up to that much later than
 * an hour, or a day, after it. The caller counts nothing for the null reverse-path,
 * unless the message is returned.
 * A recipient that was not written to for BUDGET_KNOWN_DAYS is new again.
 * Memory: a day of slots for each login that sends, and 10 bytes for each recipient that it is
 * known to write to, at most BUDGET_KNOWN_MAX; what goes beyond stays new. Order for each message:
 * budget_take(); then budget_keep() if it came into the queue, else budget_give_back(). Time is
 * wall time, an argument, as it outlives the process; slots that lie in the future by more than a
 * slot, since a clock was set back, count as the present. One thread.
 */
#ifndef MSA_SERVER_BUDGET_H
#define MSA_SERVER_BUDGET_H

#include "msa/base/sv.h"

#define BUDGET_SLOT_S     300
#define BUDGET_HOUR_S     3600
#define BUDGET_DAY_S      86400
#define BUDGET_KNOWN_MAX  50000
#define BUDGET_KNOWN_DAYS 400 /* mail that comes once a year */
#define BUDGET_NOTE_DAYS  30  /* a known one's use is noted again no sooner than after these */
#define BUDGET_WARN       80  /* percent */

/* name, key in permissions, "<number> <words>" */
#define BUDGET_KINDS(XX)                                                      \
    XX(MESSAGES, "messages_per_hour", "messages in an hour", BUDGET_HOUR_S)   \
    XX(RECIPIENTS, "recipients_per_day", "recipients in a day", BUDGET_DAY_S) \
    XX(NEW_RECIPIENTS, "new_recipients_per_day", "new recipients in a day", BUDGET_DAY_S)

enum budget_kind {
#define BUDGET_ENUM(name, key, words, window) BUDGET_##name,
    BUDGET_KINDS(BUDGET_ENUM)
#undef BUDGET_ENUM
        BUDGET_COUNT
};
const char *budget_key(enum budget_kind kind);   /* "messages_per_hour" */
const char *budget_words(enum budget_kind kind); /* "messages in an hour" */

struct budget_limits {
    uint64_t most[BUDGET_COUNT]; /* 0: none */
    bool hold;                   /* over_budget: what is too much is held, else refused */
    bool lock_auth;
};
/* Whether there is anything to count. */
bool budget_is_limited(const struct budget_limits *l);

struct budget;

enum budget_verdict { BUDGET_OK, BUDGET_REFUSED, BUDGET_HELD };

/* One message, or what was taken for it. */
struct budget_cost {
    int64_t slot_s; /* start of the slot it is counted in */
    uint32_t epoch; /* of the login: budget_reset() ends it */
    uint32_t count[BUDGET_COUNT];
};

struct budget_take {
    struct sv login; /* ASCII case does not count */
    struct budget_limits limits;
    const uint64_t *recipients; /* budget_recipient(), each once */
    size_t nrecipients;
    int64_t now_s;
    bool never_held; /* what is too much is refused, also with limits.hold */
    uint64_t *fresh; /* room for nrecipients */
    /* answers */
    enum budget_verdict verdict;
    struct budget_cost cost; /* nothing with BUDGET_REFUSED */
    size_t nfresh;           /* in fresh: recipients that it did not know; counted where limited */
    size_t nstale;           /* behind them: that it knows, and that are to be noted again */
    size_t room;             /* so many more it can know */
    enum budget_kind kind;   /* the one that is broken, or warned of */
    uint64_t used;           /* of that kind, with this message */
    int64_t again_s;         /* REFUSED: when there is room for it; 0: never */
    bool breaks;             /* it is the first that is too much */
    bool warns;              /* BUDGET_WARN was reached; once in the window of the kind */
    bool tells;              /* it was broken; likewise */
};

struct budget *budget_new(void);
void budget_free(struct budget *b);

/* An address as RFC 5321 has it; case of ASCII letters does not count. */
uint64_t budget_recipient(struct sv address);

void budget_take(struct budget *b, struct budget_take *t);
/* From here on the login knows these, the stale ones included. */
void budget_keep(struct budget *b, const struct budget_take *t);
/* Of a message that did not come: what it cost, and that it broke the budget, if it did. */
void budget_give_back(struct budget *b, const struct budget_take *t);
/* A budget was broken, and has not been mended by time or budget_reset(). */
bool budget_is_broken(const struct budget *b, struct sv login);

/* What an earlier process has counted and known. It is no news: nothing of it warns or breaks.
 * broken: bits (1 << kind) of the budgets that were broken in that slot; they are still, until time
 * mends them. */
void budget_remember(struct budget *b, struct sv login, const struct budget_cost *cost,
                     unsigned broken);
void budget_remember_known(struct budget *b, struct sv login, uint64_t recipient, int64_t seen_s);

/* What is used of each kind. Zeroes for a login that has sent nothing. */
void budget_used(const struct budget *b, struct sv login, int64_t now_s,
                 uint64_t used_out[BUDGET_COUNT]);
/* The login begins anew; whom it has written to stays known. */
void budget_reset(struct budget *b, struct sv login);
/* Forgets slots that are older than a day, and recipients than BUDGET_KNOWN_DAYS. */
void budget_sweep(struct budget *b, int64_t now_s);

#endif
