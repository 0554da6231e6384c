/*
 * admin.h - control requests that the server answers: queue, trace, route, status.
 *
 * The master reads a request from the control socket (msa/daemon/control.h), looks only at its
 * command, and passes the line on. Answers are JSON objects, a line each; the last line of an
 * answer is {"end":true,"code":N} with "error" when refused. Listings come in pages, so that a long
 * queue is never in memory as a whole.
 * Ownership: requests in flight are this object's. Thread: the server's main thread.
 */
#ifndef MSA_ADMIN_ADMIN_H
#define MSA_ADMIN_ADMIN_H

#include "msa/server/server.h"

struct admin;

/* on_answer: whole lines; last ends the request. Never called from inside admin_request()'s caller
 * after admin_free(). */
struct admin *admin_new(struct server *s,
                        void (*on_answer)(void *arg, uint64_t request, struct sv lines, bool last),
                        void *arg);
void admin_request(struct admin *a, uint64_t request, struct sv json);
/* After server_free(), whose last messages may still end requests; others are forgotten. */
void admin_free(struct admin *a);

#endif
