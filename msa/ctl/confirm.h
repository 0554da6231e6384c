/*
 * confirm.h - before mail in the queue is changed by hand: how much it is, and whether it is meant.
 */
#ifndef MSA_CTL_CONFIRM_H
#define MSA_CTL_CONFIRM_H

#include "msa/base/buf.h"

#include <jansson.h>

/* Asks the daemon how many recipients the request would change, says it on standard error, and,
 * where the verb (of "msactl queue") cannot be taken back, asks on the terminal. CTL_DONE: it may
 * be done. Else the exit code; error gets words, if any. The request is the caller's. */
int confirm_change(const char *socket_path, const json_t *request, const char *verb,
                   struct buf *error);

#endif
