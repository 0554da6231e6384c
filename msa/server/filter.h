/*
 * filter.h - site policy for one SMTP session: its milters and the policy service (RFC 6409 6.3).
 *
 * For each transaction filter_mail(), filter_rcpt() for each recipient, filter_data(), and
 * filter_message() when the content is complete and as it will be queued. Each asks the policy
 * service where it is to be asked, then one milter after the other, and ends with one done: passed,
 * or refused. Milters are connected to at the first filter_mail(): nobody makes them work who may
 * not send. A milter that fails counts by its on_error. After a connection that came to nothing
 * none is tried for FILTER_PAUSE_MS: messages do not wait, one after the other, for who is gone.
 *
 * Time: each call is answered within budget_ms (filter_message: FILTER_BUDGET_MS), whatever the
 * timeouts of all milters add up to: what has not answered by then counts as failed.
 * Memory: one header section, two pieces of content and the changes of one milter.
 * Ownership: the session's, and with filter_message() it may go to the submission. done may come
 * from inside a call; the filter may be freed from it. One call at a time; filter_free() is legal
 * at any time, and nothing is called any more then. Thread: the worker's.
 */
#ifndef MSA_SERVER_FILTER_H
#define MSA_SERVER_FILTER_H

#include "msa/server/worker.h"
#include "msa/smtp/reply.h"

#define FILTER_BUDGET_MS 80000u /* of CONN_OPERATION_MS: the store needs some, too */

struct filter;

/* What the session knows; copied. */
struct filter_who {
    struct sv session, login, mechanism, helo, protocol, tls_version, tls_cipher;
    struct ip_port client;
    struct sv client_text;
    uint64_t transaction; /* number within the session */
    int64_t port;         /* of the listener */
};

/* refusal NULL: passed. */
typedef void filter_done(void *arg, const struct smtp_reply *refusal);

/* Whether the generation has anything to ask. */
bool filter_is_wanted(const struct service *s);
struct filter *filter_new(struct worker *w, struct service *s); /* keeps s */
void filter_free(struct filter *f);                             /* NULL is allowed */

/* Begins a transaction; one that was not ended is given up. path: without brackets; args: the
 * parameters behind it, separated by spaces; size: 0 if none was told. */
void filter_mail(struct filter *f, const struct filter_who *who, struct sv path, struct sv args,
                 uint64_t size, uint64_t budget_ms, filter_done *done, void *arg);
void filter_rcpt(struct filter *f, struct sv path, struct sv args, uint64_t budget_ms,
                 filter_done *done, void *arg);
void filter_data(struct filter *f, struct sv queue_id, uint32_t recipients, uint64_t budget_ms,
                 filter_done *done, void *arg);
/* No answer to the call under way; the milter that it hangs at is left. */
void filter_cancel(struct filter *f);

enum filter_outcome { FILTER_QUEUE, FILTER_DISCARD, FILTER_REFUSE };

/* The message that is to be queued: its content was taken, nobody else looks at it. Both are
 * changed as the milters say; rows may be held, and number anew. What changes the header is told in
 * provenance, a layer for each party. dkim has seen all of the content; where it is written anew it
 * sees the new one from its first byte on. */
struct rewrite_provenance;
struct rewrite_dkim;
struct filter_target {
    struct queue_message *message;
    struct queue_batch *rows;
    struct rewrite_provenance *provenance;
    struct rewrite_dkim *dkim;
};
/* why: words for the log with FILTER_DISCARD; reply: with FILTER_REFUSE. */
typedef void filter_ended(void *arg, enum filter_outcome outcome, const struct smtp_reply *reply,
                          const char *why);
void filter_message(struct filter *f, const struct filter_target *t, filter_ended *ended,
                    void *arg);

#endif
