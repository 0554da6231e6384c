/*
 * server_internal.h - what the files of the server object share.
 *
 * server.c (life: start, stop, what workers say), server_config.c (what a generation makes and
 * changes), server_facts.c (what administration asks for). Thread: main.
 */
#ifndef MSA_SERVER_SERVER_INTERNAL_H
#define MSA_SERVER_SERVER_INTERNAL_H

#include "msa/server/digest.h"
#include "msa/server/quota.h"
#include "msa/server/server.h"
#include "msa/server/worker.h"

struct waiting_fd {
    int fd;
    uint32_t listen, worker;
};

struct server {
    struct loop *loop;
    struct mailbox *mailbox;
    const struct server_ops *ops;
    void *arg;
    struct service *service, *next;
    struct store *store;
    struct dns *dns, *next_dns;
    struct relay *relay;
    struct quota *quota;
    struct misfits *misfits;
    struct auth_client *auth;    /* the main thread's, for locks and signatures */
    struct relay_signer *signer; /* likewise */
    struct spending *spending;
    struct digest *digest;            /* from the first commit on */
    atomic_uint misfit_batches;       /* on their way */
    _Atomic uint64_t misfits_dropped; /* reports that were not */
    int64_t started_ms;
    struct names *names;
    struct worker_shared shared;
    struct pauses pauses;
    struct worker **workers;
    unsigned nworkers, started, stopped;
    unsigned untaken;           /* workers that do not know the newest service yet */
    struct waiting_fd *waiting; /* listeners that came before the workers */
    size_t nwaiting;
    int *keeper_fds; /* likewise; -1 where there is none */
    bool running, stopping, relay_idle;
};

/* ---- server_config.c ---- */
/* The newest service holds from here on, for all that is not a worker's or the relay's. */
void server_apply(struct server *s);

#endif
