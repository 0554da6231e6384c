/*
 * sessions.h - the client's sessions for resumption, by peer, at most so many.
 *
 * The longest unused goes first. A session is offered more than once: RFC 8446 C.4 advises
 * against it so that a client cannot be recognised, but a mail server gives its name in EHLO.
 * Ownership: the cache holds references of its own. Any thread (a lock inside).
 */
#ifndef AUTH_TLS_SESSIONS_H
#define AUTH_TLS_SESSIONS_H

#include <openssl/ssl.h>

#include <stddef.h>

struct tls_sessions;

struct tls_sessions *tls_sessions_new(size_t max);
void tls_sessions_free(struct tls_sessions *c); /* NULL is allowed */
/* Takes the caller's reference. */
void tls_sessions_put(struct tls_sessions *c, const char *peer, SSL_SESSION *session);
/* A new reference, or NULL. */
SSL_SESSION *tls_sessions_get(struct tls_sessions *c, const char *peer);
void tls_sessions_forget(struct tls_sessions *c, const char *peer);

#endif
