/*
 * ctx.h - TLS contexts: one for the server's side of a generation, one for the client's side.
 *
 * Server: certificates chosen by SNI (RFC 6066 3), TLS 1.2 or later (RFC 8996), forward secrecy
 * only, no renegotiation, no compression, no early data; resumption by tickets whose keys the
 * master makes, so that they hold across workers, restarts and generations (RFC 5077, RFC 8446
 * 4.6.1). Private keys stay in the keeper (key.h).
 * Client: a store of trusted authorities and a bounded cache of sessions by peer.
 *
 * Ownership: counted; each stream holds a reference. Views given to a constructor are used during
 * the call only. Thread: any; a context may serve streams of several threads (a lock guards ticket
 * keys and cached sessions). Returns: 0, or ERR_TLS with one sentence appended to why.
 *
 *     err = tls_ctx_server_new(&options, &ctx, &why);
 *     s = tls_stream_server(ctx, &out); ... tls_stream_free(s);
 *     tls_ctx_drop(ctx);
 */
#ifndef AUTH_TLS_CTX_H
#define AUTH_TLS_CTX_H

#include "msa/base/buf.h"

struct tls_ctx;

/* Lets OpenSSL read its own configuration file and load its tables; a process calls it before it
 * gives up its right to open files. */
void tls_ctx_library(void);

/* One entry of `tls` in the configuration. */
struct tls_ctx_cert {
    const struct sv *names; /* DNS names, "*.example.net" allowed */
    size_t name_count;      /* 0: the certificate's own subjectAltName */
    struct sv chain_pem;    /* the server's certificate, then those that lead to the root */
};

/* Random bytes: name 16, AES key 32, HMAC key 32. */
#define AUTH_TLS_TICKET_KEY_BYTES 80
/* A ticket's life; keys are to be exchanged no faster, or tickets die before their time. */
#define AUTH_TLS_TICKET_LIFE_S 14400

struct tls_ticket_keys {
    uint8_t current[AUTH_TLS_TICKET_KEY_BYTES];
    uint8_t previous[AUTH_TLS_TICKET_KEY_BYTES]; /* still opens tickets; may equal current */
};

enum tls_ctx_minimum { AUTH_TLS_MINIMUM_1_2, AUTH_TLS_MINIMUM_1_3 };

struct tls_ctx_server_options {
    const struct tls_ctx_cert *certs; /* the first also serves names that no entry has */
    size_t cert_count;                /* 1 or more */
    enum tls_ctx_minimum minimum;
    struct tls_ticket_keys tickets;
    /* Authorities of clients' certificates, PEM; empty: no client is asked for one. Asked for, not
     * required: a client without one, or with one that does not hold, is let in all the same
     * (tls_stream_certificate()). Where revocation lists (PEM) are given, each authority needs one
     * that is in force. */
    struct sv client_ca_pem, client_crl_pem;
};

/* Entries of the same names but another kind of key (RSA, EC) are offered side by side. */
int tls_ctx_server_new(const struct tls_ctx_server_options *options, struct tls_ctx **out,
                       struct buf *why) MUST_CHECK;
/* Exchanges the ticket keys of a server context. */
void tls_ctx_set_tickets(struct tls_ctx *ctx, const struct tls_ticket_keys *keys);

struct tls_ctx_client_options {
    struct sv ca_pem;     /* trusted authorities; empty: none, every verifying stream fails */
    size_t session_count; /* most sessions kept for resumption; 0: none */
};

int tls_ctx_client_new(const struct tls_ctx_client_options *options, struct tls_ctx **out,
                       struct buf *why) MUST_CHECK;

/* Lets a context of another library, an SSL_CTX of its own, trust what ctx trusts, copied, and take
 * no certificate but one for this DNS name in its subjectAltName (RFC 6125, RFC 8461 3.3). */
int tls_ctx_trust(const struct tls_ctx *ctx, void *ssl_ctx, const char *host) MUST_CHECK;

struct tls_ctx *tls_ctx_keep(struct tls_ctx *ctx);
void tls_ctx_drop(struct tls_ctx *ctx); /* NULL is allowed */

#endif
