/*
 * bearer.h - the messages of OAUTHBEARER (RFC 7628 3.1) and XOAUTH2 (its older form, of Google):
 * what the client says, and what a refusal tells it. Pure.
 *
 * Ownership: views point into the message; the name is the caller's. Any thread.
 */
#ifndef AUTH_BEARER_H
#define AUTH_BEARER_H

#include "auth/name.h"

struct auth_bearer {
    char name[AUTH_NAME_MAX + 1]; /* whom the client wants to be; "" if it does not say */
    struct sv token;
};

/* Whether the mechanism is one of the two. */
bool auth_bearer_is(struct sv mechanism);
/* False: malformed, or another scheme than Bearer. */
bool auth_bearer_read(struct sv mechanism, struct sv message, struct auth_bearer *out);
/* RFC 7628 3.2.2: JSON for a token that is refused. malformed: the message was no good. scope and
 * discovery may be "". */
void auth_bearer_refusal(struct sv mechanism, bool malformed, const char *scope,
                         const char *discovery, struct buf *out);

#endif
