/*
 * jwt.h - is this a token of our issuer for us, and whose? Pure.
 *
 * RFC 7515 and 7519, RFC 8725 (what goes wrong). The algorithm must be one of our table (RS256,
 * PS256, ES256, EdDSA) and fit the kind of the key: never "none", never HMAC, where a public key
 * would be the secret. Ownership: nothing is kept. Any thread.
 */
#ifndef AUTH_JWT_H
#define AUTH_JWT_H

#include "auth/jwks.h"
#include "msa/base/conf.h"

#define AUTH_TOKEN_MAX 12000 /* bytes of a token */

/* What a token has to say. */
struct auth_token_rules {
    const char *issuer;           /* iss */
    struct conf_strings audience; /* one of them in aud */
    const char *claim;            /* whose value is the login */
    const char *scope;            /* that it must grant; "": any */
    int64_t skew_s;               /* by which clocks may differ */
};

enum auth_token_fault {
    AUTH_TOKEN_GOOD,
    AUTH_TOKEN_MALFORMED,
    AUTH_TOKEN_ALGORITHM, /* not one that we take, or not the key's */
    AUTH_TOKEN_KEY,       /* no key with its kid: the set may be an old one */
    AUTH_TOKEN_SIGNATURE,
    AUTH_TOKEN_ISSUER,
    AUTH_TOKEN_AUDIENCE,
    AUTH_TOKEN_EXPIRED, /* or without exp */
    AUTH_TOKEN_EARLY,   /* nbf or iat lies ahead */
    AUTH_TOKEN_SCOPE,
    AUTH_TOKEN_LOGIN,    /* without the claim */
    AUTH_TOKEN_INACTIVE, /* the issuer says so */
    AUTH_TOKEN_FAULTS
};
const char *auth_token_fault_text(enum auth_token_fault fault); /* for the log */

/* login_out gets the claim's value, as it is. */
enum auth_token_fault auth_jwt_check(const struct auth_jwks *keys,
                                     const struct auth_token_rules *rules, struct sv token,
                                     int64_t now_s, struct buf *login_out);
/* The claims alone, a JSON object, as an issuer tells them of a token (RFC 7662): without iss, aud
 * and exp where it leaves them out. */
enum auth_token_fault auth_claims_check(const struct auth_token_rules *rules, struct sv json,
                                        int64_t now_s, struct buf *login_out);

#endif
