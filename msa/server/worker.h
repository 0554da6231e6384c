/*
 * worker.h - one worker thread: its loop, its listening sockets, its sessions and relay jobs.
 *
 * Workers share nothing but the objects in struct worker_shared, which are made for several
 * threads. Everything else comes and goes by mailbox.
 * Ownership: made and freed by the server's main thread (worker_start, worker_join); all other
 * fields and calls belong to the worker's own thread, except the worker_post_* calls.
 */
#ifndef MSA_SERVER_WORKER_H
#define MSA_SERVER_WORKER_H

#include "auth/client/client.h"
#include "msa/base/buf.h"
#include "msa/loop/stream.h"
#include "msa/loop/thread.h"
#include "msa/server/clientlog.h"
#include "msa/server/memory.h"
#include "msa/server/misfits.h"
#include "msa/server/names.h"
#include "msa/server/quota.h"
#include "msa/server/service.h"
#include "msa/server/spending.h"
#include "relay/queue/store.h"
#include "relay/signing.h"
#include "relay/worker.h"

struct accepting;
struct delegate;
struct filter_counts;
struct submission;
struct conn;
struct worker;

#define WORKER_SUBJECTS 8 /* of enhanced status codes, RFC 3463 3 */

/* What all workers use; lives longer than they do. */
struct worker_shared {
    struct mailbox *main;
    struct store *store;
    struct pool *disk;
    struct names *names;
    struct spending *spending;
    struct memory memory;
    atomic_bool paused; /* no new message is taken */
    _Atomic uint64_t sessions, accepted_messages, refused_messages, logins, failed_logins;
    _Atomic uint64_t all_sessions, accepted_bytes; /* since start */
    _Atomic unsigned returns; /* messages that are given back, or will be (XRETURN) */
    _Atomic uint64_t refused_replies[2][WORKER_SUBJECTS];  /* 4.x and 5.x, by subject */
    void (*on_misfits)(void *arg, struct misfit_batch *b); /* any worker's thread */
    /* Main thread. A connection asks before its greeting; worker_post_quota() is the answer. */
    void (*on_quota)(void *arg, struct worker *from, uint64_t conn, const struct ip *client);
    void (*on_disconnect)(void *arg, const struct ip *client);
    void (*on_stopped)(void *arg, struct worker *from); /* last session has ended */
    void (*on_recorded)(void *arg, struct store_record *r, int err);
    void (*on_slot_closed)(void *arg, uint32_t slot);
    void (*on_tls)(void *arg, struct tls_event *e);
    void *arg;
    void *relay_arg; /* of the last two */
};

struct worker {
    unsigned index;
    struct worker_shared *shared;
    struct loop_thread *thread;
    struct loop *loop;
    struct mailbox *mailbox;
    struct auth_client *auth;
    struct relay_signer *signer;
    struct relay_worker *relay;
    struct service *service; /* current */
    struct listener **listeners;
    struct accepting **accepting; /* argument of each listener */
    size_t nlisteners;
    struct conn *conns;          /* hash of all sessions, by number */
    size_t nconns, nsubmissions; /* a commit goes on when its session is gone */
    size_t nrefusing;            /* of the connections, those that only hear a refusal */
    size_t npartials;            /* handles of the store, as long as they make something durable */
    uint64_t last_conn;
    struct buf plain, out; /* of the TLS stream that is being fed */
    struct clientlog *clientlog;
    struct misfit_sender *misfits;
    struct delegate *delegate; /* questions to policy.service */
    struct filter_counts *filter_counts;
    struct submission *waiting; /* list of the submissions that wait for milters or signatures */
    bool stopping, told_stopped;
    struct timer grace;
};

/* Main thread. on_started is run there when the worker's loop, mailbox and relay part are ready. */
struct worker *worker_start(unsigned index, struct worker_shared *shared, struct service *service,
                            void (*on_started)(void *arg, struct worker *w), void *arg);
/* Keeps a reference; done runs on the worker's thread when new connections are under s. */
void worker_post_service(struct worker *w, struct service *s,
                         void (*done)(void *arg, struct worker *w), void *arg);
void worker_post_listener(struct worker *w, int fd, uint32_t listen); /* takes the descriptor */
void worker_post_keeper(struct worker *w, int fd);                    /* takes the descriptor */
/* A session for the operator's tool; takes the descriptor. */
void worker_post_session(struct worker *w, int fd, struct sv login);
void worker_post_quota(struct worker *w, uint64_t conn, const struct ip *client,
                       enum quota_verdict v);
/* No new sessions; those without content in hand end at once, the others when it is done, all
 * after grace_ms. on_stopped follows. */
void worker_post_stop(struct worker *w, uint64_t grace_ms);
/* After on_stopped and the relay's idle: closes what is left and ends the thread. */
void worker_join(struct worker *w);

/* From conn.c, conn_resume.c and submission.c, on the worker's thread: one of theirs has ended. */
void worker_on_ended(struct worker *w);
/* partial_end(); counted in npartials by who began it. */
void worker_end_partial(struct worker *w, struct partial *p, bool forget);

#endif
