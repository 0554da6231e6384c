/*
 * token.h - what is said to an issuer of access tokens, and what it answers, when we log in at a
 * smarthost by token.
 *
 * RFC 6749 4.4 (client credentials), 5.1, 5.2, 6 (refresh token); RFC 6750 2.1 (what a token is
 * made of). Pure. Ownership: everything is the caller's; views of an answer point into buffers that
 * the caller has given. Any thread.
 */
#ifndef AUTH_TOKEN_H
#define AUTH_TOKEN_H

#include "msa/base/buf.h"

#define AUTH_TOKEN_ACCESS_MAX  8192 /* bytes; it has to fit a line of RFC 4954 4, in base64 */
#define AUTH_TOKEN_REFRESH_MAX 8192
#define AUTH_TOKEN_ANSWER_MAX  65536
#define AUTH_TOKEN_FORM_MAX    65536
#define AUTH_TOKEN_LIFE_S      300                 /* where the issuer does not say */
#define AUTH_TOKEN_LIFE_MAX_S  (30 * 24 * 60 * 60) /* more is not believed */

/* Of one route. */
struct auth_token_issuer {
    struct sv url; /* empty: there is none, and the route's password counts */
    struct sv client_id, client_secret, scope;
    struct sv refresh_token; /* empty: we ask in our own name */
    struct sv ca_pem;        /* authorities of the issuer; empty: the system's */
};

/* Both secret, of the maxima above. */
struct auth_token {
    struct buf access;
    struct buf refresh; /* empty: the one that we have goes on to count */
    uint32_t life_s;
};
void auth_token_init(struct auth_token *t);
void auth_token_deinit(struct auth_token *t);

/* The form to be posted, with a NUL behind it. refresh_token in place of the issuer's. ERR_LIMIT or
 * ERR_FULL: out is too small. */
int auth_token_form(struct buf *out, const struct auth_token_issuer *issuer,
                    struct sv refresh_token) MUST_CHECK;
/* The answer to it. ERR_SYNTAX, with words in why that hold nothing of it but the names of what is
 * wrong. */
int auth_token_read(struct sv json, struct auth_token *out, struct buf *why) MUST_CHECK;
/* What an issuer says in place of a token: "invalid_grant (words)", appended to why; nothing if it
 * is no answer of RFC 6749 5.2. Words in which a secret of ours stands are left out. */
void auth_token_refusal(struct sv json, const struct auth_token_issuer *issuer,
                        struct sv refresh_token, struct buf *why);

#endif
