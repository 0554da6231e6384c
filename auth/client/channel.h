/*
 * channel.h - what the server's TLS knows of a client, for SASL: channel bindings (RFC 5056, 5929,
 * 9266) and the certificate that the client has proved to own.
 *
 * Plain values; in a message they are one field. Any thread.
 */
#ifndef AUTH_CLIENT_CHANNEL_H
#define AUTH_CLIENT_CHANNEL_H

#include "msa/base/buf.h"

enum auth_binding {
    AUTH_BINDING_EXPORTER,  /* RFC 9266 */
    AUTH_BINDING_UNIQUE,    /* RFC 5929 3 */
    AUTH_BINDING_END_POINT, /* RFC 5929 4 */
    AUTH_BINDINGS
};
#define AUTH_BINDING_MAX     64   /* bytes of one */
#define AUTH_CERTIFICATE_MAX 8192 /* bytes of one in DER */
#define AUTH_CHANNEL_MAX     (AUTH_CERTIFICATE_MAX + AUTH_BINDINGS * (AUTH_BINDING_MAX + 1) + 64)

struct auth_channel {
    struct {
        uint8_t len; /* 0: this connection has none of the type */
        uint8_t bytes[AUTH_BINDING_MAX];
    } bindings[AUTH_BINDINGS];
    struct sv certificate; /* DER, verified; empty: none */
};

/* "tls-exporter" and the like, as the IANA registry has them. */
const char *auth_binding_name(enum auth_binding type);

/* The certificate's length within its maximum is the caller's promise. */
void auth_channel_write(struct buf *out, const struct auth_channel *c);
/* ERR_SYNTAX. An empty field is a channel that knows nothing. */
int auth_channel_read(struct sv field, struct auth_channel *out) MUST_CHECK;

#endif
