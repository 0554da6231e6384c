/*
 * internal.h - what the files of this folder share: jobs on a worker and how they end.
 *
 * relay.c (main thread) -> worker.c -> job.c (job.h) -> conn.c, body.c, capture.c -> result.c ->
 * store -> relay.c. A job's way back is its store_record: what done() needs stands in struct
 * relay_run.
 */
#ifndef RELAY_INTERNAL_H
#define RELAY_INTERNAL_H

#include "relay/conn.h"
#include "relay/form.h"
#include "relay/lf_size.h"
#include "relay/outcome.h"
#include "relay/worker.h"

/* sched_job.user: made by relay_worker_run(), ended on the main thread. */
struct relay_run {
    struct relay_worker *worker;
    struct sched_job *job;
    struct relay_settings *settings;
};
void relay_run_free(struct relay_run *run);

/* sched_job.plan: counted on the main thread only, read by workers while their job is out. */
struct relay_plan {
    unsigned refs;
    struct route *route; /* NULL: capture */
};

/* What became of one row. */
struct relay_fate {
    bool known; /* else the row is released, as if it had not been taken */
    bool attempted;
    bool asked;        /* a host was: the outcome is what came of that */
    bool v4_only;      /* the mark of MX6, to be kept */
    uint32_t hop_exts; /* SMTP_EXT_BIT()s of the next hop that took the recipient over */
    struct relay_outcome outcome;
};

/* ---- result.c ---- */
/* Turns fates (one a row of job->batch; copied) into results, report and record, and gives them to
 * the store, perhaps after content has been read. The job is out of the caller's hands. */
void relay_result_record(struct relay_run *run, const struct relay_fate *fates);

/* ---- body.c ---- */
/* Feeds a connection with a message's content, one piece after the other. */
struct relay_body {
    struct store *store;
    struct mailbox *reply;
    struct queue_message *message; /* borrowed; its content is sent */
    const char *queue_id;          /* of the message whose form that is */
    struct relay_conn *conn;       /* NULL: stopped */
    bool begun;                    /* what goes before the content has been given */
    uint64_t offset;               /* in the content */
    struct store_read *read;       /* under way, or the piece that the connection still uses */
    bool reading;
};
void relay_body_start(struct relay_body *b, struct relay_conn *conn);
void relay_body_next(struct relay_body *b); /* the connection wants a piece */
void relay_body_stop(struct relay_body *b); /* safe at any time, also twice */

/* ---- job.c ---- */
struct relay_job;
/* conn: the slot's idle connection, taken over, or NULL. *where is the job until it is over, which
 * may be before this returns: relay_worker_job_over() clears it. */
void relay_job_start(struct relay_run *run, struct relay_conn *conn, struct relay_job **where);
void relay_job_give_up(struct relay_job *j);
/* From now on the host gets nothing in clear by relay.tls.refuse_downgrade, whatever the plan says.
 */
void relay_job_tls_worked(struct relay_job *j, const char *host);
/* The server stops: what is not in a transaction ends now, its rows as they were. */
void relay_job_stop(struct relay_job *j);

/* ---- form_build.c, for form.c ---- */
/* One form in the making: posted to a worker, and back to the main thread with its answer. */
struct relay_form_build {
    struct task task;
    struct relay_worker *worker;
    struct queue_message *message; /* a reference */
    struct relay_settings *settings;
    unsigned form;
    void (*over)(struct task *task); /* on the main thread */
    void *entry;                     /* its business */
    struct relay_form_answer answer; /* content: a reference */
    bool lacks_signature;            /* and goes without: a later try may have it */
    /* private to form_build.c */
    struct relay_form_work *work;
    struct relay_form_build *prev, *next;
};
void relay_form_build_run(struct task *task); /* on the worker */

/* ---- worker.c, for job.c and forms ---- */
const struct relay_worker_config *relay_worker_config(const struct relay_worker *w);
struct relay_conn **relay_worker_conns(struct relay_worker *w); /* all that are open */
struct relay_qmtp_memory *relay_worker_qmtp_memory(struct relay_worker *w);
struct relay_families *relay_worker_families(struct relay_worker *w);
/* Forms that are being made there (form_build.c), and whether no more may be. */
struct relay_form_build **relay_worker_builds(struct relay_worker *w);
bool relay_worker_is_stopped(const struct relay_worker *w);
/* The job is over; conn stays open for the next one of the slot, or is NULL. */
void relay_worker_job_over(struct relay_worker *w, uint32_t slot, struct relay_conn *conn);

#endif
