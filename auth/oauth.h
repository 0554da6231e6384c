/*
 * oauth.h - tokens of one generation: whom does this one stand for?
 *
 * By keys of a file, by keys that the issuer publishes (JWKS, fetched when they are needed and kept
 * for a while), or by asking the issuer (introspection, RFC 7662). Keys that were fetched once go
 * on to count when the issuer cannot be reached, for at most AUTH_OAUTH_STALE_S; so a token does
 * not fail for a short outage, and a key that is withdrawn ends. One thread fetches at a time. Of
 * those who have keys, but not the one that their token names, so few wait for it that one of
 * AUTH_OAUTH_THREADS goes on with tokens whose keys are known; the others cannot be told now.
 * Ownership: auth_oauth_new/free; a generation's. auth_oauth_check() from any thread, several at
 * once; it may block for twice AUTH_FETCH_MAX_MS.
 */
#ifndef AUTH_OAUTH_H
#define AUTH_OAUTH_H

#include "auth/jwt.h"
#include "auth/options.h"

#define AUTH_OAUTH_FRESH_S 600 /* keys are fetched again after that */
#define AUTH_OAUTH_AGAIN_S 10  /* and no sooner, whatever kid a token has */
#define AUTH_OAUTH_RETRY_S 1   /* but where there are none at all */
#define AUTH_OAUTH_STALE_S 86400
#define AUTH_OAUTH_THREADS 4 /* that the keeper has for tokens: one fetches, one never waits */

struct auth_oauth;

/* Contents of the files that the options name. */
struct auth_oauth_files {
    struct sv keys, ca, secret;
};

/* ERR_SYNTAX with one line appended to why. All is copied. */
int auth_oauth_new(const struct auth_oauth_options *o, const struct auth_oauth_files *files,
                   struct auth_oauth **out, struct buf *why) MUST_CHECK;
void auth_oauth_free(struct auth_oauth *a); /* NULL is allowed */
const struct auth_oauth_options *auth_oauth_options(const struct auth_oauth *a);
/* 1: login_out is the claim's value; 0: no, *fault_out says why; negative: cannot be told now
 * (logged). */
int auth_oauth_check(struct auth_oauth *a, struct sv token, struct buf *login_out,
                     enum auth_token_fault *fault_out) MUST_CHECK;

#endif
