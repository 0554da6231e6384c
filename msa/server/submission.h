/*
 * submission.h - one message on its way in: from the complete envelope to the answer to its end.
 *
 * Of a transaction with TRANSID the octets as submitted are kept as well (relay/queue/partial.h).
 * Content goes through the completer (rewrite/stream.h) into the store's content writer; commit
 * puts envelope and content into the queue. Bounded memory whatever the message's size.
 * Ownership: the caller holds it until submission_commit() or submission_drop(); after commit it
 * lives by itself and goes on even when the session is gone (submission_forget()).
 * Thread: the worker's.
 */
#ifndef MSA_SERVER_SUBMISSION_H
#define MSA_SERVER_SUBMISSION_H

#include "msa/server/filter.h"
#include "msa/server/worker.h"
#include "msa/smtp/envelope.h"

struct submission;

/* What goes back to the client of a transaction with XRETURN: head, then the message's content. */
struct submission_returned {
    struct buf head;               /* fields that sign it; or the verdict */
    struct queue_message *message; /* NULL: none */
};
/* The verdict, for "msactl explain", by msa/base/pack.h: u8 version, sv reverse-path, sv why it
 * would be held, sv by whom discarded, u32 number of forms (encrypted ones are messages of their
 * own), and for each u32 number of recipients, sv each, u64 octets, sv provenance
 * (rewrite/provenance.h), empty where it does not fit any more behind those before. */
#define SUBMISSION_VERDICT_VERSION 2
#define SUBMISSION_VERDICT_RECORDS (1u << 20)

/* What the session knows; used during the call only, except service, which is kept. */
struct submission_from {
    struct worker *worker;
    struct service *service;
    const struct smtp_envelope *envelope;
    struct sv session, login, client, helo;
    struct rights_holder rights; /* of the login, or of who needs none */
    struct sv owner;             /* login, or what stands for it in the queue where there is none */
    struct sv tls_cipher;        /* empty without TLS */
    bool esmtp;
    bool filtered;                  /* a filter will come with the commit */
    struct spending_ticket *ticket; /* NULL, or taken over where one is opened */
    struct partial *partial;        /* NULL: no TRANSID; else it outlives the submission */
    void (*on_room)(void *arg);     /* submission_full() turned false */
    /* After commit: the reply to the client; accepted: it is on stable storage. */
    void (*on_done)(void *arg, bool accepted, const struct smtp_reply *reply);
    void *arg;
};

/* NULL: refused with *reply_out. */
struct submission *submission_open(const struct submission_from *from,
                                   struct smtp_reply *reply_out);
const char *submission_id(const struct submission *s); /* queue id */
#define SUBMISSION_QUEUED_CHARS 64
/* What a message that is in the queue is answered with; text is the reply's. */
struct smtp_reply submission_queued(const char *id, char text[SUBMISSION_QUEUED_CHARS]);
/* False: the message is refused with *reply_out; drop it. normalized: the client sent other line
 * ends, and counts other octets: nothing from here on can be resumed. */
bool submission_body(struct submission *s, struct sv bytes, bool normalized,
                     struct smtp_reply *reply_out) MUST_CHECK;
/* The same for a piece that the partial has kept, before all others. */
bool submission_kept(struct submission *s, struct sv bytes,
                     struct smtp_reply *reply_out) MUST_CHECK;
bool submission_full(const struct submission *s); /* feed no more until on_room */
/* The content is complete; binary: it cannot be sent on as lines. on_done follows, never from
 * inside this call. filter (NULL: none) has heard of the envelope, and judges the message now; it
 * is the submission's, until on_done takes it back with submission_take_filter(). */
void submission_commit(struct submission *s, bool binary, struct filter *filter);
struct filter *submission_take_filter(struct submission *s); /* NULL: none */
bool submission_returns(const struct submission *s); /* what it ends with goes back: XRETURN */
/* From inside on_done: what is to be returned is the caller's; false: nothing is. */
bool submission_take_returned(struct submission *s, struct submission_returned *out);
uint64_t submission_returned_bytes(const struct submission_returned *r);
void submission_returned_drop(struct submission_returned *r, struct store *store);
/* After commit: the session is gone, nobody is told. The partial, detached, is the submission's. */
void submission_forget(struct submission *s);
/* After commit: it has taken too long, and the client was answered 451. Nobody is told, and nothing
 * stays of a message that the store has not begun to write; one that it has may still be accepted.
 */
void submission_abandon(struct submission *s);
/* The time for a stop is over: what waits for milters or signatures is answered 451, and nothing
 * stays. */
void submission_stop_all_waiting(struct worker *w);
/* Before commit: nothing stays. */
void submission_drop(struct submission *s);

#endif
