/*
 * worker.h - the relay's part of one worker: runs the scheduler's jobs over this loop's
 * connections.
 *
 * A slot of the scheduler is a connection here, found by its id; it is opened by the first job,
 * kept for some seconds after each, and told to the scheduler when it goes away by itself. One job
 * a slot at a time. Jobs without an attempt, and those of a capture, need no connection.
 *
 * Ownership: the worker belongs to its thread; the scheduler's side only posts to its mailbox.
 * Order: relay_worker_new() on the thread; hand the pointer to relay_new() on the main thread;
 * after sched_stop() has become idle relay_worker_close() on the worker's thread.
 */
#ifndef RELAY_WORKER_H
#define RELAY_WORKER_H

#include "msa/loop/thread.h"
#include "relay/queue/sched.h"
#include "relay/settings.h"

struct auth_client;
struct tls_event;
struct relay_forms;
struct relay_signer;
struct relay_worker;

struct relay_worker_config {
    unsigned index;
    struct loop *loop;
    struct mailbox *mailbox; /* this worker's */
    struct mailbox *main;    /* the scheduler's */
    struct store *store;
    struct pool *disk;           /* for relay.capture */
    struct relay_forms *forms;   /* the relay's; NULL: nothing is re-encoded */
    struct auth_client *auth;    /* credentials of smarthosts; NULL: none can be used */
    struct relay_signer *signer; /* of what is written here; NULL: goes without */
    /* Main thread: results of the job are committed; err: the store closed before. */
    void (*on_recorded)(void *arg, struct store_record *r, int err);
    /* Main thread: the idle connection of a slot went away. */
    void (*on_slot_closed)(void *arg, uint32_t slot);
    /* Main thread: what became of TLS at an attempt; the event is its own. May be NULL. */
    void (*on_tls)(void *arg, struct tls_event *e);
    void *arg;
};

struct relay_worker *relay_worker_new(const struct relay_worker_config *config);
/* From the main thread; keeps settings while the job is out. */
void relay_worker_run(struct relay_worker *w, struct sched_job *job,
                      struct relay_settings *settings);
void relay_worker_give_up(struct relay_worker *w, uint32_t slot); /* a late job's connection */
/* The server stops, after sched_stop(): jobs end that are not in a transaction. */
void relay_worker_stop(struct relay_worker *w);
void relay_worker_close_slot(struct relay_worker *w, uint32_t slot);
/* TLS works at this MX host since now: jobs under way, by plans of before, do not go there in clear
 * (relay.tls.refuse_downgrade). Copied. */
void relay_worker_tls_worked(struct relay_worker *w, const char *host);
/* On the worker's thread, with no job left: drops idle connections, whose streams end on the loop
 * afterwards, frees the worker and calls on_closed. */
void relay_worker_close(struct relay_worker *w, void (*on_closed)(void *arg), void *arg);

#endif
