/*
 * Channel bindings. In a resumed session no certificate is sent, and the server may have another
 * one by now, or several: so the hash of the one it used travels in the ticket.
 */
#include "auth/tls/inside.h"
#include "auth/tls/stream.h"

#include <openssl/x509.h>

#include <string.h>

_Static_assert(EVP_MAX_MD_SIZE <= AUTH_BINDING_MAX, "a hash is a binding");

/* Which Finished messages are whose is only sure where the master secret stands for the whole
 * handshake (RFC 7627); TLS 1.3 has that by construction. */
static bool is_unique(SSL *ssl)
{
    return SSL_version(ssl) == TLS1_3_VERSION || SSL_get_extms_support(ssl) == 1;
}

static uint8_t exporter(SSL *ssl, uint8_t out[AUTH_BINDING_MAX])
{
    static const char label[] = "EXPORTER-Channel-Binding";
    enum { BYTES = 32 };
    if (!is_unique(ssl) || SSL_export_keying_material(ssl, out, BYTES, label, sizeof label - 1,
                                                      (const unsigned char *)"", 0, 1) != 1)
        return 0;
    return BYTES;
}

/* The first Finished message: the client's, or in an abbreviated handshake the server's. */
static uint8_t unique(SSL *ssl, bool is_server, uint8_t out[AUTH_BINDING_MAX])
{
    if (SSL_version(ssl) != TLS1_2_VERSION || !is_unique(ssl))
        return 0;
    bool is_ours = is_server == (SSL_session_reused(ssl) == 1);
    size_t len = is_ours ? SSL_get_finished(ssl, out, AUTH_BINDING_MAX)
                         : SSL_get_peer_finished(ssl, out, AUTH_BINDING_MAX);
    return len <= AUTH_BINDING_MAX ? (uint8_t)len : 0;
}

/* By the hash of the certificate's own signature, which MD5 and SHA-1 are too weak for. */
static uint8_t hash_of(X509 *cert, uint8_t out[AUTH_BINDING_MAX])
{
    int hash = NID_undef;
    unsigned len = 0;
    if (!cert || X509_get_signature_info(cert, &hash, NULL, NULL, NULL) != 1 || hash == NID_undef)
        return 0;
    const EVP_MD *md =
        hash == NID_md5 || hash == NID_sha1 ? EVP_sha256() : EVP_get_digestbynid(hash);
    return md && X509_digest(cert, md, out, &len) == 1 ? (uint8_t)len : 0;
}

static uint8_t end_point(SSL *ssl, bool is_server, uint8_t out[AUTH_BINDING_MAX])
{
    void *kept = NULL;
    size_t len = 0;
    if (!is_server)
        return hash_of(SSL_get0_peer_certificate(ssl), out);
    if (SSL_session_reused(ssl) != 1)
        return hash_of(SSL_get_certificate(ssl), out);
    if (SSL_SESSION_get0_ticket_appdata(SSL_get_session(ssl), &kept, &len) != 1 ||
        len > AUTH_BINDING_MAX)
        return 0;
    memcpy(out, kept ? kept : "", len);
    return (uint8_t)len;
}

uint8_t tls_binding(SSL *ssl, bool is_server, enum auth_binding type, uint8_t out[AUTH_BINDING_MAX])
{
    switch (type) {
    case AUTH_BINDING_EXPORTER:
        return exporter(ssl, out);
    case AUTH_BINDING_UNIQUE:
        return unique(ssl, is_server, out);
    case AUTH_BINDING_END_POINT:
        return end_point(ssl, is_server, out);
    case AUTH_BINDINGS:
        break;
    }
    return 0;
}

/* A ticket is made: that of a resumed session says what the one before said. */
static int on_ticket_made(SSL *ssl, void *arg)
{
    uint8_t bytes[AUTH_BINDING_MAX];
    uint8_t len = end_point(ssl, true, bytes);
    (void)arg;
    return SSL_SESSION_set1_ticket_appdata(SSL_get_session(ssl), bytes, len);
}

static SSL_TICKET_RETURN on_ticket_opened(SSL *ssl, SSL_SESSION *session, const unsigned char *name,
                                          size_t name_len, SSL_TICKET_STATUS status, void *arg)
{
    (void)ssl, (void)name, (void)name_len, (void)arg;
    /* a certificate is checked anew each time, against what is trusted and revoked by now */
    if (status <= SSL_TICKET_SUCCESS_RENEW && session && SSL_SESSION_get0_peer(session))
        return SSL_TICKET_RETURN_IGNORE_RENEW;
    switch (status) {
    case SSL_TICKET_SUCCESS:
        return SSL_TICKET_RETURN_USE;
    case SSL_TICKET_SUCCESS_RENEW:
        return SSL_TICKET_RETURN_USE_RENEW;
    default:
        return SSL_TICKET_RETURN_IGNORE_RENEW;
    }
}

void tls_binding_use(SSL_CTX *ssl)
{
    SSL_CTX_set_session_ticket_cb(ssl, on_ticket_made, on_ticket_opened, NULL);
}
