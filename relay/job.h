/*
 * job.h - one running job, as the files that carry it out share it. Not for others.
 *
 *     job.c                its life: beginning, end, what goes without a connection
 *     job_attempts.c       connections: the walk along the plan, TLS that fails
 *     job_transaction.c    transactions over one connection, and the forms that they need
 *
 * One loop's thread.
 */
#ifndef RELAY_JOB_H
#define RELAY_JOB_H

#include "relay/internal.h"
#include "relay/walk.h"

/* Recipients; RFC 5321 4.5.3.1.8: every server takes these. */
#define RELAY_JOB_PART_MAX 100

struct relay_job {
    struct relay_run *run;
    const struct relay_worker_config *config;
    const struct route_plan *plan; /* NULL: capture */
    struct queue_batch *batch;
    struct arena arena;
    struct relay_fate *fates;
    struct relay_walk_row *rows; /* of the walk */
    struct relay_walk walk;
    struct relay_needs needs;
    struct smtp_envelope all, part;       /* of the job; of the transaction under way */
    size_t part_rows[RELAY_JOB_PART_MAX]; /* rows of part's recipients */
    struct relay_job_left *left;          /* of part: refused as too many */
    uint32_t part_refused;                /* recipients of part that were refused */
    uint32_t part_max; /* as many as the server of conn takes at once; 0: not known */
    bool part_served;  /* its content came to an end that is no "later" */
    struct relay_conn *conn;
    struct relay_body body;
    struct relay_lf_size lf; /* of what goes by QMTP */
    struct relay_form *form; /* that is used or waited for; NULL: the content as it is */
    unsigned form_set;       /* what it is: enum rewrite_form */
    struct relay_form_answer form_answer;
    bool has_answer;
    bool waits_for_form;  /* the connection is ready, and so is the part */
    size_t race_at, race; /* what was opened: so many attempts from this one on; 0: nothing yet */
    uint64_t tls_worked;  /* attempts, a bit each, at whose hosts TLS has worked since the plan was
                             made (relay.tls.refuse_downgrade): never in clear */
    bool clear_text;      /* TLS has failed at the attempt in use: nothing of any other */
    bool reused;          /* the connection was idle when the job came */
    bool sent;            /* a transaction is under way */
    bool has_served;      /* the connection in use has taken content, and said so */
    bool one_each;        /* one that had served ended by itself: no other serves more than once */
    struct relay_outcome
        last_backs_off; /* of a host that wants to be left alone; text NULL: none */
    bool by_policy;     /* a host may be had but for a policy on TLS */
    bool tls_told;      /* of the attempt in use: what became of TLS */
    bool given_up;
    uint64_t began_ms;
};

/* ---- job.c ---- */
uint64_t relay_job_now(const struct relay_job *j);
/* What a host, or the lack of one, says. */
struct relay_outcome relay_job_judge(struct relay_job *j, const struct smtp_client_result *r,
                                     const char *remote);
/* Of one row. r: what was said, or NULL where nobody was asked; *outcome may change. */
void relay_job_decide(struct relay_job *j, size_t row, const struct smtp_client_result *r,
                      struct relay_outcome *outcome);
/* Of every row that the attempt in use takes; logged. */
void relay_job_decide_taken(struct relay_job *j, const struct smtp_client_result *r,
                            struct relay_outcome *outcome, const char *remote);
/* Of every row that nothing is known of. */
void relay_job_decide_open(struct relay_job *j, const struct relay_outcome *outcome);
/* Rows that the attempt in use takes; *last_out: the last of them. */
size_t relay_job_taken(const struct relay_job *j, size_t *last_out);
/* "to=<a@b.example>" of a single recipient, else "recipients=7". */
const char *relay_job_recipients(struct relay_job *j, size_t count, size_t row);
/* who: relay_job_recipients() of those that it is about. */
void relay_job_log(struct relay_job *j, const char *who, const char *remote,
                   const struct smtp_client_result *r, const struct relay_outcome *o);
void relay_job_end_form(struct relay_job *j);
void relay_job_finish(struct relay_job *j); /* j is gone */

/* ---- job_attempts.c ---- */
/* Over conn, if it fits the plan and the message (it is taken over), else along the plan. */
void relay_job_walk(struct relay_job *j, struct relay_conn *conn);
/* The next attempt that has not had its turn, or the end. */
void relay_job_next(struct relay_job *j);
void relay_job_open(struct relay_job *j); /* the attempt in use, and those that race with it */
/* Goes to the attempt that the connection has come to. */
void relay_job_stand(struct relay_job *j);
void relay_job_drop_conn(struct relay_job *j);
/* The connection is in clear, and must not be: it is gone then, and the walk goes on. */
bool relay_job_refuses_clear(struct relay_job *j);
void relay_job_on_closed(void *arg, const struct smtp_client_result *why);

/* ---- tell_tls.c ---- */
/* The connection is ready, or has ended so before it was. */
void relay_tell_tls(struct relay_job *j, const struct smtp_client_result *why);
void relay_tell_barred(struct relay_job *j); /* hosts that the message may not use */

/* ---- job_transaction.c ---- */
extern const struct relay_conn_ops relay_job_conn_ops;
void relay_job_send(struct relay_job *j); /* over a connection that is ready */
/* What was too many is left to the next transaction (again), or told as the server said it. */
void relay_job_end_left(struct relay_job *j, bool again);
void relay_job_on_message(void *arg, const struct smtp_client_result *r);
void relay_job_on_size(void *arg, int err); /* the content has been counted */
/* No form of the content can go to this host, or not now: what it takes is decided. */
void relay_job_without_form(struct relay_job *j);

#endif
