/*
 * service.h - one generation made ready to serve: TLS context, session setups, relay settings,
 * rights.
 *
 * Built once on the main thread at prepare, immutable, counted: each session holds a reference and
 * ends under the one it began with. Any thread.
 */
#ifndef MSA_SERVER_SERVICE_H
#define MSA_SERVER_SERVICE_H

#include "auth/tls/ctx.h"
#include "msa/server/generation.h"
#include "msa/server/rights.h"
#include "msa/smtp/server.h"
#include "relay/settings.h"
#include "rewrite/rules.h"

#include <stdatomic.h>

struct service_nets {
    struct ip_net *items;
    size_t count;
};

/* What of a listener no session's setup has. */
struct service_listener {
    struct service_nets proxy_from;
    bool trusts; /* the clients within service.trusted */
};

struct service {
    atomic_uint refs;
    struct generation *generation;
    struct tls_ctx *tls; /* NULL if no listener speaks TLS */
    struct smtp_server_limits limits;
    struct smtp_server_setup *setups;   /* one for each options.listen entry */
    struct smtp_server_setup operated;  /* for the operator's own tools */
    struct smtp_server_setup *trusting; /* likewise, for clients that need no login */
    struct service_listener *listeners; /* likewise */
    struct service_nets trusted, refused;
    int64_t memory_bytes; /* limits.memory */
    struct relay_settings *relay;
    struct rights *rights;
    struct rewrite_smime *smime; /* NULL: nobody signs, nobody is encrypted to */
    struct rewrite_rules *rules; /* of rewrite.rules */
    struct arena arena;
};

/* Takes over one reference of g (dropped on an error). NULL with words in why. */
struct service *service_new(struct generation *g, struct buf *why);
struct service *service_keep(struct service *s);
void service_drop(struct service *s); /* NULL is allowed */
/* Whether what connects from there to the listener has to tell its client's address. */
bool service_is_proxy(const struct service *s, uint32_t listen, const struct ip *peer);
/* Whether this client gets no session: auth.refused_networks. */
bool service_refuses(const struct service *s, const struct ip *client);
/* Whether this client of the listener needs no login. */
bool service_trusts(const struct service *s, uint32_t listen, const struct ip *client);

#endif
