/*
 * jwks.h - public keys that sign tokens: a JSON Web Key Set (RFC 7517), or PEM. Pure.
 *
 * Taken are RSA of 2048 to 8192 bits, EC on P-256 (RFC 7518 6) and Ed25519 (RFC 8037). Symmetric
 * keys, keys for encryption and what is not known are passed over: a set may have more than we use.
 * Ownership: auth_jwks_new/free; immutable after that, any thread.
 */
#ifndef AUTH_JWKS_H
#define AUTH_JWKS_H

#include "msa/base/buf.h"

#include <openssl/evp.h>

#define AUTH_JWKS_BYTES_MAX (256u << 10) /* of the text */
#define AUTH_JWKS_MAX       64           /* keys; further ones are passed over */

enum auth_jwk_kind { AUTH_JWK_RSA, AUTH_JWK_EC, AUTH_JWK_ED25519 };

struct auth_jwk {
    enum auth_jwk_kind kind;
    char *kid; /* "" if it has none */
    char *alg; /* the only algorithm that it is for, or "" */
    EVP_PKEY *key;
};

struct auth_jwks {
    struct auth_jwk *keys;
    size_t count;
};

/* ERR_SYNTAX with one sentence appended to why: not JSON, no set, too long, or no key of use. */
int auth_jwks_new(struct sv text, struct auth_jwks **out, struct buf *why) MUST_CHECK;
void auth_jwks_free(struct auth_jwks *k); /* NULL is allowed */

/* base64url without padding (RFC 7515 2), appended. */
int auth_base64url(struct buf *out, struct sv text) MUST_CHECK;

#endif
