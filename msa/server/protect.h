/*
 * protect.h - S/MIME for a message that is whole: it is signed, then encrypted to those recipients
 * that have to get it so, which may divide it into several messages.
 *
 * Draft 8.5, 8.6; RFC 8551. Who signs and who is encrypted to is rewrite/smime_set.h's; a message
 * that is signed or encrypted already is not signed, one that is encrypted is not encrypted again;
 * it is what its content proves it to be (rewrite/smime_proof.h).
 * Begun when nobody changes the message any more but DKIM. Its content is read back and written
 * anew, piece by piece, once for the signature and once for each encrypted form: one form for all
 * recipients that the header names (a hundred at a time), one for each that it does not name. What
 * nobody protects stays in the message that was given; if all recipients are encrypted to, that
 * becomes one of their forms.
 *
 * A message that a row requires to be signed, or encrypted to somebody, and that cannot be, is
 * refused; else it goes on without, with a warning, at most once a minute.
 * Ownership: what the target points to stays the caller's, and untouched until ended. Bounded
 * memory: MEMORY_PROTECT_BYTES are counted by the caller, before; what further messages keep is
 * counted here, and refused where there is no room. Thread: the worker's.
 */
#ifndef MSA_SERVER_PROTECT_H
#define MSA_SERVER_PROTECT_H

#include "msa/server/worker.h"
#include "rewrite/dkim.h"
#include "rewrite/provenance.h"

/* Recipients that get an encrypted message of their own, and what these may have together: more
 * could not be written before the client gives up. */
#define PROTECT_HIDDEN_MAX   100
#define PROTECT_HIDDEN_BYTES (1ull << 30)
#define PROTECT_TOGETHER_MAX 100   /* recipients of one: each has its key in it, made in one go */
#define PROTECT_KEEPER_MS    10000 /* for its signature */
#define MEMORY_PROTECT_BYTES (512 << 10)

struct protect;

struct protect_target {
    struct queue_message *message; /* its content was taken */
    struct queue_batch **rows;     /* replaced where recipients get another form */
    struct rewrite_provenance *provenance;
    struct rewrite_dkim *dkim; /* has seen the whole content; of what is written anew it sees all */
    int64_t *memory_bytes; /* counted for the message: grows by the forms, the caller gives back */
    struct sv session, login;
    bool is_returned; /* to its author: nothing is encrypted; who has to be and cannot be is told */
};

/* refusal: NULL, or the reply, its text valid during the call; then the caller gives up the
 * message's content. also: further messages, whole and signed by DKIM, now the caller's. */
typedef void protect_ended(void *arg, const struct smtp_reply *refusal, struct store_also *also);

/* Whether any row may apply: if not, nothing has to be read. */
bool protect_wants(const struct service *s, const struct protect_target *t);
/* ended follows, never from inside this call. */
struct protect *protect_start(struct worker *w, struct service *s, const struct protect_target *t,
                              protect_ended *ended, void *arg);
/* ended does not come; nothing stays but the message that was given. */
void protect_cancel(struct protect *p);
/* Messages that will not be put: nothing stays of their content. NULL is allowed. */
void protect_give_up(struct worker *w, struct store_also *also);

#endif
