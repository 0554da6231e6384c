/*
 * ask.h - asks the running daemon over the control socket, blocking.
 */
#ifndef MSA_CTL_ASK_H
#define MSA_CTL_ASK_H

#include "msa/base/buf.h"

#include <jansson.h>
#include <stdio.h>

/* Sends the request; CTL_DONE: the answer is to be read from *out, which is to be closed. */
int ask_open(const char *socket_path, json_t *request, FILE **out, struct buf *error);
/* Sends the request (its reference is taken) and calls on_line for each line but the last. Returns
 * the exit code the daemon gave, or 3 when it cannot be reached; error gets words, if any. */
int ask_daemon(const char *socket_path, json_t *request, void (*on_line)(void *arg, json_t *line),
               void *arg, struct buf *error);

#endif
