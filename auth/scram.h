/*
 * scram.h - SCRAM verifiers: derive, compare, text form (RFC 5802 3, RFC 7677, RFC 5803).
 *
 * A verifier is what a server needs to check a password without knowing it: hash function, salt,
 * iteration count, StoredKey, ServerKey. Which hashes there are is one table (auth_scram_name()).
 * Plain values, owned by the caller. Comparisons take constant time. Any thread;
 * auth_scram_derive() takes about a millisecond at 4096 iterations.
 * BUGS: passwords are taken as UTF-8 as they come; SASLprep's normalisation (RFC 4013) is not
 * applied.
 */
#ifndef AUTH_SCRAM_H
#define AUTH_SCRAM_H

#include "msa/base/buf.h"

#define AUTH_SCRAM_ITERATIONS     4096 /* RFC 7677 4: at least; SCRAM's clients pay as much */
#define AUTH_SCRAM_ITERATIONS_MAX 1000000
#define AUTH_SCRAM_SALT_BYTES     16 /* of verifiers that we make */
#define AUTH_SCRAM_SALT_MAX       64
#define AUTH_SCRAM_KEY_MAX        64
#define AUTH_SCRAM_TEXT_MAX       384 /* bytes of the text form, NUL included */

enum auth_scram_hash {
    AUTH_SCRAM_SHA256, /* first: of the main verifier, against which PLAIN is checked */
    AUTH_SCRAM_SHA1,
    AUTH_SCRAM_SHA512,
    AUTH_SCRAM_HASHES
};

struct auth_scram {
    enum auth_scram_hash hash;
    uint32_t iterations;
    size_t salt_len;
    uint8_t salt[AUTH_SCRAM_SALT_MAX];
    uint8_t stored_key[AUTH_SCRAM_KEY_MAX]; /* auth_scram_key_bytes() of each */
    uint8_t server_key[AUTH_SCRAM_KEY_MAX];
};

/* The mechanism of a hash, "SCRAM-SHA-256". */
const char *auth_scram_name(enum auth_scram_hash hash);
size_t auth_scram_key_bytes(enum auth_scram_hash hash);
/* The hash of a SASL mechanism, with or without "-PLUS"; false: it is not SCRAM, or not known. */
bool auth_scram_hash_of(struct sv mechanism, enum auth_scram_hash *out);

/* Fills both keys from password, with the hash, iterations and salt that *v has. */
void auth_scram_derive(struct auth_scram *v, struct sv password);
/* A fresh random salt, AUTH_SCRAM_ITERATIONS, then derived. */
void auth_scram_new(struct auth_scram *v, enum auth_scram_hash hash, struct sv password);
/* One derivation, whatever the result. */
bool auth_scram_matches(const struct auth_scram *v, struct sv password);
/* "SCRAM-SHA-256$4096:salt$StoredKey:ServerKey", the salt and keys in base64. */
void auth_scram_write(const struct auth_scram *v, char out[AUTH_SCRAM_TEXT_MAX]);
/* ERR_SYNTAX: another scheme, or numbers and lengths that cannot be. */
int auth_scram_read(struct sv text, struct auth_scram *out) MUST_CHECK;

/* Derivations made by this process, for tests that compare the work of two outcomes. */
uint64_t auth_scram_derivations(void);

#endif
