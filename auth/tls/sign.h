/*
 * sign.h - the keeper's half of a TLS signature: the private key operation.
 *
 * The server sends what OpenSSL would give to a private key. For RSA that is the whole padded
 * block, so the block's form is checked first: PKCS #1 type 1 around a DigestInfo of SHA-256, -384
 * or -512 (RFC 8017 9.2), or PSS with one of these hashes and a salt of its length (RFC 8017 9.1,
 * RFC 8446 4.2.3). Anything else is refused: no raw RSA oracle, no decryption. For EC it is a
 * digest of 32, 48 or 64 bytes.
 * Returns: 0; ERR_SYNTAX for a request that no honest server makes; ERR_TLS if the key fails.
 * Any thread; a key may be used by several threads at once.
 */
#ifndef AUTH_TLS_SIGN_H
#define AUTH_TLS_SIGN_H

#include "msa/base/buf.h"

#include <openssl/types.h>

enum tls_sign_kind {
    AUTH_TLS_SIGN_RSA = 1,   /* bytes: padded block of the key's size; answer: as long */
    AUTH_TLS_SIGN_ECDSA = 2, /* bytes: digest; answer: DER ECDSA-Sig-Value */
};

#define AUTH_TLS_SIGN_MAX 1024 /* most bytes of a request and of its answer (RSA of 8192 bits) */

/* Appends the signature. */
int tls_sign(EVP_PKEY *key, enum tls_sign_kind kind, struct sv bytes,
             struct buf *signature) MUST_CHECK;

#endif
