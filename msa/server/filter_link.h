/*
 * filter_link.h - a connection to one milter: stream, timer and protocol machine joined.
 *
 * filter_link_open() connects and negotiates; each command given to filter_link_core() is sent by
 * filter_link_go(), and its answer comes by on_answer. Every answer has timeout_ms; a milter that
 * says that it makes progress has it again. on_fault is the last call: the link has closed itself.
 * Where a milter does not read, on_answer waits until there is room again, also for commands that
 * are not answered. Callbacks may come from inside filter_link_go() and filter_link_hold(), never
 * from inside filter_link_open(). Ownership: the caller's until filter_link_close(), which is legal
 * at any time, in a callback, too; after it no callback comes. Thread: the loop's.
 */
#ifndef MSA_SERVER_FILTER_LINK_H
#define MSA_SERVER_FILTER_LINK_H

#include "msa/loop/loop.h"
#include "msa/policy/milter.h"
#include "msa/policy/options.h"

struct filter_link;

struct filter_link_ops {
    void (*on_answer)(void *arg, const struct milter_event *e); /* the first: negotiated */
    void (*on_change)(void *arg, const struct milter_event *e);
    void (*on_fault)(void *arg, const char *why);
};

struct filter_link *filter_link_open(struct loop *l, const struct policy_socket *to,
                                     uint64_t timeout_ms, const struct filter_link_ops *ops,
                                     void *arg);
struct milter *filter_link_core(struct filter_link *l);
void filter_link_go(struct filter_link *l);
/* While on, nothing more is read of it, and no callback comes: what it has said waits. */
void filter_link_hold(struct filter_link *l, bool on);
void filter_link_close(struct filter_link *l); /* NULL is allowed */

/* Connects by either kind of socket. */
struct stream;
struct stream_ops;
struct stream *filter_connect(struct loop *l, const struct policy_socket *to,
                              const struct stream_ops *ops, void *arg);

#endif
