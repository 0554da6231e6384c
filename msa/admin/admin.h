/*
 * admin.h - control requests that the server answers: queue, trace, route, status, stats.
 *
 * The master reads a request from the control socket (msa/daemon/control.h), looks only at its
 * command, and passes the line on. Answers are JSON objects, a line each; the last line of an
 * answer is {"end":true,"code":N} with "error" when refused. Listings come in pages, each asked for
 * by admin_more(), so that a long queue is never in memory as a whole.
 * Ownership: requests in flight are this object's. Thread: the server's main thread.
 */
#ifndef MSA_ADMIN_ADMIN_H
#define MSA_ADMIN_ADMIN_H

#include "msa/server/server.h"

struct admin;

struct admin_ops {
    /* Whole lines; last ends the request. */
    void (*on_answer)(void *arg, uint64_t request, struct sv lines, bool last);
    /* A page is complete: answer with admin_more() when it has been read. */
    void (*on_pause)(void *arg, uint64_t request);
};

/* No callback comes after admin_free(). */
struct admin *admin_new(struct server *s, const struct admin_ops *ops, void *arg);
void admin_request(struct admin *a, uint64_t request, struct sv json);
/* The next page; !wanted: nobody reads on, the request is forgotten. An unknown number is ignored:
 * it was asked of a server before this one. */
void admin_more(struct admin *a, uint64_t request, bool wanted);
/* After server_free(), whose last messages may still end requests; others are forgotten. */
void admin_free(struct admin *a);

#endif
