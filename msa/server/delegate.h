/*
 * delegate.h - asks the policy service (policy.service) over connections that are used again.
 *
 * One object a worker. One question at a time on a connection; at most DELEGATE_CONNECTIONS at
 * once, further questions wait for one. An idle connection is closed after DELEGATE_IDLE_MS; one
 * that turns out to be dead before anything was answered is replaced once. Ownership: a question is
 * the asker's until its done or delegate_cancel(). done is never called from inside delegate_ask().
 * Thread: the worker's.
 */
#ifndef MSA_SERVER_DELEGATE_H
#define MSA_SERVER_DELEGATE_H

#include "msa/base/buf.h"
#include "msa/loop/loop.h"
#include "msa/policy/delegation.h"
#include "msa/policy/options.h"

#define DELEGATE_CONNECTIONS 20
#define DELEGATE_IDLE_MS     60000u

struct delegate;
struct delegate_question;

struct delegate *delegate_new(struct loop *l);
void delegate_free(struct delegate *d); /* no question is open */
/* answer NULL: why says what is wrong. */
struct delegate_question *
delegate_ask(struct delegate *d, const struct policy_socket *to, uint64_t timeout_ms,
             const struct delegation_request *r,
             void (*done)(void *arg, const struct delegation_answer *answer, const char *why),
             void *arg);
void delegate_cancel(struct delegate_question *q);

#endif
