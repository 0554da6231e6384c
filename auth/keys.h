/*
 * keys.h - the keeper's private keys, and what they may sign.
 *
 * A key is known by its id, made from its public half (tls_key_id() in auth/tls/key.h), which the
 * server computes from the certificate, and is told of by the master for DKIM. A key has one
 * purpose, and each form of signature is of one purpose. The keeper is no oracle: an RSA input of
 * TLS must be a DigestInfo of a known digest (RFC 8017 9.2) or a well-formed EMSA-PSS block (9.1),
 * a digest for ECDSA must have the length of one, and for DKIM and S/MIME 32 bytes of hash are all
 * that is taken, so that nothing is decrypted and no foreign structure is signed by accident.
 * Ownership: a set is immutable after it is filled; the generation owns it. auth_keys_sign() runs
 * on any thread, several at once.
 */
#ifndef AUTH_KEYS_H
#define AUTH_KEYS_H

#include "auth/client/wire.h"
#include "auth/keeper.h"

struct auth_keys;

struct auth_keys *auth_keys_new(void);
void auth_keys_free(struct auth_keys *set); /* NULL is allowed */
/* ERR_SYNTAX, with one sentence appended to why (auth/tls/pem.h). The same key twice for one
 * purpose is one key; for two purposes it is refused. */
int auth_keys_add(struct auth_keys *set, enum keeper_purpose purpose, struct sv pem,
                  struct buf *why) MUST_CHECK;
/* For S/MIME, with the certificates in PEM, the key's own first; it is known by the SHA-256 of that
 * (auth/smime_key.h). */
int auth_keys_add_smime(struct auth_keys *set, struct sv pem, struct sv chain_pem,
                        struct buf *why) MUST_CHECK;
/* True if a signature takes less than some 50 microseconds: an elliptic key, not RSA. */
bool auth_keys_is_quick(const struct auth_keys *set, enum auth_sign form, struct sv id);
/* AUTH_OK with the signature appended to out; AUTH_DENIED for bytes or a form that do not fit the
 * key; AUTH_TEMPORARY if OpenSSL fails. ERR_NOT_FOUND: no such key for the form's purpose. */
int auth_keys_sign(const struct auth_keys *set, struct sv id, enum auth_sign form, struct sv bytes,
                   struct buf *out, enum auth_verdict *verdict_out) MUST_CHECK;

#endif
