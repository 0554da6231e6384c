/*
 * bearer.h - the messages of OAUTHBEARER (RFC 7628 3.1) and XOAUTH2 (its older form, of Google):
 * what the client says, and what a refusal tells it; of both sides, as we log in elsewhere, too.
 * Pure.
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
/* RFC 6750 2.1: whether text may be a token. */
bool auth_bearer_is_token(struct sv text);
/* The client's message: who it wants to be, which host it talks to, and the token. ERR_FULL,
 * ERR_LIMIT: it does not fit. */
int auth_bearer_write(struct buf *out, struct sv mechanism, struct sv user, struct sv host,
                      struct sv token) MUST_CHECK;
/* What is said to a refusal, for the server to end the exchange (RFC 7628 3.2.3: a lone ^A; XOAUTH2
 * has an empty line). */
struct sv auth_bearer_assent(struct sv mechanism);
/* The status that a refusal names ("invalid_token", "401"), or "" where it has none that may be
 * shown. */
#define AUTH_BEARER_STATUS_MAX 32
void auth_bearer_status(struct sv refusal, char out[AUTH_BEARER_STATUS_MAX + 1]);
/* RFC 7628 3.2.2: JSON for a token that is refused. malformed: the message was no good. scope and
 * discovery may be "". */
void auth_bearer_refusal(struct sv mechanism, bool malformed, const char *scope,
                         const char *discovery, struct buf *out);

#endif
