/*
 * server.h - the submission service as one object on the main thread of the server process.
 *
 * Owns store, DNS, relay, quota and the workers. Generations come from the master: prepare builds
 * what can fail, commit takes it over; sessions end under the one they began with.
 * Order: server_new; server_prepare + server_commit (the first commit starts threads; on_serving
 * follows); server_listen and server_keeper at any time after server_new; server_stop, and after
 * its on_stopped server_free. Thread: main.
 */
#ifndef MSA_SERVER_SERVER_H
#define MSA_SERVER_SERVER_H

#include "msa/server/filter_counts.h"
#include "msa/server/generation.h"
#include "msa/server/misfits.h"
#include "msa/server/pauses.h"
#include "relay/queue/store.h"
#include "relay/relay.h"

struct server;

struct server_ops {
    void (*on_serving)(void *arg); /* after the first commit: connections are taken */
    /* After a later commit: every new connection is under this generation. May be NULL. */
    void (*on_committed)(void *arg, uint32_t number);
    void (*on_stopped)(void *arg); /* after server_stop() */
};

struct server *server_new(struct loop *l, unsigned workers, const struct server_ops *ops,
                          void *arg);
/* Takes g over. False with words in why: nothing changed. */
bool server_prepare(struct server *s, struct generation *g, struct buf *why);
void server_commit(struct server *s, uint32_t number);
void server_abort(struct server *s, uint32_t number);
/* A listening socket for the listen entry, of one worker; takes the descriptor. */
void server_listen(struct server *s, int fd, uint32_t listen, uint32_t worker);
/* Channels to a (new) keeper: one a worker, then one for the main thread; takes them. */
void server_keeper(struct server *s, const int *fds, size_t count);
/* A session for the operator's tool, in the name of this login, over a connected socket, which it
 * takes. */
void server_session(struct server *s, int fd, struct sv login);
/* This message was in hand at two crashes: hold it. */
void server_poison(struct server *s, struct sv id);
/* Stops, or lets go on, what is named (pauses.h); the store knows of it already. False: it was so.
 */
bool server_pause(struct server *s, const char *what, bool paused);
const struct pauses *server_pauses(const struct server *s);
void server_stop(struct server *s, uint64_t grace_ms);
void server_free(struct server *s);

/* For administration; NULL before the first commit. */
struct store *server_store(struct server *s);
struct relay *server_relay(struct server *s);
struct mailbox *server_mailbox(struct server *s);
struct misfits *server_misfits(struct server *s); /* at any time */
struct spending *server_spending(struct server *s);
const struct rights *server_rights(struct server *s); /* of the present generation; NULL: none */
struct service *server_service(struct server *s);     /* the present generation */
struct dns *server_dns(struct server *s);             /* another one after some reloads */
struct loop *server_loop(struct server *s);

#define SERVER_SUBJECTS 8 /* of enhanced status codes, RFC 3463 3 */
struct server_stats {
    uint32_t generation;
    unsigned workers;
    uint64_t sessions, connections, accepted_messages, refused_messages, logins, failed_logins;
    uint64_t memory_used_bytes, memory_max_bytes;
    int64_t started_ms; /* wall time; what follows counts from there */
    uint64_t all_sessions, accepted_bytes, misfits_dropped;
    uint64_t refused_replies[2][SERVER_SUBJECTS]; /* 4.x and 5.x, by subject */
    struct store_stats store;
    struct sched_stats relay;
    struct dns_stats dns;
    struct relay_security_stats security;
};
void server_get_stats(struct server *s, struct server_stats *out);
/* Names are valid until server_free(). */
void server_get_filters(struct server *s, struct filter_figures *out);

#endif
