/*
 * submission_private.h - the parts of a submission: submission.c (its content comes in),
 * submission_envelope.c, submission_end.c (what happens to a message that is whole, until it stands
 * in the queue), submission_return.c (or goes back), submission_log.c (what is told of it). Nobody
 * else includes this.
 */
#ifndef MSA_SERVER_SUBMISSION_PRIVATE_H
#define MSA_SERVER_SUBMISSION_PRIVATE_H

#include "msa/server/protect.h"
#include "msa/server/submission.h"
#include "msa/smtp/dot.h"
#include "rewrite/provenance.h"
#include "rewrite/stream.h"

struct submission {
    struct task told; /* posts on_done */
    struct worker *worker;
    struct service *service;
    struct queue_message *message;
    struct queue_batch *rows;
    struct content_writer *writer;
    struct spending_ticket *ticket; /* of the login's budget; NULL: none */
    struct partial *partial;        /* its session's, the submission's once that has forgotten it */
    struct rewrite_stream rewrite;
    struct rewrite_provenance provenance;
    bool resumable_binary; /* BINARYMIME with TRANSID */
    struct smtp_dot look;  /* at all of it, whichever session it came over */
    void (*on_room)(void *arg);
    void (*on_done)(void *arg, bool accepted, const struct smtp_reply *reply);
    void *arg;
    bool committed, forgotten, abandoned, accepted;
    struct filter *filter;
    struct submission *prev, *next; /* in worker->waiting, while it waits for either */
    bool waiting;
    struct rewrite_dkim dkim;
    struct relay_signing *signing; /* under way */
    struct protect *protect;       /* under way */
    struct store_also *also;       /* other forms of the message, for some of its recipients */
    const char *discarded;         /* why; NULL: it was not */
    enum smtp_return returns;      /* 0: it goes into the queue */
    bool is_returned;              /* returned is there, and nobody has taken it */
    struct submission_returned returned;
    struct store_put *put; /* under way */
    bool header_noted, header_judged, requires_tls;
    struct names_query *query; /* of a name in the header */
    bool refused;              /* with reply, which nobody has been told */
    struct sv solicit;         /* of MAIL; empty: none */
    struct rights_holder rights;
    struct sv reverse_path; /* as it was submitted, before it was rewritten */
    size_t nrows;
    struct smtp_reply reply;
    char reply_text[sizeof(((struct rewrite_refusal *)0)->text)];
    struct sv session; /* in message's arena, as all text kept here */
    uint64_t opened_ms;
    int64_t memory_bytes;
};

/* ---- submission.c ---- */
/* on_done comes, with a copy of the reply, by the mailbox; then everything is freed. */
void submission_finish(struct submission *s, bool accepted, struct smtp_reply reply);
struct smtp_ext_config submission_extensions(const struct submission *s);

/* ---- submission_envelope.c ---- */
/* The message's envelope and rows, and what else is kept of the session. */
void submission_fill_envelope(struct submission *s, const struct submission_from *f);
/* RFC 3848; RFC 6531 4.3. */
struct sv submission_protocol(const struct submission_from *f);

/* ---- submission_end.c ---- */
void submission_content_finished(void *arg, int err); /* of the content writer */
void submission_give_up(struct submission *s);        /* nothing stays of the content */
void submission_stop_waiting(struct submission *s);   /* for milters, S/MIME or signatures */

/* ---- submission_return.c ---- */
/* The message is finished, and goes to nobody else. */
void submission_return(struct submission *s);
/* The same, of one that would be discarded or held (NULL: not), where only a verdict is asked. */
void submission_explain(struct submission *s, const char *hold, const char *discard);

/* ---- submission_log.c ---- */
void submission_log_accepted(const struct submission *s);
void submission_log_refused(struct submission *s);
void submission_log_discarded(struct submission *s);

#endif
