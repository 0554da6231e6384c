/*
 *     asker: names_ask --post--> main: MX -> [A -> [AAAA]] --post--> asker: done, freed
 *
 * A question belongs to the thread that it was posted to. canceled is the asker's own word, looked
 * at when the question has come back: so nothing is shared.
 */
#include "msa/server/names.h"

#include "msa/base/mem.h"

#include <stdlib.h>
#include <utlist.h>

struct names_query {
    struct task task;
    struct names *names;
    struct mailbox *reply;
    char *domain;
    void (*done)(void *arg, enum names_answer answer); /* the asker's, as what follows */
    void *arg;
    bool canceled;
    enum names_answer answer; /* the main thread's, as what follows */
    char *canonical;          /* NULL: no alias was met */
    struct dns_query *dns;
    struct names_query *prev, *next;
};

struct names {
    struct mailbox *main;
    struct dns *dns; /* NULL: none, or stopped */
    uint64_t deadline_ms;
    struct names_query *open;
};

/* ---- main thread ---- */

static void run_done(struct task *t)
{
    struct names_query *q = (struct names_query *)t;
    if (!q->canceled)
        q->done(q->arg, q->answer);
    free(q->canonical);
    free(q->domain);
    free(q);
}

static void answer(struct names_query *q, enum names_answer a)
{
    q->answer = a;
    q->task.run = run_done;
    mailbox_post(q->reply, &q->task);
}

static void ask(struct names_query *q, enum dns_type type);

static enum names_answer judge(const struct dns_answer *a, enum dns_type type)
{
    bool null_mx = type == DNS_MX && a->nrecords == 1 && !a->records[0].name[0];
    switch (a->status) {
    case DNS_OK:
        return null_mx ? NAMES_NULL_MX : NAMES_YES;
    case DNS_NODATA:
    case DNS_NXDOMAIN:
        return NAMES_NO;
    case DNS_TEMPFAIL:
    case DNS_BOGUS:
        break;
    }
    return NAMES_UNKNOWN;
}

static void keep_canonical(struct names_query *q, const char *name)
{
    if (!name)
        return;
    free(q->canonical);
    q->canonical = mem_str(name);
    for (char *c = q->canonical; *c; c++)
        *c = ascii_lower(*c);
}

static void looked_up(struct names_query *q, const struct dns_answer *a, enum dns_type type)
{
    q->dns = NULL;
    keep_canonical(q, a->canonical);
    if (a->status == DNS_NODATA && type != DNS_AAAA) {
        ask(q, type == DNS_MX ? DNS_A : DNS_AAAA);
        return;
    }
    DL_DELETE(q->names->open, q);
    answer(q, judge(a, type));
}

static void on_mx(void *arg, const struct dns_answer *a)
{
    looked_up(arg, a, DNS_MX);
}

static void on_a(void *arg, const struct dns_answer *a)
{
    looked_up(arg, a, DNS_A);
}

static void on_aaaa(void *arg, const struct dns_answer *a)
{
    looked_up(arg, a, DNS_AAAA);
}

static void ask(struct names_query *q, enum dns_type type)
{
    struct names *n = q->names;
    q->dns = dns_query(n->dns, q->domain, type, n->deadline_ms,
                       type == DNS_MX  ? on_mx
                       : type == DNS_A ? on_a
                                       : on_aaaa,
                       q);
}

static void run_ask(struct task *t)
{
    struct names_query *q = (struct names_query *)t;
    struct names *n = q->names;
    if (!n->dns) {
        answer(q, NAMES_UNKNOWN);
        return;
    }
    DL_APPEND(n->open, q);
    ask(q, DNS_MX);
}

static void cancel_all(struct names *n)
{
    struct names_query *q;
    DL_FOREACH(n->open, q)
    {
        dns_cancel(q->dns);
        q->dns = NULL;
    }
}

void names_set_dns(struct names *n, struct dns *dns, uint64_t deadline_ms)
{
    struct names_query *q;
    bool other = n->dns && n->dns != dns;
    if (other)
        cancel_all(n);
    n->dns = dns;
    n->deadline_ms = deadline_ms;
    if (!other)
        return;
    DL_FOREACH(n->open, q)
    {
        ask(q, DNS_MX);
    }
}

void names_stop(struct names *n)
{
    cancel_all(n);
    n->dns = NULL;
    while (n->open) {
        struct names_query *q = n->open;
        DL_DELETE(n->open, q);
        answer(q, NAMES_UNKNOWN);
    }
}

struct names *names_new(struct mailbox *main)
{
    struct names *n = NEW(struct names);
    n->main = main;
    return n;
}

void names_free(struct names *n)
{
    free(n);
}

/* ---- the asker's thread ---- */

struct names_query *names_ask(struct names *n, struct mailbox *reply, struct sv domain,
                              void (*done)(void *arg, enum names_answer answer), void *arg)
{
    struct names_query *q = NEW(struct names_query);
    q->names = n;
    q->reply = reply;
    q->domain = sv_dup(domain);
    q->done = done;
    q->arg = arg;
    q->task.run = run_ask;
    mailbox_post(n->main, &q->task);
    return q;
}

const char *names_canonical(const struct names_query *q)
{
    return q->canonical;
}

void names_cancel(struct names_query *q)
{
    q->canceled = true;
}
