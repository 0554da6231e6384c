/*
 * session.h - an SMTP session with the running daemon over its control socket, in the name of a
 * login (etc/sign-return.txt section 8), blocking.
 */
#ifndef MSA_CTL_SESSION_H
#define MSA_CTL_SESSION_H

#include "msa/ctl/letter.h"

#include <jansson.h>
#include <stdio.h>

#define SESSION_REPLY_MAX 4096

struct session_request {
    const char *socket_path;
    const char *user; /* a login; without "@" of the first realm */
    const char *from; /* NULL: the login */
    json_t *to;       /* addresses */
    const char *mode; /* "XRETURN", with its value */
    const struct letter *letter;
};

/* What was said, as far as it is a refusal. at: "MAIL", "RCPT", "DATA"; address: of MAIL or RCPT.
 */
typedef void session_refused(void *arg, const char *at, const char *address, const char *reply);

/* Exit code. CTL_DONE: what is returned has been written to out. A recipient that is refused does
 * not end it while there are others. error: words, if something else went wrong. */
int session_run(const struct session_request *r, session_refused *on_refused, void *arg, FILE *out,
                struct buf *error);

#endif
