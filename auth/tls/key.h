/*
 * key.h - a private key that lives in another process, seen by OpenSSL as one of its own.
 *
 * The EVP_PKEY holds the public half and a number. When OpenSSL signs with it, the handshake's
 * ASYNC job is paused; tls_stream then says what is to be signed, and resumes the job with the
 * answer (DESIGN, section 2). Used by ctx.c and stream.c; others need only the thread calls.
 *
 * Thread: each thread that runs server streams calls tls_key_thread_start() first and
 * tls_key_thread_stop() last, when its streams are freed. A paused job holds about 40 KiB, and its
 * stack is kept for the next one; max_waiting bounds both. A handshake that would be one more
 * waiting fails; handshakes that need no signature (resumed ones) go on.
 */
#ifndef AUTH_TLS_KEY_H
#define AUTH_TLS_KEY_H

#include "auth/tls/sign.h"

void tls_key_thread_start(unsigned max_waiting); /* 1 or more */
void tls_key_thread_stop(void);
unsigned tls_key_waiting(void); /* signatures this thread's streams wait for */

/* What the keeper is asked. bytes stays valid until the request is answered. */
struct tls_sign_request {
    uint32_t key_id;
    enum tls_sign_kind kind;
    struct sv bytes;
};

/* A key of which only public is known; free with EVP_PKEY_free(). ERR_TLS with why as pem.h. */
int tls_key_new(const EVP_PKEY *public_half, uint32_t key_id, EVP_PKEY **out,
                struct buf *why) MUST_CHECK;

/* One handshake's place for its signature; stream.c owns it and stands behind tls_stream_wants().
 */
enum tls_key_state { AUTH_TLS_KEY_IDLE, AUTH_TLS_KEY_ASKED, AUTH_TLS_KEY_ANSWERED };
struct tls_key_wait {
    enum tls_key_state state;
    struct tls_sign_request request;
    const char *fault;   /* why a signature could not even be asked for, or was refused */
    struct sv signature; /* the answer, empty for a failure; read when the job resumes */
};

/* The wait of the handshake about to run, or NULL behind it. */
void tls_key_enter(struct tls_key_wait *wait);

#endif
