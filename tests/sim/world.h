/*
 * world.h - a whole server in the simulated world: struct server with its workers, the store on
 * the simulated disk, the relay, real SMTP sessions on simulated streams; with scripted receivers,
 * clients, DNS and keeper around it, in one thread, on virtual time, from one seed.
 *
 *     world_begin(seed, "queue = { lifetime = \"1d\"; };");
 *     r = world_receiver("d0.example", "203.0.113.1", &script);
 *     world_start(); world_submit(...); sim_run_for(...);
 *     world_crash(DISK_LOSS_SEEDED) .. world_start() ...
 *     world_stop(); world_list_queue(); ledger_settle(&sum); world_end();
 *
 * What goes wrong inside the server is REQUIREd; what the promise forbids is in the ledger.
 */
#ifndef TESTS_SIM_WORLD_H
#define TESTS_SIM_WORLD_H

#include "msa/server/server.h"
#include "tests/sim/dns/zone.h"
#include "tests/sim/ledger.h"
#include "tests/sim/loop/sim.h"
#include "tests/sim/qmtp_receiver.h"
#include "tests/sim/receiver.h"
#include "tests/sim/submitter.h"

#define WORLD_AUTHOR_DOMAIN "author.example" /* users "u<n>@author.example", password "secret" */
#define WORLD_USERS         8

/* options: configuration text behind the world's own; may be "". */
void world_begin(uint64_t seed, const char *options);
void world_end(void);
void world_options(const char *options); /* in place of those, before world_start() */
/* The server begins; after a crash again, on what the disk has kept. False: the disk's power went
 * off before it served, or it could not start. */
bool world_start(void);
/* Clean end; the clients that are left break off. */
void world_stop(void);
/* The power is off already, or goes off now; what the disk keeps is decided by loss. */
void world_crash(enum disk_loss loss);
bool world_is_serving(void);
struct server *world_server(void);

/* The same configuration again, as another generation. */
void world_reload(void);

/* A receiver that is an MX of domain: the first, or the next after those it has. */
struct receiver *world_receiver(const char *domain, const char *address,
                                const struct receiver_script *script);
/* A target of MX6 of the domain, in the order of calls: at ipv6, which asks for IPv4 as the script
 * says, and at ipv4 (NULL: it has none), another receiver, which does not. */
struct receiver *world_mx6(const char *domain, const char *ipv6, const char *ipv4,
                           const struct receiver_script *script, struct receiver **ipv4_out);
/* A host of MX of the domain that has this preference, and at one address SMTP, QMTP or both. */
struct world_host {
    const char *domain, *address;
    unsigned preference;
    const struct receiver_script *smtp; /* NULL: none */
    const struct qmtp_script *qmtp;     /* NULL: none */
    struct receiver *receiver;          /* out */
    struct qmtp_receiver *qmtp_receiver;
};
void world_host(struct world_host *h);
void world_set_faults(unsigned faults); /* of all receivers */
/* A client for messages first .. first + count - 1, all of one author: user. */
void world_submit(unsigned user, unsigned first, unsigned count, unsigned breaks);
const char *world_user(unsigned user);
unsigned world_clients(void); /* at work */

/* Runs until no client is at work and nothing is queued, at most for ms. False: not within ms. */
bool world_drain(uint64_t ms);
/* After world_drain(): whatever was counted is given back; files: no file of content is left. */
void world_check_idle(bool files);
/* After world_stop(): tells the ledger what the queue on the disk holds. */
void world_list_queue(void);

#endif
