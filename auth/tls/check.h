/*
 * check.h - the client's check of a server's certificate. Inside auth/tls only; the rules are in
 * peer.h.
 *
 * tls_check_begin() before the handshake; tls_check_chain() in it; the result stands in the SSL.
 */
#ifndef AUTH_TLS_CHECK_H
#define AUTH_TLS_CHECK_H

#include "auth/tls/peer.h"

#include <openssl/ssl.h>

struct tls_check {
    bool verifies; /* else the certificate is not looked at */
    bool report_only;
    bool no_usable_tlsa; /* of those that there were */
};

/* Once for each context of clients. */
void tls_check_use(SSL_CTX *ssl);
void tls_check_begin(SSL *ssl, const struct tls_stream_peer *peer, struct tls_check *out);
/* OpenSSL's question whether the handshake goes on. */
bool tls_check_chain(const struct tls_check *c, X509_STORE_CTX *chain);
/* After the check, or after a handshake that resumed one; also after a handshake that failed. */
enum tls_failure tls_check_failure(const struct tls_check *c, const SSL *ssl);
/* For the sessions of a peer of whom exactly this is expected; heap, NULL: none are kept. */
char *tls_check_session_name(const struct tls_stream_peer *peer);

#endif
