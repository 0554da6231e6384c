/*
 * control.h - the control socket: one request a connection, answered in JSON lines.
 *
 * Request: one line, a JSON object with "command" and its arguments, at most CONTROL_REQUEST_MAX
 * bytes. Answer: JSON objects, a line each; the last one has "end": true, "code" (msactl's exit
 * code) and, when refused, "error". The socket's mode (0600, root's) says who may ask.
 * A long answer flows: whoever writes it stops after a page, calls control_pause(), and goes on at
 * on_more; an asker that lets more than CONTROL_PENDING_MAX wait is dropped.
 * Ownership: connections are this file's; a request is known by its number. Thread: the master's
 * loop.
 */
#ifndef MSA_DAEMON_CONTROL_H
#define MSA_DAEMON_CONTROL_H

#include "msa/base/sv.h"
#include "msa/loop/loop.h"

#define CONTROL_REQUEST_MAX 65536
#define CONTROL_PENDING_MAX (4u << 20) /* bytes of an answer that the asker has not read */
#define CONTROL_CONNECTIONS 32

struct control;

struct control_ops {
    /* command is the value of "command", json the whole line. Answer by control_answer(), at once
     * or later. */
    void (*on_request)(void *arg, uint64_t request, struct sv command, struct sv json);
    /* After control_pause(), once: the asker has read what it was given; !wanted: it has gone. */
    void (*on_more)(void *arg, uint64_t request, bool wanted);
};

struct control *control_new(struct loop *l, int fd, const struct control_ops *ops, void *arg);
/* Whole lines of the answer; last ends the connection. An unknown number is ignored (the asker has
 * gone). */
void control_answer(struct control *c, uint64_t request, struct sv lines, bool last);
/* Asks for on_more, which may be called from here. */
void control_pause(struct control *c, uint64_t request);
/* The closing line: code and words (NULL for none). */
void control_end(struct control *c, uint64_t request, int code, const char *error);
/* The connection goes on elsewhere: a duplicate of its descriptor, or negative; the request is over
 * without an answer. Whoever asked must have sent nothing behind its line. */
int control_take(struct control *c, uint64_t request);
/* Every open request gets this end: the server that was to answer is gone. */
void control_end_all(struct control *c, int code, const char *error);
void control_free(struct control *c);

#endif
