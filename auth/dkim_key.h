/*
 * dkim_key.h - private keys for DKIM: which are good, what the server is told of one, and new ones.
 *
 * RFC 6376 3.3.3, RFC 8301 3.2 (RSA of 1024 bits or more, 2048 advised), RFC 8463 (Ed25519).
 * Nothing else signs DKIM. Contents, not paths. Returns: 0, or ERR_SYNTAX with one sentence
 * appended to why (no line end, no file name). Any thread.
 */
#ifndef AUTH_DKIM_KEY_H
#define AUTH_DKIM_KEY_H

#include "msa/base/buf.h"

#include <openssl/types.h>

#define AUTH_DKIM_ID_LEN     64   /* that of tls_key_id() */
#define AUTH_DKIM_RSA_BITS   2048 /* of a new key; below that is a weak one */
#define AUTH_DKIM_KIND_RSA   "rsa"
#define AUTH_DKIM_KIND_ED    "ed25519"
#define AUTH_DKIM_PUBLIC_MAX 2048 /* bytes in base64: RSA of 8192 bits has some 1400 */

/* What may be known of a key outside of the keeper. */
struct auth_dkim_key {
    const char *kind; /* tag k= of its DNS record: one of the above */
    int bits;
    char id[AUTH_DKIM_ID_LEN + 1];              /* by which the keeper finds it */
    char public_half[AUTH_DKIM_PUBLIC_MAX + 1]; /* tag p=, base64 */
};

/* Whether it can sign DKIM. */
int auth_dkim_key_check(const EVP_PKEY *pkey, struct buf *why) MUST_CHECK;
int auth_dkim_key_read(struct sv pem, struct auth_dkim_key *out, struct buf *why) MUST_CHECK;
/* A new private key as PEM (PKCS#8); kind as above. out should be a secret buffer. */
int auth_dkim_key_make(const char *kind, struct buf *out) MUST_CHECK;

#endif
