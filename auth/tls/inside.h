/*
 * inside.h - what a TLS context is made of. Inside auth/tls only; the rules are in ctx.h.
 */
#ifndef AUTH_TLS_INSIDE_H
#define AUTH_TLS_INSIDE_H

#include "auth/client/channel.h"
#include "auth/tls/ctx.h"
#include "auth/tls/sessions.h"

#include <openssl/ssl.h>

#include <pthread.h>
#include <stdatomic.h>

/* Certificates that stand for the same names: at most one of each kind of key. */
struct tls_site {
    SSL_CTX *ssl;
    char **names; /* lower case */
    size_t name_count;
    bool has_rsa, has_ec;
};

struct tls_ctx {
    atomic_uint refs;
    SSL_CTX *ssl; /* what streams are made of; for a server the first site's */
    /* server */
    struct tls_site *sites;
    size_t site_count;
    pthread_mutex_t lock; /* guards tickets */
    struct tls_ticket_keys tickets;
    /* client */
    struct tls_sessions *sessions; /* NULL: none kept */
};

struct tls_stream;
struct tls_ctx *tls_ctx_alloc(void);
/* clients.c: asks clients for certificates of these authorities. */
int tls_clients_use(SSL_CTX *ssl, struct sv ca_pem, struct sv crl_pem, struct buf *why) MUST_CHECK;
/* binding.c: a server's tickets remember the certificate. */
void tls_binding_use(SSL_CTX *ssl);
/* binding.c: tls_stream_binding() */
uint8_t tls_binding(SSL *ssl, bool is_server, enum auth_binding type,
                    uint8_t out[AUTH_BINDING_MAX]);
/* tickets.c: makes ssl seal and open tickets with the keys of ctx. */
void tls_tickets_use(SSL_CTX *ssl, struct tls_ctx *ctx);
/* stream.c */
SSL *tls_stream_ssl(const struct tls_stream *s);
/* stream.c: SSL_CTX_set_cert_verify_callback of the client's contexts. */
int tls_stream_on_chain(X509_STORE_CTX *chain, void *arg);
/* stream.c: SSL_CTX_sess_set_new_cb of the client's contexts. */
int tls_stream_on_session(SSL *ssl, SSL_SESSION *session);

#endif
