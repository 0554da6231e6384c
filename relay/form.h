/*
 * form.h - a message's content in the form that a next hop can take.
 *
 * Draft 8.4, RFC 6152 3, RFC 3030 3, RFC 6409 6.5: content is re-encoded at delivery, for the hops
 * that need it, part by part (rewrite/survey.h, encode.h). A form is shared by all destinations
 * that want it; it is content of a message that is never put. Behind the last job
 * that uses it it is kept for later destinations and tries, until the message ends or others need
 * the room. So many are made at once; further ones wait. Where the queued message is signed by DKIM
 * its form is signed again, because the signature was over other bytes.
 *
 * Threads: the table of forms belongs to the main thread and is reached by messages only; the
 * worker that asks first makes the form on its loop, reading the store piece by piece. What comes
 * out is immutable and counted.
 * Order, on a worker: relay_form_ask(); done, later, unless it was cancelled; relay_form_end() once
 * the content is not used any more. relay_form_end() may come at any time and cancels what has not
 * been answered. relay_form_stop() when the server stops, before the worker closes: forms that are
 * under way end, whoever waits gets ERR_CANCELED.
 */
#ifndef RELAY_FORM_H
#define RELAY_FORM_H

#include "msa/loop/loop.h"
#include "relay/queue/store.h"
#include "relay/worker.h"
#include "rewrite/survey.h"

struct relay_forms;
struct relay_form; /* the use of one form by one job */

struct relay_form_answer {
    int err;                       /* the disk, or ERR_CANCELED: the form may be had later */
    bool is_unsigned;              /* err: a signature is required, and there is none */
    enum rewrite_unfit unfit;      /* NONE: it can be done */
    struct queue_message *content; /* the form's, or the message itself where nothing has to
                                      change; lives as long as the use */
};

#define RELAY_FORMS_BUILDS     8u
#define RELAY_FORM_KEPT_MS     (15u * 60 * 1000) /* the first two tries again, as a rule */
#define RELAY_FORMS_KEPT       64u
#define RELAY_FORMS_KEPT_BYTES (256ull << 20) /* mostly files */

/* On the main thread. */
struct relay_forms *relay_forms_new(struct loop *loop, struct mailbox *main);
/* The message of this id has ended: its forms go with their last use. */
void relay_forms_forget(struct relay_forms *f, const char *id);
void relay_forms_stop(struct relay_forms *f); /* nothing is kept any more */
void relay_forms_free(struct relay_forms *f); /* all workers are gone */

/* On a worker's thread. form: a set of enum rewrite_form. settings: kept while it is made. */
struct relay_form *relay_form_ask(struct relay_worker *w, struct queue_message *m, unsigned form,
                                  struct relay_settings *settings,
                                  void (*done)(void *arg, const struct relay_form_answer *a),
                                  void *arg);
void relay_form_end(struct relay_form *f); /* NULL is allowed */
/* Ends what this worker makes. */
void relay_form_stop(struct relay_worker *w);

#endif
