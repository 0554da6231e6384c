/*
 * filter_internal.h - a filter's insides, shared by filter.c (calls), filter_service.c and
 * filter_part.c (who is asked), filter_message.c, filter_body.c and filter_envelope.c (the
 * message). Nobody else includes it.
 */
#ifndef MSA_SERVER_FILTER_INTERNAL_H
#define MSA_SERVER_FILTER_INTERNAL_H

#include "msa/base/log.h"
#include "msa/policy/changes.h"
#include "msa/server/delegate.h"
#include "msa/server/filter.h"
#include "msa/server/filter_counts.h"
#include "msa/server/filter_link.h"
#include "msa/server/filter_reply.h"

#define FILTER_IDLE_MS 30000u /* a connection without a message */

/* What the next answer of a milter is about. */
enum part_state {
    PART_CLOSED,
    PART_NEGOTIATING,
    PART_CONNECTING,
    PART_GREETING,
    PART_READY, /* of the stage, if one is asked */
};

/* One milter of the session. */
struct part {
    struct filter *filter;
    const struct policy_milter_options *options;
    struct policy_socket socket;
    struct filter_link *link; /* NULL: PART_CLOSED */
    enum part_state state;
    bool accepts_session; /* it wants to see nothing more */
    bool in_message;      /* MAIL was told, and no end */
    bool over;            /* it has said what it has to say of this message, or it does not count */
    bool failed;          /* in this message, and that counts */
    char *helo;           /* as told */
    struct filter_count *count;
};

enum filter_stage { FILTER_NONE, FILTER_MAIL, FILTER_RCPT, FILTER_DATA, FILTER_MESSAGE };

struct filter_pass;

struct filter {
    struct worker *worker;
    struct service *service;
    const struct policy_options *options;
    struct part *parts;
    size_t nparts;
    struct arena arena; /* of the transaction */
    struct arena call;  /* of the call under way, and of its refusal */
    struct filter_who who;
    struct sv sender, queue_id; /* sender without brackets */
    uint64_t size;
    uint32_t recipients;
    struct milter_macros macros;
    /* what was said of the whole transaction; NULL: nothing */
    const char *discard, *hold;
    struct prepend {
        struct prepend *next;
        struct sv name, value;
    } * prepends;
    size_t nprepends;
    /* the call under way */
    enum filter_stage stage;
    struct sv path, args; /* of MAIL and RCPT, path with brackets; of call */
    size_t at;            /* the part that is asked */
    bool asking;          /* it has not answered */
    uint64_t asked_ms;    /* since then; also the service */
    bool late;            /* the budget is used up */
    struct timer timer;   /* the budget; without a call how long connections are kept */
    struct delegate_question *question;
    struct filter_count *service_count; /* NULL: nobody is asked */
    filter_done *done;
    void *arg;
    struct filter_pass *pass; /* FILTER_MESSAGE */
};

/* filter.c */
struct log_ctx filter_ctx(const struct filter *f);
bool filter_may_log(struct filter *f); /* of a filter that fails; within the client's allowance */
/* Whatever ended it: a milter that still owes an answer is left. */
void filter_end_call(struct filter *f);
void filter_passed(struct filter *f); /* all have */
void filter_refuse(struct filter *f, const struct smtp_reply *reply);
void filter_discard(struct filter *f, const char *by, struct sv why);
void filter_hold(struct filter *f, const char *by, struct sv why);
void filter_pass_begin(struct filter *f); /* asks the service, then the parts */
/* Who was asked since asked_ms has answered. */
void filter_note(struct filter *f, struct filter_count *n, enum filter_answer a);

/* filter_service.c */
void filter_ask_service(struct filter *f, enum policy_stage stage);
void filter_service_failed(struct filter *f, const char *why);

/* filter_part.c */
/* The stage goes to the parts, from the first. */
void filter_start_parts(struct filter *f);
/* It goes on with the next: this one passes. */
void filter_next(struct filter *f);
/* A milter's answer to a command of the stage, where that is not for filter_message.c. */
void filter_judge(struct filter *f, const struct milter_event *e);
/* The part has failed: its link is closed, and its on_error counts. */
void filter_part_failed(struct part *p, const char *why);
void filter_part_close(struct part *p);

/* filter_message.c: the part's turn; its answers and changes; the end of all parts. */
/* True: something must be read first; filter_start_parts() comes again. */
bool filter_pass_reads(struct filter *f);
void filter_pass_part(struct filter *f);
void filter_pass_answer(struct filter *f, const struct milter_event *e);
void filter_pass_change(struct filter *f, const struct milter_event *e);
void filter_pass_failed(struct filter *f); /* the part asked: what it has begun is forgotten */
void filter_storage_failed(struct filter *f, int err); /* the message is refused for now */
void filter_pass_apply(struct filter *f);              /* all parts have passed */
void filter_pass_end(struct filter *f, enum filter_outcome outcome, const struct smtp_reply *reply);
void filter_pass_free(struct filter *f); /* where there is one */

/* filter_envelope.c: what of the changes is about sender, recipients and quarantine. */
/* False: an address is malformed, or not one that mail is sent to, or they are too many. */
bool filter_envelope_good(const struct filter *f, const struct changes *c);
void filter_envelope_apply(struct filter *f, const struct changes *c,
                           const struct filter_target *t);
void filter_envelope_hold(const char *why, struct queue_batch *rows);

#endif
