/*
 * saslauthd.h - asks Cyrus' saslauthd whether a password is right.
 *
 * Its protocol (saslauthd-main.c): over its socket, login, password, service and realm as strings
 * with a length of 16 bits before each; the answer is such a string, too, that begins with "OK" or
 * "NO". Cyrus' own client waits without end and takes every failure for a wrong password; this one
 * has a deadline, and tells a no from a fault where the answer does. Any thread, blocking at most
 * AUTH_SASLAUTHD_WAIT_MS.
 */
#ifndef AUTH_SASLAUTHD_H
#define AUTH_SASLAUTHD_H

#include "msa/base/buf.h"
#include "msa/base/err.h"

#define AUTH_SASLAUTHD_WAIT_MS 8000

struct auth_saslauthd_question {
    struct sv user, password, service, realm;
};
/* Whether it takes such strings; if not, nobody has such a password there. Pure. */
bool auth_saslauthd_takes(const struct auth_saslauthd_question *q);
/* 1: right; 0: wrong, or a question that it does not take; -EHOSTDOWN: it does not answer; ERR_DB:
 * it could not judge. why_out is filled for errors. */
int auth_saslauthd_ask(const char *socket_path, const struct auth_saslauthd_question *q,
                       char *why_out, size_t why_bytes) MUST_CHECK;
/* What an answer means, without its length: 1, 0, or ERR_DB. Pure. */
int auth_saslauthd_read(struct sv answer);

#endif
