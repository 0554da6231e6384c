/*
 * spending.h - budgets at work: workers ask before a message is opened, the main thread counts.
 *
 * Draft 6.3. What a message costs its login is taken when it is opened and given back if it does
 * not come into the queue; the store keeps it in the message's own transaction. At 80 % the user
 * gets a message, once in the budget's window. Where a budget is broken the postmaster gets one,
 * likewise, with the figures and the command that ends it; with over_budget = "hold" all that the
 * login has in the queue is held, with lock_auth the login is locked. A message with XRETURN comes
 * into no queue: what is too much of them is refused, with the same consequences.
 * Ownership: a ticket belongs to this module; who asked ends it by spending_keep() or
 * spending_give_back(), also before it was answered. Threads: spending_new() to spending_free() on
 * the main thread; tickets on the loop of the mailbox given, where done runs, never from inside
 * spending_ask().
 */
#ifndef MSA_SERVER_SPENDING_H
#define MSA_SERVER_SPENDING_H

#include "auth/client/client.h"
#include "msa/loop/loop.h"
#include "msa/loop/thread.h"
#include "msa/server/budget.h"
#include "msa/smtp/envelope.h"
#include "relay/notice.h"
#include "relay/queue/store.h"

struct spending;
struct spending_ticket;

/* main: the mailbox of the thread that counts. */
struct spending *spending_new(struct mailbox *main);
/* What the store remembers, while it is opened. */
void spending_remember(struct spending *s, const struct store_spent *spent);
/* From here on messages can be sent and held, and logins locked. Once; store and auth outlive
 * spending_stop(). */
void spending_start(struct spending *s, struct loop *l, struct store *store,
                    struct auth_client *auth);
/* Of a new generation; kept by view. */
void spending_set(struct spending *s, const char *hostname, const char *postmaster,
                  struct relay_notice_signer signer);
/* No more messages; every question is answered BUDGET_OK, and nothing counts. Before the store is
 * closed. */
void spending_stop(struct spending *s);
/* After spending_stop(), and when no message and no answer of the store can be on its way. */
void spending_free(struct spending *s);
/* The operator lets the login begin anew. */
void spending_forgive(struct spending *s, struct sv login);
void spending_used(const struct spending *s, struct sv login, uint64_t used_out[BUDGET_COUNT]);

/* ---- workers ---- */
/* reply: BUDGET_REFUSED; text in the ticket. */
typedef void spending_done(void *arg, enum budget_verdict verdict, const struct smtp_reply *reply);
struct spending_ticket *spending_ask(struct spending *s, struct mailbox *reply, struct sv login,
                                     const struct budget_limits *limits,
                                     const struct smtp_envelope *e, spending_done *done, void *arg);
/* Of an answered one: what the store is to keep along with the message, in a; NULL: nothing. */
const struct store_spent *spending_record(const struct spending_ticket *t, struct arena *a);
bool spending_is_held(const struct spending_ticket *t);
/* "held: 101 messages in an hour, of 100", in a. */
const char *spending_why(const struct spending_ticket *t, struct arena *a);
/* The message is in the queue, or it is not. Either ends the ticket; done does not run any more. */
void spending_keep(struct spending_ticket *t);
void spending_give_back(struct spending_ticket *t);

#endif
