/*
 * asker_inside.h - what an asker is made of, shared by asker.c (messages), asker_run.c (work on the
 * pool's threads) and asker_answer.c (what comes back). Nobody else includes it.
 */
#ifndef AUTH_ASKER_INSIDE_H
#define AUTH_ASKER_INSIDE_H

#include "auth/asker.h"
#include "auth/login.h"
#include "msa/loop/chan.h"

#include <uthash.h>

#define ASKER_MECHANISM_MAX 20 /* RFC 4422 3.1 */

/* One exchange of either side. */
struct talk {
    uint64_t id;
    struct auth_asker *asker;
    bool is_login, in_job, canceled;
    bool is_over;      /* its memory is given back; the answer is held */
    bool is_held;      /* held waits for the timer */
    bool is_concluded; /* the guard knows how it went */
    uint64_t started_ms;
    struct ip client;
    char mechanism[ASKER_MECHANISM_MAX + 1];
    unsigned responses;              /* of the client so far */
    char claimed[AUTH_NAME_MAX + 1]; /* by the first of them */
    struct buf held;
    struct timer timer;
    struct auth_exchange *server;
    struct auth_login_exchange *login;
    UT_hash_handle hh;
};

struct auth_asker {
    struct auth_asker_host host;
    struct chan *chan; /* NULL: closed */
    struct talk *talks;
    unsigned open;        /* of the talks, those that are not over */
    unsigned jobs, quick; /* quick: run on the loop in the turn of quick_ms */
    uint64_t quick_ms;
    struct auth_work_lane sasl, sign, oauth, foreign, directory, grant;
};

/* One request on its way. */
struct job {
    struct auth_work_job work; /* first */
    struct auth_asker *asker;
    struct talk *talk; /* NULL: a signature, a lock, a question */
    struct auth_generation *now;
    struct auth_generation *earlier[AUTH_EARLIER_MAX]; /* some NULL; of a signature, a login */
    enum auth_wire_type type;
    uint64_t id;
    uint32_t code;
    struct buf payload; /* name, data, extra, channel's certificate point into it */
    struct sv name, data, extra;
    struct auth_channel channel;
    enum auth_verdict verdict;
    struct sv answer_name, answer_data; /* the exchange's own, or into signature */
    struct sv answer_extra;             /* the exchange's own */
    struct buf signature;               /* or another answer that no exchange holds */
};

/* asker_run.c: on a pool thread. */
void asker_run(struct auth_work_job *work);
/* Of a login's start; on any thread. NULL: no generation has it any more, or yet. */
const struct auth_route_secret *asker_secret(const struct job *j);

/* asker_answer.c: on the loop. */
void asker_done(struct auth_work_job *work, bool has_run);
void asker_on_delay_over(void *arg); /* of a talk's timer */
/* An AUTH_OK of this login (by this app password, if one is named) that is held back becomes
 * AUTH_TEMPORARY. */
void asker_withdraw(struct talk *t, struct sv login, struct sv app);
/* Who the client of a talk is and says that he is, for the guard. */
struct auth_gate_try asker_try(const struct talk *t, const struct auth_generation *g);

/* asker.c */
void asker_send(struct auth_asker *a, const struct auth_wire *m);
void asker_send_payload(struct auth_asker *a, enum auth_wire_type type, struct sv payload);
void asker_talk_end(struct talk *t); /* gives its memory back; the answer may be held */
void asker_talk_free(struct talk *t);
void asker_free_if_over(struct auth_asker *a);

#endif
