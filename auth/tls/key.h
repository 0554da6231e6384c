/*
 * key.h - a private key that lives in another process, seen by OpenSSL as one of its own.
 *
 * The EVP_PKEY holds the public half and the keeper's name for the key. When OpenSSL signs with it,
 * the handshake's ASYNC job is paused; tls_stream then says what is to be signed, and resumes the
 * job with the answer. Used by ctx.c and stream.c; others need only tls_key_id() and the thread
 * calls.
 *
 * Thread: each thread that runs server streams calls tls_key_thread_start() first and
 * tls_key_thread_stop() last, when its streams are freed. Where several of them share a thread (a
 * simulation), the first start and the last stop count. A waiting handshake holds about 80 KiB,
 * and its stack is kept for the next one; max_waiting bounds both. A handshake that would be one
 * more waiting fails; handshakes that need no signature (resumed ones) go on.
 */
#ifndef AUTH_TLS_KEY_H
#define AUTH_TLS_KEY_H

#include "auth/client/wire.h"

#include <openssl/types.h>

void tls_key_thread_start(unsigned max_waiting); /* 1 or more */
void tls_key_thread_stop(void);
unsigned tls_key_waiting(void); /* signatures this thread's streams wait for */

#define AUTH_TLS_KEY_ID_LEN 64
/* The name by which keeper and server mean the same key, whatever the generation: SHA-256 of its
 * SubjectPublicKeyInfo (DER) in lower-case hexadecimal. A private key has the id of its public
 * half. */
void tls_key_id(const EVP_PKEY *key, char out[AUTH_TLS_KEY_ID_LEN + 1]);

/* What the keeper is asked: the arguments of auth_client_sign(). Views stay valid until the request
 * is answered. form is AUTH_SIGN_RSA_PKCS1, AUTH_SIGN_RSA_BLOCK or AUTH_SIGN_ECDSA. */
struct tls_sign_request {
    struct sv key;
    enum auth_sign form;
    struct sv bytes;
};

/* A key of which only the public half is known; free with EVP_PKEY_free(). ERR_TLS, with one
 * sentence appended to why, for a kind that pem.h refuses. */
int tls_key_new(const EVP_PKEY *public_half, EVP_PKEY **out, struct buf *why) MUST_CHECK;

/* One handshake's place for its signature. stream.c owns it and shows it as tls_stream_wants(). */
struct tls_key_wait {
    bool asked;                      /* a job is paused for this */
    struct tls_sign_request request; /* while asked */
    struct sv signature;             /* set before the job is resumed; empty: refused */
    const char *fault;               /* why there was no signature; NULL: nothing went wrong */
};

/* The wait of the handshake that runs on this thread from now on; NULL after it. */
void tls_key_enter(struct tls_key_wait *wait);

#endif
