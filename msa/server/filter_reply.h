/*
 * filter_reply.h - what milters and the policy service say, as SMTP replies.
 *
 * RFC 6409 6.3: 550 5.7.0 where site policy is violated. Each names the option that would be
 * changed. Text lies in the arena. Any thread.
 */
#ifndef MSA_SERVER_FILTER_REPLY_H
#define MSA_SERVER_FILTER_REPLY_H

#include "msa/base/arena.h"
#include "msa/policy/delegation.h"
#include "msa/policy/milter.h"
#include "msa/policy/options.h"
#include "msa/smtp/reply.h"

/* False: code and text cannot be given to a client. 421 becomes 451: the session goes on. */
bool filter_reply_text(struct sv text, struct arena *a, struct smtp_reply *out);
/* REJECT, TEMPFAIL or REPLY. */
struct smtp_reply filter_reply_milter(const struct milter_event *e, struct arena *a);
/* REFUSE, DEFER or REPLY. */
struct smtp_reply filter_reply_service(const struct delegation_answer *answer, struct arena *a);
/* A milter, or the service, has failed; on_error is not ACCEPT. */
struct smtp_reply filter_reply_failed(enum policy_on_error on_error, bool service);

#endif
