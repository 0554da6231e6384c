/*
 * smime_key.h - the keeper's part of S/MIME: a signature with its certificate and attributes.
 *
 * RFC 8551 2.5, RFC 5652 5.3, 5.4, 11: CMS SignedData of detached content. The keeper sees a hash
 * and nothing else: it makes the signed attributes itself (content type, digest, time, what the
 * signer's programs can read), so that no bytes of somebody's choice are signed.
 * A key is known by its certificate. Any thread.
 */
#ifndef AUTH_SMIME_KEY_H
#define AUTH_SMIME_KEY_H

#include "auth/client/wire.h"

#include <openssl/x509.h>

#define AUTH_SMIME_HASH_BYTES 32 /* SHA-256 */
#define AUTH_SMIME_ID_LEN     64

/* The signer's certificate with its chain, which must be the key's; free with sk_X509_pop_free().
 * id: SHA-256 of the certificate in lower-case hexadecimal. ERR_TLS, with one sentence appended to
 * why. */
int auth_smime_chain(struct sv pem, const EVP_PKEY *key, STACK_OF(X509) * *out,
                     char id[AUTH_SMIME_ID_LEN + 1], struct buf *why) MUST_CHECK;
/* AUTH_OK with the DER appended to out; AUTH_DENIED: that is no hash; AUTH_TEMPORARY: OpenSSL
 * fails, or no room in out. */
enum auth_verdict auth_smime_sign(EVP_PKEY *key, STACK_OF(X509) * chain, struct sv hash,
                                  struct buf *out);

#endif
