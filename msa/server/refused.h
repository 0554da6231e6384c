/*
 * refused.h - one refusal on its way to the history: who was refused what, found by id.
 *
 * The caller has asked the client's log allowance (clientlog.h) before, so that no flood fills the
 * history. Recipients and texts are cut to bounds. Any thread.
 */
#ifndef MSA_SERVER_REFUSED_H
#define MSA_SERVER_REFUSED_H

#include "msa/smtp/reply.h"
#include "relay/queue/store.h"

#define REFUSED_TEXT_MAX       800 /* bytes of a reply on one line, with NUL */
#define REFUSED_RECIPIENTS_MAX 20  /* that are named in the history */

struct refused {
    struct sv id; /* of the session, or of the message that was not accepted */
    struct sv login, client, reverse_path;
    const struct sv *recipients; /* what the refusal is about: the first of them */
    size_t nrecipients;          /* all; up to REFUSED_RECIPIENTS_MAX are read */
    struct smtp_status status;
    const char *text; /* refused_text(), or by whom it was discarded */
    bool discarded;   /* the client was told yes */
};

/* The reply on one line, printable: "550 5.7.1 words". setting and session follow the words where
 * they are not empty: the first as (setting), the second as [session]. */
const char *refused_text(char out[REFUSED_TEXT_MAX], const struct smtp_reply *r, struct sv setting,
                         struct sv session);
void refused_note(struct store *store, const struct refused *r);

#endif
