/*
 * names.h - what workers want to know of names: whether mail can go to a domain, and which name is
 * behind it.
 *
 * RFC 5321 5.1 (MX, else the domain's own addresses), RFC 7505 (null MX). Workers ask by message;
 * the main thread, which has the resolver, answers. Each DNS question has its deadline, so that an
 * answer always comes; a resolver that is replaced, or a server that stops, is an answer too.
 * Ownership: the question is this module's; the asker forgets it when done has run or after
 * names_cancel(). Threads: names_new() to names_free() on the main thread, names_ask() and
 * names_cancel() on the loop of the mailbox given, where done runs, never from inside names_ask().
 */
#ifndef MSA_SERVER_NAMES_H
#define MSA_SERVER_NAMES_H

#include "msa/loop/thread.h"
#include "relay/dns/dns.h"

struct names;
struct names_query;

enum names_answer {
    NAMES_YES,     /* it has MX records, or addresses of its own */
    NAMES_NO,      /* there is no such domain, or nothing of it takes mail */
    NAMES_NULL_MX, /* it says that it takes none */
    NAMES_UNKNOWN, /* the DNS gave no answer */
};

/* main: the mailbox of the thread that answers. */
struct names *names_new(struct mailbox *main);
/* The resolver, which outlives this call's successor; questions under way begin again. */
void names_set_dns(struct names *n, struct dns *dns, uint64_t deadline_ms);
/* Every question, also one that is still on its way, is answered NAMES_UNKNOWN. Before the askers'
 * mailboxes are closed; the resolver is not used any more. */
void names_stop(struct names *n);
void names_free(struct names *n); /* after names_stop(), and when no message can be on its way */

/* domain: A-labels. */
struct names_query *names_ask(struct names *n, struct mailbox *reply, struct sv domain,
                              void (*done)(void *arg, enum names_answer answer), void *arg);
/* Inside of done: the name that the domain is an alias of (CNAME), in lower case; NULL: it is none.
 */
const char *names_canonical(const struct names_query *q);
/* done does not run any more. */
void names_cancel(struct names_query *q);

#endif
