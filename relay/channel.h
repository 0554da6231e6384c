/*
 * channel.h - the transport under a protocol core: one outbound connection, in clear or under TLS.
 *
 * RFC 3207, 8314 (implicit TLS). Connects, makes TLS at once or when told to, carries plain bytes
 * both ways. Knows no protocol: what is said over it is its owner's.
 *
 * Order: relay_channel_open(); then on_open (connected, implicit TLS established) or on_failed,
 * once and as the first; after on_open any number of on_bytes, on_drain, and on_lost at most once.
 * relay_channel_start_tls() is answered by on_tls, later. relay_channel_close() is legal at any
 * time, once; afterwards only on_closed comes, as the last of all: the channel is freed then, what
 * it borrowed may be.
 * In: what the peer has said stands in relay_channel_waiting() until relay_channel_consume(); it is
 * bounded, and a peer that says more while nothing is consumed is lost with ERR_FULL.
 * Out: relay_channel_write() keeps what the kernel does not take; look at relay_channel_pending()
 * and wait for on_drain before more is produced.
 *
 * Ownership: the owner's, from relay_channel_open() to on_closed. Callbacks come from the loop,
 * with the owner's queue id in the crash ring, never from inside a call here, but that on_failed
 * does not come at all after relay_channel_close(). Thread: the loop's.
 */
#ifndef RELAY_CHANNEL_H
#define RELAY_CHANNEL_H

#include "auth/tls/stream.h"
#include "msa/loop/loop.h"
#include "relay/dial.h"

struct relay_channel;

struct relay_channel_ops {
    void (*on_open)(void *arg);
    /* phase CONNECT or HANDSHAKE; end TIMEOUT, LOST or TLS; close it */
    void (*on_failed)(void *arg, const struct smtp_client_result *why);
    void (*on_tls)(void *arg, int err); /* 0: established */
    void (*on_bytes)(void *arg);        /* there is more in relay_channel_waiting() */
    void (*on_lost)(void *arg, int err);
    void (*on_drain)(void *arg);
    void (*on_closed)(void *arg);
};

struct relay_channel_config {
    struct loop *loop;
    struct tls_ctx *tls;                  /* a reference is taken; NULL: no TLS can be had */
    const struct route_attempt *attempts; /* raced (dial.h); borrowed */
    size_t nattempts;
    bool must_verify;                /* tls_stream_peer.must_verify */
    uint32_t connect_ms;             /* how long connecting to each may take */
    struct relay_families *families; /* NULL: nothing is remembered */
    const struct conf_list *bind;    /* of struct relay_bind_options; NULL: none */
    const char *queue_id;            /* of the message under way, or ""; borrowed, may change */
};

struct relay_channel *relay_channel_open(const struct relay_channel_config *config,
                                         const struct relay_channel_ops *ops, void *arg);
/* What waits is dropped: nothing said before the handshake counts (RFC 3207 6). Its time-out is the
 * owner's. ERR_TLS: no TLS can be had. */
int relay_channel_start_tls(struct relay_channel *ch) MUST_CHECK;
struct sv relay_channel_waiting(const struct relay_channel *ch);
void relay_channel_consume(struct relay_channel *ch, size_t bytes);
/* 0, or a negative error after which the channel is only good to be closed. */
int relay_channel_write(struct relay_channel *ch, struct sv bytes) MUST_CHECK;
size_t relay_channel_pending(const struct relay_channel *ch);
void relay_channel_close(struct relay_channel *ch);
/* Of attempts: the one that is in use, or that failed last; 0 before. */
size_t relay_channel_index(const struct relay_channel *ch);
/* Those that could not be connected to before it, a bit each. */
uint32_t relay_channel_failed(const struct relay_channel *ch);
/* Ours for EHLO, of the address that it leaves from; "": none is set. Lives as long as bind. */
const char *relay_channel_name(const struct relay_channel *ch);

/* What became of TLS, so far. Words live as long as the channel. */
struct relay_channel_tls {
    struct ip local;              /* our address; family IP_NONE: there is no connection */
    bool active;                  /* it was begun; nothing is said in clear any more */
    const char *version, *cipher; /* "TLSv1.3"; "" unless active */
    bool verified;                /* as the attempt's level asks, or as its names would have it */
    enum tls_failure failure;     /* also of what is only reported */
    const char *fault;            /* why the handshake failed; "" unless it did */
};
void relay_channel_get_tls(const struct relay_channel *ch, struct relay_channel_tls *out);
bool relay_channel_can_tls(const struct relay_channel *ch);
bool relay_channel_is_tls(const struct relay_channel *ch);

#endif
