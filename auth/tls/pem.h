/*
 * pem.h - certificates and private keys out of PEM text: reading, and the faults a person can mend.
 *
 * Contents, not paths: only the master opens files. Used by the master's check (chain and key
 * together), by the server (chain only) and by the keeper (key only).
 * Kinds of key accepted: RSA of 2048 to 8192 bits, EC on P-256, P-384 and P-521. Others (Ed25519,
 * RSA-PSS restricted keys) are refused by name: the signing hook of key.h cannot serve them.
 * Returns: 0, or ERR_TLS with one sentence appended to why (no line end, no file name; the caller
 * knows the file). Ownership: what is given out belongs to the caller. Any thread.
 */
#ifndef AUTH_TLS_PEM_H
#define AUTH_TLS_PEM_H

#include "msa/base/buf.h"

#include <openssl/x509.h>

/* The certificates in order, the server's own first; free with sk_X509_pop_free(). */
int tls_pem_chain(struct sv pem, STACK_OF(X509) * *out, struct buf *why) MUST_CHECK;
/* Revocation lists; free with sk_X509_CRL_pop_free(). */
int tls_pem_crls(struct sv pem, STACK_OF(X509_CRL) * *out, struct buf *why) MUST_CHECK;
/* Whether authorities, and revocation lists unless crl_pem is empty, can be read. */
int tls_pem_check_clients(struct sv ca_pem, struct sv crl_pem, struct buf *why) MUST_CHECK;
/* An unencrypted private key; free with EVP_PKEY_free(). */
int tls_pem_key(struct sv pem, EVP_PKEY **out, struct buf *why) MUST_CHECK;
/* Whether both are readable and one key, in whatever form they are written. */
bool tls_pem_is_same_key(struct sv a, struct sv b);
/* All of it: chain and key readable, both of one pair and of a kind that we serve. */
int tls_pem_check(struct sv chain_pem, struct sv key_pem, struct buf *why) MUST_CHECK;
/* Whether the server's own certificate is within its dates at now_s (wall seconds). */
int tls_pem_dates(struct sv chain_pem, int64_t now_s, struct buf *why) MUST_CHECK;
/* Whether key is of a kind that we serve. */
int tls_pem_kind(const EVP_PKEY *key, struct buf *why) MUST_CHECK;

#endif
