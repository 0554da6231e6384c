/*
 * stream.h - one TLS connection as a pure machine: cipher bytes in, plain bytes out, and back.
 *
 * RFC 8446, RFC 5246. No sockets, no clock: the caller brings what it read, sends what stands in
 * out, asks the keeper, and ends what takes too long.
 *
 * Order: new; then feed() whatever the peer sent, in any pieces, and after *each* call here send
 * the content of out and look at tls_stream_state():
 *   HANDSHAKE  more bytes are needed.
 *   SIGNATURE  (server only) ask the keeper for tls_stream_wants(), go on with tls_stream_signed().
 *              Until then feed() takes nothing: keep the rest, stop reading. A late answer is the
 *              caller's time-out: tls_stream_signed() with ERR_TIMEOUT.
 *   OPEN       plain bytes flow; tls_stream_write() is legal.
 *   CLOSED     the peer has sent close_notify: nothing more comes; writing is still legal.
 *   FAILED     send out (it may hold an alert) and close; tls_stream_fault() has the reason.
 * The connection's end without close_notify is the caller's to see: state is then OPEN, not CLOSED.
 *
 * Ownership: the stream keeps a reference on its context, and borrows out, which must outlive it;
 * all streams of one thread may share one out that is emptied after each call. out must have room
 * for AUTH_TLS_OUT_MIN bytes at each call. Memory: below 16 KiB when idle; 17 KiB more while a
 * record is incomplete; 65 KiB more while a signature is awaited.
 * Thread: one. Server streams need tls_key_thread_start() on it (key.h).
 *
 *     s = tls_stream_server(ctx, &out);
 *     on_read(view): n = tls_stream_feed(s, view, &plain); send(&out); use(&plain);
 */
#ifndef AUTH_TLS_STREAM_H
#define AUTH_TLS_STREAM_H

#include "auth/client/channel.h"
#include "auth/tls/ctx.h"
#include "auth/tls/key.h"
#include "auth/tls/peer.h"

#define AUTH_TLS_OUT_MIN 32768 /* room for a flight with a long certificate chain */

struct tls_stream;

enum tls_stream_state {
    AUTH_TLS_HANDSHAKE,
    AUTH_TLS_SIGNATURE,
    AUTH_TLS_OPEN,
    AUTH_TLS_CLOSED,
    AUTH_TLS_FAILED
};

struct tls_stream *tls_stream_server(struct tls_ctx *ctx, struct buf *out);

/* The ClientHello stands in out when this returns. */
struct tls_stream *tls_stream_client(struct tls_ctx *ctx, const struct tls_stream_peer *peer,
                                     struct buf *out);
/* Ends without a word to the peer: see tls_stream_close(). NULL is allowed. */
void tls_stream_free(struct tls_stream *s);

enum tls_stream_state tls_stream_state(const struct tls_stream *s);
const char *tls_stream_fault(const struct tls_stream *s); /* "" unless FAILED */

/* Takes cipher bytes and appends what they hold to plain; returns the bytes taken. Fewer than all
 * only in state SIGNATURE, CLOSED or FAILED, or when plain is full: then again, with the rest. */
size_t tls_stream_feed(struct tls_stream *s, struct sv cipher, struct buf *plain);
/* Whether plain bytes wait inside for a feed() (of nothing, if need be) with room in plain. */
bool tls_stream_has_plain(const struct tls_stream *s);
/* Returns the plain bytes taken: 0 before OPEN and after a failure; fewer than all when out has no
 * room for more. */
size_t tls_stream_write(struct tls_stream *s, struct sv plain);
/* Sends close_notify once, if the connection is open; no tls_stream_write() after it. */
void tls_stream_close(struct tls_stream *s);

/* False unless in state SIGNATURE. */
bool tls_stream_wants(const struct tls_stream *s, struct tls_sign_request *out);
/* The answer, only in state SIGNATURE: err 0 and the signature, or a negative error. */
void tls_stream_signed(struct tls_stream *s, int err, struct sv signature);

struct tls_stream_info {
    const char *version; /* "TLSv1.3" */
    const char *cipher;  /* name in the IANA registry */
    const char *group;   /* key exchange group, "x25519"; "" if none was used */
    bool resumed;
    bool verified; /* client: the certificate was checked and matched */
    /* client: what is wrong, also of what is only reported; after FAILED never NONE */
    enum tls_failure failure;
    struct sv sni; /* server: name that the client asked for; empty if none */
};
/* After the handshake, or in state FAILED. Views live as long as the stream. */
void tls_stream_info(const struct tls_stream *s, struct tls_stream_info *out);

/* What the client has shown, after a server's handshake; *why_out says what is wrong with it. */
enum tls_certificate {
    AUTH_TLS_NO_CERTIFICATE, /* or it was not asked for one */
    AUTH_TLS_BAD_CERTIFICATE,
    AUTH_TLS_CERTIFICATE, /* it holds, and the client owns it */
};
enum tls_certificate tls_stream_certificate(const struct tls_stream *s, const char **why_out);
/* Appends it. ERR_NOT_FOUND unless AUTH_TLS_CERTIFICATE, or an error of the buffer. */
int tls_stream_certificate_der(const struct tls_stream *s, struct buf *out) MUST_CHECK;

/* A channel binding, and its length; 0 where this connection has none of the type, or one that
 * another connection could have, too. After the handshake, on both sides.
 * tls-exporter: TLS 1.3, and TLS 1.2 with extended master secret (RFC 9266 4.2).
 * tls-unique: TLS 1.2 with extended master secret (RFC 5929 3, RFC 7627).
 * tls-server-end-point: where the certificate's signature has a hash (RFC 5929 4.1), not with
 * Ed25519. A resumed session means the certificate that the client saw when it began. */
uint8_t tls_stream_binding(const struct tls_stream *s, enum auth_binding type,
                           uint8_t out[AUTH_BINDING_MAX]);

#endif
