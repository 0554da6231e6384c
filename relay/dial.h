/*
 * dial.h - a connection to a host that may have several addresses: the first that answers.
 *
 * RFC 8305 in spirit: addresses of both families take turns, in the order given, the family that
 * lost at this host before last; the next one is begun RELAY_DIAL_STEP_MS after the one before, or
 * at once when none is under way any more. The first to connect wins; the others are dropped, and
 * nothing is said against them. Each has connect_ms, and so all together that and the steps.
 * Where the attempt has a proxy, it is connected to and asked (socks.h) within RELAY_DIAL_PROXY_MS.
 * Connections leave from one of our addresses of the family, drawn by weight (relay.bind); where
 * the machine does not have it, from the next. Not those to
 * loopback or to a proxy.
 *
 * Order: relay_dial_start(); then on_connected or on_failed, once, later. The dial frees itself
 * before on_connected; inside on_failed, or at any time before both, relay_dial_end() is due: then
 * only on_closed comes, later, when the last socket is gone.
 * Ownership: what config points to is the owner's and outlives the dial. Thread: the loop's.
 */
#ifndef RELAY_DIAL_H
#define RELAY_DIAL_H

#include "msa/loop/stream.h"
#include "msa/smtp/client.h"
#include "relay/families.h"
#include "relay/options.h"
#include "relay/route/route.h"

#define RELAY_DIAL_STEP_MS  250
#define RELAY_DIAL_PROXY_MS 90000 /* Tor may take its time */
#define RELAY_DIAL_MAX      16    /* attempts that are raced at most */

struct relay_dial;

struct relay_dial_config {
    struct loop *loop;
    const struct route_attempt *attempts; /* of one host, differing in nothing but the address */
    size_t count;                         /* 1 to RELAY_DIAL_MAX */
    uint32_t connect_ms;                  /* how long each may take */
    struct relay_families *families;      /* NULL: nothing is remembered */
    const struct conf_list *bind;         /* of struct relay_bind_options; NULL: none */
    const char *queue_id; /* stands in the crash ring during callbacks; may change */
};

struct relay_dial_result {
    size_t index;          /* of attempts */
    struct stream *stream; /* handed over: its ops are to be set before on_connected returns */
    struct sv early;       /* what the host has said already; a view, during on_connected only */
    uint32_t failed;       /* attempts that could not be connected to, a bit each */
    const char *name;      /* ours for EHLO, of the address that it leaves from; "": none is set */
};

struct relay_dial_ops {
    void (*on_connected)(void *arg, const struct relay_dial_result *result);
    /* index, why->err: of the one that failed last; why->detail: of several what became of each,
     * of a proxy what it said; else NULL. It lives until relay_dial_end(). */
    void (*on_failed)(void *arg, size_t index, const struct smtp_client_result *why);
    void (*on_closed)(void *arg);
};

struct relay_dial *relay_dial_start(const struct relay_dial_config *config,
                                    const struct relay_dial_ops *ops, void *arg);
void relay_dial_end(struct relay_dial *d);

#endif
